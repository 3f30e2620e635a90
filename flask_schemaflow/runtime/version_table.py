"""The guard of the version table: what is written there fits, and replaces what this run has read."""

from __future__ import annotations

import functools
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from .. import errors
from .guards import Guard
from .guards import is_stamp
from .guards import run_within
from .guards import Scope
from .version_fence import Fence
from .version_fence import table_name

if t.TYPE_CHECKING:
    from .revision_calls import Call

_MYSQL = ("mysql", "mariadb")
_LOCKS_ROWS = ("postgresql", *_MYSQL)


class VersionTable(Guard):
    """Promises that a run writes only versions that fit, over versions that it has read.

    Before anything runs, an id that the column can't hold, or can't tell from another one, is refused, and so is a
    start from nothing in a database that has the tables already. Before each revision and again before its version
    is written, the rows are what this run left there; they stay locked meanwhile, where the database can.
    """

    def __init__(self) -> None:
        self._made = False
        self._looked_in: sa.RootTransaction | sa.NestedTransaction | None = None
        self._fence: Fence | None = None

    def before_configure(self, scope: Scope) -> None:
        """Notice whether Alembic has to make the version table; an empty one that was there had rows once."""

        def created(table: sa.Table, connection: sa.Connection, **rest: t.Any) -> None:
            self._made = self._made or table.name == scope.version_table

        event.listen(sa.Table, "after_create", created)
        scope.defer(lambda: event.remove(sa.Table, "after_create", created))

    def after_configure(self, scope: Scope) -> None:
        """Meet what Alembic writes."""
        self._fence = Fence(scope)

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Refuse what would fail, or worse, succeed.

        :raises RevisionIdTooLong: when the column is too short for an id.
        :raises RevisionIdsAlike: when the column can't tell two ids apart.
        :raises HistoryEmptied: when the tables are there and the row that says so is gone.
        """
        if not steps:
            return
        written = {found for step in steps for found in step.to_revisions}
        if scope.dialect != "sqlite":  # which neither minds lengths nor confuses cases
            _refuse_long(scope, written)
        if scope.dialect in _MYSQL:
            known = {found.revision for found in steps[0].info.revision_map.iterate_revisions("heads", "base")}
            _refuse_alike(scope, written, known | set(scope.heads or ()))
        if not (scope.heads or scope.resumes):
            self._refuse_foreign_start(scope, steps)

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Look before the code runs, and again before the version is written."""
        fence = self._fence
        assert fence is not None
        if not (scope.version_waits or self._holds_rows(scope)):
            fence.check("before this run did anything more")
            self._looked_in = scope.connection.get_transaction() if scope.heads else None
        migrate = step.migration_fn

        def fenced(**kwargs: t.Any) -> None:
            migrate(**kwargs)
            if not self._holds_rows(scope):
                fence.code_ran()

        run_within(step, fenced)

    def _holds_rows(self, scope: Scope) -> bool:
        """Whether the rows were read, and so locked, in this very transaction, where DDL doesn't end one."""
        transaction = scope.connection.get_transaction()
        return scope.dialect == "postgresql" and transaction is not None and self._looked_in is transaction

    def _refuse_foreign_start(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        found = foreign_start(scope.connection, steps, scope.bind, ignore={scope.version_table})
        if not found:
            return
        table, revision, where = found[0]
        of_bind = f" --bind {scope.bind}" if scope.bind else ""
        database = f"the {scope.bind or 'default'} database"
        details = f"  Revision: {revision} ({where})"
        anew = "To begin anew, drop the tables and run `flask db upgrade`."
        if self._made:
            raise errors.SchemaWithoutHistory(
                f"The table {table} exists in {database}, where no migration was ever applied: "
                "db.create_all() made it, or something like it.",
                details=details,
                hint="To keep the tables and their rows, say that they are as the migrations make them: "
                f"`flask db stamp{of_bind} head`, then `flask db check` shows what differs.\n{anew}\n"
                "Then remove db.create_all() from the application.",
            )
        raise errors.HistoryEmptied(
            f"The version table {scope.version_table} of {database} is empty, yet the table {table} is there, which "
            f"revision {revision} would make.",
            details=details,
            hint="To keep the tables and their rows, say which revision they are at: "
            f"`flask db stamp{of_bind} REVISION` (`head` if the newest); then `flask db check` shows what differs.\n"
            f"{anew}",
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
) -> list[Foreign]:
    """Tables that are there although the first of ``steps``, to be run from nothing, would make them.

    Found without running anything, so only what the source says plainly counts: a ``create_table`` under an ``if``,
    with ``if_not_exists``, or after something that may have dropped the table is nobody's mistake.

    :param steps: Alembic's steps of an upgrade of a database that is at no revision.
    :param bind: the name of the database.
    :param ignore: further tables that don't count.
    """
    from .own_tables import OWN_TABLES

    own = OWN_TABLES | set(ignore)
    inspector = sa.inspect(connection)
    if not set(inspector.get_table_names()) - own:
        return []
    names = functools.cache(lambda schema: frozenset(inspector.get_table_names(schema=schema)))
    made = _tables_made(steps, bind)
    return [Foreign(table, revision, str(where)) for schema, table, revision, where in made if table in names(schema)]


def _tables_made(steps: t.Iterable[t.Any], bind: str | None) -> t.Iterator[tuple[str | None, str, str, t.Any]]:
    """What is certainly made, up to the first step whose effect on tables can't be told."""
    from .dispatch import function_for
    from .revision_calls import calls_of
    from .revision_calls import UNSEEN
    from .translation.places import place

    for step in steps:
        if is_stamp(step) or not step.is_upgrade:
            return
        function = function_for(step.revision.module, "upgrade", bind)
        try:
            calls = calls_of(function)
        except LookupError:
            return
        for call in calls:
            if call.name in (UNSEEN, "execute", "drop_table", "rename_table"):
                return
            if _makes_table(call):
                where = place(step.revision.path, call.line)
                yield call.argument(9, "schema"), call.argument(0, "table_name"), step.revision.revision, where


def _makes_table(call: Call) -> bool:
    if call.name != "create_table" or not call.certain or call.has("if_not_exists", "prefixes"):
        return False
    return call.argument(0, "table_name") is not None and (
        not call.has("schema") or call.argument(9, "schema") is not None
    )


def _refuse_long(scope: Scope, written: t.Collection[str]) -> None:
    width = _width(scope)
    longest = max(written, key=len, default="")
    if width is None or len(longest) <= width:
        return
    wide = 2 ** len(longest).bit_length()
    change = f"ALTER COLUMN version_num TYPE VARCHAR({wide})"
    if scope.dialect in _MYSQL:
        change = f"MODIFY version_num VARCHAR({wide}) NOT NULL"
    raise errors.RevisionIdTooLong(
        f"The revision id {longest} has {len(longest)} characters; the version table of the "
        f"{scope.bind or 'default'} database takes {width}.",
        hint=f"Widen its column:\n    ALTER TABLE {table_name(scope)} {change};\n"
        "or give the revision a shorter id, in its file and where others name it.",
    )


def _width(scope: Scope) -> int | None:
    """How many characters the column takes; ``None`` if there is no limit.

    Where the standard's catalog is at hand it is asked: reflecting the table costs as much as several revisions. It
    knows the default schema's table only, and PostgreSQL may find it in another one.
    """
    found = _of_column(scope, "character_maximum_length") if scope.dialect in _LOCKS_ROWS else None
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
    """The row of ``information_schema`` about the column; ``None`` where it has none."""
    schema = scope.version_table_schema or sa.inspect(scope.connection).default_schema_name
    query = sa.text(
        f"SELECT {what} FROM information_schema.columns "
        "WHERE table_schema = :schema AND table_name = :name AND column_name = 'version_num'"
    )
    return scope.connection.execute(query, {"schema": schema, "name": scope.version_table}).first()
