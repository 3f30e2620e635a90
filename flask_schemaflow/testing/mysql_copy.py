"""A copy of a MariaDB or MySQL database on the same server, with rows, views, triggers and routines."""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa

_ROUTINES = "SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = '{}'"
_COLUMNS = (
    "SELECT column_name FROM information_schema.columns WHERE table_schema = '{}' AND table_name = %s "
    "AND (generation_expression IS NULL OR generation_expression = '') ORDER BY ordinal_position"
)
_DEFINER = re.compile(r" DEFINER=(`[^`]*`|\S+?)@(`[^`]*`|\S+)")


def copy_database(connection: sa.Connection, original: str, name: str) -> None:
    """Fill an empty database with a copy of another one.

    :param connection: commits each statement.
    """
    run = connection.exec_driver_sql
    listed = [(row[0], row[1]) for row in run(f"SHOW FULL TABLES FROM `{original}`")]
    tables = [table for table, kind in listed if kind == "BASE TABLE"]
    run(f"USE `{name}`")
    run("SET SESSION foreign_key_checks = 0")
    for sequence in (item for item, kind in listed if kind == "SEQUENCE"):
        _run_sql(connection, run(f"SHOW CREATE SEQUENCE `{original}`.`{sequence}`").one()[1])
    for table in tables:
        _run_sql(connection, run(f"SHOW CREATE TABLE `{original}`.`{table}`").one()[1])
        columns = run(_COLUMNS.format(original), (table,)).scalars()
        listing = ", ".join(f"`{column}`" for column in columns)
        run(f"INSERT INTO `{table}` ({listing}) SELECT {listing} FROM `{original}`.`{table}`".replace("%", "%%"))
    for kind, routine in run(_ROUTINES.format(original)).all():
        _run_sql(connection, str(run(f"SHOW CREATE {kind} `{original}`.`{routine}`").one()[2]))
    _copy_views(connection, original, name, [view for view, kind in listed if kind == "VIEW"])
    for trigger in run(f"SHOW TRIGGERS FROM `{original}`").mappings().all():
        _run_sql(connection, str(run(f"SHOW CREATE TRIGGER `{original}`.`{trigger['Trigger']}`").one()[2]))
    run("SET SESSION foreign_key_checks = 1")


def _copy_views(connection: sa.Connection, original: str, name: str, views: list[str]) -> None:
    """Create the views, which may use one another, so that some wait for others."""
    waiting = {
        view: connection.exec_driver_sql(f"SHOW CREATE VIEW `{original}`.`{view}`").one()[1] for view in views
    }
    while waiting:
        failure: Exception | None = None
        for view, sql in list(waiting.items()):
            try:
                _run_sql(connection, sql.replace(f"`{original}`.", f"`{name}`."))
            except sa.exc.DBAPIError as error:
                failure = error
            else:
                del waiting[view]
                failure = None
                break
        if failure is not None:
            raise failure


def _run_sql(connection: sa.Connection, sql: t.Any) -> None:
    """Run a statement as the server gave it, as the account that runs the tests."""
    connection.exec_driver_sql(_DEFINER.sub("", str(sql), count=1).replace("%", "%%"))
