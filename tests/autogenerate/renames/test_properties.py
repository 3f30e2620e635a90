"""What holds for all schemas, of any size."""

from __future__ import annotations

import dataclasses
import itertools
import random
import string

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from flask_schemaflow.autogenerate.renames import ColumnShape
from flask_schemaflow.autogenerate.renames import detect
from flask_schemaflow.autogenerate.renames import ForeignKeyShape
from flask_schemaflow.autogenerate.renames import IndexShape
from flask_schemaflow.autogenerate.renames import Settled
from flask_schemaflow.autogenerate.renames import TableShape

from ...support.examples import examples
from .tables import ID
from .tables import names
from .tables import PERSON
from .tables import table


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
COLUMNS = st.builds(ColumnShape, NAMES, TYPES, st.booleans(), st.sampled_from([None, "0", "'x'"]), st.booleans())


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
            tuple(IndexShape((column,), unique) for column, unique in draw(st.lists(st.tuples(own, st.booleans())))),
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
    @settings(max_examples=examples(150), deadline=None)
    @given(schemas(), schemas())
    def test_only_vanished_and_appeared(self, before: dict[str, TableShape], after: dict[str, TableShape]) -> None:
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

    @settings(max_examples=examples(150), deadline=None)
    @given(schemas(), schemas())
    def test_each_name_once(self, before: dict[str, TableShape], after: dict[str, TableShape]) -> None:
        """A name is accepted once, and not asked about after that."""
        found = detect(before, after)
        for sure, asked in ((found.tables, found.ask_tables), (found.columns, found.ask_columns)):
            olds, news = [(c.table, c.old) for c in sure], [(c.table, c.new) for c in sure]
            assert len(set(olds)) == len(olds) and len(set(news)) == len(news)
            assert not set(olds) & {(c.table, c.old) for c in asked}
            assert not set(news) & {(c.table, c.new) for c in asked}

    @settings(max_examples=examples(150), deadline=None)
    @given(schemas(), schemas(), st.integers())
    def test_order_is_nothing(self, before: dict[str, TableShape], after: dict[str, TableShape], seed: int) -> None:
        """The answer depends on what is in the schemas, not on its order."""
        assert detect(shuffled(before, seed), shuffled(after, seed)) == detect(before, after)

    @settings(max_examples=examples(100), deadline=None)
    @given(schemas(), schemas())
    def test_answers_end_the_questions(self, before: dict[str, TableShape], after: dict[str, TableShape]) -> None:
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
