"""Writes types that aren't SQLAlchemy's own into revision files, together with the imports that they need.

Alembic writes ``repr()`` of such a type and leaves the import to the reader. Here what would be written is tried
out: it has to evaluate, with the imports that are added, to a type that is the same for the database. Where it
doesn't (a class inside of a function, an argument that nothing can spell) the type that the database gets is
written, which needs no import and doesn't break when the application changes. Keys and passwords that a type was
made with are never written.

``render_item`` of the application is asked first, and who sets ``user_module_prefix`` cares for imports too.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
import typing as t

import sqlalchemy as sa

from ..alembic_private import type_text
from ..alembic_private import variants_of
from ..runtime.guard import Scope
from .reflection.catalog import StoredJson

Type = sa.types.TypeEngine[t.Any]
Imports = set[str]

_SECRETS = {"key", "secret", "secret_key", "password", "passphrase"}


def prepare(scope: Scope) -> None:
    """Have types rendered here, after ``render_item`` of the application."""
    theirs = scope.options.get("render_item")

    def render_item(kind: str, item: t.Any, context: t.Any) -> t.Any:
        rendered = theirs(kind, item, context) if theirs is not None else False
        if rendered is False and kind == "server_default" and isinstance(getattr(item, "arg", None), str):
            return repr(str(item.arg))  # Alembic takes a quote at its beginning or end for a mark of SQL
        if rendered is not False or kind != "type" or context.opts.get("user_module_prefix"):
            return rendered
        return _rendered(item, context)

    scope.options["render_item"] = render_item


def _rendered(type_: Type, context: t.Any) -> t.Any:
    """Return the text of a type, or ``False`` for what Alembic writes rightly itself."""
    if type(type_) is sa.Interval:  # its repr() has no arguments
        parameters = list(inspect.signature(sa.Interval.__init__).parameters.values())[1:]
        arguments = _arguments(type_, parameters, set())
        return f"{context.opts['sqlalchemy_module_prefix']}Interval({arguments})" + _variants(type_, context)
    if isinstance(type_, StoredJson):
        return f"{context.opts['sqlalchemy_module_prefix']}JSON()"
    if type(type_).__module__.startswith("sqlalchemy."):
        return _of_dialect(type_, context)
    for text, imports in _candidates(type_):
        if _is_same(text, imports, type_, context.dialect):
            context.imports.update(imports)
            return text + _variants(type_, context)
    plain = _plain(type_, context.dialect)
    return False if plain is None else type_text(plain, context) + _variants(type_, context)


def _of_dialect(type_: Type, context: t.Any) -> t.Any:
    """Return the text of another dialect's type, whose inner types Alembic leaves without their module."""
    match = re.match(r"sqlalchemy\.dialects\.(\w+)", type(type_).__module__)
    if match is None or match[1] == context.dialect.name.replace("mariadb", "mysql"):
        return False
    name = match[1]
    context.imports.add(f"from sqlalchemy.dialects import {name}")
    module, text = importlib.import_module(f"sqlalchemy.dialects.{name}"), repr(type_).encode()
    calls = (node.func for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Call))
    # From the end to the beginning; offsets count bytes.
    for node in sorted((node for node in calls if isinstance(node, ast.Name)), key=lambda node: -node.col_offset):
        prefix = context.opts["sqlalchemy_module_prefix"] if node.id not in vars(module) else f"{name}."
        text = text[: node.col_offset] + prefix.encode() + text[node.col_offset :]
    return text.decode() + _variants(type_, context)


def _variants(type_: Type, context: t.Any) -> str:
    found = sorted(variants_of(type_).items())
    return "".join(f".with_variant({type_text(variant, context)}, {dialect!r})" for dialect, variant in found)


def _plain(type_: Type, dialect: sa.Dialect) -> Type | None:
    """Return the type of SQLAlchemy that a type of somebody else comes down to."""
    if isinstance(type_, sa.types.TypeDecorator):
        found = type_.load_dialect_impl(dialect)
        if type(found).__module__.startswith("sqlalchemy."):
            return found
    return None


def _candidates(type_: Type) -> t.Iterator[tuple[str, Imports]]:
    """Return how a type could be written, the best way first."""
    cls = type(type_)
    if cls.__module__ == "__main__" or "<" in cls.__qualname__:
        return
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    if any(parameter.name in _SECRETS for parameter in parameters):
        return
    name = f"{cls.__module__}.{cls.__qualname__}"
    own = repr(type_)
    if own.startswith(f"{cls.__name__}(") and own.endswith(")"):
        arguments = own[len(cls.__name__) + 1 : -1]
        yield f"{name}({_without_index(type_, arguments)})", {f"import {cls.__module__}"}
    imports = {f"import {cls.__module__}"}
    spelled = _arguments(type_, parameters, imports)
    if spelled is not None:
        yield f"{name}({_without_index(type_, spelled)})", imports


def _without_index(type_: Type, arguments: str) -> str:
    """GeoAlchemy2 makes the index of a column along with its table; in a revision file it is written apart."""
    if getattr(type_, "spatial_index", False) is not True or "spatial_index" in arguments:
        return arguments
    return f"{arguments}, spatial_index=False" if arguments else "spatial_index=False"


def _arguments(type_: Type, parameters: t.Iterable[inspect.Parameter], imports: Imports) -> str | None:
    """Return the arguments that a type was made with, as far as it remembers them by their names."""
    spelled = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        value = getattr(type_, parameter.name, parameter.default)
        if value is parameter.empty:
            return None
        if value is parameter.default or (type(value) is type(parameter.default) and value == parameter.default):
            continue
        text = _spelled(value, imports)
        if text is None:
            return None
        spelled.append(f"{parameter.name}={text}")
    return ", ".join(spelled)


def _spelled(value: t.Any, imports: Imports) -> str | None:
    """Return a value as Python text; ``None`` for what can't be spelled."""
    if value is None or isinstance(value, (str, int, float, bool, bytes)) and not isinstance(value, enum.Enum):
        return repr(value)
    if isinstance(value, enum.Enum):
        owner = _spelled(type(value), imports)
        return owner and f"{owner}.{value.name}"
    if isinstance(value, type):
        if "<" in value.__qualname__ or value.__module__ == "__main__":
            return None
        imports.add(f"import {value.__module__}")
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, (list, tuple)):
        parts = [_spelled(item, imports) for item in value]
        if None in parts:
            return None
        inner = ", ".join(part for part in parts if part)
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(parts) == 1)})"
    if isinstance(value, sa.types.TypeEngine) and type(value).__module__.startswith("sqlalchemy."):
        return f"sa.{value!r}" if hasattr(sa, type(value).__name__) else None
    return None


def _is_same(text: str, imports: Imports, type_: Type, dialect: sa.Dialect) -> bool:
    """Return whether the text makes a type that the database can't tell from the given one."""
    names: dict[str, t.Any] = {"sa": sa}
    try:
        for line in imports:
            module = line.removeprefix("import ")
            importlib.import_module(module)
            root = module.partition(".")[0]
            names[root] = importlib.import_module(root)
        made = eval(text, names)
        for name, variant in variants_of(type_).items():
            made = made.with_variant(variant, name)
        return bool(made.compile(dialect=dialect) == type_.compile(dialect=dialect))
    except Exception:
        # Whatever a constructor of somebody else raises: this text doesn't do.
        return False
