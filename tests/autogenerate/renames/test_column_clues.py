"""Each clue about columns by itself."""

from __future__ import annotations

import typing as t

import pytest

from flask_schemaflow.autogenerate.renames import detect
from flask_schemaflow.autogenerate.renames import Settled

from .tables import confidence_of
from .tables import CURIOUS
from .tables import ID
from .tables import names
from .tables import PERSON
from .tables import table


class TestColumnClues:
    """Each clue by itself: what is confidence_of with it against what is confidence_of without."""

    def test_sole_pair(self) -> None:
        """A sole pair is likelier than the same pair beside other changes."""
        crowd = confidence_of(["address TEXT", "x DATE"], ["location TEXT", "y JSON"])
        assert confidence_of(["address TEXT"], ["location TEXT"]) > crowd

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
        assert confidence_of(lost, [f"location {better}"]) > confidence_of(lost, [f"location {worse}"])

    def test_rare_type(self) -> None:
        """Sharing a rare type says more than sharing an everyday one."""
        assert confidence_of(["a NUMERIC(6,2)"], ["b NUMERIC(6,2)"]) > confidence_of(["a TEXT"], ["b TEXT"])

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
        different = confidence_of([f"address {one}"], ["location DATE"])
        assert confidence_of([f"address {one}"], [f"location {other}"]) > 3 * different

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
        assert confidence_of(lost, [f"{better} TEXT"]) > confidence_of(lost, [f"{worse} TEXT"])

    def test_one_name_holds_the_other(self) -> None:
        """A prefix that was added or taken away is a better reason than one that was exchanged."""
        lost = ["subscription_authentication TEXT"]
        assert confidence_of(lost, ["authentication TEXT"]) > confidence_of(lost, ["connection_authentication TEXT"])

    def test_same_change_beside_it(self) -> None:
        """Columns of one table that change by the same words support each other."""
        together = confidence_of(["r_slug TEXT", "r_name TEXT", "r_size TEXT"], ["slug TEXT", "name TEXT", "size TEXT"])
        apart = confidence_of(["r_slug TEXT", "a_name TEXT", "b_size TEXT"], ["slug TEXT", "nam TEXT", "siz TEXT"])
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
        same = confidence_of(lost, ["owner_id INTEGER -> staff"], around)
        gone = confidence_of(lost, ["owner_id INTEGER"], around)
        other = confidence_of(lost, ["owner_id INTEGER -> team"], around)
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
        assert confidence_of(lost, [better]) > confidence_of(lost, [worse])

    def test_uniqueness_and_indexes(self) -> None:
        """Constraints and indexes that moved along count a little."""

        def confidence(**of_new: t.Any) -> float:
            before = {"t": table(ID, "address TEXT", uniques=["address"], indexes=["address"])}
            after = {"t": table(ID, "location TEXT", **of_new)}
            return detect(before, after, model=CURIOUS).ask_columns[0].confidence

        assert confidence(uniques=["location"]) > confidence()
        assert confidence(uniques=["location"], indexes=["location"]) > confidence(uniques=["location"])
