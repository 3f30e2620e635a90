"""Find what somebody changed in a database without a revision.

Three schemas are compared, all read by one reader from one kind of server: the database, what its own revisions make on
a scratch database, and what the models make on another one. ``stamp --verify`` asks the same of a revision before it is
recorded without running anything.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

import sqlalchemy as sa
from alembic.autogenerate import RevisionContext
from alembic.operations import ops

from ..autogenerate.compare import compare
from ..autogenerate.compare import revision_context
from ..autogenerate.decisions import Decisions
from ..autogenerate.operations import Key
from ..autogenerate.passes.enums.mysql import MysqlEnumsPass
from ..autogenerate.passes.enums.postgresql import PostgresqlEnumsPass
from ..autogenerate.passes.generated import ComputedPass
from ..autogenerate.passes.identities import IdentityPass
from ..autogenerate.passes.mysql_indexes import ForeignKeyIndexesPass
from ..autogenerate.passes.order import OrderingPass
from ..autogenerate.passes.schemas import SchemasPass
from ..autogenerate.passes.schemas import SequencesPass
from ..autogenerate.pipeline import Pass
from ..autogenerate.pipeline import PassContext
from ..autogenerate.pipeline import passes_hook
from ..autogenerate.reflection.foreign_tables import KNOWN
from ..autogenerate.reflection.foreign_tables import matches
from ..autogenerate.reflection.foreign_tables import owned_by_database
from ..autogenerate.registry import prepare
from ..autogenerate.verify.scratch import configured_options
from ..autogenerate.verify.scratch import ScratchEnvironment
from ..autogenerate.verify.scratch import source_of
from ..autogenerate.verify.scratch import user_schemas
from ..autogenerate.verify.scratch import write_heads
from ..autogenerate.verify.snapshot import Snapshot
from ..autogenerate.verify.snapshot import snapshot
from ..errors import SchemaflowError
from ..errors.arguments import InvalidArgument
from ..errors.upkeep import DriftUnknown
from ..errors.upkeep import StampRefused
from ..records import Drift
from ..revisions.scripts import oldest_first
from ..runtime.applied_table import changed_since_upgrade
from ..runtime.applied_table import renew_digests
from ..runtime.database_status import unknown_revisions
from ..runtime.environment import Environment
from ..runtime.errors import translated
from ..runtime.guard import Scope
from ..runtime.own_tables import is_own_table
from ..targets import choose
from ..targets import Target
from .baseline import reflected
from .repair_guard import table_in
from .repair_guard import words_of_part
from .scratch import connected
from .scratch import heads_of_databases
from .scratch import reason_of
from .scratch import REASONS
from .scratch import scratch_for
from .scratch import scratch_with
from .scratch import version_table_of
from .scratch import words_of

_MOST = 20  # differences in the refusal of a stamp


class OwnEnumsPass(PostgresqlEnumsPass):
    """The pass of enum types where the database has any: elsewhere it would compare with the files of revisions."""

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Complete the operations of ``up`` on PostgreSQL."""
        if context.dialect == "postgresql":
            super().apply(context, up)


PASSES: tuple[type[Pass], ...] = (
    OrderingPass,
    ComputedPass,
    IdentityPass,
    ForeignKeyIndexesPass,
    SequencesPass,
    SchemasPass,
    OwnEnumsPass,
    MysqlEnumsPass,
)
"""The passes of a comparison whose target is a database and not the models: they ask nothing."""


@dataclasses.dataclass
class Schemas:
    """The three schemas of one database.

    :param models: ``None`` if the models can't be created on a scratch database.
    """

    history: Snapshot
    database: Snapshot
    models: Snapshot | None


class DriftFinder:
    """Compares the databases of an application with their revisions.

    :param environment: the migrations folder.
    :param binds: the names of the databases; all by default.
    :param at: the revisions to compare them with; by default their own.
    """

    def __init__(self, environment: Environment, binds: t.Sequence[str] = (), at: t.Sequence[str] = ()) -> None:
        self.environment = environment
        self.heads = heads_of_databases(environment, binds)
        if at:
            self.heads = dict.fromkeys(self.heads, tuple(at))
        self.targets = [item for item in choose(environment.state.targets(), binds) if item.bind in self.heads]

    def find(self) -> list[Drift]:
        """Return what differs between the databases and their revisions.

        :raises DriftUnknown: if a database has no revision or an unknown one, or its revisions don't run from base.
        """
        found: list[Drift] = []
        for target in self.targets:
            try:
                with scratch_for(self.environment, target) as scratch:
                    self.replay(scratch, target)
                    found += _drift(target.name, self._schemas(scratch, target))
            except REASONS as error:
                raise _unknown(target, f"there is no scratch database: {reason_of(error)}") from error
        return found

    def replay(self, scratch: ScratchEnvironment, target: Target) -> None:
        """Apply the revisions of a database to a scratch database."""
        heads = self.heads[target.bind]
        if not heads:
            raise _unknown(target, "it is at no revision")
        unknown = unknown_revisions(scratch.script, heads)
        if unknown:
            raise _unknown(target, f"no file has its revision {', '.join(unknown)}")
        try:
            for head in heads:
                scratch.upgrade(head)
        except SchemaflowError as error:
            reason = f"its revisions don't run from base on a scratch database. {words_of(error).rstrip('.')}"
            raise _unknown(target, reason, self._since_upgrade(target)) from error

    def _since_upgrade(self, target: Target) -> str:
        """Return what the digests of the last upgrade say, where the history can't be run."""
        options = configured_options(self.environment, target.bind) or {}
        with connected(target) as live:
            changed = changed_since_upgrade(live, *version_table_of(options))
        if changed is None:
            return ""
        return f"  Changed since the last upgrade, by the digests that it kept: {', '.join(changed) or 'no table'}."

    def matching(self) -> dict[str, str]:
        """Return the newest revision that makes what each database has, by the database's name, where there is one."""
        found: dict[str, str] = {}
        for target in self.targets:
            with scratch_for(self.environment, target) as scratch, contextlib.suppress(SchemaflowError):
                for item in oldest_first(scratch.script):
                    scratch.upgrade(item.revision)
                    if not _drift(target.name, self._schemas(scratch, target, modelled=False)):
                        found[target.name] = item.revision
        return found

    def _schemas(self, scratch: ScratchEnvironment, target: Target, *, modelled: bool = True) -> Schemas:
        with scratch.connect() as copy:
            history = snapshot(copy, _foreign(copy, scratch, target))
        with connected(target) as live:
            database = snapshot(live, _foreign(live, scratch, target))
        return Schemas(history, database, self._models(target) if modelled else None)

    def _models(self, target: Target) -> Snapshot | None:
        try:
            with scratch_for(self.environment, target) as scratch, scratch.connect() as connection:
                for metadata in target.metadatas:
                    metadata.create_all(connection)
                connection.commit()
                return snapshot(connection, _foreign(connection, scratch, target))
        except (sa.exc.SQLAlchemyError, *REASONS):
            return None

    def accepting(self, **arguments: t.Any) -> RevisionContext:
        """Return Alembic's context of the revision that does what was done to the databases.

        :param arguments: those of the revision, as Alembic names them.
        """
        decisions = Decisions()
        hook = passes_hook(self.environment, PASSES, decisions)
        revisions = revision_context(self.environment, hook, **arguments)
        for target in self.targets:
            with scratch_for(self.environment, target) as scratch:
                self.replay(scratch, target)
                scratch_hook = passes_hook(scratch, PASSES, decisions)
                revisions.process_revision_directives = scratch_hook
                with connected(target) as live:
                    scratch.options["target_metadata"] = reflected(live, tables_taking_part(live, scratch, target))
                compare(scratch, revisions)
        return revisions

    def repairing(self, **arguments: t.Any) -> RevisionContext:
        """Return the context of the revision that undoes it; the parameters are those of :meth:`accepting`."""
        wanted: dict[str | None, sa.MetaData] = {}
        for target in self.targets:
            with scratch_for(self.environment, target) as scratch:
                self.replay(scratch, target)
                with scratch.connect() as copy:
                    wanted[target.bind] = reflected(copy, tables_taking_part(copy, scratch, target))

        def prepared(scope: Scope) -> None:
            if scope.bind in wanted:
                scope.options["target_metadata"] = wanted[scope.bind]
            prepare(scope)

        hook = passes_hook(self.environment, PASSES, Decisions())
        revisions = revision_context(self.environment, hook, **arguments)
        names = [target.name for target in self.targets]
        compare(self.environment, revisions, names, prepared=prepared)
        return revisions

    def prove(self, history: Environment, revision: str, *, repair: bool) -> None:
        """Run the new revision where it will run, and compare.

        :param history: the one with the new revision.
        :param repair: whether it runs on the databases as they are; else on what their revisions make.
        :raises DriftUnknown: if it fails, or leaves a difference.
        """
        for target in self.targets:
            with scratch_with(self.environment, history, target, filled=repair) as scratch:
                self._prove_on(scratch, revision, target, repair)
            if repair:
                with scratch_with(self.environment, history, target) as scratch:
                    self._leaves_alone(scratch, revision, target)

    def _prove_on(self, scratch: ScratchEnvironment, revision: str, target: Target, repair: bool) -> None:
        if repair:
            with scratch.connect() as connection:
                write_heads(connection, scratch.options, self.heads[target.bind])
                connection.commit()
        else:
            self.replay(scratch, target)
        _apply(scratch, revision, target, "the new revision fails on a scratch database")
        with scratch.connect() as copy:
            made = snapshot(copy, _foreign(copy, scratch, target))
        with scratch_for(self.environment, target) as other:
            self.replay(other, target)
            schemas = self._schemas(other, target, modelled=False)
        wanted = schemas.history if repair else schemas.database
        left = [drift.part for drift in _drift(target.name, Schemas(wanted, made, None))]
        if left:
            raise _unknown(target, f"the new revision would leave a difference: {', '.join(left)}")

    def keep_digests(self) -> None:
        """Have ``status`` take the databases as they are now for what the last upgrade left."""
        for target in self.targets:
            options = configured_options(self.environment, target.bind) or {}
            with source_of(target) as source, source.begin() as connection:
                renew_digests(connection, *version_table_of(options))

    def _leaves_alone(self, scratch: ScratchEnvironment, revision: str, target: Target) -> None:
        """Refuse a repair that changes a database which didn't drift, or fails on it."""
        self.replay(scratch, target)
        with scratch.connect() as copy:
            before = snapshot(copy, _foreign(copy, scratch, target))
        _apply(scratch, revision, target, "the repair would fail on other databases")
        with scratch.connect() as copy:
            after = snapshot(copy, _foreign(copy, scratch, target))
        if before != after:
            raise _unknown(target, "the repair would change other databases as well")


def _apply(scratch: ScratchEnvironment, revision: str, target: Target, failure: str) -> None:
    """Apply a new revision to a scratch database.

    :raises DriftUnknown: if it fails; ``failure`` says what that means.
    """
    try:
        scratch.upgrade(revision)
    except SchemaflowError as error:
        raise _unknown(target, f"{failure}: {words_of(error)}") from error


def _unknown(target: Target, reason: str, details: str = "") -> DriftUnknown:
    return DriftUnknown(
        f"The drift of the {target.name} database can't be told: {reason}.",
        details=details,
        hint="Correct that revision, and run this again. Until then, `flask db check` compares it with the models."
        if details
        else "`flask db check` compares it with the models; `flask db status` tells which tables changed since the "
        "last upgrade.",
    )


def _foreign(connection: sa.Connection, scratch: ScratchEnvironment, target: Target) -> set[str]:
    """Return the names of tables that take no part: our own, and those of other programs."""
    keys = tables_taking_part(connection, scratch, target)
    inspector = sa.inspect(connection)
    names = {name for schema in user_schemas(connection) for name in inspector.get_table_names(schema=schema)}
    return names - {name for _, name in keys}


def tables_taking_part(connection: sa.Connection, scratch: ScratchEnvironment, target: Target) -> list[Key]:
    """Return the tables of a database without our own and those of other programs."""
    inspector = sa.inspect(connection)
    owned = set(owned_by_database(connection))
    patterns = scratch.state.settings.ignore_tables
    version_table = version_table_of(scratch.options)[0]
    modelled = {table.name for metadata in target.metadatas for table in metadata.tables.values()}
    keys = [(schema, name) for schema in user_schemas(connection) for name in inspector.get_table_names(schema=schema)]
    return [
        key
        for key in keys
        if key[1] != version_table
        and not is_own_table(key[1])
        and not matches(key, patterns)
        and (key[1] in modelled or not (matches(key, KNOWN) or key in owned))
    ]


def _drift(database: str, schemas: Schemas) -> list[Drift]:
    """Return the parts that differ; what is in a table that differs as a whole is left out."""
    found: list[Drift] = []
    whole = {
        part.removeprefix("table ")
        for part in schemas.history.keys() ^ schemas.database.keys()
        if part.startswith("table ")
    }
    for part in sorted(schemas.history.keys() | schemas.database.keys()):
        history, live = schemas.history.get(part), schemas.database.get(part)
        if history == live or (not part.startswith("table ") and table_in(part) in whole):
            continue
        models = None if schemas.models is None else schemas.models.get(part)
        kind: t.Any = "missing" if live is None else "extra" if history is None else "different"
        words = [words_of_part(value, [history, live]) for value in (history, live, models)]
        if schemas.models is None:
            words[2] = "?"
        found.append(Drift(database, kind, part, *words))
    return found


def refuse_unlike(environment: Environment, revisions: t.Sequence[str], binds: t.Sequence[str]) -> None:
    """Compare databases with what revisions make on scratch databases.

    :param revisions: ids, or names such as ``head``.
    :param binds: the names of the databases; all by default.
    :raises StampRefused: if anything differs; names the revision that makes what the database has, if there is one.
    :raises DriftUnknown: if it can't be told.
    """
    with translated(environment):
        at = [item.revision for item in environment.script.get_revisions(tuple(revisions)) if item is not None]
    if not at:
        raise InvalidArgument("base makes nothing to compare with.", hint="Leave --verify out.")
    finder = DriftFinder(environment, binds, at)
    found = finder.find()
    if not found:
        return
    matching = finder.matching()
    lines = [f"  {item.database}: {item}" for item in found[:_MOST]]
    if len(found) > _MOST:
        lines.append(f"  and {len(found) - _MOST} more")
    raise StampRefused(
        f"The {found[0].database} database isn't what {' and '.join(at)} makes, so nothing was recorded.",
        details="\n".join(lines),
        hint=_next_step(found[0].database, matching.get(found[0].database, "")),
    )


def _next_step(database: str, matching: str) -> str:
    of_bind = "" if database == "default" else f" --bind {database}"
    if matching:
        return (
            f"It is what {matching} makes: `flask db stamp --purge{of_bind} {matching}`. Then run `flask db upgrade`."
        )
    return (
        "It matches no revision of this folder. Settle what differs first, or record the revision all the same: leave "
        "--verify out."
    )
