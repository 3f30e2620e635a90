"""The rename detector: what it accepts, asks about and leaves alone, and how often it is right."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pathlib
import random
import string
import subprocess
import sys
import typing as t

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from flask_schemaflow.autogenerate.renames import Candidate
from flask_schemaflow.autogenerate.renames import ColumnShape
from flask_schemaflow.autogenerate.renames import detect
from flask_schemaflow.autogenerate.renames import Detection
from flask_schemaflow.autogenerate.renames import ForeignKeyShape
from flask_schemaflow.autogenerate.renames import from_plain
from flask_schemaflow.autogenerate.renames import IndexShape
from flask_schemaflow.autogenerate.renames import Settled
from flask_schemaflow.autogenerate.renames import TableShape
from flask_schemaflow.autogenerate.renames.plain import score_plain
from flask_schemaflow.autogenerate.renames.weights import MODEL

BENCHMARK = pathlib.Path(__file__).parents[1] / "benchmarks" / "rename_accuracy.py"

# Every candidate becomes a question, so that confidences can be compared.
CURIOUS = dataclasses.replace(
    MODEL, accept_table=2.0, accept_column=2.0, ask_table=0.0, ask_column=0.0, rival=0.0, doubtful=1.0
)


def table(*columns: str, uniques: t.Sequence[str] = (), indexes: t.Sequence[str] = ()) -> TableShape:
    """Build a table from columns written ``"name TYPE [-> table] [= default] [!] [pk]"``."""
    parsed = [_column(text) for text in columns]
    return TableShape(
        columns=tuple(column for column, _ in parsed),
        primary_key=tuple(column.name for column, _ in parsed if column.primary_key),
        foreign_keys=tuple(
            ForeignKeyShape((column.name,), target, ("id",)) for column, target in parsed if target
        ),
        indexes=tuple(IndexShape((name,)) for name in indexes),
        uniques=tuple((name,) for name in uniques),
    )


def _column(text: str) -> tuple[ColumnShape, str]:
    words = text.split()
    name, type_, rest = words[0], words[1].replace("~", " "), words[2:]
    target = rest[rest.index("->") + 1] if "->" in rest else ""
    default = rest[rest.index("=") + 1] if "=" in rest else None
    return ColumnShape(name, type_, "!" not in rest, default, "pk" in rest), target


ID = "id INTEGER ! pk"
PERSON = (ID, "first_name VARCHAR(80)", "last_name VARCHAR(80)", "born DATE", "salary NUMERIC(10,2)")


def believed(
    lost: t.Sequence[str], won: t.Sequence[str], around: t.Mapping[str, TableShape] | None = None
) -> float:
    """Return the confidence in the rename of the first lost to the first won column of a table.

    :param around: Other tables, which don't change.
    """
    old, new = lost[0].split()[0], won[0].split()[0]
    before = {"t": table(ID, *lost)} | dict(around or {})
    after = {"t": table(ID, *won)} | dict(around or {})
    questions = detect(before, after, model=CURIOUS).ask_columns
    return next((q.confidence for q in questions if (q.old, q.new) == (old, new)), 0.0)


def names(candidates: t.Iterable[Candidate]) -> list[tuple[str, ...]]:
    return [(c.old, c.new) if c.table is None else (c.table, c.old, c.new) for c in candidates]


class TestAnswers:
    def test_unchanged(self) -> None:
        """Equal schemas have no renames."""
        schema = {"person": table(*PERSON)}
        assert detect(schema, dict(schema)) == Detection()
        assert not detect(schema, dict(schema))

    def test_certain_column(self) -> None:
        """A sole column that kept its type and most of its name is accepted, with the reasons."""
        found = detect(
            {"person": table(ID, "mail_address VARCHAR(90) !", uniques=["mail_address"])},
            {"person": table(ID, "address VARCHAR(90) !", uniques=["address"])},
        )
        assert names(found.columns) == [("person", "mail_address", "address")]
        assert found.ask_columns == ()
        assert found.columns[0].likely
        assert found.columns[0].evidence == ("same type", "similar names", 'both names end in "address"')

    def test_uncertain_column(self) -> None:
        """A sole column that kept only an everyday type is a question."""
        found = detect({"person": table(ID, "address TEXT")}, {"person": table(ID, "location TEXT")})
        assert found.columns == ()
        assert names(found.ask_columns) == [("person", "address", "location")]
        assert found.ask_columns[0].evidence == ("same type", "the only column that vanished and appeared")

    def test_unrelated_columns(self) -> None:
        """A column of another type and name is dropped and added without a question."""
        found = detect({"person": table(ID, "born DATE")}, {"person": table(ID, "is_admin BOOLEAN !")})
        assert not found

    def test_certain_table(self) -> None:
        """A table with the same columns under a new name in the plural is accepted."""
        found = detect({"person": table(*PERSON)}, {"persons": table(*PERSON)})
        assert names(found.tables) == [("person", "persons")]
        assert found.tables[0].evidence == (
            "same name but for case, separators or number",
            "same columns",
        )

    def test_unrelated_tables(self) -> None:
        """Tables that share nothing but an id are no candidates."""
        other = table(ID, "title TEXT", "body TEXT", "page INTEGER")
        assert not detect({"person": table(*PERSON)}, {"article": other})

    def test_best_first(self) -> None:
        """Questions come in the order of their confidence."""
        found = detect(
            {"a": table(ID, "address TEXT"), "b": table(ID, "start_date DATE", "note TEXT")},
            {"a": table(ID, "location TEXT"), "b": table(ID, "begin_date DATE", "remark TEXT")},
            model=CURIOUS,
        )
        order = [question.confidence for question in found.ask_columns]
        assert order == sorted(order, reverse=True)
        assert names(found.ask_columns)[0] == ("b", "start_date", "begin_date")

    def test_two_equal_rivals(self) -> None:
        """Two equally good candidates for one name are both asked about, and neither is likely."""
        found = detect({"t": table(ID, "due DATE")}, {"t": table(ID, "due_from DATE", "due_till DATE")})
        assert found.columns == ()
        assert names(found.ask_columns) == [("t", "due", "due_from"), ("t", "due", "due_till")]
        assert not any(question.likely for question in found.ask_columns)

    def test_taken_rivals(self) -> None:
        """A rival that surely belongs to another name competes no longer."""
        lost = ["twitter VARCHAR(99)", "github VARCHAR(99)"]
        won = ["twitter_url VARCHAR(99)", "github_url VARCHAR(99)"]
        found = detect({"t": table(ID, *lost)}, {"t": table(ID, *won)})
        assert names(found.columns) == [("t", "twitter", "twitter_url"), ("t", "github", "github_url")]

    def test_inferred_table(self) -> None:
        """A column is asked about while the rename of its table is only inferred, and certain afterwards."""
        before = {"person": table(*PERSON, "mail_address VARCHAR(90)")}
        after = {"persons": table(*PERSON, "address VARCHAR(90)")}
        found = detect(before, after)
        assert names(found.tables) == [("person", "persons")]
        assert names(found.ask_columns) == [("persons", "mail_address", "address")]
        settled = detect(before, after, settled=Settled(tables={"person": "persons"}))
        assert names(settled.columns) == [("persons", "mail_address", "address")]

    @pytest.mark.parametrize("type_", ["JSON", "DATE", "INTEGER"])
    def test_conversion_is_never_certain(self, type_: str) -> None:
        """A column whose values need a conversion is never accepted without a question."""
        lost, won = "log_url VARCHAR(99)", f"log_urls {type_}"
        assert detect({"t": table(ID, lost)}, {"t": table(ID, won)}).columns == ()

    def test_key_to_a_new_table_is_never_certain(self) -> None:
        """A column that refers to a table created in the same change keeps no values that could be valid."""
        before = {"t": table(ID, "group_id INTEGER -> group"), "group": table(ID)}
        after = {"t": table(ID, "groups_id INTEGER -> unit"), "group": table(ID), "unit": table(ID, "x DATE")}
        assert detect(before, after).columns == ()


class TestColumnClues:
    """Each clue by itself: what is believed with it against what is believed without."""

    def test_sole_pair(self) -> None:
        """A sole pair is likelier than the same pair beside other changes."""
        crowd = believed(["address TEXT", "x DATE"], ["location TEXT", "y JSON"])
        assert believed(["address TEXT"], ["location TEXT"]) > crowd

    @pytest.mark.parametrize(
        ("better", "worse"),
        [
            ("VARCHAR(50)", "TEXT"),
            ("VARCHAR(64)", "TEXT"),
            ("VARCHAR(50)", "VARCHAR(64)"),
            ("TEXT", "JSON"),
            ("JSON", "DATE"),
        ],
    )
    def test_types(self, better: str, worse: str) -> None:
        """Best is the same type, then another length, the same kind, a convertible type, another type."""
        lost = ["address VARCHAR(50)"]
        assert believed(lost, [f"location {better}"]) > believed(lost, [f"location {worse}"])

    def test_rare_type(self) -> None:
        """Sharing a rare type says more than sharing an everyday one."""
        assert believed(["a NUMERIC(6,2)"], ["b NUMERIC(6,2)"]) > believed(["a TEXT"], ["b TEXT"])

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("INTEGER", "INTEGER(11)"),
            ("BOOLEAN", "TINYINT(1)"),
            ("NUMERIC(6,~2)", "DECIMAL(6,2)"),
            ("DATETIME", "TIMESTAMP~WITHOUT~TIME~ZONE"),
            ("VARCHAR(20)", "VARCHAR(20)~CHARACTER~SET~utf8mb4~COLLATE~utf8mb4_bin"),
            ("ENUM:color(red,green)", "ENUM('red','green')"),
        ],
    )
    def test_spellings(self, one: str, other: str) -> None:
        """Different spellings of one type are as good as the same spelling, or nearly."""
        different = believed([f"address {one}"], ["location DATE"])
        assert believed([f"address {one}"], [f"location {other}"]) > 3 * different

    @pytest.mark.parametrize(
        ("better", "worse"),
        [
            ("firstname", "given_label"),
            ("firstname", "firstnote"),
            ("full_name", "name_full"),
            ("my_fist_name", "first_note"),
        ],
    )
    def test_names(self, better: str, worse: str) -> None:
        """Names that are alike in their words, above all the last one, beat names alike in letters."""
        lost = ["first_name TEXT"]
        assert believed(lost, [f"{better} TEXT"]) > believed(lost, [f"{worse} TEXT"])

    def test_one_name_holds_the_other(self) -> None:
        """A prefix that was added or taken away is a better reason than one that was exchanged."""
        lost = ["subscription_authentication TEXT"]
        assert believed(lost, ["authentication TEXT"]) > believed(lost, ["connection_authentication TEXT"])

    def test_same_change_beside_it(self) -> None:
        """Columns of one table that change by the same words support each other."""
        together = believed(
            ["r_slug TEXT", "r_name TEXT", "r_size TEXT"], ["slug TEXT", "name TEXT", "size TEXT"]
        )
        apart = believed(["r_slug TEXT", "a_name TEXT", "b_size TEXT"], ["slug TEXT", "nam TEXT", "siz TEXT"])
        assert together > apart

    def test_same_change_elsewhere(self) -> None:
        """The same change in several tables is accepted, even between names that have nothing in common."""
        tables = ("blueprint", "event", "node", "plugin")
        found = detect(
            {name: table(ID, "resource_availability ENUM('a','b')") for name in tables},
            {name: table(ID, "visibility ENUM('a','b')") for name in tables},
        )
        assert names(found.columns) == [(name, "resource_availability", "visibility") for name in tables]
        assert "the same change in 3 other tables" in found.columns[0].evidence

    def test_history_is_no_witness(self) -> None:
        """A table's own history copy does not make its change any surer."""
        alone = detect({"t": table(ID, "a TEXT")}, {"t": table(ID, "b TEXT")}, model=CURIOUS)
        copied = detect(
            {"t": table(ID, "a TEXT"), "t_history": table(ID, "a TEXT")},
            {"t": table(ID, "b TEXT"), "t_history": table(ID, "b TEXT")},
            model=CURIOUS,
        )
        assert copied.ask_columns[0].confidence == alone.ask_columns[0].confidence

    def test_same_foreign_key(self) -> None:
        """Two keys to the same table are better than two to different tables, or than a key that was lost."""
        around = {"staff": table(ID), "team": table(ID)}
        lost = ["author_id INTEGER -> staff"]
        same = believed(lost, ["owner_id INTEGER -> staff"], around)
        gone = believed(lost, ["owner_id INTEGER"], around)
        other = believed(lost, ["owner_id INTEGER -> team"], around)
        assert same > gone > other

    def test_foreign_key_through_a_renamed_table(self) -> None:
        """A key that followed its renamed table, and took over the table's new words, is accepted."""
        before = {"device": table(*PERSON), "port": table(ID, "device_id INTEGER -> device")}
        after = {"machine": table(*PERSON), "port": table(ID, "machine_id INTEGER -> machine")}
        found = detect(before, after, settled=Settled(tables={"device": "machine"}))
        assert names(found.columns) == [("port", "device_id", "machine_id")]
        assert "same foreign key to machine" in found.columns[0].evidence
        assert "the table's own name changed in the same way" in found.columns[0].evidence

    @pytest.mark.parametrize(
        ("better", "worse"),
        [
            ("location TEXT = 'x'", "location TEXT = 'y'"),
            ("location TEXT = 'x'", "location TEXT"),
            ("location TEXT = 'x'", "location TEXT = 'x' !"),
            ("location TEXT = 'x'", "location TEXT = 'x' pk"),
        ],
    )
    def test_details(self, better: str, worse: str) -> None:
        """Equal default, nullability and place in the primary key count a little."""
        lost = ["address TEXT = 'x'"]
        assert believed(lost, [better]) > believed(lost, [worse])

    def test_uniqueness_and_indexes(self) -> None:
        """Constraints and indexes that moved along count a little."""

        def confidence(**of_new: t.Any) -> float:
            before = {"t": table(ID, "address TEXT", uniques=["address"], indexes=["address"])}
            after = {"t": table(ID, "location TEXT", **of_new)}
            return detect(before, after, model=CURIOUS).ask_columns[0].confidence

        assert confidence(uniques=["location"]) > confidence()
        assert confidence(uniques=["location"], indexes=["location"]) > confidence(uniques=["location"])


class TestTableClues:
    def confidence(
        self, before: dict[str, TableShape], after: dict[str, TableShape], pair: tuple[str, str]
    ) -> float:
        questions = detect(before, after, model=CURIOUS).ask_tables
        return next(question.confidence for question in questions if (question.old, question.new) == pair)

    def test_shape(self) -> None:
        """The more columns are shared, the likelier; housekeeping columns are not enough."""
        before = {"person": table(*PERSON, "created_at DATETIME")}
        shared = [PERSON, PERSON[:4], PERSON[:2], (ID, "created_at DATETIME")]
        steps = [
            self.confidence(before, {"human": table(*columns, "x DATE")}, ("person", "human"))
            for columns in shared
        ]
        assert steps == sorted(steps, reverse=True)
        assert steps[-1] < MODEL.ask_table

    def test_moved(self) -> None:
        """A table that has the same name in another schema was moved, and what refers to it followed."""
        before = {"person": table(*PERSON), "pay": table(ID, "person_id INTEGER -> person")}
        after = {"hr.person": table(*PERSON), "pay": table(ID, "staff_id INTEGER -> hr.person")}
        found = detect(before, after)
        assert names(found.tables) == [("person", "hr.person")]
        assert found.tables[0].evidence[0] == "same name in another schema"
        assert found.ask_columns + found.columns
        moved = detect({"old.person": table(*PERSON)}, {"new.person": table(*PERSON)})
        assert names(moved.tables) == [("old.person", "new.person")]

    def test_referrers(self) -> None:
        """Foreign keys into a table that follow it speak for the rename, keys that don't against it."""
        shape = PERSON[:3]
        pay = {"pay": table(ID, "who INTEGER -> job")}, {"pay": table(ID, "who INTEGER -> task")}
        followed = self.confidence(
            {"job": table(*shape)} | pay[0], {"task": table(*shape)} | pay[1], ("job", "task")
        )
        without = self.confidence({"job": table(*shape)}, {"task": table(*shape)}, ("job", "task"))
        lost = self.confidence(
            {"job": table(*shape)} | pay[0],
            {"task": table(*shape), "pay": table(ID, "who INTEGER")},
            ("job", "task"),
        )
        assert followed > without > lost

    def test_references(self) -> None:
        """A table that refers to other tables than before is less likely the same."""
        before = {"job": table(*PERSON, "a INTEGER -> x"), "x": table(ID), "y": table(ID)}
        same = before | {"task": table(*PERSON, "a INTEGER -> x")}
        other = before | {"task": table(*PERSON, "a INTEGER -> y")}
        del same["job"], other["job"]
        assert self.confidence(before, same, ("job", "task")) > self.confidence(
            before, other, ("job", "task")
        )

    def test_pattern(self) -> None:
        """Several tables renamed by one pattern are accepted, with the foreign keys between them."""
        before, after = {}, {}
        kinds = {"domain": "DATE", "place": "JSON", "score": "NUMERIC(5,2)"}
        for kind, type_ in kinds.items():
            before[f"device_{kind}"] = table(ID, f"{kind} {type_}", "device_ref INTEGER -> device_domain")
            after[f"vnf_{kind}"] = table(ID, f"{kind} {type_}", "vnf_ref INTEGER -> vnf_domain")
        found = detect(before, after)
        assert sorted(names(found.tables)) == [(f"device_{kind}", f"vnf_{kind}") for kind in sorted(kinds)]
        assert "3 tables changed by the same pattern" in found.tables[0].evidence

    def test_equal_shapes(self) -> None:
        """Of several tables with the same columns, each finds the one whose name belongs to it."""
        kinds = ("city", "invoice_type", "invoice_status", "status_code")
        plurals = ("cities", "invoice_types", "invoice_statuses", "status_codes")
        shape = table(ID, "code VARCHAR(15)", "desc VARCHAR(100)")
        found = detect(dict.fromkeys(kinds, shape), dict.fromkeys(plurals, shape))
        assert sorted(names(found.tables)) == sorted(zip(kinds, plurals, strict=True))

    def test_history(self) -> None:
        """A table is not renamed to the history copy of its new self."""
        before = {"job": table(*PERSON), "job_history": table(*PERSON)}
        after = {"task": table(*PERSON), "task_history": table(*PERSON)}
        found = detect(before, after)
        pairs = names(found.tables + found.ask_tables)
        assert sorted(pairs) == [("job", "task"), ("job_history", "task_history")]

    def test_swapped_words_in_columns(self) -> None:
        """Columns that carry the table's old name count as the same under its new one."""
        before = {"device": table(ID, "device_name TEXT", "device_port JSON")}
        swapped = {"vnf": table(ID, "vnf_name TEXT", "vnf_port JSON")}
        other = {"vnf": table(ID, "that_name TEXT", "that_port JSON")}
        pair = ("device", "vnf")
        assert self.confidence(before, swapped, pair) > self.confidence(before, other, pair)


class TestSettled:
    BEFORE: t.ClassVar = {"t": table(ID, "address TEXT", "phone TEXT"), "job": table(*PERSON)}
    AFTER: t.ClassVar = {"t": table(ID, "location TEXT", "number TEXT"), "jobs": table(*PERSON)}

    def test_facts_are_not_proposed(self) -> None:
        """Settled renames are facts: neither they nor their names are proposed again."""
        settled = Settled(tables={"job": "jobs"}, columns={("t", "address"): "location"})
        found = detect(self.BEFORE, self.AFTER, settled=settled)
        assert found.tables + found.ask_tables == ()
        assert {("t", "phone", "number")} >= set(names(found.columns + found.ask_columns))

    def test_last_pair(self) -> None:
        """What is left after an answer is judged anew: the last pair of a table is a sole pair."""
        settled = Settled(columns={("t", "address"): "location"})
        first = detect(self.BEFORE, self.AFTER, model=CURIOUS)
        then = detect(self.BEFORE, self.AFTER, settled=settled, model=CURIOUS)
        pair = ("t", "phone", "number")
        before = next(
            q for q, name in zip(first.ask_columns, names(first.ask_columns), strict=True) if name == pair
        )
        assert names(then.ask_columns) == [pair]
        assert then.ask_columns[0].confidence > before.confidence

    def test_denied_pairs(self) -> None:
        """Denied pairs are never proposed, and their rivals move up."""
        before, after = {"t": table(ID, "due DATE")}, {"t": table(ID, "due_from DATE", "due_till DATE")}
        settled = Settled(not_columns={("t", "due", "due_from")})
        found = detect(before, after, settled=settled)
        assert names(found.columns + found.ask_columns) == [("t", "due", "due_till")]
        no_table = Settled(not_tables={("job", "jobs")})
        found = detect(self.BEFORE, self.AFTER, settled=no_table, model=CURIOUS)
        assert found.ask_tables == ()

    def test_drop_is_denying_all(self) -> None:
        """When every counterpart is denied, the column is dropped without a question."""
        denied = {("t", old, new) for old in ("address", "phone") for new in ("location", "number")}
        found = detect(self.BEFORE, self.AFTER, settled=Settled(not_columns=denied))
        assert found.columns + found.ask_columns == ()

    def test_unknown_names(self) -> None:
        """Answers about tables that are not there change nothing."""
        settled = Settled(tables={"nobody": "noone"}, columns={("t", "nothing"): "never"})
        assert detect(self.BEFORE, self.AFTER, settled=settled) == detect(self.BEFORE, self.AFTER)


class TestSize:
    """Sizes at which comparing everything with everything would never end."""

    def test_hundreds_of_columns(self) -> None:
        """Hundreds of columns that lose a prefix are all found among each other."""
        random_ = random.Random(7)
        stems = {"".join(random_.choices(string.ascii_lowercase, k=7)) for _ in range(400)}
        before = {"t": table(ID, *(f"old_{stem} TEXT" for stem in stems))}
        after = {"t": table(ID, *(f"{stem} TEXT" for stem in stems))}
        found = detect(before, after)
        assert sorted(names(found.columns)) == sorted(("t", f"old_{stem}", stem) for stem in stems)

    def test_hundreds_of_tables(self) -> None:
        """Hundreds of tables that win a prefix are all found."""
        shapes = {f"kind{i}": table(ID, f"a{i} TEXT", f"b{i} DATE", "parent INTEGER") for i in range(400)}
        found = detect(shapes, {f"app_{name}": shape for name, shape in shapes.items()})
        assert sorted(names(found.tables)) == sorted((name, f"app_{name}") for name in shapes)

    def test_hundreds_of_unrelated_tables(self) -> None:
        """A thousand dropped and a thousand created tables without a common trait make no questions."""
        before = {f"old{i}x": table(ID, f"p{i}q TEXT") for i in range(1000)}
        after = {f"new{i}y": table(ID, f"r{i}s DATE") for i in range(1000, 2000)}
        assert not detect(before, after)

    def test_unchanged_tables_are_not_compared(self) -> None:
        """The pairs that are compared depend on what changed, not on how large the schema is."""
        large = {f"table_{i}": table(*PERSON) for i in range(2000)}
        before = large | {"t": table(ID, "mail_address VARCHAR(90)")}
        after = large | {"t": table(ID, "address VARCHAR(90)")}
        assert names(detect(before, after).columns) == [("t", "mail_address", "address")]


WORDS = st.sampled_from("user users order line item status type name title start end date id is_on".split())
NAMES = st.lists(WORDS, min_size=1, max_size=3).map("_".join)
TYPES = st.sampled_from("INTEGER TEXT VARCHAR(50) VARCHAR(64) BOOLEAN DATE JSON NUMERIC(6,2)".split())
COLUMNS = st.builds(
    ColumnShape, NAMES, TYPES, st.booleans(), st.sampled_from([None, "0", "'x'"]), st.booleans()
)


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, TableShape]:
    """Draw a schema; foreign keys may point to tables that are not there."""
    found = {}
    for name in draw(st.lists(NAMES, max_size=5, unique=True)):
        columns = draw(st.lists(COLUMNS, min_size=1, max_size=6, unique_by=lambda column: column.name))
        own = st.sampled_from([column.name for column in columns])
        keys = draw(st.lists(st.builds(lambda c, r: ForeignKeyShape((c,), r), own, NAMES), max_size=2))
        found[name] = TableShape(
            tuple(columns),
            tuple(column.name for column in columns if column.primary_key),
            tuple(keys),
            tuple(
                IndexShape((column,), unique)
                for column, unique in draw(st.lists(st.tuples(own, st.booleans())))
            ),
        )
    return found


def shuffled(schema: dict[str, TableShape], seed: int) -> dict[str, TableShape]:
    """Return the same schema with tables, columns and keys in another order."""
    random_ = random.Random(seed)
    return {
        name: dataclasses.replace(
            schema[name],
            columns=tuple(random_.sample(schema[name].columns, len(schema[name].columns))),
            foreign_keys=tuple(random_.sample(schema[name].foreign_keys, len(schema[name].foreign_keys))),
        )
        for name in random_.sample(sorted(schema), len(schema))
    }


class TestProperties:
    @settings(max_examples=150, deadline=None)
    @given(schemas(), schemas())
    def test_only_vanished_and_appeared(
        self, before: dict[str, TableShape], after: dict[str, TableShape]
    ) -> None:
        """Only names that vanished are paired with names that appeared, with a confidence between 0 and 1."""
        found = detect(before, after)
        for one in found.tables + found.ask_tables:
            assert one.old in before.keys() - after.keys() and one.new in after.keys() - before.keys()
        origin = {one.new: one.old for one in found.tables}
        for one in found.columns + found.ask_columns:
            lost, won = (
                before[origin.get(one.table or "", one.table or "")].by_name,
                after[one.table or ""].by_name,
            )
            assert one.old in lost.keys() - won.keys() and one.new in won.keys() - lost.keys()
        for one in itertools.chain(found.tables, found.ask_tables, found.columns, found.ask_columns):
            assert 0 <= one.confidence <= 1 and len(one.evidence) <= 3

    @settings(max_examples=150, deadline=None)
    @given(schemas(), schemas())
    def test_each_name_once(self, before: dict[str, TableShape], after: dict[str, TableShape]) -> None:
        """A name is accepted once, and not asked about after that."""
        found = detect(before, after)
        for sure, asked in ((found.tables, found.ask_tables), (found.columns, found.ask_columns)):
            olds, news = [(c.table, c.old) for c in sure], [(c.table, c.new) for c in sure]
            assert len(set(olds)) == len(olds) and len(set(news)) == len(news)
            assert not set(olds) & {(c.table, c.old) for c in asked}
            assert not set(news) & {(c.table, c.new) for c in asked}

    @settings(max_examples=150, deadline=None)
    @given(schemas(), schemas(), st.integers())
    def test_order_is_nothing(
        self, before: dict[str, TableShape], after: dict[str, TableShape], seed: int
    ) -> None:
        """The answer depends on what is in the schemas, not on its order."""
        assert detect(shuffled(before, seed), shuffled(after, seed)) == detect(before, after)

    @settings(max_examples=100, deadline=None)
    @given(schemas(), schemas())
    def test_answers_end_the_questions(
        self, before: dict[str, TableShape], after: dict[str, TableShape]
    ) -> None:
        """Answering every question with no leaves none about the same pairs, and new ones come to an end."""
        not_tables: set[tuple[str, str]] = set()
        not_columns: set[tuple[str, str, str]] = set()
        for _ in range(200):
            found = detect(before, after, settled=Settled(not_tables=not_tables, not_columns=not_columns))
            if not found.ask_tables + found.ask_columns:
                return
            tables = {(one.old, one.new) for one in found.ask_tables}
            columns = {(one.table or "", one.old, one.new) for one in found.ask_columns}
            assert not tables & not_tables and not columns & not_columns
            not_tables |= tables
            not_columns |= columns
        pytest.fail("the questions never end")


class TestPlain:
    def test_round_trip(self) -> None:
        """The plain form is read completely; missing keys mean nothing there."""
        plain = {
            "t": {
                "columns": [{"name": "id", "type": "INTEGER", "nullable": False, "default": "1", "pk": True}],
                "pk": {"columns": ["id"]},
                "fks": [{"columns": ["id"], "ref_table": "u", "ref_columns": ["id"], "ondelete": "CASCADE"}],
                "indexes": [{"columns": ["id", None], "unique": True}],
                "uniques": [{"columns": ["id"]}],
            },
            "u": {"columns": [{"name": "id", "type": "INTEGER"}]},
        }
        assert from_plain(plain) == {
            "t": TableShape(
                (ColumnShape("id", "INTEGER", False, "1", True),),
                ("id",),
                (ForeignKeyShape(("id",), "u", ("id",), "CASCADE"),),
                (IndexShape(("id",), True),),
                (("id",),),
            ),
            "u": TableShape((ColumnShape("id", "INTEGER"),)),
        }

    def test_scores(self) -> None:
        """Names go in and come out as lists, with the questions apart."""
        before = {"t": {"columns": [{"name": "address", "type": "TEXT"}]}}
        after = {"t": {"columns": [{"name": "location", "type": "TEXT"}]}}
        assert score_plain(before, after) == {
            "column_renames": [],
            "table_renames": [],
            "ask": {"column_renames": [["t", "address", "location"]], "table_renames": []},
        }


def test_accuracy() -> None:
    """On the truth set the detector is as often right, and asks as little, as its documentation says."""
    run = subprocess.run([sys.executable, str(BENCHMARK)], capture_output=True, text=True, check=True)
    figures = json.loads(run.stdout.splitlines()[-1])
    assert figures["column_precision"] >= 0.98
    assert figures["column_recall"] >= 0.55
    assert figures["column_recall_with_answers"] >= 0.92
    assert figures["table_precision"] >= 0.98
    assert figures["table_recall"] >= 0.9
    assert figures["table_recall_with_answers"] >= 0.97
    assert figures["column_questions_per_rename_found_by_them"] <= 3
    assert figures["table_questions_per_rename_found_by_them"] <= 3


def test_standard_library_only() -> None:
    """The detector can be used where neither Alembic nor SQLAlchemy is there."""
    package = pathlib.Path(sys.modules[detect.__module__].__file__ or "").parent
    imported = {
        line.split()[1].split(".")[0]
        for module in package.glob("*.py")
        for line in module.read_text(encoding="utf-8").splitlines()
        if line.startswith(("import ", "from ")) and not line.startswith("from .")
    }
    assert imported <= set(sys.stdlib_module_names)
