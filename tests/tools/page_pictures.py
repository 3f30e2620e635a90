"""Take the documentation's pictures of the page about pending migrations, in light and in dark.

``python -m tests.tools.page_pictures`` starts the development server of a project and a browser, and writes
``docs/_static/pending-page-*.png``. A picture differs from one machine's fonts to the next one's, so a test compares
the template that the pictures were made of.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import typing as t
from pathlib import Path

import flask_schemaflow.development

from ..support.application import Project
from ..support.browser import DevelopmentServer
from ..support.browser import launched
from ..support.pages import DOCS

FOLDER = DOCS / "_static"
MADE_OF = FOLDER / "pending-page.sha256"
_TEMPLATE = Path(flask_schemaflow.development.__file__).parent / "page.html"
_SIZE: t.Any = {"width": 820, "height": 560}
_SCHEMES: tuple[t.Literal["light", "dark"], ...] = ("light", "dark")
_CREATE = "op.create_table('ticket', sa.Column('id', sa.Integer, primary_key=True), sa.Column('subject', sa.Text))"
_RENAME = """
op.alter_column("ticket", "subject", new_column_name="title")
op.add_column("ticket", sa.Column("channel", sa.String(20)))
op.execute("UPDATE ticket SET channel = 'mail'")
op.create_index("ix_ticket_channel", "ticket", ["channel"])
"""

_WITHOUT_FOLDER = """
folder => document.querySelectorAll("section code").forEach(
    code => { code.textContent = code.textContent.replace(folder, "/home/me/shop"); })
"""


def digest() -> str:
    """Return the digest of the page's template."""
    return hashlib.sha256(_TEMPLATE.read_bytes()).hexdigest()


def main() -> None:
    """Take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "shop", url="sqlite:///shop.db")
        project.write_app()
        project.write_models("")
        project.run("db", "init")
        project.write_revision("8c1f0a", None, _CREATE, message="create ticket")
        project.run("db", "upgrade")
        project.write_revision("d85c27", "8c1f0a", _RENAME.strip(), message="rename subject to title, add channel")
        server = DevelopmentServer(project)
        try:
            _take(server, project.root)
        finally:
            server.stop()
    MADE_OF.write_text(f"{digest()}\n", "utf-8")


def _take(server: DevelopmentServer, root: Path) -> None:
    with contextlib.contextmanager(launched)() as browser:
        for scheme in _SCHEMES:
            page = browser.new_page(viewport=_SIZE, color_scheme=scheme)
            page.goto(server.url)
            page.get_by_text("deployment: ").first.wait_for()
            page.evaluate(_WITHOUT_FOLDER, str(root))
            page.screenshot(path=FOLDER / f"pending-page-{scheme}.png")
            page.close()


if __name__ == "__main__":
    main()
