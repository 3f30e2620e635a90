"""Questions of autogenerate that only a person can answer, as data, and the answers.

Nothing here asks. The command line shows questions on a terminal, a caller passes answers to ``migrate()``, and
without either the error ``Undecided`` has the questions, each with the option that answers it.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
import typing as t

from .errors.autogenerate import InvalidAnswer
from .records import Record

Kind = t.Literal["rename_column", "rename_table", "drop", "fill", "convert"]
Pair = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Answers(Record):
    """Answers to questions. Tables are ``table`` or ``schema.table``, columns ``table.column``.

    If the table was renamed, too, its columns may be named with the old name or the new one.

    :param renames: columns, ``{"employees.address": "location"}``.
    :param table_renames: tables, ``{"department": "departments"}``.
    :param drops: tables and columns to drop; they were not renamed.
    :param keeps: tables and columns that stay in the database although the models don't have them.
    :param fills: what existing rows get, ``{"employees.salary": "0"}``; a literal or an SQL expression.
    :param denied: pairs of columns that are not a rename, ``("employees.address", "location")``.
    :param denied_tables: pairs of tables that are not a rename, ``("department", "teams")``.
    """

    renames: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    table_renames: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    drops: frozenset[str] = frozenset()
    fills: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    denied: frozenset[Pair] = frozenset()
    denied_tables: frozenset[Pair] = frozenset()
    keeps: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        # A rename to its own name says the same as "keeps".
        columns = {old for old, new in self.renames.items() if old.rpartition(".")[2] == new}
        tables = {old for old, new in self.table_renames.items() if old == new}
        if columns or tables:
            renames = {old: new for old, new in self.renames.items() if old not in columns}
            object.__setattr__(self, "renames", renames)
            object.__setattr__(self, "table_renames", {o: n for o, n in self.table_renames.items() if o not in tables})
            object.__setattr__(self, "keeps", self.keeps | columns | tables)

    def __or__(self, other: Answers) -> Answers:
        """Return these answers and the others; the others win."""
        return Answers(
            {**self.renames, **other.renames},
            {**self.table_renames, **other.table_renames},
            self.drops | other.drops,
            {**self.fills, **other.fills},
            self.denied | other.denied,
            self.denied_tables | other.denied_tables,
            self.keeps | other.keeps,
        )

    @classmethod
    def parse(
        cls,
        rename: t.Iterable[str] = (),
        rename_table: t.Iterable[str] = (),
        drop: t.Iterable[str] = (),
        fill: t.Iterable[str] = (),
        keep: t.Iterable[str] = (),
    ) -> Answers:
        """Read answers as the options of ``flask db migrate`` spell them.

        :param rename: ``employees.address:location``, each.
        :param rename_table: ``department:departments``, each.
        :param drop: ``employees.address`` or ``department``, each.
        :param fill: ``employees.salary=0``, each.
        :param keep: ``employees.address`` or ``department``, each.
        :raises InvalidAnswer: names the option that can't be read, or two that contradict each other.
        """
        renames = _unique("--rename", [_rename(text) for text in rename])
        tables = _unique("--rename-table", [_rename_table(text) for text in rename_table])
        fills = _unique("--fill", [_fill(text) for text in fill])
        drops = frozenset(_name("--drop", text) for text in drop)
        answers = cls(renames, tables, drops, fills, keeps=frozenset(_name("--keep", text) for text in keep))
        for one, names, other, others in (
            ("renamed", {*answers.renames, *answers.table_renames}, "dropped", drops),
            ("kept", answers.keeps, "dropped", drops),
            ("renamed", {*answers.renames, *answers.table_renames}, "kept", answers.keeps),
        ):
            for name in sorted(names & others):
                options = " or ".join(f"{_OPTIONS[word]} {name}" for word in (one, other))
                raise InvalidAnswer(f"{name} is both {one} and {other}.", hint=f"Remove {options}.")
        return answers


@dataclasses.dataclass(frozen=True)
class Question(Record):
    """A question that only a person can answer.

    :param kind: its subject; ``fill`` needs a value, the others yes or no.
    :param text: the question, with its question mark.
    :param subject: the table or column that it is about, ``employees.address``.
    :param evidence: reasons in a few words.
    :param default: the harmless answer, or ``None``.
    :param yes: the answers for a yes. If the question needs a value, ``{}`` in a fill stands for it.
    :param no: the answers for a no.
    :param options: the options that answer it, each with what it means.
    :param database: ``default`` or the name of a bind.
    :param renamed: values among the replies that are a new name of the subject, rather than a value for its rows.
    :param check: raises :class:`~flask_schemaflow.errors.autogenerate.InvalidAnswer` for a reply that can't be used.
    """

    kind: Kind
    text: str
    subject: str
    evidence: tuple[str, ...] = ()
    default: bool | str | None = None
    yes: Answers = Answers()
    no: Answers = Answers()
    options: tuple[Pair, ...] = ()
    database: str = "default"
    renamed: tuple[str, ...] = ()
    check: t.Callable[[str], object] | None = dataclasses.field(default=None, compare=False, repr=False)

    def suggestion(self, before: t.Collection[str] = ()) -> str:
        """Return the option for the harmless answer.

        :param before: the suggestions for other questions; two values are not renamed to the same one.
        """
        if self.default is False:
            return self.options[-1][0]
        taken = {text.rpartition(":")[2] for text in before if text.startswith("--rename")}
        free = [text for text, _ in self.options if not (self.renamed and text.rpartition(":")[2] in taken)]
        return free[0] if free else ""

    @property
    def wants_value(self) -> bool:
        """Whether it is answered by a value rather than yes or no."""
        return self.kind == "fill"

    def answered(self, reply: bool | str, before: Answers | None = None) -> Answers:
        """Return the answers for a reply.

        :param reply: yes or no, or the value if the question needs one.
        :param before: the answers to other questions.
        """
        if isinstance(reply, str):
            column = self.subject.split(".")[:2]
            taken = [new for old, new in (before or Answers()).renames.items() if old.split(".")[:2] == column]
            if reply in self.renamed and reply not in taken:
                return Answers(renames={self.subject: reply})
            return Answers(fills={self.subject: reply})
        return self.yes if reply else self.no

    def moot(self, answers: Answers) -> bool:
        """Return true if ``answers`` already use the old or the new name."""
        for mine, given in ((self.yes.renames, answers.renames), (self.yes.table_renames, answers.table_renames)):
            for old, new in mine.items():
                table = old.rpartition(".")[0]
                taken = {(key.rpartition(".")[0], value) for key, value in given.items()}
                if old in given or (table if mine is self.yes.renames else "", new) in taken:
                    return True
        return any(old in answers.drops | answers.keeps for old in {**self.yes.renames, **self.yes.table_renames})

    def __str__(self) -> str:
        reasons = f" ({', '.join(self.evidence)})" if self.evidence else ""
        lines = [f"{self.text}{reasons}"]
        width = max((len(option) for option, _ in self.options), default=0)
        lines += [f"    {option:<{width}}  {meaning}".rstrip() for option, meaning in self.options]
        return "\n".join(lines)


def argument(text: str) -> str:
    """Return an argument of a command as a shell has to be given it."""
    if re.fullmatch(r"[\w@%+=:,./-]+", text, re.ASCII):
        return text
    return shlex.quote(text) if re.search(r'["$`\\!]', text) else f'"{text}"'


def rename_option(old: str, new: str, option: str = "--rename") -> str:
    """Return the option that renames; names with a colon in them have two between them."""
    return f"{option} {argument(f'{old}::{new}' if ':' in old + new else f'{old}:{new}')}"


def _rename(text: str) -> Pair:
    """Read a rename of ``table.column``, or of ``table.column.value``, whose values may have any characters."""
    separator = "::" if "::" in text else ":"
    old, colon, new = (part.strip() for part in text.partition(separator))
    new = new.removeprefix(old.rpartition(".")[0] + ".")
    is_value = old.count(".") > 1
    if separator == ":" and ":" in new:
        raise InvalidAnswer(
            f"--rename {text!r} has several colons.",
            hint=f"Write :: between the old and the new name: {rename_option(old, new)}",
        )
    if not (old.rpartition(".")[0] and old.rpartition(".")[2] and colon and new) or ("." in new and not is_value):
        raise _invalid("--rename", text, "employees.address:location")
    return old, new


def _rename_table(text: str) -> Pair:
    old, colon, new = (part.strip() for part in text.partition(":"))
    if not (old and colon and new) or ":" in new:
        raise _invalid("--rename-table", text, "department:departments")
    return old, new


def _fill(text: str) -> Pair:
    name, equals, value = text.partition("=")
    table, _, column = name.strip().rpartition(".")
    if not (table and column and equals and value.strip()):
        raise _invalid("--fill", text, "employees.salary=0")
    return name.strip(), value.strip()


_OPTIONS = {"renamed": "the rename of", "dropped": "--drop", "kept": "--keep"}


def _name(option: str, text: str) -> str:
    is_value = text.count(".") > 1  # an enum's value may have any characters
    if not text.strip(" .") or not (is_value or all(part.strip() for part in re.split(r"\.", text))):
        raise _invalid(option, text, "employees.address")
    if not is_value and (":" in text or "=" in text):
        raise _invalid(option, text, "employees.address")
    return text.strip()


def _unique(option: str, pairs: list[Pair]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise InvalidAnswer(
                f"{option} is given twice for {name}: {found[name]} and {value}.", hint="Remove one of them."
            )
    return found


def _invalid(option: str, text: str, example: str) -> InvalidAnswer:
    return InvalidAnswer(f"{option} {text!r} has the wrong format.", hint=f"Use the form {option} {example}")
