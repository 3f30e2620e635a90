"""The calls of operations in a revision, read from its source without running it.

Two questions have to be answered before a revision runs: does it destroy something, and does it make a table that is
there already. Running it on paper (Alembic's offline mode) would answer neither well: it executes the reader's code a
second time and stops where that asks the database. So the calls of ``op.`` are read in the order in which they
are written; what reading can't judge is named as such, and the caller assumes the worst of it.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import pathlib
import re
import typing as t

UNSEEN = "?"
"""The name of a call that can't be judged: a helper from elsewhere, a statement built at run time."""

_PURE_MODULES = ("sqlalchemy", "alembic", "datetime", "decimal", "uuid", "json", "enum", "textwrap", "string", "re")
_PURE_BUILTINS = frozenset(
    "bool dict enumerate float int isinstance len list max min print range repr set sorted str sum tuple zip".split()
)
_ACTIVE_METHODS = frozenset("begin commit connect create drop create_all drop_all exec_driver_sql execute".split())
_CONDITIONAL = (ast.If, ast.For, ast.While, ast.Try, ast.IfExp, ast.BoolOp, ast.Lambda, ast.comprehension)
_OPERATIONS = "alembic.op"
_NAMES_TABLE = {"create_table": (0, "table_name"), "rename_table": (1, "new_table_name")}


@dataclasses.dataclass(frozen=True)
class Call:
    """One operation, or something that can't be judged.

    :param name: ``drop_table`` and the like; :data:`UNSEEN` for what can't be judged.
    :param node: the call in the source.
    :param table: the table of the batch in which it stands, ``None`` outside of one or where it is computed.
    :param batch: whether it stands in a batch.
    :param certain: whether it happens in every run of the function.
    """

    name: str
    node: ast.Call
    table: str | None = None
    certain: bool = True
    batch: bool = False

    @property
    def line(self) -> int:
        """The line in the file."""
        return self.node.lineno

    @property
    def after_table(self) -> int:
        """The position of the argument behind the table's name, which is left out in a batch."""
        return 0 if self.batch else 1

    def table_name(self, position: int = 0, name: str = "table_name") -> t.Any:
        """Return the table's name: that of the batch, or a literal argument; ``None`` where it is computed."""
        return self.table if self.batch else self.argument(position, name)

    def argument(self, position: int, name: str) -> t.Any:
        """Return a literal argument; ``None`` where there is none or it is computed."""
        node = self.node_of(position, name)
        return node.value if isinstance(node, ast.Constant) else None

    def literal(self, position: int, name: str) -> t.Any:
        """Return a literal argument, a list of literals too; ``None`` if there is none or it is computed."""
        node = self.node_of(position, name)
        try:
            return None if node is None else ast.literal_eval(node)
        except ValueError:
            return None

    def gives_none(self, position: int, name: str) -> bool:
        """Return true if the argument is a plain ``None``."""
        node = self.node_of(position, name)
        return isinstance(node, ast.Constant) and node.value is None

    def columns(self, position: int) -> list[str]:
        """Return the names in ``sa.Column("name", ...)`` among the arguments from this position on."""
        nodes = [node for node in self.node.args[position:] if isinstance(node, ast.Call) and node.args]
        named = [node.args[0] for node in nodes if ast.unparse(node.func).rpartition(".")[2] == "Column"]
        return [node.value for node in named if isinstance(node, ast.Constant) and isinstance(node.value, str)]

    def statement(self) -> str | None:
        """Return the SQL of an ``execute()``, where it is a literal, perhaps in ``sa.text()``."""
        node = self.node_of(0, "sqltext")
        if isinstance(node, ast.Call) and len(node.args) == 1 and ast.unparse(node.func).endswith("text"):
            node = node.args[0]
        return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None

    def node_of(self, position: int, name: str) -> ast.expr | None:
        """Return the node of an argument, ``None`` where there is none."""
        found = next((keyword.value for keyword in self.node.keywords if keyword.arg == name), None)
        if found is None and position < len(self.node.args):
            found = self.node.args[position]
        return found

    def has(self, *names: str) -> bool:
        """Return whether one of these keyword arguments is given, or may be, behind ``**``."""
        return any(keyword.arg is None or keyword.arg in names for keyword in self.node.keywords)


def calls_of(function: t.Callable[..., t.Any] | None) -> list[Call]:
    """Return the calls of ``function``, the ``upgrade()`` of a revision; none if there is no function.

    :raises LookupError: when its source can't be had.
    """
    if function is None:
        return []
    code = getattr(function, "__code__", None)
    if code is None:
        raise LookupError(f"{function!r} is no plain function")
    source = _source(code.co_filename)
    found = source.functions.get(code.co_name)
    if found is None:
        raise LookupError(f"{code.co_filename} has no function {code.co_name}")
    return list(source.walk(found))


def upgrade_calls(path: str, bind: str | None = None) -> list[tuple[Call, t.Mapping[str, ast.expr]]]:
    """Return what ``upgrade()`` of a revision file calls, with the expressions that the file's names stand for.

    :param bind: a database of a file for several; its own function is read where there is one.
    :returns: nothing for a file that can't be read.
    """
    try:
        source = _source(path)
    except LookupError:
        return []
    own = source.functions.get("upgrade_" + re.sub(r"\W", "_", bind or ""))
    function = own if bind else own or source.functions.get("upgrade")
    return [] if function is None else [(call, source.assigned) for call in source.walk(function)]


class CreatedTables:
    """The tables that the revisions of a folder create, as far as their files tell without being run.

    A table counts as created if ``upgrade()`` creates it or renames another one to its name, or if a file that runs
    SQL or code that can't be judged has its name in a text.
    """

    def __init__(self, paths: t.Iterable[str]) -> None:
        self._names: set[str] = set()
        self._texts: list[str] = []
        self._all = False
        for path in paths:
            self._read(path)

    def __contains__(self, table: str) -> bool:
        if self._all or table in self._names:
            return True
        name = re.compile(rf"(?<!\w){re.escape(table)}(?!\w)", re.IGNORECASE)
        return any(name.search(text) for text in self._texts)

    def _read(self, path: str) -> None:
        try:
            source = _source(path)
        except LookupError:
            self._all = True
            return
        doubtful = False
        for function in source.functions.values():
            for call in source.walk(function) if function.name.startswith("upgrade") else ():
                if call.name in _NAMES_TABLE:
                    name = call.argument(*_NAMES_TABLE[call.name])
                    doubtful |= name is None
                    self._names.add(str(name))
                elif call.name in ("execute", UNSEEN):
                    doubtful = True
                    self._all |= ast.unparse(call.node.func).endswith(".create_all")
        if doubtful:
            self._texts += source.texts


def _source(path: str) -> _Source:
    try:
        return _parsed(path, pathlib.Path(path).stat().st_mtime_ns)
    except (OSError, ValueError, SyntaxError, RecursionError) as error:
        raise LookupError(f"{path} can't be read: {error}") from error


@functools.lru_cache(maxsize=64)
def _parsed(path: str, changed: int) -> _Source:
    return _Source(ast.parse(pathlib.Path(path).read_bytes()))


class _Source:
    """One revision file: its functions, and what its names stand for."""

    def __init__(self, tree: ast.Module) -> None:
        self.functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        self.imported: dict[str, str] = {}
        self._tree = tree
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self.imported.update({(name.asname or name.name).partition(".")[0]: name.name for name in node.names})
            elif isinstance(node, ast.ImportFrom):
                self.imported.update({name.asname or name.name: f"{node.module}.{name.name}" for name in node.names})

    @functools.cached_property
    def assigned(self) -> dict[str, ast.expr]:
        """Return the expressions that are assigned to plain names, anywhere in the file."""
        return {
            target.id: node.value
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }

    @functools.cached_property
    def texts(self) -> list[str]:
        """The texts in the file, but for docstrings and what only ``downgrade()`` has."""
        kept = [
            node
            for node in self._tree.body
            if not (isinstance(node, ast.FunctionDef) and node.name.startswith("downgrade"))
        ]
        constants = [node for part in kept for node in ast.walk(part) if isinstance(node, ast.Constant)]
        docstrings = {id(node.value) for part in kept for node in ast.walk(part) if isinstance(node, ast.Expr)}
        return [item.value for item in constants if isinstance(item.value, str) and id(item) not in docstrings]

    def walk(self, function: ast.FunctionDef) -> t.Iterator[Call]:
        """Return the calls of a function of this file, and of those that it calls."""
        yield from _Walk(self, (function.name,), {}).body(function, True)


class _Walk:
    """One way through a function.

    :param above: the functions on the way to here, so that one that calls itself ends.
    :param batches: the variables of open batches, each with its table.
    """

    def __init__(self, source: _Source, above: tuple[str, ...], batches: dict[str, str | None]) -> None:
        self._source = source
        self._above = above
        self._batches = batches

    def body(self, node: ast.AST, certain: bool) -> t.Iterator[Call]:
        """Yield the calls below ``node``, in the order of the source."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            inner = certain and not isinstance(node, _CONDITIONAL)
            if isinstance(child, ast.With):
                self._open_batches(child)
            if isinstance(child, ast.Call):
                yield from self._call(child, inner)
            else:
                yield from self.body(child, inner)

    def _open_batches(self, node: ast.With) -> None:
        for item in node.items:
            call, name = item.context_expr, item.optional_vars
            if isinstance(call, ast.Call) and isinstance(name, ast.Name) and self._operation(call.func):
                self._batches[name.id] = Call("batch_alter_table", call).argument(0, "table_name")

    def _call(self, node: ast.Call, certain: bool) -> t.Iterator[Call]:
        for part in (*node.args, *(keyword.value for keyword in node.keywords)):
            yield from self._call(part, certain) if isinstance(part, ast.Call) else self.body(part, certain)
        if isinstance(node.func, ast.Attribute) and not self._operation(node.func):
            yield from self.body(node.func, certain)
        operation = self._operation(node.func)
        if operation:
            root = _root(node.func)
            yield Call(operation, node, self._batches.get(root), certain, root in self._batches)
        elif isinstance(node.func, ast.Name) and node.func.id in self._source.functions:
            yield from self._own_function(node.func.id, node, certain)
        elif not self._is_pure(node.func):
            yield Call(UNSEEN, node, None, certain)

    def _own_function(self, name: str, node: ast.Call, certain: bool) -> t.Iterator[Call]:
        if name in self._above:
            yield Call(UNSEEN, node, None, certain)
            return
        inner = _Walk(self._source, (*self._above, name), dict(self._batches))
        yield from inner.body(self._source.functions[name], certain)

    def _operation(self, function: ast.expr) -> str:
        """Return the operation's name if this is ``op.x`` or ``batch_op.x``."""
        if not isinstance(function, ast.Attribute):
            return ""
        base = ast.unparse(function.value)
        if base in self._batches or base == _OPERATIONS or self._source.imported.get(base) == _OPERATIONS:
            return function.attr
        return ""

    def _is_pure(self, function: ast.expr) -> bool:
        """Return whether a call only makes a value: ``sa.Column()``, ``"...".format()``, ``len()``."""
        node = function
        while isinstance(node, (ast.Attribute, ast.Call)):
            if isinstance(node, ast.Attribute) and node.attr in _ACTIVE_METHODS:
                return False
            node = node.value if isinstance(node, ast.Attribute) else node.func
        if isinstance(node, ast.Name):
            origin = self._source.imported.get(node.id, "")
            return origin.partition(".")[0] in _PURE_MODULES or node.id in _PURE_BUILTINS
        return isinstance(node, (ast.Constant, ast.JoinedStr))


def _root(function: ast.expr) -> str:
    return ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""


_SCHEMA_WORDS = ("ALTER", "COMMENT", "CREATE", "DROP")


def is_schema_statement(call: ast.Call) -> bool:
    """Return whether ``op.execute()`` gets a literal statement that changes the schema alone."""
    first = call.args[0] if call.args else None
    words = first.value.split() if isinstance(first, ast.Constant) and isinstance(first.value, str) else []
    return bool(words) and words[0].upper() in _SCHEMA_WORDS and "SELECT" not in map(str.upper, words)
