"""What the detector accepts, asks about and leaves alone, and how answers change that."""

from __future__ import annotations

import typing as t

import pytest

from flask_schemaflow.autogenerate.renames import detect
from flask_schemaflow.autogenerate.renames import Detection
from flask_schemaflow.autogenerate.renames import Settled

from .tables import CURIOUS
from .tables import ID
from .tables import names
from .tables import PERSON
from .tables import table


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
        assert found.ask_columns[0].evidence == ("same type", "nothing else was removed from or added to the table")

    def test_unrelated_columns(self) -> None:
        """A column of another type and name is dropped and added without a question."""
        found = detect({"person": table(ID, "born DATE")}, {"person": table(ID, "is_admin BOOLEAN !")})
        assert not found

    def test_certain_table(self) -> None:
        """A table with the same columns under a new name in the plural is accepted."""
        found = detect({"person": table(*PERSON)}, {"persons": table(*PERSON)})
        assert names(found.tables) == [("person", "persons")]
        assert found.tables[0].evidence == (
            "same name except for case, separators or number",
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

    def test_a_telling_word_is_asked_about(self) -> None:
        """Columns whose telling word moved to another place are asked about, each with its own counterpart."""
        for lost, won in (
            (("date_opened", "date_closed"), ("opened_at", "closed_at")),
            (("num_chairs", "num_tables"), ("chairs_count", "tables_count")),
        ):
            before, after = ({"t": table(ID, *(f"{name} DATETIME" for name in group))} for group in (lost, won))
            found = detect(before, after)
            assert found.columns == ()
            expected = [("t", old, new) for old, new in zip(lost, won, strict=True)]
            assert sorted(names(found.ask_columns)) == sorted(expected)

    @pytest.mark.parametrize(
        ("old", "new"), [("schema_v_3_1", "schema_v_3_2"), ("line1", "line2"), ("rate_2023", "rate_2024"), ("x", "x_2")]
    )
    def test_another_number_is_never_certain(self, old: str, new: str) -> None:
        """Names that differ only by a number are asked about, also by a whole pattern, columns and tables."""
        others = ("street", "city", "land")
        before = {
            "t": table(ID, f"{old} NUMERIC(6,2)", *(f"{name}_{old} TEXT" for name in others)),
            old: table(*PERSON),
        }
        after = {"t": table(ID, f"{new} NUMERIC(6,2)", *(f"{name}_{new} TEXT" for name in others)), new: table(*PERSON)}
        found = detect(before, after)
        assert found.columns + found.tables == ()
        assert names(found.ask_tables) == [(old, new)]
        assert {("t", f"{name}_{old}", f"{name}_{new}") for name in others} <= set(names(found.ask_columns))
        assert "the names differ only by a number" in found.ask_columns[0].evidence

    @pytest.mark.parametrize(
        ("old", "new"),
        [("is_active", "is_disabled"), ("valid", "invalid"), ("sent", "not_sent"), ("is_shown", "hidden")],
    )
    def test_opposite_booleans_are_never_certain(self, old: str, new: str) -> None:
        """Booleans of opposite meaning are asked about, with a word on what their values are afterwards."""
        found = detect({"t": table(ID, f"{old} BOOLEAN")}, {"t": table(ID, f"{new} BOOLEAN")})
        assert found.columns == ()
        assert found.ask_columns[0].evidence[0].startswith("its values stay as they are")
        numbers = detect({"t": table(ID, f"{old} INTEGER")}, {"t": table(ID, f"{new} INTEGER")}, model=CURIOUS)
        assert "its values" not in str(numbers.ask_columns[0].evidence)

    def test_a_prefix_for_a_state_is_no_opposite(self) -> None:
        """A boolean that only gets an "is" is certain."""
        found = detect({"t": table(ID, "published BOOLEAN")}, {"t": table(ID, "is_published BOOLEAN")})
        assert names(found.columns + found.ask_columns) == [("t", "published", "is_published")]
        assert "its values" not in str(found.columns + found.ask_columns)

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
        before = next(q for q, name in zip(first.ask_columns, names(first.ask_columns), strict=True) if name == pair)
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
