"""Files of the migrations folder that somebody or something has damaged: every command ends with a sentence."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..support import legacy
from .mutations import Mutate
from .mutations import mutations
from .sandbox import bounded
from .sandbox import Sandbox

READING = ("heads", "history", "branches", "current", "status --json", "show bbb2", "upgrade heads --sql", "doctor")
WRITING = ("revision -m next --head bbb2", "merge heads", "upgrade heads", "migrate --head ccc3", "check")
NAMES = st.sampled_from(["script_location", "version_locations", "file_template", "timezone", "version_path_separator"])
SECTIONS = st.sampled_from(
    ["alembic", "loggers", "handlers", "formatters", "logger_root", "handler_console", "post_write_hooks"]
)
TEXTS = st.text(st.characters(), max_size=20) | st.sampled_from(
    [
        "%",
        "%(here)s",
        "%(x)s",
        "%%",
        "keys = root",
        "true",
        "-1",
        "Europe/Nowhere",
        "%(rev)s/../../beside/pwned",
        "..",
        "a:b",
    ]
)


@st.composite
def inis(draw: st.DrawFn) -> bytes:
    """Sections and options, some of which mean something, in some encoding."""
    lines: list[str] = []
    for section in draw(st.lists(SECTIONS | TEXTS, max_size=4)):
        lines.append(f"[{section}]")
        lines += [f"{name} = {value}" for name, value in draw(st.lists(st.tuples(NAMES | TEXTS, TEXTS), max_size=4))]
    return "\n".join(lines).encode(draw(st.sampled_from(["utf-8", "utf-16", "latin-1", "utf-8-sig"])), "replace")


# As an ini of long ago, one with `version_locations` and without `path_separator` is served, with Alembic's warning.
@pytest.mark.filterwarnings("ignore:No path_separator found:DeprecationWarning")
@bounded(0.7)
@given(content=st.binary(max_size=80) | inis(), command=st.sampled_from(READING + WRITING))
def test_an_ini_of_anything(sandbox: Sandbox, content: bytes, command: str) -> None:
    """Bytes, or sections and options."""
    sandbox.renew()
    (sandbox.migrations / "alembic.ini").write_bytes(content)
    _run(sandbox, command)


@bounded(0.7)
@given(mutate=mutations(), command=st.sampled_from(READING + WRITING))
@pytest.mark.parametrize("name", ["alembic.ini", "script.py.mako", "env.py"])
def test_a_damaged_file(sandbox: Sandbox, name: str, mutate: Mutate, command: str) -> None:
    """As it was written, but for a few places."""
    sandbox.renew()
    path = sandbox.migrations / name
    path.write_bytes(mutate(path.read_bytes()))
    _run(sandbox, command)


@bounded(0.5)
@given(mutate=mutations(), command=st.sampled_from(READING + WRITING))
@pytest.mark.parametrize("name", ["alembic.ini", "env.py"])
def test_a_damaged_file_of_long_ago(sandbox: Sandbox, name: str, mutate: Mutate, command: str) -> None:
    """As Flask-Migrate wrote it."""
    sandbox.renew()
    legacy.write_repository(sandbox.root / "old", "4.1.0", "single")
    path = sandbox.migrations / name
    path.write_bytes(mutate((sandbox.root / "old" / name).read_bytes()))
    _run(sandbox, command)


@bounded(2)
@given(
    damage=st.lists(st.tuples(st.sampled_from(["aaa1", "bbb2", "ccc3"]), mutations()), min_size=1, max_size=2),
    commands=st.lists(st.sampled_from(READING + WRITING), min_size=1, max_size=2),
)
def test_damaged_revisions(sandbox: Sandbox, damage: list[tuple[str, Mutate]], commands: list[str]) -> None:
    """Syntax errors, lost identifiers, ids that are there twice or nowhere."""
    sandbox.renew()
    for revision, mutate in damage:
        [path] = sandbox.versions.glob(f"{revision}_*.py")
        path.write_bytes(mutate(path.read_bytes()))
    for command in commands:
        _run(sandbox, command)


IDS: t.Final = st.sampled_from(
    [
        "None",
        "''",
        "'aaa1'",
        "'bbb2'",
        "'ccc3'",
        "('aaa1', 'bbb2')",
        "()",
        "7",
        "['aaa1']",
        "{}",
        "b'aaa1'",
        "'a' + 'aa1'",
        "'head'",
    ]
)


@bounded()
@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from(["aaa1", "bbb2", "ccc3"]),
            st.sampled_from(["revision", "down_revision", "branch_labels", "depends_on"]),
            IDS,
        ),
        min_size=1,
        max_size=3,
    ),
    command=st.sampled_from(READING + WRITING),
)
def test_identifiers_of_anything(sandbox: Sandbox, changes: list[tuple[str, str, str]], command: str) -> None:
    """Cycles, twins, orphans, values of other types."""
    sandbox.renew()
    for revision, name, value in changes:
        [path] = sandbox.versions.glob(f"{revision}_*.py")
        path.write_text(path.read_text() + f"\n{name} = {value}\n")
    _run(sandbox, command)


def _run(sandbox: Sandbox, command: str) -> None:
    before = sandbox.files()
    result = sandbox.run(*command.split())
    sandbox.require_whole_revisions(before)
    if command in READING:
        assert sandbox.files() == before
    if result.exit_code and command not in ("doctor", "status --json"):
        assert result.stderr.count("Error [SF") == 1, result.output
