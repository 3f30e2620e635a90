"""The tutorial does what it says: its files are written, its commands run, and their outputs compared.

Rules for ``docs/tutorial.rst``:

- A block with a caption is that file. One that begins with ``class`` or ``def`` replaces what the file has
  from that line on, or is put at its end. ``...`` in a caption stands for the rest of a name.
- A console block is a session: ``$`` begins a command, ``>>>`` what is typed into the program that runs, and
  everything else is output. Identifiers, dates, durations and the folder are made equal before comparing.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import sys
import textwrap
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from .support import processes
from .support.dumps import dump_schema

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.rst"
FOLDER = "/home/me/company"  # what the tutorial calls the folder that it begins in
_BLOCK = re.compile(
    r"(?m)^\.\. code-block:: (?P<language>\w+)\n"
    r"(?:[ ]+:caption: (?P<caption>.+)\n)?\n"
    r"(?P<body>(?:(?:[ ]+.*)?\n)+)"
)
_VARIABLE = [
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), "DATE TIME"),
    (re.compile(r"\b\d{8}_\d{4,6}_"), "DATE_TIME_"),
    (re.compile(r"\(\d[\d.]* m?s\)"), "(DURATION)"),
]
_IDENTIFIER = re.compile(r"(?<![0-9a-f])[0-9a-f]{12}(?![0-9a-f])")


@dataclasses.dataclass(frozen=True)
class Block:
    """A code block of the page."""

    language: str
    caption: str | None
    body: str


@dataclasses.dataclass
class Command:
    """A command of a console block, what is typed into it, and what it answers."""

    line: str
    typed: list[str] = dataclasses.field(default_factory=list)
    output: list[str] = dataclasses.field(default_factory=list)

    @property
    def text(self) -> str:
        """The command and its output, as the page has them but for what is typed."""
        return "\n".join([f"$ {self.line}", *self.output]).rstrip() + "\n"


def read_blocks(page: str) -> list[Block]:
    """Return the code blocks of a page in order."""
    return [
        Block(found["language"], found["caption"], textwrap.dedent(found["body"]).strip("\n") + "\n")
        for found in _BLOCK.finditer(page + "\n")
    ]


def read_commands(body: str) -> list[Command]:
    """Return the commands of a console block."""
    commands: list[Command] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            commands.append(Command(line[2:]))
        elif line.startswith(">>> "):
            commands[-1].typed.append(line[4:])
        else:
            commands[-1].output.append(line)
    return commands


def write_file(root: Path, path: str, body: str) -> None:
    """Write a block into the file of its caption."""
    found = sorted(root.glob(path.replace("...", "*"))) or [root / path]
    target = found[-1]
    target.parent.mkdir(parents=True, exist_ok=True)
    first = body.splitlines()[0]
    if first.startswith(("class ", "def ")):
        kept = target.read_text("utf-8").partition(first)[0].rstrip("\n")
        body = f"{kept}\n\n\n{body}"
    target.write_text(body, "utf-8")


def equalised(text: str) -> str:
    """Return a transcript with what differs from run to run made equal; identifiers in order of appearance."""
    for pattern, word in _VARIABLE:
        text = pattern.sub(word, text)
    seen: dict[str, str] = {}
    return _IDENTIFIER.sub(lambda found: seen.setdefault(found[0], f"REVISION{len(seen) + 1}"), text)


class Session:
    """Runs commands in a folder, one environment for all of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        scripts = str(Path(sys.executable).parent)
        # Files change within a second here, in which old bytecode would pass for fresh.
        self.environment: dict[str, str | None] = {
            "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, command: Command) -> Command:
        """Return the command with the output that it has here."""
        words = shlex.split(command.line)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self.environment[name] = value
            return Command(command.line, command.typed)
        result = processes.run(
            ["sh", "-c", f"{command.line} 2>&1"],
            cwd=self.root,
            env=self.environment,
            input="".join(f"{line}\n" for line in command.typed),
            check=False,
        )
        output = result.stdout.replace(str(self.root), FOLDER)
        if command.typed:
            output = _answers(output)
        return Command(command.line, command.typed, output.splitlines())


def _answers(output: str) -> str:
    """Return what an interpreter answered: without its greeting, its prompts and its farewell."""
    answers = output.partition(">>> ")[2].partition("\nnow exiting")[0]
    return answers.replace(">>> ", "")


def replay(page: str, root: Path) -> tuple[list[Command], list[Command]]:
    """Do everything that a page says in a folder; return the commands as told and as they went."""
    session = Session(root)
    told: list[Command] = []
    went: list[Command] = []
    for block in read_blocks(page):
        if block.caption:
            write_file(root, block.caption, block.body)
        elif block.language == "console":
            commands = read_commands(block.body)
            told += commands
            went += [session.run(command) for command in commands]
    return told, went


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    """A reader who follows the page sees what the page shows."""
    told, went = replay(TUTORIAL.read_text("utf-8"), tmp_path)
    assert equalised("".join(command.text for command in told)) == equalised("".join(command.text for command in went))


def test_the_tutorial_ends_with_the_example(tmp_path: Path) -> None:
    """The tables that a reader's migrations make are those of the example's."""
    replay(TUTORIAL.read_text("utf-8"), tmp_path)
    committed = tmp_path / "committed.db"
    processes.run(
        [sys.executable, "-m", "flask", "--app", "example_app", "db", "upgrade"],
        cwd=TUTORIAL.parents[1],
        env={"DATABASE_URL": f"sqlite:///{committed}"},
    )
    assert _schema(tmp_path / "instance" / "company.db") == _schema(committed)


def test_another_output_is_noticed(tmp_path: Path) -> None:
    """The comparison fails when a page shows what a command doesn't print, or leaves something out."""
    page = ".. code-block:: console\n\n    $ echo 0123456789ab at fedcba987654\n    {}\n"
    told, went = replay(page.format("ba9876543210 at 0123456789ab"), tmp_path)
    assert equalised(told[0].output[0]) == equalised(went[0].output[0])
    told, went = replay(page.format("0123456789ab at 0123456789ab"), tmp_path)
    assert equalised(told[0].text) != equalised(went[0].text)
    told, went = replay(page.format(""), tmp_path)
    assert equalised(told[0].text) != equalised(went[0].text)


def _schema(path: Path) -> dict[str, object]:
    return dump_schema(sa.create_engine(f"sqlite:///{path}", poolclass=NullPool))
