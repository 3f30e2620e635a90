"""The page of errors has each of them under its code, and no error is there for nothing."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import types
from pathlib import Path

import pytest

import flask_schemaflow
from flask_schemaflow import errors
from flask_schemaflow import SchemaflowError

from .support import processes

ROOT = Path(__file__).parents[1]
PACKAGE = Path(flask_schemaflow.__file__).parent
DOCS = ROOT / "docs"


def classes() -> list[type[SchemaflowError]]:
    """Every class of every family."""
    return [found for family in errors.FAMILIES for found in errors.errors_of(family).values()]


def sources() -> dict[str, str]:
    """The source of each module that is not a family of errors, without its imports."""
    found = [path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE / "errors"]
    return {
        str(path.relative_to(PACKAGE)): re.sub(r"^\s*(from|import) .*$", "", path.read_text("utf-8"), flags=re.M)
        for path in found
    }


def test_every_error_is_raised_somewhere() -> None:
    """A class that nothing uses would promise a sentence that nobody gets; the bases of others are exempt."""
    text = "\n".join(sources().values())
    unused = [found.__name__ for found in classes() if not re.search(rf"\b{found.__name__}\b", text)]
    assert [name for name in unused if not getattr(errors, name).__subclasses__()] == []


def test_every_code_in_a_message_exists() -> None:
    """What names a code, in the package or in a page, names one that there is."""
    known = {found.code for found in classes()} | {SchemaflowError.code}
    documented = set(re.findall(r"^``(SF\d{3})``", (DOCS / "reference" / "doctor.rst").read_text("utf-8"), re.M))
    pages = "\n".join(path.read_text("utf-8") for path in DOCS.rglob("*.rst"))
    for text in (*sources().values(), pages):
        assert set(re.findall(r"\bSF\d{3}\b", text)) <= known | documented


def test_findings_of_the_doctor_are_documented() -> None:
    """Each code of its own has one meaning, and a line on its page; no error has it."""
    text = "\n".join(source for name, source in sources().items() if name.startswith("diagnostics"))
    own = re.findall(r"\bSF8\d\d\b", text)
    page = re.findall(r"^``(SF8\d\d)`` \w", (DOCS / "reference" / "doctor.rst").read_text("utf-8"), re.M)
    assert set(own) == set(page) and len(page) == len(set(page))
    assert not set(page) & {found.code for found in classes()}


@pytest.fixture(scope="module")
def extension() -> types.ModuleType:
    """The module that makes the page."""
    pytest.importorskip("sphinx")
    spec = importlib.util.spec_from_file_location("errors_list", DOCS / "_ext" / "errors_list.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["errors_list"] = module
    spec.loader.exec_module(module)
    return module


def test_each_entry_is_whole(extension: types.ModuleType) -> None:
    """What it is, its cause and its cure: sentences, and no more than a few."""
    for found in classes():
        for part in extension.described(found):
            assert part and part.endswith((".", ":")) and len(part) < 600, (found, part)
            assert "\n" not in part and "Cause:" not in part and "Cure:" not in part


def test_the_page_has_an_anchor_for_each_code(tmp_path: Path, extension: types.ModuleType) -> None:
    """Built without a warning; ``errors.html#SF201`` is where SF201 is explained."""
    source = f"import sys\nsys.path.insert(0, {str(DOCS / '_ext')!r})\nextensions = ['errors_list']\n"
    (tmp_path / "conf.py").write_text(source)
    (tmp_path / "index.rst").write_text("Errors\n======\n\n.. schemaflow-errors::\n")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(tmp_path), str(tmp_path / "made")]
    processes.run(command, cwd=tmp_path)
    page = (tmp_path / "made" / "index.html").read_text("utf-8")
    anchors = re.findall(r'id="(SF\d{3})"', page)
    assert sorted(anchors) == sorted(found.code for found in classes())
    for found in classes():
        at = page.index(f'id="{found.code}"')
        assert f"{found.code} {found.__name__}" in page[at : at + 200]
