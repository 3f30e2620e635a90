"""Threads of the application that outlive a command."""

from __future__ import annotations

import pytest

from ..conftest import MakeProject

THREAD = """
    import threading, time

    def tick():
        time.sleep({seconds})

    threading.Thread(target=tick, name="ticker", daemon={daemon}).start()
    migrate.init_app(app, db)
"""
SAID = (
    "db {}` is done, but the process does not end: it waits for the application's thread 'ticker'. "
    "Start such a thread as a daemon, or only where the application serves requests.\n"
)


@pytest.mark.parametrize("daemon, seconds, is_told", [(False, 3, True), (True, 3, False), (False, 0.1, False)])
def test_a_thread_that_keeps_the_process(project: MakeProject, daemon: bool, seconds: float, is_told: bool) -> None:
    """A command that seems to hang says for what it waits, once it has done its own work."""
    made = project()
    made.run("db", "init")
    source = made.read("shop/__init__.py").replace(
        "    migrate.init_app(app, db)\n", THREAD.format(daemon=daemon, seconds=seconds)
    )
    made.write_app(source)
    for command, check in (("heads", True), ("show", False)):
        result = made.run("db", command, check=check)
        assert (SAID.format(command) in result.stderr) is is_told, result
