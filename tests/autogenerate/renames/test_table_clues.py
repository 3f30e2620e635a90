"""Each clue about tables by itself."""

from __future__ import annotations

from flask_schemaflow.autogenerate.renames import detect
from flask_schemaflow.autogenerate.renames import TableShape
from flask_schemaflow.autogenerate.renames.scoring import MODEL

from .tables import CURIOUS
from .tables import ID
from .tables import names
from .tables import PERSON
from .tables import table


class TestTableClues:
    def confidence(self, before: dict[str, TableShape], after: dict[str, TableShape], pair: tuple[str, str]) -> float:
        questions = detect(before, after, model=CURIOUS).ask_tables
        return next(question.confidence for question in questions if (question.old, question.new) == pair)

    def test_shape(self) -> None:
        """The more columns are shared, the likelier; housekeeping columns are not enough."""
        before = {"person": table(*PERSON, "created_at DATETIME")}
        shared = [PERSON, PERSON[:4], PERSON[:2], (ID, "created_at DATETIME")]
        steps = [
            self.confidence(before, {"human": table(*columns, "x DATE")}, ("person", "human")) for columns in shared
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
        followed = self.confidence({"job": table(*shape)} | pay[0], {"task": table(*shape)} | pay[1], ("job", "task"))
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
        assert self.confidence(before, same, ("job", "task")) > self.confidence(before, other, ("job", "task"))

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
