"""The header of a revision file, read from its text where that is certain.

A revision file is a program, and only running it tells for sure what ``revision`` is. But nearly all of them come
from a template, and for these the syntax tree is enough. A list of allowed statements decides, not a list of
dangerous ones: a file with anything else is run. If a file runs to its end, its variables have the values that are
read here.
"""

from __future__ import annotations

import ast
import typing as t

__all__ = [
    "ABSENT",
    "NAMES",
    "PROTECTED",
    "REFLECTION",
    "Static",
    "read_static",
]


NAMES = ("revision", "down_revision", "branch_labels", "depends_on")

# Stands for a name that the file doesn't assign; marshal keeps it, and no header can hold it.
ABSENT = ...


# Alembic reads the last one of a module, too.
PROTECTED = frozenset((*NAMES, "_alembic_source_encoding"))
# Names through which code reaches a module's variables without naming them.
REFLECTION = frozenset(
    (
        *("globals", "locals", "vars", "exec", "eval", "compile", "setattr", "delattr", "builtins"),
        *("inspect", "gc", "ctypes", "runpy", "importlib", "currentframe", "settrace", "setprofile"),
        *("__import__", "__builtins__", "__globals__", "__dict__", "__code__", "__setattr__", "__delattr__"),
        *("__loader__", "__spec__", "_getframe", "_current_frames", "f_globals", "f_locals", "f_back"),
    )
)

Value: t.TypeAlias = "str | tuple[str, ...] | list[str] | None"

PLAIN_STATEMENTS = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Pass)
LEAVES = (ast.Constant, ast.expr_context)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Static(t.NamedTuple):
    """The header of a file, as written (a list stays a list), and its docstring."""

    revision: str
    down_revision: Value
    branch_labels: t.Any
    depends_on: t.Any
    doc: str | None


class NotStatic(Exception):
    """The file has to be run to know its header."""


def read_static(source: bytes, filename: str) -> Static | None:
    """Read the header from a file's bytes.

    :param source: the file as it is on disk: encoding, byte order mark and line ends are Python's own affair.
    :param filename: for warnings of the compiler.
    :return: None where only running the file can tell.
    """
    try:
        # Compiling all of it finds the errors that parsing doesn't: no broken file is taken for a good one.
        compile(source, filename, "exec", dont_inherit=True)
        return _header(ast.parse(source, filename))
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError, NotStatic):
        return None


def _header(tree: ast.Module) -> Static:
    values: dict[str, Value] = {}
    targets: set[ast.AST] = set()
    for statement in tree.body:
        target = _header_target(statement)
        if target is None:
            _require_plain(statement)
            continue
        if target.id in values:
            raise NotStatic(target.id)
        values[target.id] = _literal(statement)
        targets.add(target)
    mutable = {name for name, value in values.items() if isinstance(value, list)}
    _Scan(targets, mutable).run(tree)
    revision, down = values.get("revision"), values.get("down_revision", ABSENT)
    if not isinstance(revision, str) or down is ABSENT:
        raise NotStatic("no identifiers")
    labels, depends_on = values.get("branch_labels", ABSENT), values.get("depends_on", ABSENT)
    return Static(revision, down, labels, depends_on, _docstring(tree))


def _header_target(statement: ast.stmt) -> ast.Name | None:
    """Return the header name that this statement assigns, alone, with a value."""
    target: ast.expr | None = None
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target = statement.target
    return target if isinstance(target, ast.Name) and target.id in NAMES else None


def _literal(statement: ast.stmt) -> Value:
    """Return the value of a header assignment: None, a string, or a tuple or list of strings."""
    assert isinstance(statement, (ast.Assign, ast.AnnAssign))
    node = statement.value
    if isinstance(node, ast.Constant) and (node.value is None or type(node.value) is str):
        return node.value
    if not isinstance(node, (ast.Tuple, ast.List)):
        raise NotStatic("not a literal")
    items = [item.value for item in node.elts if isinstance(item, ast.Constant) and type(item.value) is str]
    if len(items) != len(node.elts):
        raise NotStatic("not all strings")
    return items if isinstance(node, ast.List) else tuple(items)


def _require_plain(statement: ast.stmt) -> None:
    """Refuse statements whose effect on the module can't be seen from the statement itself."""
    if isinstance(statement, (ast.If, ast.Try)):
        blocks: list[ast.stmt] = [*statement.body, *statement.orelse]
        if isinstance(statement, ast.Try):
            blocks += [*statement.finalbody, *(inner for h in statement.handlers for inner in h.body)]
        for inner in blocks:
            _require_plain(inner)
    elif isinstance(statement, ast.Expr):
        if not isinstance(statement.value, ast.Constant):
            raise NotStatic("expression statement")
    elif not isinstance(statement, (*PLAIN_STATEMENTS, *DEFINITIONS)):
        raise NotStatic(type(statement).__name__)


def _docstring(tree: ast.Module) -> str | None:
    """Return the docstring as this interpreter would set it: since 3.13 without indentation, under -OO none."""
    if ast.get_docstring(tree, clean=False) is None:
        return None
    namespace: dict[str, t.Any] = {}
    alone = ast.Module(body=tree.body[:1], type_ignores=[])
    # It holds nothing but one constant, so running it runs nothing of the file.
    exec(compile(alone, "<docstring>", "exec", dont_inherit=True), namespace)
    doc: str | None = namespace.get("__doc__")
    return doc


class _Scan:
    """One pass over the syntax tree, looking for anything that could bind a header name unseen."""

    def __init__(self, targets: set[ast.AST], mutable: set[str]) -> None:
        self.targets = targets
        self.mutable = mutable
        self.waiting: list[tuple[ast.AST, str]] = []
        self.runs_code = False
        self.reflective_body = False

    def run(self, tree: ast.Module) -> None:
        """Raise :class:`NotStatic` if the tree holds something that isn't certain."""
        self._push(tree.body, "module")
        while self.waiting:
            node, scope = self.waiting.pop()
            self._look(node, scope)
        if self.runs_code and self.reflective_body:
            raise NotStatic("a function may be called that reaches the module's variables")

    def _push(self, nodes: t.Iterable[ast.AST | None], scope: str) -> None:
        self.waiting.extend((node, scope) for node in nodes if node is not None)

    def _look(self, node: ast.AST, scope: str) -> None:
        if isinstance(node, LEAVES):
            return
        if isinstance(node, ast.Name):
            self._name(node, scope)
            return
        if isinstance(node, (*DEFINITIONS, ast.Lambda)):
            self._definition(node, scope)
            return
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            if scope == "module" and not isinstance(node.ctx, ast.Load):
                raise NotStatic("assignment to a part of something")
            if isinstance(node, ast.Attribute):
                self._reflection(node.attr, scope)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self._import(node, scope)
        elif isinstance(node, ast.Global):
            self._bound(node.names, "module")
        elif isinstance(node, ast.ExceptHandler) and node.name:
            self._bound([node.name], scope)
        elif isinstance(node, ast.Call) and scope != "function":
            self.runs_code = True
        self._push(ast.iter_child_nodes(node), scope)

    def _definition(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda, scope: str
    ) -> None:
        """Scan a definition: the body has a scope of its own; decorators, defaults, annotations have the outer one."""
        if isinstance(node, ast.ClassDef):
            self._bound([node.name], scope)
            self.runs_code = self.runs_code or scope != "function"
            self._push([*node.decorator_list, *node.bases, *node.keywords], scope)
            self._push(node.body, "class" if scope != "function" else scope)
            return
        if isinstance(node, ast.Lambda):
            self._push([node.args], scope)
            self._push([node.body], "function")
            return
        self._bound([node.name], scope)
        self.runs_code = self.runs_code or bool(node.decorator_list and scope != "function")
        self._push([*node.decorator_list, node.args, node.returns], scope)
        self._push(node.body, "function")

    def _name(self, node: ast.Name, scope: str) -> None:
        if node in self.targets:
            return
        if isinstance(node.ctx, ast.Load):
            if node.id in self.mutable:
                raise NotStatic("a list may be changed after its assignment")
            self._reflection(node.id, scope)
        else:
            self._bound([node.id], scope)

    def _import(self, node: ast.Import | ast.ImportFrom, scope: str) -> None:
        module = (node.module or "").partition(".")[0] if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            first = alias.name.partition(".")[0]
            self._reflection(module, scope)
            self._reflection(first, scope)
            if alias.name == "*":
                raise NotStatic("import *")
            self._bound([alias.asname or first], scope)

    def _bound(self, names: t.Iterable[str], scope: str) -> None:
        """Refuse header names that a module binds, and those of double underscores, which change how it answers."""
        if scope != "module":
            return
        for name in names:
            if name in PROTECTED or name.startswith("__"):
                raise NotStatic(name)

    def _reflection(self, name: str, scope: str) -> None:
        if name not in REFLECTION:
            return
        if scope != "function":
            raise NotStatic(name)
        self.reflective_body = True
