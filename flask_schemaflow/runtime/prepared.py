"""Statements that are compiled once and sent many times."""

from __future__ import annotations

import types
import typing as t

import sqlalchemy as sa

from .beneath import with_cursor

_NO_VALUES: t.Mapping[str, t.Any] = types.MappingProxyType({})


class Prepared:
    """A statement that is compiled once; SQLAlchemy looks even a cached one up at twice the price of sending it.

    :param statement: of plain columns, whose values need no conversion.
    """

    def __init__(self, statement: t.Any, connection: sa.Connection) -> None:
        compiled = statement.compile(dialect=connection.dialect)
        self._connection = connection
        self._text = str(compiled)
        self._fixed: dict[str, t.Any] = compiled.params
        self._order: t.Sequence[str] | None = compiled.positiontup

    def run(self, values: t.Mapping[str, t.Any] = _NO_VALUES) -> int:
        """Send it with these values for its columns; the number of rows that it met."""
        return self._connection.exec_driver_sql(self._text, self._ordered(values)).rowcount

    def run_quickly(self, values: t.Mapping[str, t.Any]) -> int:
        """Send it past SQLAlchemy, and what fails so once more in sight of those who wait, repeat or explain.

        On PostgreSQL that would be no use, because an error ends the transaction.
        """
        if self._connection.dialect.name == "postgresql":
            return self.run(values)
        try:
            return with_cursor(self._connection, self._text, lambda cursor: self.run_by(cursor, values))
        except sa.exc.IntegrityError:
            raise
        except sa.exc.DBAPIError:
            return self.run(values)

    def run_by(self, cursor: t.Any, values: t.Mapping[str, t.Any] = _NO_VALUES) -> int:
        """Send it by a cursor of the driver."""
        cursor.execute(self._text, self._ordered(values))
        return int(cursor.rowcount)

    def _ordered(self, values: t.Mapping[str, t.Any]) -> t.Any:
        given = {**self._fixed, **values}
        return given if self._order is None else tuple(given[name] for name in self._order)
