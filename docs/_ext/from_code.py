"""Pages that are made from docstrings, so that they can't disagree with the code.

``.. schemaflow-guards::``, ``.. schemaflow-guards-table::`` and ``.. schemaflow-passes::`` list what the code lists, in
its order.
"""

from __future__ import annotations

import inspect
import typing as t

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from flask_schemaflow.autogenerate.registry import PASSES
from flask_schemaflow.runtime.guard import Guard
from flask_schemaflow.runtime.guards.registry import GUARDS

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


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("schemaflow-guards", Guards)
    app.add_directive("schemaflow-guards-table", GuardsTable)
    app.add_directive("schemaflow-passes", Passes)
    return {"parallel_read_safe": True}
