"""The version table: what a run may write there, how it is read without Alembic, and the tables kept beside it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ... import errors
from ...revisions.digests import text_of
from ...targets import current_tenant
from ..connections import execute_beneath
from ..guard import Guard
from ..guard import is_stamp
from ..guard import MYSQL
from ..guard import Scope
from ..own_tables import is_own_table
from .lock import lost

if t.TYPE_CHECKING:
    from ...revisions.calls import Call


_KEEPS_TABLES = re.compile(
    r"\s*(?:INSERT|UPDATE|DELETE|COMMENT|GRANT|SET|CREATE\s+(?:UNIQUE\s+)?(?:INDEX|TABLE|TYPE))\b[^;]*;?\s*$", re.I
)


class VersionTable(Guard):
    """Promises that a run writes only versions that fit, and only over versions that it has read.

    An id is refused before its revision runs if the column can't hold it or can't distinguish it from another id. A
    start from base is refused if the database has the tables already. Before each revision, and again before its
    version is written, the rows must be as this run left them; they stay locked in between if the database can do
    that.
    """

    def __init__(self) -> None:
        self._made = False
        self._width: int | None = None  # of the column that this run has made
        self._is_checked = True  # whether the ids that this run writes fit into the column
        self._locked_in: sa.RootTransaction | sa.NestedTransaction | None = None

    def before_configure(self, scope: Scope) -> None:
        """Notice whether Alembic has to make the version table; an empty one that was there had rows once."""

        def created(table: sa.Table, connection: sa.Connection, **rest: t.Any) -> None:
            if table.name == scope.version_table:
                self._made = True
                self._width = getattr(table.c.version_num.type, "length", None) if "version_num" in table.c else None

        event.listen(sa.Table, "after_create", created)
        scope.defer(lambda: event.remove(sa.Table, "after_create", created))

    def after_configure(self, scope: Scope) -> None:
        """Have the versions locked by the statement that reads them, if it is known that their table is there."""
        context = scope.context
        assert context is not None
        read = context.get_current_heads

        def get_current_heads() -> tuple[str, ...]:
            transaction = scope.connection.get_transaction()
            if transaction is None or scope.version_table not in (scope.own_tables or ()) or scope.heads is not None:
                return read()
            heads = _read_postgresql(scope)
            self._locked_in = transaction if heads else None
            return tuple(sorted(heads))

        scope.shadow(context, "get_current_heads", get_current_heads)

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Refuse what would fail, or worse, succeed.

        :raises RevisionIdTooLong: when the column is too short for an id.
        :raises RevisionIdsAlike: when the column can't tell two ids apart.
        :raises HistoryEmptied: when the tables are there and the row that says so is gone.
        """
        if not steps:
            return
        written = {found for step in steps for found in step.to_revisions}
        if scope.dialect != "sqlite" and not self._surely_takes(scope, written):  # which doesn't mind lengths
            self._make_room(scope, steps, written)
        if scope.dialect in MYSQL:
            known = {found.revision for found in steps[0].info.revision_map.iterate_revisions("heads", "base")}
            _refuse_alike(scope, written, known | set(scope.heads or ()))
        if not (scope.heads or scope.resumes):
            self._refuse_foreign_start(scope, steps)

    def _surely_takes(self, scope: Scope, written: t.Collection[str]) -> bool:
        """Return whether the column takes the ids, as no longer one is in it, or as this run has made it."""
        fits = max((self._width or 0, *map(len, scope.heads or ())))
        return max(map(len, written), default=0) <= fits

    def _make_room(self, scope: Scope, steps: t.Sequence[t.Any], written: t.Collection[str]) -> None:
        """Widen the column if this run has made it, else refuse an id that it can't hold.

        A revision may widen the column itself, so the ids from there on are checked when it has run.
        """
        width, longest = _width(scope), max(written, key=len)
        if self._made and width is not None and len(longest) > width:
            execute_beneath(scope.connection, _widening(scope, longest))
            return
        before = list(itertools.takewhile(lambda step: not _names_table(step, scope.version_table), steps))
        self._is_checked = len(before) == len(steps)
        _refuse_long(scope, width, {found for step in before for found in step.to_revisions})

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Check the rows, and an id that wasn't checked yet, before the code runs."""
        if not self._is_checked and not _names_table(step, scope.version_table):
            _refuse_long(scope, _width(scope), step.to_revisions)
        self._check(scope, "before this run did anything more")

    @contextlib.contextmanager
    def around(self, scope: Scope, step: t.Any) -> t.Iterator[None]:
        """Check the rows again before the version is written."""
        yield
        self._check(scope, "before the version was written")

    def _check(self, scope: Scope, when: str) -> None:
        if not self._holds_rows(scope):
            check_versions(scope, when)
            self._locked_in = scope.connection.get_transaction() if scope.heads else None

    def _holds_rows(self, scope: Scope) -> bool:
        """Return whether the rows were locked in the transaction that is open, where DDL doesn't end one.

        On SQLite the whole file is.
        """
        transaction = scope.connection.get_transaction()
        return scope.dialect in ("postgresql", "sqlite") and transaction is not None and self._locked_in is transaction

    def _refuse_foreign_start(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        tenant = current_tenant()
        schema = tenant.tenant.schema if tenant is not None else None
        found = foreign_start(scope.connection, steps, scope.bind, ignore={scope.version_table}, default_schema=schema)
        if not found:
            return
        from ..errors.migration import schema_without_history
        from ..errors.schema import newest_present
        from ..errors.schema import stamp_advice

        table, revision, where = found[0]
        details = f"  Revision: {revision} ({where})"
        script = scope.context.script if scope.context is not None else None
        advice = ""
        if script is not None:
            advice = stamp_advice(newest_present(script, scope.connection, scope.bind), script.get_heads(), scope.bind)
        if self._made:
            raise schema_without_history(table, scope.database, details, advice)
        raise errors.HistoryEmptied(
            f"The version table {scope.version_table} of the {scope.database} database is empty, but the table {table} "
            f"of revision {revision} exists.",
            details=details,
            hint=advice,
        )


class Foreign(t.NamedTuple):
    """A table that is there and that a pending revision would make.

    :ivar where: the file and the line.
    """

    table: str
    revision: str
    where: str


def foreign_start(
    connection: sa.Connection,
    steps: t.Iterable[t.Any],
    bind: str | None = None,
    *,
    ignore: t.Collection[str] = (),
    default_schema: str | None = None,
) -> list[Foreign]:
    """Return the tables that exist although ``steps``, run from nothing, would make them.

    Found without running anything, so only what the source says plainly counts: a ``create_table`` under an ``if``,
    with ``if_not_exists``, or after something that may have dropped the table is nobody's mistake.

    :param steps: Alembic's steps of an upgrade of a database that is at no revision.
    :param bind: the name of the database.
    :param ignore: further tables that don't count.
    :param default_schema: where tables without a schema are made, if it isn't the connection's own default.
    """
    inspector = sa.inspect(connection)
    if all(name in ignore or is_own_table(name) for name in inspector.get_table_names(schema=default_schema)):
        return []
    names = functools.cache(lambda schema: frozenset(inspector.get_table_names(schema=schema or default_schema)))
    made = _tables_made(steps, bind)
    return [Foreign(table, revision, str(where)) for schema, table, revision, where in made if table in names(schema)]


def _tables_made(steps: t.Iterable[t.Any], bind: str | None) -> t.Iterator[tuple[str | None, str, str, t.Any]]:
    """Yield what is certainly made, up to the first step whose effect on tables can't be told."""
    from ...revisions.calls import calls_of
    from ...revisions.calls import UNSEEN
    from ..errors.lines import place
    from ..planning import function_for

    moved: set[str] = set()  # dropped or renamed on the way, so that the name says nothing any more
    for step in steps:
        if is_stamp(step) or not step.is_upgrade:
            return
        function = function_for(step.revision.module, "upgrade", bind)
        try:
            calls = calls_of(function)
        except LookupError:
            return
        for call in calls:
            if call.name == UNSEEN or (call.name == "execute" and not _keeps_tables(call.statement())):
                return
            if call.name in ("drop_table", "rename_table"):
                old = call.argument(0, "table_name") or call.argument(0, "old_table_name")
                moved |= {old, call.argument(1, "new_table_name") or old}
            elif _makes_table(call) and not moved & {None, call.argument(0, "table_name")}:
                where = place(step.revision.path, call.line)
                yield call.argument(9, "schema"), call.argument(0, "table_name"), step.revision.revision, where


def _keeps_tables(statement: str | None) -> bool:
    """Return whether a statement surely neither drops nor renames a table."""
    return statement is not None and _KEEPS_TABLES.match(statement) is not None


def _makes_table(call: Call) -> bool:
    if call.name != "create_table" or not call.certain or call.has("if_not_exists", "prefixes"):
        return False
    return call.argument(0, "table_name") is not None and (
        not call.has("schema") or call.argument(9, "schema") is not None
    )


def _names_table(step: t.Any, table: str) -> bool:
    """Return whether a revision's file names the version table, which it may be about to widen."""
    if is_stamp(step):
        return False
    text = text_of(step.revision.path)
    return text is None or table in text  # if it can't be read, the database says whether the id fits


def _refuse_long(scope: Scope, width: int | None, written: t.Collection[str]) -> None:
    longest = max(written, key=len, default="")
    if width is None or len(longest) <= width:
        return
    raise errors.RevisionIdTooLong(
        f"The revision id {longest} has {len(longest)} characters; the version table of the "
        f"{scope.bind or 'default'} database takes {width}.",
        hint=f"Widen its column:\n    {_widening(scope, longest)};\n"
        "or give the revision a shorter id, in its file and where others name it.",
    )


def _widening(scope: Scope, longest: str) -> str:
    """Return the statement after which the column holds an id."""
    wide = 2 ** len(longest).bit_length()
    change = f"ALTER COLUMN version_num TYPE VARCHAR({wide})"
    if scope.dialect in MYSQL:
        change = f"MODIFY version_num VARCHAR({wide}) NOT NULL"
    return f"ALTER TABLE {table_name(scope)} {change}"


def _width(scope: Scope) -> int | None:
    """Return how many characters the column takes; ``None`` if there is no limit.

    Where the standard's catalog is at hand it is asked: reflecting the table costs as much as several revisions. It
    knows the default schema's table only, and PostgreSQL may find it in another one.
    """
    found = _of_column(scope, "character_maximum_length") if scope.dialect in ("postgresql", *MYSQL) else None
    if found is not None:
        return None if found[0] is None else int(found[0])
    columns = sa.inspect(scope.connection).get_columns(scope.version_table, schema=scope.version_table_schema)
    widths = {column["name"]: getattr(column["type"], "length", None) for column in columns}
    return widths.get("version_num")


def _refuse_alike(scope: Scope, written: t.Collection[str], known: t.Collection[str]) -> None:
    alike: dict[str, list[str]] = {}
    for found in sorted({*known, *written}):
        alike.setdefault(found.casefold(), []).append(found)
    pair = next((twins[:2] for found in sorted(written) if len(twins := alike[found.casefold()]) > 1), None)
    row = _of_column(scope, "collation_name") if pair else None
    collation = str(row[0] or "") if row else ""
    if pair is None or not collation.endswith("_ci"):
        return
    binary = f"{collation.partition('_')[0]}_bin"
    raise errors.RevisionIdsAlike(
        f"The revision ids {pair[0]} and {pair[1]} differ only by case, and the version table of the "
        f"{scope.bind or 'default'} database (collation {collation}) can't tell them apart.",
        hint="Give one of them another id, in its file and where others name it, or let the column tell cases apart:\n"
        f"    ALTER TABLE {table_name(scope)} MODIFY version_num VARCHAR(32) COLLATE {binary} NOT NULL;",
    )


def _of_column(scope: Scope, what: str) -> sa.Row[t.Any] | None:
    """Return the row of ``information_schema`` about the column; ``None`` where it has none."""
    schema = scope.version_table_schema or sa.inspect(scope.connection).default_schema_name
    query = sa.text(
        f"SELECT {what} FROM information_schema.columns "
        "WHERE table_schema = :schema AND table_name = :name AND column_name = 'version_num'"
    )
    return scope.connection.execute(query, {"schema": schema, "name": scope.version_table}).first()


def check_versions(scope: Scope, when: str) -> None:
    """Lock the version rows until the transaction ends, and refuse rows that this run has not left there.

    :param when: completes "Another tool migrated it ...".
    :raises ChangedMeanwhile: when another process has written a version since this run read or wrote one.
    """
    stored = _read_postgresql(scope) if scope.dialect == "postgresql" else _read(scope, when)
    if scope.heads is None or stored == scope.heads:
        return
    raise errors.ChangedMeanwhile.of(scope.database, scope.heads, stored, when)


def table_name(scope: Scope) -> str:
    """Return the version table's name as a statement without parameters has to spell it."""
    dialect = scope.connection.dialect
    quote = dialect.identifier_preparer.quote
    name = ".".join(quote(part) for part in (scope.version_table_schema, scope.version_table) if part)
    return name.replace("%%", "%") if dialect.paramstyle in ("format", "pyformat") else name


def _read(scope: Scope, when: str) -> frozenset[str]:
    if scope.dialect not in MYSQL:
        rows = execute_beneath(scope.connection, f"SELECT version_num FROM {table_name(scope)}")
        return frozenset(row[0] for row in rows)
    statement = (
        f"SELECT s.held, v.version_num FROM (SELECT {scope.lock_held or 1} AS held) AS s "
        f"LEFT JOIN {table_name(scope)} AS v ON TRUE FOR UPDATE"
    )
    rows = execute_beneath(scope.connection, statement)
    if rows[0][0] != 1:
        raise lost(scope, when)
    return frozenset(row[1] for row in rows if row[1] is not None)


def _read_postgresql(scope: Scope) -> frozenset[str]:
    """Read the rows with the statement that also limits how long the transaction waits for locks.

    Most runs read them once; where each revision is a transaction of its own, this is all that a revision costs more.
    """
    versions = f"SELECT version_num FROM {table_name(scope)} FOR UPDATE"
    statement = f"SELECT v.version_num FROM (SELECT {scope.lock_limit}) AS s LEFT JOIN ({versions}) AS v ON true"
    rows = scope.connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    return frozenset(row[0] for row in rows if row[0] is not None)
