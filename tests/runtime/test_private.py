"""The private names of Alembic that are used are there; when one has gone, look for what took its place."""

from __future__ import annotations

import pathlib

import alembic.context
import pytest
import sqlalchemy as sa
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from alembic.script import ScriptDirectory
from alembic.script.revision import Revision as AlembicRevision
from alembic.script.revision import RevisionError

from flask_schemaflow.runtime import private

from .histories import config_for
from .histories import Node
from .histories import plain
from .histories import repository


def test_the_names_are_there(tmp_path: pathlib.Path) -> None:
    """A release of Alembic without one of them needs another look."""
    assert hasattr(ScriptDirectory, "_catch_revision_errors")
    assert hasattr(ScriptDirectory, "_stamp_revs")
    assert hasattr(Script, "_is_real_head")
    assert hasattr(sa.CheckConstraint("x > 0"), "_type_bound")
    with repository([Node("aa", (), (), (), 0)]) as folder, sa.create_engine("sqlite://").connect() as connection:
        env = EnvironmentContext(config_for(folder), plain(folder))
        with env:
            assert private.active_environment() is env
            env.configure(connection=connection)
            assert isinstance(getattr(env.get_context(), "_version"), sa.Table)  # noqa: B009
    assert private.active_environment() is not env


def test_there_is_a_way_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stamping, heads and the version table work as well, only less finely."""
    nodes = [Node("aa", (), (), (), 0), Node("bb", ("aa",), (), (), 1)]
    with repository(nodes) as folder, sa.create_engine("sqlite://").connect() as connection:
        script = plain(folder)
        context = MigrationContext.configure(connection)
        expected = {name: private.is_effective_head(script.get_revision(name)) for name in ("aa", "bb")}
        monkeypatch.delattr(AlembicRevision, "_is_real_head")
        monkeypatch.delattr(alembic.context, "_proxy", raising=False)
        assert private.active_environment() is None
        assert {name: private.is_effective_head(script.get_revision(name)) for name in ("aa", "bb")} == expected
        with private.explained(script, end="bb"):
            assert [step.info.up_revision_id for step in private.stamping(script, ("bb",), context)] == ["bb"]
        monkeypatch.delattr(ScriptDirectory, "_catch_revision_errors")
        with pytest.raises(RevisionError), private.explained(script, end="bb"):
            script.revision_map.get_revision("cc")
        monkeypatch.delattr(context, "_version")
        private.create_version_table(context)
        assert sa.inspect(connection).has_table("alembic_version")
