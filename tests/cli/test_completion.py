"""Completion in shells, as bash, zsh and fish ask for it, and in a bash that somebody types into."""

from __future__ import annotations

import contextvars
import shutil
import sys
import typing as t
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class
from flask.cli import FlaskGroup

from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..conftest import RunInTerminal
from ..support.application import Project
from ..support.servers import Kind


class Completed(t.Protocol):
    """Returns what ``flask`` answers a shell for the words that are typed, of which the last one is incomplete."""

    def __call__(self, shop: Project, *words: str, shell: str = "bash") -> list[str]: ...


MODELS = """
class Ticket(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.Text)
    channel = db.Column(db.Text)


class Person(db.Model):
    id = db.Column(db.Integer, primary_key=True)
"""


@pytest.fixture
def shop(project: MakeProject) -> Project:
    """A project with two branches, a bind, and a database that differs from the models."""
    made = project(binds={"audit": "sqlite://"}, models=MODELS)
    made.run("db", "init")
    made.write_revision("a1b2c3", None, message="add ticket")
    made.write_revision("a1ffff", "a1b2c3", message="add channel", branch_labels=("support",))
    made.write_revision("b2b2b2", "a1b2c3", message="add title")
    made.execute("CREATE TABLE ticket (id INTEGER PRIMARY KEY, subject TEXT, priority TEXT)")
    made.execute("CREATE TABLE customer (id INTEGER PRIMARY KEY)")
    return made


@pytest.fixture
def completed(monkeypatch: pytest.MonkeyPatch) -> Completed:
    """See :class:`Completed`."""

    def run(shop: Project, *words: str, shell: str = "bash") -> list[str]:
        monkeypatch.chdir(shop.root)
        monkeypatch.setattr(sys, "path", [str(shop.root), *sys.path])
        monkeypatch.setenv("COMP_WORDS", " ".join(["flask", "--app", "shop", *words]))
        monkeypatch.setenv("COMP_CWORD", words[-1] if shell == "fish" else str(len(words) + 2))
        for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
            monkeypatch.delitem(sys.modules, name)
        found = get_completion_class(shell)
        assert found is not None
        complete = found(FlaskGroup(set_debug_flag=False), {}, "flask", "_FLASK_COMPLETE").complete
        return contextvars.copy_context().run(complete).splitlines()

    return run


def test_revisions(shop: Project, completed: Completed) -> None:
    """Ids, branch labels and the words that stand for revisions; the range's end, too."""
    assert completed(shop, "db", "upgrade", "a1") == ["plain,a1ffff", "plain,a1b2c3"]
    found = completed(shop, "db", "upgrade", "")
    assert found[:2] == ["plain,head", "plain,heads"]
    assert sorted(found[2:]) == [f"plain,{name}" for name in ("a1b2c3", "a1ffff", "b2b2b2", "support")]
    assert completed(shop, "db", "downgrade", "ba") == ["plain,base"]
    assert completed(shop, "db", "merge", "a1ffff", "b2") == ["plain,b2b2b2"]
    assert completed(shop, "db", "migrate", "--head", "su") == ["plain,support@head"]
    assert completed(shop, "db", "history", "-r", "a1b2c3", ":", "b2") == ["plain,b2b2b2"]
    assert completed(shop, "db", "history", "-r", "a1b2c3:b2", shell="zsh") == ["plain", "a1b2c3:b2b2b2", "_"]
    assert completed(shop, "db", "show", "a1f", shell="zsh") == ["plain", "a1ffff", "add channel"]
    assert completed(shop, "db", "show", "a1f", shell="fish") == ["plain,a1ffff\tadd channel"]
    shop.migrations.rename(shop.root / "other")
    assert completed(shop, "db", "show", "a1f") == []
    assert completed(shop, "db", "show", "-d", "other", "a1f") == ["plain,a1ffff"]
    assert completed(shop, "db", "-d", "other", "show", "a1f") == ["plain,a1ffff"]


def test_answers_of_migrate(shop: Project, completed: Completed) -> None:
    """Names without a counterpart; bash has split what has a colon, and gets the rest of it."""
    pairs = [f"ticket.{old}:{new}" for old in ("subject", "priority") for new in ("title", "channel")]
    assert completed(shop, "db", "migrate", "--rename", "") == [f"plain,{pair}" for pair in pairs]
    assert completed(shop, "db", "migrate", "--rename", "ticket.s", shell="fish") == [
        f"plain,{pair}" for pair in pairs[:2]
    ]
    assert completed(shop, "db", "migrate", "--rename", "ticket.subject:t", shell="zsh") == [
        "plain",
        "ticket.subject:title",
        "_",
    ]
    for typed in (("--rename", "ticket.subject", ":"), ("--rename", "=", "ticket.subject", ":", "")):
        assert completed(shop, "db", "migrate", *typed) == ["plain,title", "plain,channel"]
    assert completed(shop, "db", "migrate", "--rename", "ticket.subject", ":", "t") == ["plain,title"]
    assert completed(shop, "db", "migrate", "--rename-table", "c") == ["plain,customer:person"]
    assert completed(shop, "db", "migrate", "--drop", "") == [
        f"plain,{name}" for name in ("ticket.subject", "ticket.priority", "customer")
    ]
    assert completed(shop, "db", "status", "--bind", "") == ["plain,default", "plain,audit"]


def test_nothing_is_said_where_nothing_is_known(shop: Project, completed: Completed) -> None:
    """No application, or a database that isn't there."""
    shop.write("shop/models.py", "import nothing_of_that_name\n")
    assert completed(shop, "db", "upgrade", "a1") == []
    assert completed(shop, "db", "migrate", "--rename", "") == []


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_servers(project: MakeProject, make_database: MakeDatabase, completed: Completed, kind: Kind) -> None:
    """The names of a server's tables are read by its driver."""
    made = project(url=make_database(kind), models=MODELS)
    with made.connect() as connection, connection.begin():
        connection.exec_driver_sql("CREATE TABLE ticket (id INTEGER PRIMARY KEY, subject VARCHAR(9), channel TEXT)")
    assert completed(made, "db", "migrate", "--rename", "") == ["plain,ticket.subject:title"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_typed_in_bash(shop: Project, tty: RunInTerminal) -> None:
    """The Tab key completes an id, and both halves of a rename."""
    bin_folder = Path(shop.python).parent
    env: dict[str, t.Any] = {"FLASK_APP": "shop", "PATH": f"{bin_folder}:/usr/bin:/bin", "PS1": "> "}
    ready = 'eval "$(_FLASK_COMPLETE=bash_source flask)"; alias flask="echo ran"; echo re""ady\n'
    typed = [
        ("> ", ready),
        ("ready", "flask db upgrade b2\t"),
        ("b2b2b2", "\n"),
        ("ran db upgrade b2b2b2", "flask db migrate --rename ticket.sub\t"),
        ("ject:", "ti\t"),
        ("tle", "\n"),
        ("ran db migrate --rename ticket.subject:title", "exit\n"),
    ]
    screen = tty(["bash", "--norc", "--noprofile", "-i"], cwd=shop.root, typed=typed, env=env)
    assert screen.returncode == 0
