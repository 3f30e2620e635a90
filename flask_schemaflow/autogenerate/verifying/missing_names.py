"""Looks through a new revision for names that nothing defines, before somebody runs it in production.

Importing the file doesn't find them: what ``upgrade()`` names is looked up when it runs.
"""

from __future__ import annotations

import builtins
import dis
import types
import typing as t

from alembic.script import Script

from ...errors.autogenerate import NamesMissing
from ...runtime.environment import Environment
from ..decisions import Decisions


def refuse_missing(environment: Environment, scripts: t.Sequence[Script], decisions: Decisions) -> None:
    """Refuse revisions whose functions use names that aren't there.

    :raises NamesMissing: names the first one and its line.
    """
    for name, line in [found for script in scripts for found in _missing(script.module)]:
        raise NamesMissing(
            f"The new revision uses {name} in line {line} and nothing there defines it, so it wasn't kept.",
            hint=f"Put `import {name}` into script.py.mako, or have render_item add it: "
            f'autogen_context.imports.add("import {name}")',
        )


def _missing(module: types.ModuleType) -> t.Iterator[tuple[str, int]]:
    own = [item for item in vars(module).values() if isinstance(item, types.FunctionType)]
    for function in own:
        if function.__module__ == module.__name__:
            used = _globals_of(function.__code__)
            yield from (item for item in used if not hasattr(module, item[0]) and not hasattr(builtins, item[0]))


def _globals_of(code: types.CodeType) -> t.Iterator[tuple[str, int]]:
    """The global names that code and the functions in it read, with their lines."""
    line = code.co_firstlineno
    starts = dict(dis.findlinestarts(code))
    for instruction in dis.get_instructions(code):
        line = starts.get(instruction.offset) or line
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(instruction.argval), line
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals_of(constant)
