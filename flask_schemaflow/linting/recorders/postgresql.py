"""Observe statements on PostgreSQL by its catalogs.

Within a transaction ``pg_locks`` has every lock. A rewrite gives a table another file, an index build gives one to an
index, and a scan counts in ``pg_stat_get_xact_numscans()``; all of this shows on an empty table, too. A statement
outside of a transaction is given one for the time of the observation. Those that refuse that, such as ``CREATE INDEX
CONCURRENTLY`` and ``VACUUM``, are known by what PostgreSQL documents of their locks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import typing as t

import sqlalchemy as sa

from ..observation import Hold
from ..observation import LockedRows
from ..observation import Observation
from ..observation import Orphans
from ..observation import StatementRecorder
from ..observation import WRITES
from ..raw import query
from ..raw import reading
from ..shapes import label
from ..shapes import split
from ..shapes import TableChange
from ..sql_text import bare
from ..sql_text import first_word
from ..sql_text import limit_of
from ..sql_text import parts_of

_MODES = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
_BLOCKS: dict[str, tuple[str, ...]] = {
    "ShareLock": ("writes",),
    "ShareRowExclusiveLock": ("writes",),
    "ExclusiveLock": ("writes",),
    "AccessExclusiveLock": ("reads", "writes"),
}
_ALONE = re.compile(
    r"(?<!VIEW )\bCONCURRENTLY\b|^VACUUM\b|^REINDEX\s+(?:\([^)]*\)\s*)?(?:SCHEMA|DATABASE|SYSTEM)\b|^CLUSTER\s*;?$"
    r"|^(?:CREATE|DROP)\s+(?:DATABASE|TABLESPACE|SUBSCRIPTION)\b|^ALTER\s+SYSTEM\b",
    re.I,
)
_RELATIONS = """SELECT c.oid, CASE WHEN n.nspname = current_schema() THEN NULL ELSE n.nspname END, c.relname, c.relkind,
    coalesce(pg_relation_filenode(c.oid), 0), coalesce(i.indrelid, 0), coalesce(pg_stat_get_xact_numscans(c.oid), 0)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
    WHERE c.relkind IN ('r', 'i', 'm', 'p', 'I') AND n.nspname NOT LIKE 'pg\\_%'
    AND n.nspname <> 'information_schema'
    AND (n.nspname = current_schema() OR current_schema() NOT LIKE 'schemaflow\\_verify\\_%')"""
_KINDS = {"Update": "update", "Merge": "update", "Delete": "delete"}
_LOCKS_ROWS = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+UPDATE|UPDATE|KEY\s+SHARE|SHARE)\b", re.I)
_TRUSTED_ROWS = 200
"""With fewer rows than this the planner's statistics say little about a bigger table."""
_USERS = """SELECT a.attrelid FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
    WHERE a.attnum > 0 AND y.typname = ANY(%s)"""
_DELETES = "SELECT conrelid, confrelid, confdeltype::text FROM pg_constraint WHERE confdeltype IN ('c', 'n', 'd')"
_ACTIONS = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_PARTITIONS = "SELECT inhrelid, inhparent FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid AND c.relispartition"
_SAVEPOINT = "schemaflow_lint"
_LOCKS = """SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY relation"""


@dataclasses.dataclass(frozen=True)
class _Relation:
    schema: str | None
    name: str
    kind: str
    file: int
    of: int
    scans: int

    @property
    def is_index(self) -> bool:
        return self.kind in "iI"


class PostgreSQLRecorder(StatementRecorder):
    """Reads locks, files and scans before and after each statement."""

    def list_tables(self, connection: sa.Connection) -> list[str]:
        """Return tables, materialized views and partitioned tables in every schema."""
        found = _relations(connection).values()
        return [label(item.schema, item.name) for item in found if not item.is_index and item.name not in self.ignored]

    def begin(self, connection: sa.Connection) -> None:
        """Note which relations there are."""
        self._old = {
            oid: item for oid, item in _relations(connection).items() if item.is_index or item.name not in self.ignored
        }
        self._labels = {oid: label(item.schema, item.name) for oid, item in self._old.items()}
        self._partitions = set(map(tuple, query(connection, _PARTITIONS)))
        self.unnamed = frozenset(self._labels[child] for child, _ in self._partitions if child in self._labels)
        self._held: dict[int, tuple[str, int]] = {}
        self._alone = False

    def named(self, connection: sa.Connection, sql: str) -> list[str]:
        """Return the older tables that a statement names, or whose index or type it names."""
        found = super().named(connection, sql)
        if first_word(sql) in ("DROP", "ALTER", "REINDEX"):
            words = set(re.findall(r"[\w$]+", sql))
            owners = [self._labels.get(item.of) for item in self._old.values() if item.is_index and item.name in words]
            if re.match(r"(?:ALTER|DROP)\s+(?:TYPE|DOMAIN)\b", bare(sql), re.I):
                owners += [self._labels.get(oid) for (oid,) in query(connection, _USERS, (list(words),))]
            found += [name for name in owners if name in self.shapes.current]
            if re.match(r"DROP\s+SCHEMA\b", bare(sql), re.I):
                found += [table for table, name in self.shapes.current.items() if split(name)[0] in words]
        return list(dict.fromkeys(found))

    def parts(self, sql: str, parameters: t.Any) -> list[str]:
        """Return the statements of a text, which may hold several if it has no parameters."""
        return [sql] if parameters else parts_of(sql)

    def works(self, connection: sa.Connection, sql: str, parameters: t.Any) -> bool:
        """Run a statement within a savepoint."""
        if self._alone:
            return False
        query(connection, f"SAVEPOINT {_SAVEPOINT}")
        try:
            query(connection, sql, parameters)
        except Exception:  # whatever the driver raises
            query(connection, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            return False
        query(connection, f"RELEASE SAVEPOINT {_SAVEPOINT}")
        return True

    def before(self, item: Observation, connection: sa.Connection, parameters: t.Any) -> tuple[str, t.Any]:
        """Open a transaction where there is none, and ask the planner about rows."""
        self._alone = item.autocommit and _ALONE.search(bare(item.sql)) is not None
        if item.autocommit and self.begins_here:
            self._held = {}
            if not self._alone:
                query(connection, "BEGIN")
        else:
            held = _locks(connection)
            self._held = {oid: value for oid, value in self._held.items() if oid in held}
        if (item.word in WRITES or _LOCKS_ROWS.search(item.sql)) and not self._alone:
            item.written += self._planned(item, connection, parameters)
            self._note_lost(item, connection)
        self._relations = _relations(connection)
        return item.sent, parameters

    def after(self, item: Observation, connection: sa.Connection) -> None:
        """Compare with what was there before the statement."""
        now = _relations(connection)
        for oid in self._old:
            self._note_work(item, oid, now)
        self._note_detached(item, connection, now)
        self._note_gone(item, now)
        self._note_locks(item, now, {} if self._alone else _locks(connection))
        if item.autocommit and self.ends_here and not self._alone:
            query(connection, "COMMIT")

    def failed(self, item: Observation, connection: sa.Connection) -> None:
        """End the transaction that the observation opened."""
        if item.autocommit and not self._alone:
            query(connection, "ROLLBACK")

    def keys_that_delete(self, connection: sa.Connection) -> list[Orphans]:
        """Return the foreign keys between older tables that delete or change rows."""
        rows = [row for row in query(connection, _DELETES) if {row[0], row[1]} <= self._labels.keys()]
        return [Orphans(self._labels[child], self._labels[parent], _ACTIONS[key]) for child, parent, key in rows]

    def _note_detached(self, item: Observation, connection: sa.Connection, now: dict[int, _Relation]) -> None:
        """Note the partitions that aren't in their tables any more but are still there."""
        if item.word == "ALTER":
            there = set(map(tuple, query(connection, _PARTITIONS)))
            for child, parent in self._partitions - there:
                if child in now and {child, parent} <= self._labels.keys():
                    item.detached.append((self._labels[parent], self._labels[child]))
            self._partitions = there

    def _note_gone(self, item: Observation, now: dict[int, _Relation]) -> None:
        """Note the tables that a statement drops without naming them, as with an extension or what someone owns."""
        for oid in self._relations.keys() - now.keys():
            table = self._labels.get(oid)
            is_table = oid in self._old and not self._old[oid].is_index
            if table is not None and is_table and table not in item.tables and table not in self.unnamed:
                item.changes.append(TableChange("drop_table", table, old=table))

    def _note_work(self, item: Observation, oid: int, now: dict[int, _Relation]) -> None:
        """Note a rewrite, an index build or a scan of one older table."""
        was, relation = self._relations.get(oid), now.get(oid)
        if was is None or relation is None or relation.is_index:
            return
        table = self._labels[oid]
        scanned = relation.scans > was.scans
        indexes = [key for key, value in now.items() if value.of == oid]
        built = [key for key in indexes if key not in self._relations or self._relations[key].file != now[key].file]
        if relation.file != was.file:
            if re.search(r"\bTRUNCATE\b", item.sql, re.I):
                item.empties.append(table)
            else:
                item.work[table] = "rewrite"
        elif scanned and built:
            item.work[table] = "index_build"
        elif scanned:
            everything = any(row.table == table and row.share >= 0.5 for row in item.written)
            item.work[table] = "write_all" if everything else "scan"

    def _note_locks(self, item: Observation, now: dict[int, _Relation], locks: dict[int, str]) -> None:
        for oid, mode in locks.items():
            owner = self._owner(oid, mode)
            if owner is None:
                continue
            known = self._held.get(owner)
            if known is None or _MODES.index(mode) > _MODES.index(known[0]):
                self._held[owner] = (mode, item.number)
                item.locks[self._labels[owner]] = _words(mode)
        if self._alone:
            self._note_documented(item, now)
        for oid, (mode, number) in self._held.items():
            table = self._labels[oid]
            if mode in _BLOCKS and ("reads" in _BLOCKS[mode] or self._old[oid].kind != "m"):  # nobody writes to views
                item.holds.append(Hold(table, _words(mode), _BLOCKS[mode], number))
            if mode == "AccessExclusiveLock" and number == item.number:
                item.waits.append(table)
            if mode == "RowExclusiveLock" and number == item.number and item.work.get(table) == "scan":
                self._note_unplanned(item, table)
        item.tables = tuple(dict.fromkeys([*item.tables, *item.locks]))

    def _owner(self, oid: int, mode: str) -> int | None:
        """Return the older table that a lock concerns; that of an index stops readers, too, if it is exclusive."""
        relation = self._old.get(oid)
        if relation is None or not relation.is_index:
            return None if relation is None else oid
        return relation.of if mode == "AccessExclusiveLock" and relation.of in self._old else None

    def _note_documented(self, item: Observation, now: dict[int, _Relation]) -> None:
        """Note the lock of a statement that runs outside of any transaction."""
        if re.search(r"\bCONCURRENTLY\b", item.sql, re.I):
            item.locks = dict.fromkeys(item.tables, "SHARE UPDATE EXCLUSIVE")
            builds = re.match(r"(?:CREATE|REINDEX)\b", bare(item.sql), re.I)
            item.work = dict.fromkeys(item.tables, "index_build") if builds else {}
            return
        for table in item.work:
            item.locks[table] = "ACCESS EXCLUSIVE"
            item.holds.append(Hold(table, "ACCESS EXCLUSIVE", ("reads", "writes"), item.number))

    def _note_unplanned(self, item: Observation, table: str) -> None:
        """Note that a block of code or a function changes rows, of which the planner can tell nothing."""
        if item.word not in WRITES and not any(row.table == table for row in item.written):
            item.written.append(LockedRows(table, 1.0, "update"))
            item.work[table] = "write_all"

    def _planned(self, item: Observation, connection: sa.Connection, parameters: t.Any) -> t.Iterator[LockedRows]:
        """Yield what the planner expects a statement to change, by the application's own statistics if it has any."""
        plan = self._plan(connection, item.sent, parameters)
        for node in _writers(plan):
            name = _relation_of(node)
            table = self._label_of(connection, node.get("Schema"), name)
            if table is not None:
                kind = _KINDS.get(node.get("Operation", ""), "read" if node["Node Type"] == "LockRows" else "update")
                if kind == "delete" and _is_whole(node):
                    item.empties.append(table)
                share = self._share(connection, item.sent, parameters, node)
                yield LockedRows(table, share, kind, limit_of(item.sent, parameters))

    def _label_of(self, connection: sa.Connection, schema: str | None, name: str) -> str | None:
        for candidate in (name, label(schema, name)):
            original = self.shapes.original(candidate)
            if original is not None:
                return original
        return None

    def _share(self, connection: sa.Connection, sql: str, parameters: t.Any, node: t.Any) -> float:
        """Return the part of a table's rows that the planner expects to be changed."""
        if _is_whole(node):
            return 1.0
        if self._is_one_row(connection, sql, parameters, node):
            return 0.0
        whole = f'SELECT 1 FROM "{_relation_of(node)}"'
        if self.source is not None:
            with contextlib.suppress(sa.exc.DBAPIError), reading(self.source) as original:
                asked, all_rows = self._plan(original, sql, parameters), self._plan(original, whole)
                same = _same(node, asked)
                if same is not None and all_rows is not None:
                    return _part(same, all_rows)
        everything = self._plan(connection, whole)
        return _part(node, everything) if everything is not None else 1.0

    def _is_one_row(self, connection: sa.Connection, sql: str, parameters: t.Any, node: t.Any) -> bool:
        """Return whether a unique index leads to the row, which it does in a table of any size."""
        plan = self._plan(connection, sql, parameters, "SET LOCAL enable_seqscan = off")
        inner = ((_same(node, plan) or {}).get("Plans") or [{}])[0]
        index = inner.get("Index Name")
        if index is None or inner["Plan Rows"] > 1 or " = " not in inner.get("Index Cond", ""):
            return False
        asked = "SELECT bool_or(indisunique) FROM pg_index WHERE indexrelid::regclass::text IN (%s, quote_ident(%s))"
        return bool(query(connection, asked, (index, index))[0][0])

    def _plan(self, connection: sa.Connection, sql: str, parameters: t.Any = None, setting: str = "") -> t.Any:
        """Return the plan of a statement; ``None`` if the server has none for it."""
        query(connection, f"SAVEPOINT {_SAVEPOINT}")
        try:
            if setting:
                query(connection, setting)
            found = query(connection, f"EXPLAIN (VERBOSE, FORMAT JSON) {sql}", parameters)[0][0]
        except Exception:  # whatever the driver raises
            found = None
        query(connection, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        query(connection, f"RELEASE SAVEPOINT {_SAVEPOINT}")
        return found and (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]


def _writers(plan: t.Any) -> t.Iterator[t.Any]:
    """Yield the parts of a plan that change or lock rows, also those within a query."""
    if plan is None:
        return
    kind = plan["Node Type"]
    writes = kind == "ModifyTable" and (plan["Operation"] in _KINDS or plan.get("Conflict Resolution") == "UPDATE")
    if writes or kind == "LockRows":
        yield plan
    for part in plan.get("Plans", ()):
        yield from _writers(part)


def _relation_of(node: t.Any) -> str:
    """Return the table that a part of a plan writes or locks."""
    while "Relation Name" not in node and node.get("Plans"):
        node = node["Plans"][0]
    return str(node.get("Relation Name", ""))


def _same(node: t.Any, plan: t.Any) -> t.Any:
    """Return the part of another plan of a statement that does the same; ``None`` without one."""

    def identity(part: t.Any) -> tuple[t.Any, ...]:
        return part["Node Type"], part.get("Operation"), _relation_of(part)

    return next((part for part in _writers(plan) if identity(part) == identity(node)), None)


def _is_whole(plan: t.Any) -> bool:
    """Return whether a plan of an UPDATE or DELETE reads its table from end to end and leaves no row out."""
    inner = plan.get("Plans") or [{}]
    return len(inner) == 1 and inner[0].get("Node Type") == "Seq Scan" and "Filter" not in inner[0]


def _part(plan: t.Any, everything: t.Any) -> float:
    inner = (plan.get("Plans") or [plan])[0]
    if inner["Plan Rows"] <= 1 and everything["Plan Rows"] >= _TRUSTED_ROWS:
        return 0.0  # the planner never expects fewer than one
    return min(1.0, float(inner["Plan Rows"]) / max(1.0, float(everything["Plan Rows"])))


def _relations(connection: sa.Connection) -> dict[int, _Relation]:
    rows = query(connection, _RELATIONS)
    return {oid: _Relation(schema, name, _text(kind), *rest) for oid, schema, name, kind, *rest in rows}


def _locks(connection: sa.Connection) -> dict[int, str]:
    """Return the strongest lock that this session holds on each relation."""
    strongest: dict[int, str] = {}
    for oid, mode in query(connection, _LOCKS):
        if oid not in strongest or _MODES.index(mode) > _MODES.index(strongest[oid]):
            strongest[oid] = mode
    return strongest


def _text(value: t.Any) -> str:
    """Return the "char" of a catalog, which some drivers give as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _words(mode: str) -> str:
    """Return a mode of ``pg_locks`` as the documentation writes it."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", mode.removesuffix("Lock")).upper()
