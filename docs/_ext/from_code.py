"""Pages that are made from docstrings, so that they can't disagree with the code.

``.. schemaflow-guards::`` and ``.. schemaflow-passes::`` list what the code lists, in its order.
"""

from __future__ import annotations

import importlib
import inspect
import typing as t

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from flask_schemaflow.autogenerate.pipeline import PASSES
from flask_schemaflow.runtime.guards import DEFAULT_GUARDS


def _entries(names: t.Iterable[str], package: str) -> t.Iterator[str]:
    """One entry of a definition list for each ``module:Class``."""
    for name in names:
        module, _, attribute = name.partition(":")
        found = getattr(importlib.import_module(module, package), attribute)
        yield f"``{attribute}`` ({module.lstrip('.')})"
        yield from _indented(found)


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

    lines = staticmethod(lambda: _entries(DEFAULT_GUARDS, "flask_schemaflow.runtime"))


class Passes(_Made):
    """The passes of ``migrate``, in order."""

    lines = staticmethod(lambda: _entries(PASSES, "flask_schemaflow.autogenerate"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("schemaflow-guards", Guards)
    app.add_directive("schemaflow-passes", Passes)
    return {"parallel_read_safe": True}
