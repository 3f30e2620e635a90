"""What an env.py does, read from its source without running it."""

from __future__ import annotations

import ast
import typing as t

# What the env.py files of Flask-Migrate and Alembic define and pass, whoever edits them.
_FUNCTIONS = {
    "do_run_migrations",
    "get_engine",
    "get_engine_url",
    "get_metadata",
    "process_revision_directives",
    "run_async_migrations",
    "run_migrations_offline",
    "run_migrations_online",
}
_ARGUMENTS = {
    "connection",
    "dialect_opts",
    "downgrade_token",
    "literal_binds",
    "output_buffer",
    "process_revision_directives",
    "target_metadata",
    "upgrade_token",
    "url",
}
_IMPORTS = ("from alembic import op", "import sqlalchemy as sa", "import re", "from flask import current_app")
_MODULES = {"__future__", "alembic", "asyncio", "flask", "logging", "re", "sqlalchemy"}


def own_parts(source: str) -> list[str]:
    """What a project has added to its env.py, a line each; what can't be read counts as its own."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        where = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        return [f"a file that Python can't read{where}"]
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name not in _FUNCTIONS:
            found.append(f"{node.name}() in line {node.lineno}")
        elif isinstance(node, ast.ImportFrom) and _root(node.module) not in _MODULES:
            found.append(f"from {'.' * node.level}{node.module or ''} import ... in line {node.lineno}")
        elif isinstance(node, ast.Import):
            names = [item.name for item in node.names if _root(item.name) not in _MODULES]
            found += [f"import {name} in line {node.lineno}" for name in names]
    for line, arguments, _ in arguments_of_configure(source):
        found += [f"{name}= in line {line}" for name in arguments if name not in _ARGUMENTS]
    return found


def arguments_of_configure(source: str) -> t.Iterator[tuple[int, list[str], bool]]:
    """The calls of ``context.configure()``: line, names of arguments, whether a ``**`` adds what Migrate was given."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    lent = _names_of_configure_args(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "configure":
            names = [word.arg for word in node.keywords if word.arg]
            unpacked = [word.value for word in node.keywords if word.arg is None]
            yield node.lineno, names, any(_is_configure_args(value, lent) for value in unpacked)


def own_lines(template: str) -> list[str]:
    """Imports that a project has added to its script.py.mako."""
    lines = enumerate(template.splitlines(), 1)
    imports = [(number, line.strip()) for number, line in lines if line.startswith(("import ", "from "))]
    return [f"{line} in line {number}" for number, line in imports if line not in _IMPORTS]


def _names_of_configure_args(tree: ast.Module) -> set[str]:
    """Names to which ``...configure_args`` is given as it is."""
    return {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_configure_args(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _is_configure_args(value: ast.expr, names: set[str]) -> bool:
    if isinstance(value, ast.Name):
        return value.id in names
    return isinstance(value, ast.Attribute) and value.attr == "configure_args"


def _root(module: str | None) -> str:
    return (module or "").partition(".")[0]
