"""Keeps the files that commands generate in tests, for ruff to look at them at the end of the session.

The processes of ``pytest -n`` put them into one folder, and the process that collects their results looks.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from .application import Project

_COMMANDS = {"init", "migrate", "revision", "merge"}
_FOLDER = "SCHEMAFLOW_TESTS_GENERATED"


def begin() -> None:
    """Make the folder, before other processes start."""
    os.environ[_FOLDER] = tempfile.mkdtemp(prefix="schemaflow-generated-")


def collect(project: Project, args: t.Sequence[str], output: str) -> None:
    """Keep the Python files that a command says it wrote, unless the project has a script.py.mako of its own."""
    folder = os.environ.get(_FOLDER)
    if not folder or not _COMMANDS.intersection(args) or not _is_packaged(project.migrations / "script.py.mako"):
        return
    for line in re.findall(r"(?m)^Wrote (.+\.py)$", output):
        path = Path(line)
        if path.is_file():
            source = path.read_bytes()
            Path(folder, f"{project.root.parent.name}_{hashlib.md5(source).hexdigest()[:8]}.py").write_bytes(source)


def _is_packaged(template: Path) -> bool:
    import flask_schemaflow

    packaged = Path(flask_schemaflow.__file__).parent / "templates" / "flask" / "script.py.mako"
    return template.is_file() and template.read_bytes() == packaged.read_bytes()


def complaints() -> str:
    """Return what ``ruff check`` and ``ruff format --check`` say about the files, with default settings."""
    folder = os.environ.pop(_FOLDER)
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    found = ""
    check = ["check", "--output-format", "concise", "--config", "lint.isort.known-first-party=['shop']"]
    for command in (check, ["format", "--diff"]) if ruff is not None else ():
        words = [str(ruff), *command, "--isolated", "--no-cache", "."]
        result = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        if result.returncode:
            found += result.stdout[-6000:] + result.stderr[-500:]
    shutil.rmtree(folder)
    return found
