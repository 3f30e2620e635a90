"""How often the detector is right on real schema changes, and the plain form that the tools use."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

from flask_schemaflow.autogenerate.renames import ColumnShape
from flask_schemaflow.autogenerate.renames import detect
from flask_schemaflow.autogenerate.renames import ForeignKeyShape
from flask_schemaflow.autogenerate.renames import IndexShape
from flask_schemaflow.autogenerate.renames import TableShape

from ...tools.plain_schemas import from_plain
from ...tools.plain_schemas import score_plain

ROOT = pathlib.Path(__file__).parents[3]


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
    command = [sys.executable, "-m", "tests.tools.rename_accuracy"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
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
