"""The line of the project's own files in which an error arose, the operation on it, and what to write in its place.

Old histories have lines that an older SQLAlchemy took, and operations that SQLite has in batch mode only: they ran
years ago, and fail when a new database gets the whole history.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.machinery
import importlib.util
import linecache
import os
import pathlib
import re
import sysconfig
import traceback
import types
import typing as t

from sqlalchemy import exc

from ...redaction import one_line
from ...redaction import scrub

_LONGEST = 100
_LIBRARIES = tuple(
    os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
# What a driver raises for reasons of its own: not the statement, nor its values.
_NOT_THE_LINE = (exc.InterfaceError, exc.InternalError, exc.NotSupportedError, exc.OperationalError)

_TEXT = "write `op.get_bind().execute(sa.text(...))`"
_TABLES = "write `sa.inspect(op.get_bind()).get_table_names()`"
# Words of SQLAlchemy 2 and Alembic, and what takes the place of the line.
_FORMS = (
    (
        r"^Not an executable object|should be explicitly declared as text\(",
        f"SQLAlchemy 2 executes no strings: {_TEXT}.",
    ),
    (r"'Engine' object has no attribute '(execute|scalar)'", f"SQLAlchemy 2 executes on connections: {_TEXT}."),
    (
        r"'(Select|CompoundSelect|Insert|Update|Delete|TextClause)' object has no attribute '(execute|scalar)'",
        "SQLAlchemy 2 executes on connections: write `op.get_bind().execute(statement)`.",
    ),
    (
        r"^Column expression, FROM clause, or other columns clause element expected, got \[",
        "`sa.select()` takes no list in SQLAlchemy 2: write `sa.select(a, b)`.",
    ),
    (
        r"MetaData\.__init__\(\) got an unexpected keyword argument 'bind'",
        "SQLAlchemy 2's MetaData has no bind: write `sa.MetaData()`, and in its tables `autoload_with=op.get_bind()`.",
    ),
    (r"<dialectname>_<argument>, got 'autoload'", "Write `autoload_with=op.get_bind()` instead of `autoload=True`."),
    (
        r"'(Engine|Connection)' object has no attribute '(table_names|has_table)'",
        f"SQLAlchemy 2 has an inspector: {_TABLES}.",
    ),
    (
        r"Connection\.(execute|scalar)\(\) got an unexpected keyword argument",
        "SQLAlchemy 2 takes values as a dictionary: write `execute(statement, {...})`.",
    ),
    (
        r"^tuple indices must be integers or slices, not str",
        "A row of SQLAlchemy 2 is a tuple: write `row.name`, or call `.mappings()` on the result.",
    ),
    (
        r"^No support for ALTER of constraints in SQLite",
        "SQLite changes constraints by rebuilding the table: call the operation of `batch_op` in "
        "`with op.batch_alter_table(...) as batch_op:`.",
    ),
)


@dataclasses.dataclass(frozen=True)
class Place:
    """One line of a file.

    :param code: the operation on that line, shortened to one line; empty if the file can't be read.
    """

    path: str
    line: int
    code: str = ""

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}"


def place_below(error: BaseException, folders: t.Iterable[str | os.PathLike[str]]) -> Place | None:
    """Return the innermost line below one of ``folders`` that was running when ``error`` arose.

    A syntax error has no running line, so the line that it names counts.
    """
    roots = [os.path.realpath(folder) for folder in folders]
    if isinstance(error, SyntaxError) and error.filename and _is_below(error.filename, roots):
        return place(error.filename, error.lineno or 1)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.lineno and _is_below(frame.filename, roots):
            return place(frame.filename, frame.lineno)
    return None


def own_line(error: BaseException, below: types.CodeType | None = None) -> Place | None:
    """Return the innermost line that belongs neither to the standard library nor to an installed package.

    :param below: the function that called the line, directly or not; ``None`` for any.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return place(error.filename, error.lineno or 1)
    lines = [(frame.f_code, number) for frame, number in traceback.walk_tb(error.__traceback__)]
    codes = [code for code, _ in lines]
    first = codes.index(below) if below in codes else len(lines) if below is not None else 0
    own = [(code.co_filename, number) for code, number in lines[first:] if number and _is_own(code.co_filename)]
    return place(*own[-1]) if own else None


def _is_own(filename: str) -> bool:
    return os.path.isfile(filename) and _is_own_path(filename)


def _is_own_path(filename: str) -> bool:
    package = str(pathlib.Path(__file__).parents[2]) + os.sep
    return not os.path.realpath(filename).startswith((*_LIBRARIES, package))


def place(path: str, line: int) -> Place:
    """Return a line with the operation on it, of the file as it is now."""
    linecache.checkcache(path)
    return Place(path, line, _operation(path, line))


def arose_in(error: BaseException, path: str | os.PathLike[str]) -> bool:
    """Return true if the file itself failed, rather than something that it called."""
    if isinstance(error, SyntaxError):
        return True
    frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and os.path.realpath(frames[-1]) == os.path.realpath(path)


def advice_on_line(error: BaseException, place: Place, again: str) -> str:
    """Return the advice for an error in a line of the project's own code.

    :param again: the command to run afterwards, as a clause.
    """
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _advice_on_import(error.name, place, again)
    variable = _unset_variable(error)
    if variable:
        return f"Set the environment variable {variable} and {again}."
    if isinstance(error, NameError) and error.name and _is_generated(place.path):
        return (
            f"Import {error.name} in that file, and in script.py.mako if new revisions need it too. Then {again}."
        )
    if isinstance(error, _NOT_THE_LINE):
        return f"If the line is right, the cause is the driver or the server: check the server's log. Then {again}."
    return f"Fix that line and {again}."


def _advice_on_import(name: str, place: Place, again: str) -> str:
    """Return the advice for a module that is missing: the project's own, a part of a package, or a whole package."""
    top, _, inner = name.partition(".")
    spec = _spec_of(top) if inner else None
    places = [*(spec.submodule_search_locations or ()), spec.origin or ""] if spec is not None else []
    if any(os.path.exists(found) and _is_own_path(found) for found in places):
        return f"Fix the import: {top} is a part of your project, and has no module {inner}. Then {again}."
    if spec is not None:
        return f"Fix the import, or install a version of {top} that has the module {name}. Then {again}."
    lost = _lost_module(top, place)
    if lost is not None:
        return (
            f"Fix the import, or set PYTHONPATH={lost.parent}: {lost} is a part of your project, but not on Python's "
            f"path. Then {again}."
        )
    return f"Run `pip install {top}`, if that is the package's name, or fix the import."


def _spec_of(module: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None


def _lost_module(name: str, place: Place) -> pathlib.Path | None:
    """Return a module of that name beside the line's file or in a folder above it, as far as the working directory."""
    folders = list(pathlib.Path(place.path).absolute().parents) if place.path else []
    here = pathlib.Path.cwd()
    for folder in folders[: folders.index(here) + 1 if here in folders else 2]:
        if (folder / f"{name}.py").is_file():
            return folder / f"{name}.py"
        if (folder / name / "__init__.py").is_file():
            return folder / name
    return None


def _unset_variable(error: BaseException) -> str:
    """Return the environment variable that ``os.environ[...]`` did not find."""
    if not isinstance(error, KeyError) or not error.args:
        return ""
    frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    return str(error.args[0]) if frames and frames[-1] is type(os.environ).__getitem__.__code__ else ""


def _is_generated(path: str) -> bool:
    try:
        text = pathlib.Path(path).read_text("utf-8", "replace")
        return "\nCreate Date: " in text and "\nRevision ID: " in text
    except OSError:
        return False


def words_of(error: BaseException) -> str:
    """Return an error on one line, without passwords: ``KeyError: 'x'``."""
    if isinstance(error, SyntaxError):
        return scrub(f"{type(error).__name__}: {error.msg}")
    text = " ".join(str(error).split())
    return scrub(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _is_below(filename: str, roots: list[str]) -> bool:
    path = os.path.realpath(filename)
    return any(path == root or path.startswith(root + os.sep) for root in roots)


def _operation(path: str, line: int) -> str:
    """Return the call in the statement at ``line``, or the line unchanged."""
    try:
        tree = ast.parse(pathlib.Path(path).read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError):
        return one_line(linecache.getline(path, line), _LONGEST, "...")
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and _spans(node, line)]
    if not statements:
        return one_line(linecache.getline(path, line), _LONGEST, "...")
    innermost = max(statements, key=lambda node: (node.lineno, node.col_offset))
    calls = [node for node in ast.walk(innermost) if isinstance(node, ast.Call) and _spans(node, line)]
    return one_line(ast.unparse(calls[0]) if calls else linecache.getline(path, line), _LONGEST, "...")


def _spans(node: ast.stmt | ast.expr, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def advice_on_old_form(error: BaseException) -> str | None:
    """Return what to write in place of a line, or ``None`` if no such form is known to raise this error."""
    if isinstance(error, exc.DBAPIError):
        return None
    words = str(error)
    return next((advice for pattern, advice in _FORMS if re.search(pattern, words)), None)
