"""Checks of the folder's env.py, read without running it: which tool made it, in which release, and its known faults.

A file is recognised by what Python reads of it, so that formatting, quotes and comments don't count. The table holds
a fingerprint of each env.py that Flask-Migrate has published; it was made from the packages themselves, and a test
compares the two.
"""

from __future__ import annotations

import ast
import hashlib
import io
import pathlib
import re
import tokenize
import typing as t

from ..records import Finding
from ..runtime.errors.lines import place
from ..runtime.errors.loading import broken_environment
from .subject import Subject

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
    """List what a project has added to its env.py, a line each; a file that can't be read counts as added."""
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
    """Yield the line and the arguments of each ``context.configure()``, and whether ``**configure_args`` is in it."""
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
    """List the imports that a project has added to its script.py.mako."""
    lines = enumerate(template.splitlines(), 1)
    imports = [(number, line.strip()) for number, line in lines if line.startswith(("import ", "from "))]
    return [f"{line} in line {number}" for number, line in imports if line not in _IMPORTS]


def _names_of_configure_args(tree: ast.Module) -> set[str]:
    """Return the variables that hold ``...configure_args``."""
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


TEMPLATES = pathlib.Path(__file__).parent.parent / "templates"
_UNREAD = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
_FORMATTING = ("(", ")", ",")

# With a release that had that file, and what it was for.
PUBLISHED: dict[str, str] = {
    "bc61160429710152": "Flask-Migrate 0.1.4 (one database)",
    "92ee1433b21b869c": "Flask-Migrate 1.3.1 (one database)",
    "e04ebfa365e9d364": "Flask-Migrate 1.5.0 (one database)",
    "556569a28f1ded28": "Flask-Migrate 2.0.0 (one database)",
    "8d374ef38b86fe4a": "Flask-Migrate 2.3.1 (one database)",
    "56118aa85c290cfe": "Flask-Migrate 2.4.0 (one database)",
    "e44e36993940c5b2": "Flask-Migrate 2.5.2 (one database)",
    "3385bcfcfe065b6c": "Flask-Migrate 2.5.3 (one database)",
    "92f60ac31cb6fea1": "Flask-Migrate 2.6.0 (one database)",
    "b43b5277909b76dc": "Flask-Migrate 3.0.0 (one database)",
    "c115ba6e0a4e33c4": "Flask-Migrate 3.0.1 (one database)",
    "d241a8a470c93320": "Flask-Migrate 4.0.0 (one database)",
    "e391fab62b302273": "Flask-Migrate 4.0.2 (one database)",
    "3b8038d3c3518504": "Flask-Migrate 4.0.3 (one database)",
    "9742b3e336499d16": "Flask-Migrate 4.0.4 (one database)",
    "9e9ac3a1e00de85f": "Flask-Migrate 4.1.0 (one database)",
    "fa946ee75c301fa7": "Flask-Migrate 1.5.0 (several databases)",
    "67f152bbb7dcc7e7": "Flask-Migrate 2.0.0 (several databases)",
    "50eff291105acde3": "Flask-Migrate 2.4.0 (several databases)",
    "175e61cdbcaffb9a": "Flask-Migrate 2.5.2 (several databases)",
    "7431e8bded55d324": "Flask-Migrate 2.5.3 (several databases)",
    "22fc0ab2b220476b": "Flask-Migrate 2.6.0 (several databases)",
    "2f6c95c276c76e50": "Flask-Migrate 3.0.0 (several databases)",
    "2f72cdd4ced5d78e": "Flask-Migrate 3.0.1 (several databases)",
    "117769ac64baf8d5": "Flask-Migrate 3.1.0 (several databases)",
    "7a486f188d0a2969": "Flask-Migrate 4.0.0 (several databases)",
    "6ad08835790d2f1f": "Flask-Migrate 4.0.2 (several databases)",
    "dbf4a5778d2455a1": "Flask-Migrate 4.0.3 (several databases)",
    "7e09581517eb7540": "Flask-Migrate 4.0.4 (several databases)",
    "9b83fa948d3fc36d": "Flask-Migrate 4.1.0 (several databases)",
    "b0df6c8aa3fef877": "Flask-Migrate 3.1.0 (one database, asyncio)",
    "3102abfbbd81d527": "Flask-Migrate 4.0.0 (one database, asyncio)",
    "df5e6542d243bc59": "Flask-Migrate 4.0.2 (one database, asyncio)",
    "9da866be71c00007": "Flask-Migrate 4.0.3 (one database, asyncio)",
    "f27562711651a31c": "Flask-Migrate 4.0.4 (one database, asyncio)",
    "7eb03766db641811": "Flask-Migrate 4.1.0 (one database, asyncio)",
    "ff24daf65d687324": "Flask-Migrate 3.1.0 (several databases, asyncio)",
    "c5c4b4590f14a805": "Flask-Migrate 4.0.0 (several databases, asyncio)",
    "08da8b207ce82904": "Flask-Migrate 4.0.2 (several databases, asyncio)",
    "54ee0efa675e65f9": "Flask-Migrate 4.0.3 (several databases, asyncio)",
    "31a39967add0ec05": "Flask-Migrate 4.0.4 (several databases, asyncio)",
    "50d614dac5af3a83": "Flask-Migrate 4.1.0 (several databases, asyncio)",
}


PUBLISHED_TEMPLATES = frozenset(
    {
        "92420c6e3c3f0e09",
        "7415ebe54af64b6d",
        "26fe50742a3b055a",
        "07a89d15b7e6f6d7",
        "af536c33ce5ee0a6",
        "d8cedbb3162e6d07",
    }
)
"""Of each script.py.mako that Flask-Migrate has published."""


def template_fingerprint(template: str) -> str:
    """Return the same text for two templates of revision files that differ in white space alone."""
    return hashlib.sha256("\n".join(template.split()).encode()).hexdigest()[:16]


def fingerprint(source: str) -> str | None:
    """Return the same text for two files that Python reads as the same; ``None`` where it can't read them."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
        read = [_meaning(token) for token in tokens if token.type not in _UNREAD and token.string not in _FORMATTING]
    except (tokenize.TokenError, SyntaxError, ValueError):
        return None
    return hashlib.sha256("\n".join(read).encode()).hexdigest()[:16]


def _meaning(token: tokenize.TokenInfo) -> str:
    is_plain = token.type == tokenize.STRING and "f" not in token.string[:2].lower()
    return repr(ast.literal_eval(token.string)) if is_plain else token.string


def origin(source: str) -> t.Literal["packaged", "full", "published", "own"]:
    """Return where an env.py comes from.

    :returns: ``packaged`` for the short one of this package, ``full`` for its long one, ``published`` for one of
        Flask-Migrate that nobody has changed, and else ``own``.
    """
    found = fingerprint(source)
    if calls_run_env(source):
        return "packaged"
    if found is not None and found == fingerprint((TEMPLATES / "flask-full" / "env.py").read_text("utf-8")):
        return "full"
    return "published" if found in PUBLISHED else "own"


def calls_run_env(source: str) -> bool:
    """Return whether a file calls ``run_env()``, whatever else is in it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    names = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(getattr(name, "id", getattr(name, "attr", "")) == "run_env" for name in names)


CURE = "Run `flask db doctor --fix` to compare it with the current template and replace it. It keeps a copy."


def generation(subject: Subject) -> t.Iterator[Finding]:
    """Report where env.py comes from, and its known faults."""
    if subject.env is None:
        return
    path, source = subject.folder / "env.py", subject.env
    where = origin(source)
    if where == "packaged":
        yield Finding("note", "SF830", f"{path} is up to date.")
    elif where == "full":
        yield Finding("note", "SF831", f"{path} is the full env.py template.")
    else:
        known = PUBLISHED.get(fingerprint(source) or "")
        what = f"is the one of {known}, and works" if known else "is your own"
        faults = [*_faults(subject, source), *(f"Your change: {part}" for part in own_parts(source) if not known)]
        yield Finding(
            "warning" if known or faults else "note",
            "SF832",
            f"{path} {what}. Updates of Flask-SchemaFlow don't change it.",
            details="\n".join(f"  - {fault}" for fault in faults),
            hint=CURE,
        )


def _faults(subject: Subject, source: str) -> t.Iterator[str]:
    """Yield the known faults of such a file that matter here."""
    if "configure_args" not in source:
        yield "It doesn't pass the Migrate(...) options to Alembic: compare_type, render_as_batch, include_object."
    if "fileConfig(" in source and "disable_existing_loggers" not in source:
        yield "It disables the application's loggers where Flask-SchemaFlow doesn't prevent it (plain `alembic`)."
    if "get_engine(" in source and ".engine" not in source.replace("db.get_engine", ""):
        replaced = "Flask-SchemaFlow provides a replacement."
        yield f"It calls db.get_engine(), which Flask-SQLAlchemy 3.1 no longer has; {replaced}"
    if "render_as_string" not in source and re.search(r"str\([^()]*(?:\([^()]*\)[^()]*)*\.url\)", source):
        yield (
            "It passes str(engine.url) to Alembic, where SQLAlchemy 2 shows the password as ***; Flask-SchemaFlow "
            "connects with the real one."
        )
    if "literal_binds" not in source:
        yield "Its --sql scripts have placeholders instead of values."


def readable(subject: Subject) -> t.Iterator[Finding]:
    """Check that Python can read env.py.

    :raises EnvironmentBroken: names the line that it can't read.
    """
    path = str(subject.folder / "env.py")
    try:
        compile(subject.env or "", path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise broken_environment(error, place(path, error.lineno or 1)) from error
    return iter(())


def arguments_twice(subject: Subject) -> t.Iterator[Finding]:
    """Look for arguments that env.py names beside ``**configure_args`` that hold them too: a TypeError."""
    given = subject.state.configure_args
    for line, names, unpacks in arguments_of_configure(subject.env or ""):
        twice = sorted(set(names) & set(given)) if unpacks else []
        if twice:
            one = twice[0]
            yield Finding(
                "error",
                "SF833",
                f"{subject.folder / 'env.py'}, line {line}, passes {', '.join(twice)} to Alembic, and **configure_args "
                "from Migrate(...) holds it too: every command that runs env.py fails there.",
                hint=f"Remove `{one}=...` from that call and pass it to Migrate(app, db, {one}=...).\n{CURE}",
            )


def databases_left_out(subject: Subject) -> t.Iterator[Finding]:
    """Warn of an env.py for one database that ignores the models of the others."""
    source, binds = subject.env, subject.binds_with_models
    if source is None or not binds or origin(source) in ("packaged", "full"):
        return
    if not any(word in source for word in ("_upgrades", "bind_names", "targets")):
        yield Finding(
            "warning",
            "SF834",
            f"{subject.folder / 'env.py'} migrates the default database alone; nothing is done for "
            f"{', '.join(binds)}, which {'has' if len(binds) == 1 else 'have'} models.",
            hint=CURE,
        )
