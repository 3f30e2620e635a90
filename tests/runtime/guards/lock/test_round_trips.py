"""What the guards cost a run that finds nothing to do, counted on the wire."""

from __future__ import annotations

import typing as t

import pytest
from flask import Flask

import flask_schemaflow
from flask_schemaflow.runtime import planning
from flask_schemaflow.runtime.environment import Environment
from flask_schemaflow.runtime.run import Options

from ....conftest import MakeDatabase
from ....conftest import MakeProject
from ....conftest import WriteRepository
from ....support.servers import Kind
from .conftest import COUNTER
from .conftest import MakeHistory
from .relay import Relay

SERVERS = ("postgresql", "mariadb")


def cost(app: Flask, relay: Relay) -> int:
    """The round trips of an upgrade with nothing to do, less those of the same run without guards."""
    with app.app_context():
        for _ in range(2):  # what happens once, in a process or in a pool, is no part of it
            flask_schemaflow.upgrade(revision="aaa3")
        with app.extensions["sqlalchemy"].engine.connect():
            pass  # a run that has nothing to do leaves an empty pool empty, and an application's isn't
        environment = Environment.open()

        def run_bare() -> None:
            environment.run(lambda heads, context: planning.upgrade_steps(environment.script, "aaa3", heads), Options())

        guarded = _turns(relay, lambda: flask_schemaflow.upgrade(revision="aaa3"))
        return guarded - _turns(relay, run_bare)


def _turns(relay: Relay, work: t.Callable[[], object]) -> int:
    """The round trips of one run; on a busy machine an answer can be early, which looks like one more."""
    found = []
    for _ in range(3):
        with relay.counting() as counted:
            work()
        assert counted[1] == 0  # no connection was opened
        found.append(counted[0])
    return min(found)


@pytest.mark.parametrize("kind", SERVERS)
def test_nothing_to_do(history: MakeHistory, make_database: MakeDatabase, kind: Kind) -> None:
    """At most two round trips for all guards together, and no connection beside the pool's."""
    relay = Relay(make_database(kind))
    made = history(relay.url)
    try:
        assert cost(made.app(), relay) <= 2
    finally:
        relay.close()


@pytest.mark.parametrize("kind", SERVERS)
def test_nothing_to_do_under_an_old_env(
    project: MakeProject,
    legacy_repository: WriteRepository,
    make_database: MakeDatabase,
    kind: Kind,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same under env.py of Flask-Migrate."""
    relay = Relay(make_database(kind))
    made = project(url=relay.url)
    monkeypatch.chdir(made.root)
    legacy_repository(made, "4.1.0", "single")
    made.write_revision("aaa3", None, COUNTER)
    try:
        assert cost(made.app(), relay) <= 2
    finally:
        relay.close()
