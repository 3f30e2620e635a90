"""Passes over the directives of autogenerate: they turn the differences that Alembic finds into the intended changes.

A pass is a class with ``name`` and ``apply(context, up)``, in a file of its own, entered in :data:`.registry.PASSES`.

Input
    ``up``, the operations of one database, to be changed in place: operations on existing tables lie in
    ``ModifyTableOps`` containers, all others beside them. And the :class:`PassContext` of that database.
    All passes run over one database before the next one is compared.

Output
    Operations of Alembic, or those of :mod:`.operations` (``Statement`` is SQL with the SQL that reverts it). Only
    ``upgrade()`` is changed; ``downgrade()`` is its reverse, made after the last pass, so everything must have a
    ``reverse()``. A ``Statement`` stands beside the containers, never in one: a batch runs late and all at once.
    A statement between two changes of a table needs two containers.

Questions
    ``context.ask(Question(...))``. The answers come back in ``context.answers`` when ``migrate`` runs again, and are
    marked as used (``context.fill()`` does so, ``context.decisions.use()`` for others), or else they count as typos.
    Nothing is written while questions are open. A pass asks all its questions at once, with the harmless answer as
    default. After one that asks, only passes run that may ask as well (``asks``). Renames change what all others see:
    after a question about them the rest is tried with a yes and with a no, and what would be asked in both cases is
    asked along with it.

Comments, notices and imports
    ``remark(operation, text, reverse_text)`` of :mod:`.operations` puts a comment before an operation in the file, and
    another before its reverse. ``context.tell(sentence)`` is printed, and is in ``Written.notices``.
    ``context.imports.add("import shop.types")`` adds a whole line.

Order
    :data:`.registry.PREPARATIONS` change the options of ``context.configure()`` before the comparison. The renames come
    first among the passes: they have the comparison done again, and earlier changes would be lost. Then come passes
    that remove false differences (these run for ``check`` as well), then those that correct operations, and last the
    one about the drops that remain.

The passes run through the hook that Alembic's ``RevisionContext`` takes, so under every env.py, and before the
``process_revision_directives`` of env.py or ``Migrate(...)``, which has the last word. Of the user's other hooks
``include_name`` and ``include_object`` only see what ours let through; ``render_item`` and ``compare_type`` are asked
before ours.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import re
import typing as t

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext

from ..errors import SchemaflowError
from ..questions import Answers
from ..questions import Question
from ..revisions.calls import CreatedTables
from ..runtime.environment import Environment
from ..runtime.guard import MYSQL
from ..settings import Settings
from .decisions import Decisions
from .operations import Key
from .operations import label
from .operations import leaves
from .operations import place_remarks
from .operations import table_of
from .reflection import row_counts
from .reflection.foreign_tables import metadatas_of
from .reflection.renamed_inspector import renamed_inspector
from .reflection.renamed_inspector import Renames
from .sql_text import with_exact_tables


@dataclasses.dataclass(eq=False, repr=False)
class PassContext:
    """The database, models, settings and answers of one comparison, and the place for questions and notices.

    :param migration: Alembic's context of the database.
    :param decisions: answers, questions and notices so far, over all databases.
    :param settings: the application's settings.
    :param bind: the name of the database, ``None`` for the default one.
    :param imports: lines that the file needs at its top; a pass may add to them.
    :param renames: what ``up`` renames before it does anything else; empty before the pass for renames.
    :param renaming: the operations that do so.
    """

    migration: MigrationContext
    decisions: Decisions
    settings: Settings
    bind: str | None = None
    imports: set[str] = dataclasses.field(default_factory=set)
    renames: Renames = dataclasses.field(default_factory=Renames)
    renaming: t.Sequence[ops.MigrateOperation] = ()
    _after: tuple[Renames, sa.Inspector] | None = None

    @property
    def connection(self) -> sa.Connection:
        """The connection that was compared."""
        connection = self.migration.connection
        assert connection is not None
        return connection

    @functools.cached_property
    def inspector(self) -> sa.Inspector:
        """The database as it is: tables and columns have their old names."""
        return with_exact_tables(sa.inspect(self.connection))

    @property
    def inspector_after(self) -> sa.Inspector:
        """The database as ``up`` finds it once its renames are done: by the names that all other operations use."""
        if not self.renames:
            return self.inspector
        if self._after is None or self._after[0] is not self.renames:
            self._after = self.renames, with_exact_tables(renamed_inspector(self.connection, self.renames))
        return self._after[1]

    def key_of(self, operation: t.Any) -> Key:
        """Return the table that an operation changes, by the name that it has in the models."""
        return self.renames.key(operation.schema, operation.table_name)

    def stored(self, schema: str | None, table: str) -> Key | None:
        """Return the current name of the table that an operation names; ``None`` if it doesn't exist yet."""
        key = self.renames.old(self.renames.key(schema, table))
        return key if key is not None and self.inspector.has_table(key[1], schema=key[0]) else None

    def stored_column(self, schema: str | None, table: str, column: str) -> str:
        """Return the current name of the column that an operation names."""
        return self.renames.stored_column(self.renames.key(schema, table), column)

    @functools.cached_property
    def created_tables(self) -> CreatedTables:
        """The names of the tables that revisions of the folder create; a name in doubt is in it."""
        environment = self.migration.environment_context
        scripts = environment.script.walk_revisions() if environment is not None else ()
        return CreatedTables(script.path for script in scripts)

    @property
    def dialect(self) -> str:
        """``sqlite``, ``postgresql``, ``mysql``, ``mariadb`` or another dialect's name."""
        return self.connection.dialect.name

    @property
    def database(self) -> str:
        """``default`` or the name of the bind."""
        return self.bind or "default"

    @functools.cached_property
    def tables(self) -> dict[Key, sa.Table]:
        """The tables of the models; the schema is ``None`` for the default one."""
        default = self.connection.dialect.default_schema_name
        return {
            (None if table.schema == default else table.schema, table.name): table
            for metadata in metadatas_of(self.migration.opts)
            for table in metadata.sorted_tables
        }

    def has_rows(self, schema: str | None, table: str) -> bool:
        """Return whether the table that an operation names has rows; true if they can't be counted."""
        key = self.stored(schema, table)
        if key is None:
            return False
        count = row_counts.rows(self.connection, key)
        return count is None or bool(count)

    @property
    def answers(self) -> Answers:
        """The answers that were given."""
        return self.decisions.answers

    @property
    def questions(self) -> list[Question]:
        """The questions so far; while there are some, nothing is written."""
        return self.decisions.questions

    @property
    def notices(self) -> list[str]:
        """Sentences to print."""
        return self.decisions.notices

    def ask(self, question: Question) -> None:
        """Have a question answered before anything is written; one about a column waits for those about its values."""
        mine = question.subject
        if not any(other.subject == mine or other.subject.startswith(f"{mine}.") for other in self.questions):
            self.questions.append(question)

    def tell(self, notice: str) -> None:
        """Have a sentence printed when the file is written."""
        self.notices.append(notice)

    def tell_values(self, key: Key, column: str | None = None) -> None:
        """Note that a notice tells of the values of a table or column, of which lint need not speak again."""
        stored = label(self.stored(*key) or key)
        self.decisions.told.add((self.bind, stored, column and self.stored_column(*key, column)))

    def fill(self, column: str) -> str | None:
        """Return the value that ``--fill`` gives to existing rows of ``table.column``, if any."""
        value = self.answers.fills.get(column)
        if value is None:
            return None
        self.decisions.use("--fill", column)
        if len(value) > 1 and value.startswith("'") and value.endswith("'"):
            notice = f"Existing rows get {value} in {column}, quotation marks included. "
            notice += f"Without them: --fill {column}={value[1:-1]}"
            if notice not in self.notices:
                self.tell(notice)
        return value


class Pass(t.Protocol):
    """One step that turns what Alembic found into what was meant."""

    name: str

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Change the operations of one database in place, or append to ``context.questions``."""


_ALL_DEPENDS = "all_depends"
"""A pass with this attribute asks what all passes after it depend on; one with ``asks`` asks for itself."""


def passes_hook(
    environment: Environment, passes: t.Iterable[type[Pass]], decisions: Decisions
) -> t.Callable[[MigrationContext, t.Any, list[ops.MigrationScript]], None]:
    """Return the function that Alembic calls with the directives of each database; it runs the passes."""
    steps = [cls() for cls in passes]

    def process(migration: MigrationContext, revision: t.Any, directives: list[ops.MigrationScript]) -> None:
        scope = environment.scope
        no_renames = Renames(default_schema=migration.dialect.default_schema_name)
        for script in directives:
            script.imports = set(script.imports)  # Alembic's own is one for all scripts of the process
            context = PassContext(
                migration, decisions, scope.settings, scope.bind, script.imports, no_renames
            )
            # Alembic appends a pair of operations for each database.
            up, down = script.upgrade_ops_list[-1], script.downgrade_ops_list[-1]
            if context.dialect not in MYSQL:
                _forget_autoincrement(up)
            _note_differing(context, up)
            if _run(steps, context, up):
                _note_differing(context, up)
                script.imports |= _imports_of_operations(migration) if up.ops else set()
                up.reverse_into(down)
                place_remarks(up, down)

    return process


_OWN_IMPORTS = {"sa.": "import sqlalchemy as sa", "op.": "from alembic import op"}


def _imports_of_operations(migration: MigrationContext) -> set[str]:
    """Return what operations need at the top of a file and script.py.mako, which may be anybody's, doesn't import."""
    environment = migration.environment_context
    template = pathlib.Path(environment.script.dir, "script.py.mako") if environment is not None else None
    if template is None or not template.is_file():
        return set()
    text = template.read_text("utf-8", errors="replace")
    prefixes = (migration.opts.get(f"{module}_module_prefix") for module in ("sqlalchemy", "alembic"))
    missing = (prefix for prefix in prefixes if not re.search(rf"(?m)^(?:from|import) .*\b{str(prefix)[:-1]}\b", text))
    return {_OWN_IMPORTS[prefix] for prefix in missing if prefix in _OWN_IMPORTS}


def _note_differing(context: PassContext, up: ops.UpgradeOps) -> None:
    """Note which tables the operations are about, because a hook of the application may take some away."""
    for operation in leaves(up):
        table = table_of(operation)
        if table:
            schema = getattr(operation, "schema", None) or getattr(operation, "kw", {}).get("source_schema")
            context.decisions.differing.add((context.bind, context.renames.key(schema, table)))


def _forget_autoincrement(up: ops.UpgradeOps) -> None:
    """Take out what Alembic notes of keys for MySQL alone: elsewhere the operation warns of it."""
    for operation in leaves(up):
        if isinstance(operation, ops.AlterColumnOp):
            operation.kw.pop("autoincrement", None)
            operation.kw.pop("existing_autoincrement", None)


def _run(passes: t.Sequence[Pass], context: PassContext, up: ops.UpgradeOps) -> bool:
    """Run the passes, and return whether none of them asked."""
    asked = len(context.questions)
    for step in passes:
        if len(context.questions) == asked or getattr(step, "asks", False):
            step.apply(context, up)
        if len(context.questions) > asked and getattr(step, _ALL_DEPENDS, False):
            _ask_ahead(passes, context, asked)
            return False
    return len(context.questions) == asked


def _ask_ahead(passes: t.Sequence[Pass], context: PassContext, asked: int) -> None:
    """Ask what would be asked whatever the answers to the questions about renames are."""
    found: list[list[Question]] = []
    for reply in (True, False):
        questions = _questions_after(passes, context, context.questions[asked:], reply)
        if questions is None:
            context.decisions.is_uncertain()
            return
        found.append(questions)
    other = {(question.kind, question.subject) for question in found[1]}
    context.questions.extend(question for question in found[0] if (question.kind, question.subject) in other)


_MOST_TRIALS = 4


def _questions_after(
    passes: t.Sequence[Pass], context: PassContext, open_questions: t.Sequence[Question], reply: bool
) -> list[Question] | None:
    """Return what the passes would ask after the same reply to all questions about renames; ``None`` if unknown."""
    assumed = Answers()
    for _ in range(_MOST_TRIALS):
        for question in open_questions:
            if not question.moot(assumed):
                assumed |= question.answered(reply)
        decisions = context.decisions.trial(assumed)
        trial = dataclasses.replace(context, decisions=decisions, imports=set(), _after=None)
        open_questions = []
        try:
            up = _compared_again(trial)
            for step in passes:
                if not decisions.questions or getattr(step, "asks", False):
                    step.apply(trial, up)
                if decisions.questions and getattr(step, _ALL_DEPENDS, False):
                    open_questions = list(decisions.questions)
                    break
        except SchemaflowError:  # told when the passes get there
            return None
        context.decisions.learn(decisions)
        if not open_questions:
            return decisions.questions
    return None


def _compared_again(context: PassContext) -> ops.UpgradeOps:
    """Return the differences as Alembic finds them."""
    up = ops.UpgradeOps([])
    again = AutogenContext(context.migration)
    again.inspector = context.inspector
    again.comparators.dispatch("autogenerate", qualifier=again.dialect.name)(again, up)
    if context.dialect not in MYSQL:
        _forget_autoincrement(up)
    return up
