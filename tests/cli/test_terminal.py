"""What is shown while a migration runs, and in which form: on a terminal, in a log, in colours or without."""

from __future__ import annotations

import pytest

from flask_schemaflow.cli.output import colours
from flask_schemaflow.cli.output import cut

from ..conftest import MakeProject
from ..support.application import Project

SLOW = "import time; time.sleep(2.5)"


@pytest.fixture
def slow(project: MakeProject) -> Project:
    """A project with a revision that takes its time, and one that is done at once."""
    made = project()
    made.run("db", "init")
    made.write_revision("aaa1", None, SLOW, message="slow backfill")
    made.write_revision("aaa2", "aaa1", message="a message that is far too long for a narrow terminal, and goes on")
    return made


def test_a_terminal_counts_the_seconds(slow: Project) -> None:
    """On one line, which gives way to what was done, in colours; the table of states fits the terminal."""
    screen = slow.terminal("db", "upgrade", env={"PYTHONIOENCODING": "utf-8"})
    assert screen.returncode == 0
    assert "Applying aaa1 slow backfill ..." in screen.raw and "\rApplying aaa1 slow backfill ... 2 s" in screen.raw
    assert "\x1b[32mApplied\x1b[0m aaa1 slow backfill (2." in screen.raw
    marks = {"PYTHONIOENCODING": "utf-8", "SCHEMAFLOW_ASCII": None}
    screen = slow.terminal("db", "status", size=(40, 72), env=marks)
    assert "  \N{CHECK MARK} applied  aaa1  " in screen.text and "\x1b[32m" in screen.raw
    assert max(map(len, screen.text.splitlines()[1:])) <= 72 and "... (current) (head)" in screen.text.replace(
        "(head) (current)", "(current) (head)"
    )
    screen = slow.terminal("db", "status", env={"SCHEMAFLOW_ASCII": "1", "NO_COLOR": "1"})
    assert "  applied  aaa1  " in screen.text and "\x1b[3" not in screen.raw and "and goes on" in screen.text


def test_a_terminal_counts_the_rows(project: MakeProject) -> None:
    """Those that statements have written, beside the seconds; not the versions, nor in a log."""
    made = project()
    made.run("db", "init")
    made.write_revision(
        "aaa1",
        None,
        "op.execute('CREATE TABLE item (id INTEGER PRIMARY KEY)')\n"
        "op.execute('INSERT INTO item (id) VALUES (1), (2), (3)')\n"
        "op.execute('UPDATE item SET id = id + 10')\n" + SLOW,
        "op.execute('DROP TABLE item')",
        message="fill",
    )
    screen = made.terminal("db", "upgrade")
    assert "\rApplying aaa1 fill ... 2 s, 6 rows written" in screen.raw and "7 rows" not in screen.raw
    made.run("db", "downgrade")
    assert "rows" not in made.run("db", "upgrade").stderr


def test_a_log_names_what_is_slow(slow: Project) -> None:
    """Once, on standard error, without the seconds; what is quick isn't named before it is done."""
    slow.write_revision("aaa1", None, SLOW.replace("2.5", "6.2"), message="slow backfill")
    result = slow.run("db", "upgrade")
    assert result.stderr == "Applying aaa1 slow backfill ...\n"
    assert result.stdout.startswith("Applied aaa1 slow backfill (6.") and "\x1b" not in result.stdout
    forced = slow.run("db", "status", env={"FORCE_COLOR": "1"}).stdout
    assert "\x1b[32m  applied\x1b[0m  aaa1" in forced and "and goes on" in forced


def test_an_error_has_its_line(project: MakeProject) -> None:
    """The line that counts is gone when the error is printed."""
    made = project()
    made.run("db", "init")
    made.write_revision("aaa1", None, "import time; time.sleep(1.2); op.execute('nonsense')", message="broken")
    screen = made.terminal("db", "upgrade", typed=[("Upgrade anyway?", "y\n")])
    assert screen.returncode == 1
    assert "\r\x1b[K" in screen.raw.partition("Error")[0]
    assert made.run("db", "upgrade", "-q", check=False).stderr.startswith("Error [SF502]")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"NO_COLOR": ""}, None),
        ({"NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, None),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colours(environ: dict[str, str], expected: bool | None) -> None:
    """As other programs do it."""
    assert colours(environ) is expected


def test_a_long_text_is_cut() -> None:
    """Where it has to be."""
    assert cut("abcdef", None) == "abcdef" and cut("abcdef", 6) == "abcdef" and cut("abcdef", 5) == "ab..."


def test_findings_fit_the_terminal(project: MakeProject) -> None:
    """Sentences of ``lint`` and ``plan`` break between words; a file gets them whole."""
    made = project()
    made.run("db", "init")
    made.write_revision("aaa1", None, "op.execute('CREATE TABLE item (id INTEGER PRIMARY KEY, price INTEGER)')")
    made.run("db", "upgrade")
    made.write_revision("aaa2", "aaa1", "op.drop_column('item', 'price')")
    sentence = "The values of item.price are lost; no downgrade brings them back."
    for command in ("lint", "plan"):
        screen = made.terminal("db", command, size=(40, 50))
        lines = [line for line in screen.text.splitlines() if line.startswith("    ")]
        assert max(map(len, lines)) <= 50 and sentence in " ".join(" ".join(lines).split())
        assert f"{sentence}\n" in made.run("db", command, check=False).stdout
