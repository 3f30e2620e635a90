"""The folder's env.py: which generation it is of, and what that generation does wrong."""

from __future__ import annotations

import typing as t

from ..records import Finding
from ..runtime.translation.loading import broken_environment
from ..runtime.translation.places import place
from .env_source import arguments_of_configure
from .env_source import own_parts
from .fingerprints import fingerprint
from .fingerprints import origin
from .fingerprints import PUBLISHED
from .subject import Subject

_CURE = "`flask db doctor --fix` shows the packaged env.py beside it, and replaces it if you want; a copy is kept."


def generation(subject: Subject) -> t.Iterator[Finding]:
    """Where env.py comes from."""
    if subject.env is None:
        return
    path, source = subject.folder / "env.py", subject.env
    where = origin(source)
    if where == "packaged":
        yield Finding("note", "SF830", f"{path} leaves the work to Flask-SchemaFlow.")
    elif where == "full":
        yield Finding(
            "note", "SF831", f"{path} is the long one of Flask-SchemaFlow, which is yours to change."
        )
    else:
        known = PUBLISHED.get(fingerprint(source) or "")
        what = f"is the one of {known}, and works" if known else "is none that this package or Flask-Migrate has made"
        faults = [*_faults(subject, source), *(f"Your own in it: {part}" for part in own_parts(source) if not known)]
        yield Finding(
            "warning" if known or faults else "note",
            "SF832",
            f"{path} {what}; corrections of the package never reach it.",
            details="\n".join(f"  - {fault}" for fault in faults),
            hint=_CURE,
        )


def _faults(subject: Subject, source: str) -> t.Iterator[str]:
    """What is known to be wrong with such files, as far as it matters here."""
    if "configure_args" not in source:
        yield "It hands nothing of Migrate(...) on to Alembic: compare_type, render_as_batch, include_object."
    if "fileConfig(" in source and "disable_existing_loggers" not in source:
        yield "It disables the application's loggers where Flask-SchemaFlow doesn't prevent it (plain `alembic`)."
    if "get_engine(" in source and ".engine" not in source.replace("db.get_engine", ""):
        yield "It calls db.get_engine(), which Flask-SQLAlchemy 3.1 no longer has; it is lent one."
    if "literal_binds" not in source:
        yield "Its --sql scripts have placeholders instead of values."


def readable(subject: Subject) -> t.Iterator[Finding]:
    """Whether Python can read it.

    :raises EnvironmentBroken: names the line that it can't.
    """
    path = str(subject.folder / "env.py")
    try:
        compile(subject.env or "", path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise broken_environment(error, place(path, error.lineno or 1)) from error
    return iter(())


def arguments_twice(subject: Subject) -> t.Iterator[Finding]:
    """An argument that env.py names beside ``**configure_args`` which has it too ends in a TypeError."""
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
                hint=f"Take `{one}=...` out of that call and pass it to Migrate(app, db, {one}=...), or {_CURE}",
            )


def databases_left_out(subject: Subject) -> t.Iterator[Finding]:
    """An env.py for one database ignores the models of all others."""
    source, binds = subject.env, subject.binds_with_models
    if source is None or not binds or origin(source) in ("packaged", "full"):
        return
    if not any(word in source for word in ("_upgrades", "bind_names", "targets")):
        yield Finding(
            "warning",
            "SF834",
            f"{subject.folder / 'env.py'} migrates the default database alone; nothing is done for "
            f"{', '.join(binds)}, which {'has' if len(binds) == 1 else 'have'} models.",
            hint=_CURE,
        )
