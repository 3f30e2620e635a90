"""Pages that are made from docstrings, so that they can't disagree with the code.

``.. schemaflow-guards::``, ``.. schemaflow-guards-table::`` and ``.. schemaflow-passes::`` list what the code lists, in
its order. ``.. schemaflow-modules::`` has the first line of each module.
"""

from __future__ import annotations

import ast
import inspect
import pathlib
import re
import typing as t

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import flask_schemaflow
from flask_schemaflow.autogenerate.registry import PASSES
from flask_schemaflow.runtime.guard import Guard
from flask_schemaflow.runtime.guards.registry import GUARDS

_PACKAGE = pathlib.Path(flask_schemaflow.__file__).parent
_ROLE = re.compile(r":\w+:`[~.]*([^`]+)`")
_HOOKS = [name for name, value in vars(Guard).items() if inspect.isfunction(value)]


def _entries(classes: t.Iterable[type]) -> t.Iterator[str]:
    """One entry of a definition list for each class."""
    for cls in classes:
        yield f"``{cls.__name__}`` ({cls.__module__.partition('.')[2]})"
        yield from _indented(cls)


def _guards_table() -> t.Iterator[str]:
    """Return a row for each guard: the databases, the hooks that it has, and when it has no part."""
    yield from (".. list-table::", "   :header-rows: 1", "")
    yield from _row("Guard", "Databases", "Hooks", "Only")
    for guard in GUARDS:
        own = [hook for hook in _HOOKS if getattr(guard, hook) is not getattr(Guard, hook)]
        limits = ["with steps"] * guard.needs_steps + ["if anything is pending"] * guard.skipped_when_idle
        yield from _row(
            f"``{guard.__name__}``",
            ", ".join(guard.dialects) or "all",
            ", ".join(f"``{hook}``" for hook in own),
            "; ".join(limits) or "\\-",
        )
    yield ""


def _row(*cells: str) -> t.Iterator[str]:
    for number, cell in enumerate(cells):
        yield f"   {'*' if not number else ' '} - {cell}"


def _modules() -> t.Iterator[str]:
    """Return a definition list for each folder: its own first line, and those of its modules."""
    for folder in sorted({path.parent for path in _PACKAGE.rglob("*.py") if "templates" not in path.parts}):
        yield f"``{folder.relative_to(_PACKAGE.parent).as_posix()}/``"
        yield from (f"   {_first_line(folder / '__init__.py')}", "")
        for path in sorted(set(folder.glob("*.py")) - {folder / "__init__.py"}):
            yield from (f"   ``{path.stem}``", f"      {_first_line(path)}")
        yield ""


def _first_line(path: pathlib.Path) -> str:
    words = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return _ROLE.sub(r"``\1``", words.partition("\n")[0])


def _indented(found: type) -> t.Iterator[str]:
    for line in (inspect.getdoc(found) or "").splitlines():
        yield f"   {line}".rstrip()
    yield ""


class _Made(SphinxDirective):
    """A directive that stands for lines which are made when the page is read."""

    lines: t.ClassVar[t.Callable[[], t.Iterator[str]]]

    def run(self) -> list[nodes.Node]:
        text = StringList(list(type(self).lines()), source=self.name)
        return self.parse_text_to_nodes(text, allow_section_headings=True)


class Guards(_Made):
    """The guards of a run, outermost first."""

    lines = staticmethod(lambda: _entries(GUARDS))


class GuardsTable(_Made):
    """The guards of a run and their hooks."""

    lines = staticmethod(_guards_table)


class Passes(_Made):
    """The passes of ``migrate``, in order."""

    lines = staticmethod(lambda: _entries(PASSES))


class Modules(_Made):
    """The modules of each folder."""

    lines = staticmethod(_modules)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("schemaflow-guards", Guards)
    app.add_directive("schemaflow-guards-table", GuardsTable)
    app.add_directive("schemaflow-passes", Passes)
    app.add_directive("schemaflow-modules", Modules)
    return {"parallel_read_safe": True}
