"""``migrate`` right after ``upgrade`` finds nothing, whatever the models are made of; both ways leave equal schemas."""

from __future__ import annotations

import contextlib
import pathlib
import types
import typing as t

import hypothesis
import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import strategies as st
from sqlalchemy.pool import NullPool

import flask_schemaflow
from flask_schemaflow import Migrate

from ..conftest import MakeDatabase
from ..support.dumps import dump_schema
from ..support.servers import Kind
from ..support.servers import KINDS
from .noise_models import everything
from .noise_models import models

Stand = t.Callable[[sa.MetaData], None]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each database in turn."""
    return t.cast(Kind, request.param)


@pytest.fixture
def stand(kind: Kind, make_database: MakeDatabase, tmp_path: pathlib.Path) -> t.Iterator[Stand]:
    """A function that brings a database to some models and back, and insists that nothing differs."""
    db = types.SimpleNamespace(engine=sa.create_engine(make_database(kind), poolclass=NullPool), metadata=sa.MetaData())
    app = Flask("noise")
    Migrate(app, db, directory=str(tmp_path / "migrations"))

    def run(metadata: sa.MetaData) -> None:
        db.metadata = metadata
        written = flask_schemaflow.migrate(verify=False)
        with removed(written.paths):
            flask_schemaflow.upgrade()
            first = dump_schema(db.engine)
            again = flask_schemaflow.migrate(dry_run=True)
            assert again.operations == (), again.source
            flask_schemaflow.downgrade(revision="base")
            assert dump_schema(db.engine) == {}
            flask_schemaflow.upgrade()
            assert dump_schema(db.engine) == first
            flask_schemaflow.downgrade(revision="base")

    with app.app_context():
        flask_schemaflow.init()
        yield run


@contextlib.contextmanager
def removed(paths: t.Iterable[str]) -> t.Iterator[None]:
    """Take the files away afterwards."""
    try:
        yield
    finally:
        for path in paths:
            pathlib.Path(path).unlink()


def test_all_types_at_once(stand: Stand, kind: Kind) -> None:
    """Every type, every default, every kind of constraint."""
    stand(everything(kind))


@pytest.mark.slow
@hypothesis.settings(
    max_examples=6,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.reuse, hypothesis.Phase.generate],
)
@hypothesis.given(data=st.data())
def test_any_models(stand: Stand, kind: Kind, data: st.DataObject) -> None:
    """Models that nobody thought of."""
    stand(data.draw(models(kind)))
