"""Which function of a revision file runs for which database.

A file has ``upgrade()`` and ``downgrade()``, or one pair a bind (``upgrade_users()``), or both, or
Flask-Migrate's pair that takes the bind's name and looks the rest up. A missing function means
that there is nothing to do for that database, so a folder made for one database goes on working
when binds are added, and the other way round.
"""

from __future__ import annotations

import inspect
import re
import types
import typing as t

Migration = t.Callable[..., t.Any]


def function_name(direction: str, bind: str | None) -> str:
    """``upgrade``, or ``upgrade_<bind>`` with what can't stand in a name replaced."""
    return direction if bind is None else f"{direction}_{_identifier(bind)}"


def _identifier(bind: str) -> str:
    return re.sub(r"\W", "_", bind)


def migration_for(module: types.ModuleType, direction: str, bind: str | None) -> Migration:
    """The function of a revision file that migrates one database.

    :param direction: ``upgrade`` or ``downgrade``.
    :param bind: the bind, ``None`` for the default database.
    :returns: a callable that ignores what ``context.run_migrations()`` was given.
    """
    chosen = function_for(module, direction, bind)

    def run(**given: t.Any) -> None:
        if chosen is None:
            return
        if _wants_argument(chosen):
            given.setdefault("engine_name", bind or "")
            chosen(**given)
        else:
            chosen()

    # Alembic names the step in its log after the function.
    run.__name__ = direction
    return run


def function_for(module: types.ModuleType, direction: str, bind: str | None) -> Migration | None:
    """The function that :func:`migration_for` calls, or nothing where this database has no part in the revision."""
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
    """Whether ``upgrade(engine_name)`` is the generated one, which fails where a bind has no function.

    One of the reader's own that takes an argument is trusted to know what to do.
    """
    return any(name.startswith(direction + "_") for name in vars(module))


def _wants_argument(function: t.Any) -> bool:
    if not callable(function):
        return False
    if isinstance(function, types.FunctionType) and not vars(function):  # whose code says it, at a tenth of the price
        code = function.__code__
        return bool(code.co_argcount or code.co_flags & inspect.CO_VARKEYWORDS)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_KEYWORD) for p in parameters)
