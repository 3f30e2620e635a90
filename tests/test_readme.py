"""The first lines of the README work when they are typed literally."""

from __future__ import annotations

import re
import shlex
import sys
import textwrap
from pathlib import Path

from .support import processes

README = Path(__file__).parents[1] / "README.rst"


def test_the_first_code_can_be_typed(tmp_path: Path) -> None:
    """The file by its name, then each command; the database has the model's table."""
    text = README.read_text("utf-8")
    assert text.index("pip install") < text.index(".. code-block:: python")
    name, body = re.findall(r"file ``(\S+)``:\n\n\.\. code-block:: python\n\n((?:    .*\n|\n)+)", text)[0]
    (tmp_path / name).write_text(textwrap.dedent(body), "utf-8")
    block = re.findall(r"\.\. code-block:: console\n\n((?:    \$ flask .*\n)+)", text)[0]
    told = ""
    for line in block.splitlines():
        words = shlex.split(line.strip().removeprefix("$ "))
        told = processes.run([sys.executable, "-m", *words], cwd=tmp_path, env={"FLASK_APP": None}).stdout
    assert len(block.splitlines()) >= 4
    assert "initial migration" in told and "Up to date." in told
