"""What autogenerate can't know, as data: :class:`Question`, and the :class:`Answers` to it.

Nothing here asks. The command line shows questions on a terminal, a caller passes answers to ``migrate()``,
and without either the questions leave as the error ``Undecided``, each with the option that answers it.
"""

from __future__ import annotations

import types
import typing as t

from ..errors.autogenerate import InvalidAnswer
from ..record import Record

__all__ = ["Answers", "Kind", "Question"]

Kind = t.Literal["rename_column", "rename_table", "drop", "fill", "convert"]
Pair = tuple[str, str]
_NOTHING: t.Mapping[t.Any, t.Any] = types.MappingProxyType({})


class Answers(Record):
    """What was decided. Tables are ``table`` or ``schema.table``, columns ``table.column``.

    Where a table was renamed too, its columns may be named with the old name or the new one.

    :param renames: columns, ``{"employees.address": "location"}``.
    :param table_renames: tables, ``{"department": "departments"}``.
    :param drops: tables and columns that live on under no other name.
    :param fills: what existing rows get, ``{"employees.salary": "0"}``; a literal or an SQL expression.
    :param denied: pairs that are no rename of a column, ``("employees.address", "location")``.
    :param denied_tables: pairs that are no rename of a table, ``("department", "teams")``.
    """

    renames: t.Mapping[str, str] = _NOTHING
    table_renames: t.Mapping[str, str] = _NOTHING
    drops: frozenset[str] = frozenset()
    fills: t.Mapping[str, str] = _NOTHING
    denied: frozenset[Pair] = frozenset()
    denied_tables: frozenset[Pair] = frozenset()

    def __or__(self, other: Answers) -> Answers:
        """These answers and the others; the others win."""
        return Answers(
            {**self.renames, **other.renames},
            {**self.table_renames, **other.table_renames},
            self.drops | other.drops,
            {**self.fills, **other.fills},
            self.denied | other.denied,
            self.denied_tables | other.denied_tables,
        )

    @classmethod
    def parse(
        cls,
        rename: t.Iterable[str] = (),
        rename_table: t.Iterable[str] = (),
        drop: t.Iterable[str] = (),
        fill: t.Iterable[str] = (),
    ) -> Answers:
        """Read answers as the options of ``flask db migrate`` spell them.

        :param rename: ``employees.address:location``, each.
        :param rename_table: ``department:departments``, each.
        :param drop: ``employees.address`` or ``department``, each.
        :param fill: ``employees.salary=0``, each.
        :raises InvalidAnswer: names the option that can't be read, or two that contradict each other.
        """
        renames = _unique("--rename", [_rename(text) for text in rename])
        tables = _unique("--rename-table", [_rename_table(text) for text in rename_table])
        fills = _unique("--fill", [_fill(text) for text in fill])
        drops = frozenset(_drop(text) for text in drop)
        for name in drops & {*renames, *tables}:
            raise InvalidAnswer(
                f"{name} is to be renamed and to be dropped.", hint=f"Leave one out: its rename, or --drop {name}."
            )
        return cls(renames, tables, drops, fills)


class Question(Record):
    """Something that only a person knows.

    :param kind: what it is about; ``fill`` wants a value, the others yes or no.
    :param text: the question, with its question mark.
    :param subject: the table or column that it is about, ``employees.address``.
    :param evidence: reasons in a few words.
    :param default: the harmless answer; ``None`` where there is none.
    :param yes: what a yes decides. For a question that wants a value, ``{}`` in a fill stands for it.
    :param no: what a no decides.
    :param options: the options that answer it, each with what it means.
    :param database: ``default`` or the name of a bind.
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

    @property
    def wants_value(self) -> bool:
        """Whether it is answered by a value rather than yes or no."""
        return self.kind == "fill"

    def answered(self, reply: bool | str) -> Answers:
        """What a reply decides.

        :param reply: yes or no; the value where one is wanted.
        """
        if isinstance(reply, str):
            return Answers(fills={self.subject: reply})
        return self.yes if reply else self.no

    def moot(self, answers: Answers) -> bool:
        """Whether these answers leave nothing to ask: one of its two names is taken already."""
        for mine, given in ((self.yes.renames, answers.renames), (self.yes.table_renames, answers.table_renames)):
            for old, new in mine.items():
                table = old.rpartition(".")[0]
                taken = {(key.rpartition(".")[0], value) for key, value in given.items()}
                if old in given or (table if mine is self.yes.renames else "", new) in taken:
                    return True
        return any(old in answers.drops for old in {**self.yes.renames, **self.yes.table_renames})

    def __str__(self) -> str:
        reasons = f" ({', '.join(self.evidence)})" if self.evidence else ""
        lines = [f"{self.text}{reasons}"]
        width = max((len(option) for option, _ in self.options), default=0)
        lines += [f"    {option:<{width}}  {meaning}".rstrip() for option, meaning in self.options]
        return "\n".join(lines)


def _rename(text: str) -> Pair:
    old, colon, new = (part.strip() for part in text.partition(":"))
    new = new.removeprefix(old.rpartition(".")[0] + ".")
    if not (old.rpartition(".")[0] and old.rpartition(".")[2] and colon and new) or ":" in new or "." in new:
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


def _drop(text: str) -> str:
    if not all(part.strip() for part in text.split(".")) or ":" in text or "=" in text:
        raise _invalid("--drop", text, "employees.address")
    return text.strip()


def _unique(option: str, pairs: list[Pair]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise InvalidAnswer(
                f"{option} is given twice for {name}: {found[name]} and {value}.", hint="Leave one of them out."
            )
    return found


def _invalid(option: str, text: str, example: str) -> InvalidAnswer:
    return InvalidAnswer(f"{option} {text!r} can't be read.", hint=f"Write it like this: {option} {example}")
