"""``FLASK_DEBUG=1`` shows tracebacks of what was not foreseen, and of nothing else."""

from __future__ import annotations

import pytest

from ..conftest import MakeProject
from ..errors.conftest import invoke

MODELS = """
class Kite(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    colour = sa.Column(sa.String(10), nullable=False)
"""
DEBUG = {"FLASK_DEBUG": "1"}


def test_answers_stay_answers(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped id, a difference, a question, pending revisions, a broken file."""
    shop = project(MODELS)
    monkeypatch.chdir(shop.root)
    for command in ("init", "migrate -m kites", "upgrade", "revision -m next"):
        assert invoke(shop, *command.split(), env=DEBUG).exit_code == 0
    versions = shop.root / "migrations" / "versions"
    (versions / "broken.py").write_text("revision = 'kite99'\ndown_revision = None\n1 / 0\n")
    for command in ("upgrade nothing", "check", "current -c", "show kite99", "downgrade -7", "migrate --rename a:b"):
        result = invoke(shop, *command.split(), env=DEBUG)
        assert result.exit_code in (1, 2), command
        assert "Error [SF" in result.output and "Traceback" not in result.output, command


def test_faults_show_where(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is in none of our sentences."""
    shop = project(MODELS, migrate_arguments="include_object=lambda *args: args[9]")
    monkeypatch.chdir(shop.root)
    assert invoke(shop, "init").exit_code == 0
    assert "Traceback" not in invoke(shop, "check").output
    result = invoke(shop, "check", env=DEBUG)
    assert "Traceback" in result.output and "SF599" in result.output
