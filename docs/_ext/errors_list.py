"""``.. schemaflow-errors::`` lists every error from its class, so that no page can disagree with the code.

Each one is a section whose anchor is the code that its message begins with: ``errors.html#SF311``.
"""

from __future__ import annotations

import importlib
import re
import types
import typing as t

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from flask_schemaflow import errors
from flask_schemaflow import SchemaflowError

_PART = re.compile(r"^(Cause|Cure): ", re.M)


class Described(t.NamedTuple):
    """What the docstring of an error says."""

    meaning: str
    cause: str
    cure: str


def described(found: type[SchemaflowError]) -> Described:
    """Return the parts of a class's docstring: what it is, its cause, its cure."""
    text = re.sub(r"\n[ \t]+", "\n", found.__doc__ or "").partition("\n:")[0]
    meaning, _, cause, _, cure = (" ".join(part.split()) for part in _PART.split(text))
    return Described(meaning, cause, cure)


def families() -> list[types.ModuleType]:
    """Return the modules with errors, in the order of their codes."""
    return [importlib.import_module(f"{errors.__name__}.{name}") for name in errors.FAMILIES]


def classes(family: types.ModuleType) -> list[type[SchemaflowError]]:
    """Return the errors of a family by code."""
    return sorted(errors.errors_of(family.__name__.rpartition(".")[2]).values(), key=lambda found: found.code)


class ErrorsList(SphinxDirective):
    """One section a family, and in it one an error: what it is, its cause, its cure."""

    def run(self) -> list[nodes.Node]:
        lines: list[str] = []
        for family in families():
            heading = (family.__doc__ or "").partition("\n")[0].rstrip(".")
            lines += [heading, "-" * len(heading), ""]
            for found in classes(family):
                lines += _section(found)
        parsed = self.parse_text_to_nodes(StringList(lines, source="errors"), allow_section_headings=True)
        for section in (found for node in parsed for found in node.findall(nodes.section)):
            code = section.next_node(nodes.title).astext().partition(" ")[0]
            if re.fullmatch(r"SF\d{3}", code):
                section["ids"].insert(0, code)
        return parsed


def _section(found: type[SchemaflowError]) -> list[str]:
    title = f"{found.code} {found.__name__}"
    said = described(found)
    fields = [f":Cause: {said.cause}", f":Fix: {said.cure}", f":Exit status: {found.exit_code}"]
    entry = [f".. py:exception:: {found.__module__}.{found.__name__}", "   :no-contents-entry:", ""]
    return [title, "~" * len(title), "", *entry, *(f"   {line}" for line in (said.meaning, "", *fields)), ""]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("schemaflow-errors", ErrorsList)
    return {"parallel_read_safe": True}
