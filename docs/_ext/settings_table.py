"""``.. schemaflow-settings::`` lists the settings from the table in the code, so that no page can disagree with it."""

from __future__ import annotations

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from flask_schemaflow.settings import PREFIX
from flask_schemaflow.settings import SETTINGS


class SettingsTable(SphinxDirective):
    """One entry a setting: what it does, what it takes, its default."""

    def run(self) -> list[nodes.Node]:
        lines: list[str] = []
        for name, setting in SETTINGS.items():
            lines += [f".. py:data:: {PREFIX}{name.upper()}", "   :no-index-entry:", ""]
            lines += [f"   {setting.meaning}", ""]
            lines += [f"   Takes {setting.expects}; the default is ``{setting.default!r}``.", ""]
        return self.parse_text_to_nodes(StringList(lines, source="settings"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("schemaflow-settings", SettingsTable)
    return {"parallel_read_safe": True}
