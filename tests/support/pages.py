"""Pages of the documentation that do what they say: files are written, commands run, and outputs compared.

Rules for a page:

- A block with a caption is that file. One that begins with ``class`` or ``def`` replaces what the file has
  from that line on, or is put at its end; a ``diff`` changes the lines that it shows. ``...`` in a caption stands
  for the rest of a name.
- A console block is a session: ``$`` begins a command, ``>>>`` what is typed into the program that runs, and
  everything else is output. Identifiers, dates, durations and the folder are made equal before comparing.
- A comment ``.. after: start`` says that the page goes on in the folder that another page made.
- A comment ``.. setup:`` holds blocks that readers don't see. Its commands must succeed unless they end in ``|| true``.
- A comment ``.. in: FILE`` above a block says that the file, which a command wrote, has these lines; ``.. in: output``
  says that a command printed them.
- ``postgresql+psycopg://me@localhost/shop`` is a fresh database of the server; so is one of MariaDB.
"""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import os
import re
import shlex
import shutil
import socket
import sys
import textwrap
import typing as t
from pathlib import Path

import sqlalchemy as sa

from . import databases
from . import processes
from .servers import Kind

DOCS = Path(__file__).parents[2] / "docs"
FOLDER = "/home/me/shop"  # what pages call the folder that they begin in
USER = "ada@laptop"  # who runs their commands
_USER = f"{getpass.getuser()}@{socket.gethostname()}"
SETUP = re.compile(r"(?m)^\.\. setup:\n((?:(?:[ ]+.*)?\n)+)")
_BLOCK = re.compile(
    r"(?m)^(?P<indent>[ ]*)(?:\.\. in: (?P<inside>.+)\n(?P=indent))?\.\. code-block:: (?P<language>\w+)\n"
    r"(?:[ ]+:caption: (?P<caption>.+)\n)?\n"
    r"(?P<body>(?:(?:(?P=indent)[ ]+.*)?\n)+)"
)
_URL = re.compile(r"(postgresql\+psycopg|mysql\+pymysql)://me@localhost/(\w+)")
_MAY_FAIL = " || true"
_VARIABLE = [
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d(\.\d+)?)?"), "DATE TIME"),
    (re.compile(r"\b\d{8}_\d{4,6}_"), "DATE_TIME_"),
    (re.compile(r"\b\d{8}T\d{6}Z"), "DATE_TIME"),
    (re.compile(r"\(\d[\d.]* m?s\)"), "(DURATION)"),
    (re.compile(r" in \d+(\.\d+| )s\b( \(\d+:\d\d:\d\d\))?"), " in DURATION"),
    (re.compile(r" +\d[\d.]* m?s(?=  )"), "  DURATION"),  # aligned to the right
    (re.compile(r"\(\d[\d.]* [kM]B, "), "(SIZE, "),
    (re.compile(r"(\[SF800\] ).*"), r"\1VERSIONS"),
    (re.compile(r"\b(postgresql|mariadb|sqlite) \d+(\.\d+)+"), r"\1 VERSION"),
]
_LOGIN = re.compile(r"--dbname=user=\S+ dbname=(\w+)(?: host=\S+)?(?: port=\d+)?(?=')")
_IDENTIFIER = re.compile(r"(?<![0-9a-f])[0-9a-f]{12}(?![0-9a-f])")


@dataclasses.dataclass(frozen=True)
class Block:
    """A code block of the page.

    :param inside: the file that must contain it.
    :param hidden: whether it is in a comment, for the setup.
    """

    language: str
    caption: str | None
    body: str
    inside: str | None = None
    hidden: bool = False


@dataclasses.dataclass
class Command:
    """A command of a console block, what is typed into it, and what it answers."""

    line: str
    typed: list[str] = dataclasses.field(default_factory=list)
    output: list[str] = dataclasses.field(default_factory=list)

    @property
    def text(self) -> str:
        """The command and its output, as the page has them but for what is typed."""
        return "\n".join([f"$ {self.line}", *(line.rstrip() for line in self.output)]).rstrip() + "\n"


def read_blocks(page: str) -> list[Block]:
    """Return the code blocks of a page in order."""
    blocks: list[Block] = []
    for number, part in enumerate(SETUP.split(page + "\n")):
        hidden = number % 2 == 1
        for found in _BLOCK.finditer(textwrap.dedent(part) if hidden else part):
            body = textwrap.dedent(found["body"]).strip("\n") + "\n"
            blocks.append(Block(found["language"], found["caption"], body, found["inside"], hidden))
    return blocks


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


def apply_diff(text: str, diff: str) -> str:
    """Return a text with the lines of a diff changed; they must stand in it once."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[2:] or "\n" for line in lines if not line.startswith("+"))
    after = "".join(line[2:] or "\n" for line in lines if not line.startswith("-"))
    if text.count(before) != 1:
        raise AssertionError(f"These lines stand {text.count(before)} times in the file:\n{before}")
    return text.replace(before, after)


def write_file(root: Path, path: str, body: str, language: str = "") -> None:
    """Write a block into the file of its caption."""
    found = sorted(root.glob(path.replace("...", "*"))) or [root / path]
    target = found[-1]
    target.parent.mkdir(parents=True, exist_ok=True)
    if language == "diff":
        body = apply_diff(target.read_text("utf-8"), body)
    first = body.splitlines()[0]
    if first.startswith(("class ", "def ")):
        kept = target.read_text("utf-8").partition(first)[0].rstrip("\n")
        body = f"{kept}\n\n\n{body}"
    target.write_text(body, "utf-8")
    shutil.rmtree(target.parent / "__pycache__", ignore_errors=True)  # which is as old as the file, to the second


def equalised(text: str) -> str:
    """Return a transcript with what differs from run to run made equal; identifiers in order of appearance."""
    for pattern, word in _VARIABLE:
        text = pattern.sub(word, text)
    seen: dict[str, str] = {}
    return _IDENTIFIER.sub(lambda found: seen.setdefault(found[0], f"REVISION{len(seen) + 1}"), text)


class Session:
    """Runs commands in a folder, one environment for all of them.

    :param urls: databases' URLs, by those that the pages show.
    """

    def __init__(self, root: Path, urls: t.Mapping[str, str]) -> None:
        self.root = root
        self.urls = urls
        self.printed = ""
        scripts = str(Path(sys.executable).parent)
        self.environment: dict[str, str | None] = {
            "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")]),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{role}_{part}": "ada" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")},
        }

    def run(self, command: Command, *, check: bool = False) -> Command:
        """Return the command with the output that it has here."""
        line = command.line.removesuffix(_MAY_FAIL)
        words = shlex.split(line)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self.environment[name] = self.real(value)
            return Command(command.line, command.typed)
        result = processes.run(
            _arguments(self.real(line)),
            cwd=self.root,
            env=self.environment,
            input="".join(f"{line}\n" for line in command.typed),
            check=check and line == command.line,
            merged=True,
        )
        output = self.shown(result.stdout)
        self.printed += output
        if command.typed:
            output = _answers(output)
        return Command(command.line, command.typed, output.splitlines())

    def real(self, text: str) -> str:
        """Return a text of a page with the databases that are there in place of those that it names."""
        for shown, real in self.urls.items():
            text = text.replace(shown, real)
        return text

    def shown(self, text: str) -> str:
        """Return what a command wrote with the names that pages use."""
        for shown, real in self.urls.items():
            name = str(sa.make_url(real).database)
            for one, other in ((real, shown), (real.partition("?")[0], shown), (name, shown.rpartition("/")[2])):
                text = text.replace(one, other)
        text = _LOGIN.sub(r"--dbname=user=me dbname=\1 host=localhost", text).replace(sys.executable, "python")
        return text.replace(str(self.root), FOLDER).replace(_USER, USER)


def _arguments(line: str) -> list[str]:
    """Return what to execute for a line of a shell: the shell itself only if it is needed."""
    words = shlex.split(line)
    if words[0] == "flask" and not re.search(r"[|&;<>$`*~]", line):
        return [sys.executable, "-m", *words]
    return ["sh", "-c", line]


def _answers(output: str) -> str:
    """Return what an interpreter answered: without its greeting, its prompts and its farewell."""
    answers = output.partition(">>> ")[2].partition("\nnow exiting")[0]
    return answers.replace(">>> ", "")


def pages_before(page: str) -> list[str]:
    """Return the pages that a page goes on after, the first one first."""
    found = re.search(r"(?m)^\.\. after: ([\w/-]+)$", page)
    if found is None:
        return []
    before = (DOCS / f"{found[1]}.rst").read_text("utf-8")
    return [*pages_before(before), before]


def replay(page: str, root: Path) -> tuple[list[Command], list[Command]]:
    """Do everything that a page says in a folder; return the commands as told and as they went."""
    before = pages_before(page)
    with _databases("".join([*before, page]), root) as urls:
        session = Session(root, urls)
        for earlier in before:
            _replay(earlier, session)
        return _replay(page, session)


@contextlib.contextmanager
def _databases(text: str, root: Path) -> t.Iterator[dict[str, str]]:
    """Create a database for each URL of a server in a text; drop them at the end."""
    urls: dict[str, str] = {}
    try:
        for found in _URL.finditer(text):
            kind: Kind = "postgresql" if found[1].startswith("postgresql") else "mariadb"
            if found[0] not in urls:
                urls[found[0]] = databases.create(kind, root)
        yield urls
    finally:
        for url in urls.values():
            databases.drop(url)


def _replay(page: str, session: Session) -> tuple[list[Command], list[Command]]:
    told: list[Command] = []
    went: list[Command] = []
    for block in read_blocks(page):
        if block.caption:
            write_file(session.root, block.caption, session.real(block.body), block.language)
        elif block.inside:
            found = sorted(session.root.glob(block.inside.replace("...", "*")))
            text = session.printed if block.inside == "output" else found[-1].read_text("utf-8")
            assert block.body in text, f"{block.inside} hasn't\n{block.body}"
        elif block.language == "console":
            for command in read_commands(block.body):
                gone = session.run(command, check=block.hidden)
                if not block.hidden:
                    told.append(command)
                    went.append(gone)
    return told, went


def is_executable(page: str) -> bool:
    """Return whether a page writes an application, so that its commands can be run."""
    return bool(pages_before(page)) or any(
        block.caption and block.language == "python" for block in read_blocks(page)
    )
