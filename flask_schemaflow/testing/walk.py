"""A walk through a history, up and down on databases of its own, that looks at the schema between two revisions.

Each direction is one run of env.py, however many revisions there are, so it costs what an upgrade costs.
"""

from __future__ import annotations

import contextlib
import functools
import re
import typing as t

import sqlalchemy as sa
from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory
from flask import Flask

from ..autogenerate.operations import Key
from ..autogenerate.verify.snapshot import definitions
from ..autogenerate.verify.snapshot import differences
from ..autogenerate.verify.snapshot import Snapshot
from ..autogenerate.verify.snapshot import snapshot
from ..commands.inspection import current
from ..errors import SchemaflowError
from ..errors.testing import TestingError
from ..records import Event
from ..records import Step
from ..revisions.files import shown_path
from ..runtime import planning
from ..runtime.connections import run_apart
from ..runtime.environment import Environment
from ..runtime.own_tables import is_own_table
from ..runtime.run import Options
from .confinement import redirected
from .confinement import targets_of
from .databases import Databases
from .records import Problem

if t.TYPE_CHECKING:
    from ..runtime.guard import Scope

Watch = t.Callable[["Scope", Step], None]

_PLACE = re.compile(r"\((?P<path>[^()\n]+\.py)(?:, line (?P<line>\d+))?")


class Walk:
    """One application's history, on empty databases that are made for it.

    :param watch: called before each step, with what the run knows of the database; it may be changed.
    """

    def __init__(self, databases: Databases, app: Flask, watch: Watch | None = None) -> None:
        self._databases, self._app = databases, app
        self.watch: Watch | None = watch
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Walk:
        urls = self._databases.create(self._app)
        self._stack.callback(self._databases.drop, urls)
        unrecorded = {"SCHEMAFLOW_RECORD_APPLIED": False}  # nobody reads it, and a run may apply a revision twice
        self._stack.enter_context(redirected(self._app, urls, unrecorded))
        self._stack.enter_context(self._app.app_context())
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def up(self, revision: str = "heads") -> None:
        """Apply the revisions up to one, in one run.

        :raises SchemaflowError: if one fails.
        """
        self._run(planning.upgrade_steps, revision)

    def down(self, revision: str = "base") -> None:
        """Revert the revisions down to one, in one run.

        :raises SchemaflowError: if one fails.
        """
        self._run(planning.downgrade_steps, revision)

    def there_and_back(self, one_way: t.Collection[str] = ()) -> None:
        """Apply each revision, revert it and apply it again, all in one run.

        :param one_way: revisions that are only applied.
        :raises SchemaflowError: if one fails.
        """
        self._run(functools.partial(_there_and_back, one_way), "heads")

    def _run(self, plan: t.Callable[..., t.Any], revision: str) -> None:
        environment = Environment.open()

        def tell(event: Event) -> None:
            if event.kind == "begin" and event.step is not None and self.watch is not None:
                scope = environment.scope
                assert scope.context is not None
                scope.context.impl.memo.clear()  # of the types that it takes for created, though they may be dropped
                self.watch(scope, event.step)

        environment.run(
            lambda heads, context: plan(environment.script, revision, heads),
            Options("write", notify=tell),
            destination_rev=revision,
        )

    def ask(self, database: str, question: t.Callable[[sa.Connection], t.Any]) -> t.Any:
        """Ask one of the databases something, on a connection of its own."""
        target = next(item for item in targets_of(self._app) if item.name == database)
        return run_apart(target.sync_engine, question)


def _there_and_back(
    one_way: t.Collection[str], script: ScriptDirectory, revision: str, heads: t.Any
) -> t.Iterator[t.Any]:
    """Yield the steps of a run that applies each revision twice, and reverts it in between."""
    for step in planning.upgrade_steps(script, revision, heads):
        yield step
        if step.revision.revision not in one_way:
            yield MigrationStep.downgrade_from_script(script.revision_map, step.revision)
            yield MigrationStep.upgrade_from_script(script.revision_map, step.revision)


class Stairs:
    """The schema at each revision of a walk, as the first ``upgrade()`` left it.

    :ivar found: the steps after which the schema was another one, with what differs.
    :ivar made: by database and part of the schema, the revision whose ``upgrade()`` made it.
    """

    def __init__(self) -> None:
        self.found: list[tuple[Step, tuple[str, ...]]] = []
        self.made: dict[tuple[str, str], str] = {}
        self._states: dict[tuple[str, frozenset[str]], Snapshot] = {}
        self._readers: dict[str, StateReader] = {}
        self._last: dict[str, tuple[Step, Snapshot]] = {}
        self._known: dict[str, set[str]] = {}

    def watch(self, scope: Scope, step: Step) -> None:
        """Look at the schema before a step, which is how the step before it has left it."""
        self._readers.setdefault(step.database, StateReader(scope.version_table))
        state = self._look(step.database, frozenset(scope.heads or ()), scope.connection)
        self._last[step.database] = (step, state)

    def end(self, walk: Walk) -> None:
        """Look at the schemas that the last step of a run has left."""
        for at in current():
            if at.database in self._readers:
                ids = frozenset(revision.id for revision in at.revisions)
                walk.ask(at.database, functools.partial(self._look, at.database, ids))
        self._last.clear()

    def left_at_base(self, walk: Walk) -> list[tuple[str, str]]:
        """Return what databases have at base that they hadn't at first: their names, and the parts of the schema."""
        left = []
        for database, reader in self._readers.items():
            state = walk.ask(database, reader.read)
            left += [(database, part) for part in sorted(state.keys() - self._states[database, frozenset()].keys())]
        return left

    def _look(self, database: str, at: frozenset[str], connection: sa.Connection) -> Snapshot:
        state = self._readers[database].read(connection)
        expected = self._states.setdefault((database, at), state)
        if database in self._last:
            self._note(database, *self._last[database], differences(expected, state), state)
        return state

    def _note(self, database: str, step: Step, before: Snapshot, found: list[str], state: Snapshot) -> None:
        new = tuple(item for item in found if item not in self._known.get(database, ()))
        self._known[database] = set(found)  # what one revision forgot isn't the fault of those before it
        if new:
            self.found.append((step, tuple(condensed(new))))
        if step.direction == "upgrade":
            for part in state.keys() - before.keys():
                self.made.setdefault((database, part), step.revision)


def line_of(path: str, beginning: str) -> int:
    """Return the first line of a file that begins like this; 0 if none does."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return next((number for number, line in enumerate(file, 1) if line.startswith(beginning)), 0)
    except OSError:
        return 0


def failed(check: str, error: SchemaflowError, files: t.Mapping[str, str]) -> Problem:
    """Return the problem that a failed run is.

    :param files: the revision files by id.
    :raises TestingError: if that is the error, which is about the test and not about the migrations.
    """
    if isinstance(error, TestingError):
        raise error
    revision = getattr(error, "revision", "")
    place = _PLACE.search(error.message)
    return Problem(
        check,
        error.message,
        revision=revision,
        path=shown_path(place["path"]) if place else files.get(revision, ""),
        line=int(place["line"] or 0) if place else 0,
        details=tuple(line.strip() for line in error.details.splitlines()),
        hint=error.hint,
    )


_SQLITE = "SELECT type || ' ' || name, sql FROM sqlite_master WHERE type IN ('view', 'trigger')"
_OF_EXTENSION = "EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = {}.oid AND d.deptype = 'e')"
_USERS = "n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%%'"
_POSTGRESQL = f"""
SELECT 'schema ' || n.nspname, '' FROM pg_namespace n WHERE {_USERS}
UNION ALL SELECT CASE c.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || n.nspname || '.' || c.relname,
    pg_get_viewdef(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND {_USERS} AND NOT {_OF_EXTENSION.format("c")}
UNION ALL SELECT 'sequence ' || n.nspname || '.' || c.relname, ''
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND {_USERS} AND NOT {_OF_EXTENSION.format("c")}
UNION ALL SELECT 'type ' || n.nspname || '.' || y.typname,
    (SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = y.oid)
FROM pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace
WHERE y.typtype = 'e' AND {_USERS} AND NOT {_OF_EXTENSION.format("y")}
UNION ALL SELECT 'function ' || n.nspname || '.' || p.proname || '(' || pg_get_function_arguments(p.oid) || ')',
    p.prosrc
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE {_USERS} AND NOT {_OF_EXTENSION.format("p")}
UNION ALL SELECT 'trigger ' || g.tgname || ' of ' || g.tgrelid::regclass::text, pg_get_triggerdef(g.oid)
FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT g.tgisinternal AND {_USERS}
UNION ALL SELECT 'domain ' || n.nspname || '.' || y.typname, format_type(y.typbasetype, y.typtypmod)
FROM pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace
WHERE y.typtype = 'd' AND {_USERS} AND NOT {_OF_EXTENSION.format("y")}
UNION ALL SELECT 'extension ' || extname, '' FROM pg_extension
"""
_MYSQL = """
SELECT CONCAT('view ', table_name), view_definition FROM information_schema.views WHERE table_schema = DATABASE()
UNION ALL SELECT CONCAT('trigger ', trigger_name, ' of ', event_object_table), action_statement
FROM information_schema.triggers WHERE trigger_schema = DATABASE()
UNION ALL SELECT CONCAT(LOWER(routine_type), ' ', routine_name), routine_definition
FROM information_schema.routines WHERE routine_schema = DATABASE()
"""
_OTHERS = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL, "mysql": _MYSQL, "mariadb": _MYSQL}


_TABLES_OF_POSTGRESQL = f"""
SELECT CASE WHEN n.nspname = current_schema() THEN NULL ELSE n.nspname END, c.relname, md5(concat(
    (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
            a.attgenerated, a.attcollation, pg_get_expr(d.adbin, d.adrelid)), ';' ORDER BY a.attnum)
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    (SELECT string_agg(k.conname || pg_get_constraintdef(k.oid), ';' ORDER BY k.conname)
        FROM pg_constraint k WHERE k.conrelid = c.oid),
    (SELECT string_agg(pg_get_indexdef(i.indexrelid) || i.indisvalid, ';' ORDER BY i.indexrelid::regclass::text)
        FROM pg_index i WHERE i.indrelid = c.oid),
    (SELECT string_agg(t.objsubid || t.description, ';' ORDER BY t.objsubid)
        FROM pg_description t WHERE t.objoid = c.oid AND t.classoid = 'pg_class'::regclass)))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND {_USERS} AND NOT {_OF_EXTENSION.format("c")}
"""
_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")


class StateReader:
    """Reads the schema of one database again and again.

    :param version_table: the version table, which is left out.
    """

    def __init__(self, version_table: str) -> None:
        self._version_table = version_table
        self._seen: dict[t.Any, Snapshot] = {}

    def read(self, connection: sa.Connection) -> Snapshot:
        """Return everything in the schema that revisions make."""
        others = connection.exec_driver_sql(_OTHERS[connection.dialect.name]).all()
        state: Snapshot = {str(name): str(text) for name, text in others}
        for key, shape in shapes_of(connection).items():
            if key[1] == self._version_table or is_own_table(key[1]):
                continue
            if (key, shape) not in self._seen:
                # The types are among the others: they change without the tables.
                read = snapshot(connection, (), {key}).items()
                self._seen[key, shape] = {part: value for part, value in read if not part.startswith("type ")}
            state.update(self._seen[key, shape])
        return state


def shapes_of(connection: sa.Connection) -> dict[Key, t.Any]:
    """Return a value for each table that is another one when its shape is."""
    kind = connection.dialect.name
    if kind == "sqlite":
        return {key: tuple(sql) for key, sql in (definitions(connection, ()) or {}).items()}
    if kind == "postgresql":
        rows = connection.exec_driver_sql(_TABLES_OF_POSTGRESQL)
        return {(schema, table): digest for schema, table, digest in rows}
    shapes: dict[Key, t.Any] = {}
    for table in sa.inspect(connection).get_table_names():
        sql = connection.exec_driver_sql(f"SHOW CREATE TABLE `{table}`".replace("%", "%%")).one()[1]
        shapes[None, table] = _COUNTER.sub("", sql)
    return shapes


_TABLE = re.compile(r"(?:\w+: )?table (.+) (remains|is missing)$")


def condensed(found: t.Iterable[str]) -> list[str]:
    """Return differences without those that follow from another one: of a table that is left, its columns are, too."""
    found = list(found)
    tables = {(found[1], found[2]) for found in map(_TABLE.match, found) if found is not None}
    return [item for item in found if _TABLE.match(item) or not _is_part(item, tables)]


def _is_part(item: str, tables: t.Collection[tuple[str, ...]]) -> bool:
    return any(
        item.endswith(f" {how}") and (f"column {table}." in item or item.endswith(f" of {table} {how}"))
        for table, how in tables
    )
