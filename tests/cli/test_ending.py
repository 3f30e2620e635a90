"""The end of a command's process."""

from __future__ import annotations

from ..conftest import MakeProject

LISTENER = """
    migrate.init_app(app, db)
    import sqlalchemy as sa

    with app.app_context():
        sa.event.listen(db.engine, "close", lambda connection, record: print("closed"))

    @app.teardown_appcontext
    def teardown(error):
        print("teardown")
"""


def test_idle_connections_are_closed(project: MakeProject, database_url: str) -> None:
    """A server hears that the command is done; otherwise MariaDB logs each one as an aborted connection."""
    made = project(url=database_url)
    made.run("db", "init")
    made.run("db", "migrate", "-m", "one")
    made.run("db", "upgrade")
    made.write_app(made.read("shop/__init__.py").replace("    migrate.init_app(app, db)\n", LISTENER))
    for command in ("check", "current"):
        lines = made.run("db", command).stdout.splitlines()
        assert lines.count("teardown") == 1 and lines[-1] == "closed"
