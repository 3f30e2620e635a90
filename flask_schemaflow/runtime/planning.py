"""The steps that a command runs, and the function of a revision file that runs for each database.

A file has ``upgrade()`` and ``downgrade()``, or one pair a bind (``upgrade_users()``), or both, or Flask-Migrate's pair
that takes the bind's name and looks the rest up. A missing function means that there is nothing to do for that
database, so a folder made for one database continues to work when binds are added, and the other way round.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import traceback
import types
import typing as t

from alembic.runtime.migration import MigrationStep
from alembic.script import Script
from alembic.script import ScriptDirectory

from ..alembic_private import create_version_table
from ..alembic_private import explained
from ..alembic_private import stamping

Heads = t.Any


def upgrade_steps(script: ScriptDirectory, destination: str, heads: Heads) -> list[t.Any]:
    """Return the steps from ``heads`` up to ``destination``, in the order in which they run."""
    with explained(
        script,
        ancestor="Destination %(end)s is not a valid upgrade target from current head(s)",
        end=destination,
    ):
        revisions = list(script.iterate_revisions(destination, heads, implicit_base=True))
    return [MigrationStep.upgrade_from_script(script.revision_map, found) for found in reversed(revisions)]


def downgrade_steps(script: ScriptDirectory, destination: str, heads: Heads) -> list[t.Any]:
    """Return the steps from ``heads`` down to ``destination``, in the order in which they run."""
    if len(heads) > 1 and destination.startswith("-"):
        from .errors.heads import ambiguous_step

        raise ambiguous_step(heads, destination)
    with explained(
        script,
        ancestor="Destination %(end)s is not a valid downgrade target from current head(s)",
        end=destination,
    ):
        revisions = list(script.iterate_revisions(heads, destination, select_for_downgrade=True))
    return [MigrationStep.downgrade_from_script(script.revision_map, found) for found in revisions]


def one_step_down(script: ScriptDirectory, revision: Script) -> list[t.Any]:
    """Return the step that reverts one revision; of a merge, too, for which Alembic's targets have no name."""
    return [MigrationStep.downgrade_from_script(script.revision_map, revision)]


def stamp_steps(script: ScriptDirectory, targets: tuple[str, ...], context: t.Any) -> list[t.Any]:
    """Return the steps that write ``targets`` into the version table."""
    return stamping(script, targets, context)


def ensure_version_table(heads: Heads, context: t.Any) -> list[t.Any]:
    """Make the version table; Alembic has done so before it asks for steps, except in offline mode."""
    if context.as_sql:
        create_version_table(context)
    return []


Migration = t.Callable[..., t.Any]


def function_name(direction: str, bind: str | None) -> str:
    """``upgrade``, or ``upgrade_<bind>`` with what can't stand in a name replaced."""
    return direction if bind is None else direction + "_" + re.sub(r"\W", "_", bind)


def migration_for(
    module: types.ModuleType,
    direction: str,
    bind: str | None,
    around: t.Callable[[], t.ContextManager[None]] = contextlib.nullcontext,
) -> Migration:
    """Return the function that migrates one database, as Alembic calls it.

    :param module: the revision file.
    :param direction: ``upgrade`` or ``downgrade``.
    :param bind: the bind, ``None`` for the default database.
    :param around: makes the block in which the code runs.
    :returns: a callable that takes whatever env.py gave to ``context.run_migrations()``.
    """
    chosen = function_for(module, direction, bind)

    def run(**given: t.Any) -> None:
        with around():
            if chosen is not None:
                chosen(**_arguments(chosen, given, bind))

    # Alembic names the step in its log after the function.
    run.__name__ = direction
    return run


def within(function: Migration, around: t.Callable[[], t.ContextManager[None]]) -> Migration:
    """Return a function of the same name that calls ``function`` within a block."""

    def run(**given: t.Any) -> None:
        with around():
            function(**given)

    run.__name__ = function.__name__
    return run


def _arguments(function: Migration, given: dict[str, t.Any], bind: str | None) -> dict[str, t.Any]:
    """Return what env.py gave that a revision's function takes, and ``engine_name`` if it needs that."""
    parameters = _parameters(function)
    needed = [item for item in _parameters(_innermost(function)) if item.default is item.empty and item.kind in _NAMED]
    if needed:
        given.setdefault("engine_name", bind or "")
    if not any(item.kind is item.VAR_KEYWORD for item in parameters):
        names = {item.name for item in parameters}
        given = {name: value for name, value in given.items() if name in names}
    return given


def is_in_migration(error: BaseException) -> bool:
    """Return true if the error arose while a revision's function was called."""
    return any(
        frame.f_code.co_filename == __file__ and frame.f_code.co_name == "run"
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def function_for(module: types.ModuleType, direction: str, bind: str | None) -> Migration | None:
    """Return the function that :func:`migration_for` calls; ``None`` if the revision has none for this database."""
    own = _own_function(module, direction, bind)
    general = getattr(module, direction, None)
    if own is not None:
        return t.cast(Migration, own)
    if not callable(general):
        return None
    if _wants_argument(general):
        return None if _looks_up_names(module, direction) else general
    return general if bind is None else None


def _own_function(module: types.ModuleType, direction: str, bind: str | None) -> t.Any:
    names = [f"{direction}_{bind or ''}", function_name(direction, bind)]
    if bind is None:
        names.append(f"{direction}_default")
    for name in names:
        if name != direction and callable(getattr(module, name, None)):
            return getattr(module, name)
    return None


def _looks_up_names(module: types.ModuleType, direction: str) -> bool:
    """Return whether ``upgrade(engine_name)`` is the generated one, which fails where a bind has no function.

    One of the reader's own that takes an argument is trusted to know what to do.
    """
    return any(name.startswith(direction + "_") for name in vars(module))


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _wants_argument(function: t.Any) -> bool:
    """Return true if the function names a parameter, as Flask-Migrate's ``upgrade(engine_name)`` does."""
    return callable(function) and any(item.kind in _NAMED for item in _parameters(_innermost(function)))


def _parameters(function: t.Any) -> t.Collection[inspect.Parameter]:
    """Return the parameters of a function; of a plain one without asking ``inspect``, which costs ten times as much."""
    if isinstance(function, types.FunctionType) and not vars(function):
        code = function.__code__
        if not (code.co_argcount or code.co_kwonlyargcount or code.co_flags & inspect.CO_VARKEYWORDS):
            return ()
    try:
        return inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()


def _innermost(function: t.Any) -> t.Any:
    """Return the function that a decorator without ``functools.wraps`` calls, or else the function itself."""
    if any(item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD) for item in _parameters(function)):
        return function
    try:
        inner = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    except ValueError:  # an empty cell
        return function
    found = [value for value in inner if isinstance(value, types.FunctionType) and value is not function]
    return _innermost(found[0]) if len(found) == 1 else function
