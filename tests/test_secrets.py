"""No password in what is printed, logged, raised or written, whatever form the URL has."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import traceback
import typing as t
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import FlaskGroup
from flask_sqlalchemy import SQLAlchemy

import flask_schemaflow
from flask_schemaflow import Migrate
from flask_schemaflow.errors import SchemaflowError

from .support.servers import admin_engine

# PyMySQL says what it thinks of a name for the password, and forgets a socket that was refused.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.passwd. is deprecated"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Pieces of passwords: none of them may be seen anywhere, in any case of letters.
PIECES = ("Zq7Xv", "Kj9Wp", "Mf4Bt")
PG = "postgresql+psycopg"
MY = "mysql+pymysql"
REFUSED = "127.0.0.1:1"
# By what is special about it: each URL, `MARIADB` being the address of the real server and `FOLDER` that of the files.
URLS = {
    "plain": f"{PG}://shop:Zq7Xv@{REFUSED}/shop",
    "wrong": f"{MY}://shop:Zq7Xv@MARIADB/shop",
    "no user": f"{PG}://:Zq7Xv@{REFUSED}/shop",
    "user with @": f"{PG}://shop@server:Zq7Xv@{REFUSED}/shop",
    "query": f"{PG}://{REFUSED}/shop?user=shop&password=Zq7Xv&sslpassword=Kj9Wp",
    "query beside a user": f"{PG}://shop@{REFUSED}/shop?password=Zq7Xv",
    "query of PyMySQL": f"{MY}://MARIADB/shop?user=shop&password=Zq7Xv",
    "short query of PyMySQL": f"{MY}://MARIADB/shop?user=shop&passwd=Zq7Xv",
    "misspelt query": f"{PG}://shop@{REFUSED}/shop?pasword=Zq7Xv",
    "escaped": f"{PG}://shop:Zq7Xv%40Kj9Wp%25Mf4Bt@{REFUSED}/shop",
    "escaped, wrong": f"{MY}://shop:Zq7Xv%40Kj9Wp%25%2F%27%22%20Mf4Bt@MARIADB/shop",
    "bare @": f"{PG}://shop:Zq7Xv@Kj9Wp@{REFUSED}/shop",
    "bare @, wrong": f"{MY}://shop:Zq7Xv@Kj9Wp@MARIADB/shop",
    "bare :": f"{MY}://shop:Zq7Xv:Kj9Wp@MARIADB/shop",
    "bare /": f"{MY}://shop:Zq7Xv/Kj9Wp@MARIADB/shop",
    "bare @ and /": f"{PG}://shop:Zq7Xv@Kj9Wp/Mf4Bt@{REFUSED}/shop",
    "bare @ and :": f"{PG}://shop:Zq7Xv@Kj9Wp:Mf4Bt@{REFUSED}/shop",
    "bare @ and ?": f"{PG}://shop:Zq7Xv@Kj9Wp?Mf4Bt@{REFUSED}/shop",
    "bare #": f"{PG}://shop:Zq7Xv#Kj9Wp@{REFUSED}/shop",
    "bare quotes": f"{MY}://shop:Zq7Xv'K\"Kj9Wp Mf4Bt@MARIADB/shop",
    "bad port": f"{PG}://shop:Zq7Xv@127.0.0.1:x/shop",
    "unknown dialect": f"postgres://shop:Zq7Xv@{REFUSED}/shop",
    "no dialect": f"shop:Zq7Xv@{REFUSED}/shop",
    "one slash": f"postgresql:/shop:Zq7Xv@{REFUSED}/shop",
    "missing driver": f"oracle+cx_oracle://shop:Zq7Xv@{REFUSED}/shop",
    "odbc": "mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BUID%3Dshop%3BPWD%3DZq7Xv",
    "several hosts": f"{PG}://shop:Zq7Xv@/shop?host={REFUSED}&host=127.0.0.1:2",
    "socket": f"{PG}://shop:Zq7Xv@/shop?host=/nowhere",
    "socket of MySQL": f"{MY}://shop:Zq7Xv@/shop?unix_socket=/nowhere",
    "unicode": f"{PG}://shop:Zq7Xvünï中Kj9Wp@{REFUSED}/shop",
    "unsendable": f"{MY}://shop:Zq7Xvünï中Kj9Wp@MARIADB/shop",
    "service": f"{PG}:///?service=shop",
    "passfile": f"{PG}://shop@{REFUSED}/shop?passfile=FOLDER/passfile",
    "option file": f"{MY}://MARIADB/shop?read_default_file=FOLDER/my.cnf",
}
COMMANDS = (
    "status --json",
    "current --verbose",
    "upgrade --verbose --traceback",
    "upgrade --backup",
    "upgrade --create-database",
    "migrate --verbose -m next",
    "check --json",
    "history --indicate-current",
    "upgrade --sql",
    "doctor --json",
    "doctor",
)

Make = t.Callable[[str], Flask]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Make]:
    """A function that makes an application with a migrations folder for a URL, and files with passwords beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "service"))
    secret = {
        "service": "[shop]\nhost=127.0.0.1\nport=1\nuser=shop\npassword=Zq7Xv\n",
        "passfile": "127.0.0.1:1:*:shop:Zq7Xv\n",
        "my.cnf": "[client]\nuser=shop\npassword=Zq7Xv\n",
    }
    for name, text in secret.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)

    def application(url: str) -> Flask:
        app = Flask("shop", root_path=str(tmp_path))
        app.config["SQLALCHEMY_DATABASE_URI"] = url
        db = SQLAlchemy()
        Migrate(app, db)
        db.init_app(app)
        return app

    invoke(lambda: application("sqlite://"), "init")
    invoke(lambda: application("sqlite://"), "revision -m first")
    yield application
    gc.collect()  # a forgotten socket is no matter of the next test


def invoke(make: t.Callable[[], Flask], command: str, **env: str) -> str:
    """Everything that ``flask db COMMAND`` prints, from the loading of the application on."""
    result = CliRunner().invoke(FlaskGroup(create_app=make), ["db", *command.split()], env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result.output


def given(name: str, folder: Path) -> str:
    """The URL of that name."""
    url = URLS[name]
    if "MARIADB" in url:
        server = admin_engine("mariadb").url
        url = url.replace("MARIADB", f"{server.host}:{server.port}")
    return url.replace("FOLDER", str(folder))


def revealed(text: str) -> list[str]:
    """The lines with a piece of a password."""
    return [line for line in text.splitlines() if any(piece.lower() in line.lower() for piece in PIECES)]


@contextlib.contextmanager
def logged() -> t.Iterator[io.StringIO]:
    """All that any logger says, down to the lowest level."""
    written = io.StringIO()
    handler, root = logging.StreamHandler(written), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(1)
    try:
        yield written
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@pytest.mark.parametrize("name", URLS)
def test_no_command_shows_a_password(name: str, make: Make, tmp_path: Path) -> None:
    """Neither it nor its traceback nor a log; every error is one that was foreseen; nothing is written."""
    url = given(name, tmp_path)
    before = {path.name for path in tmp_path.rglob("*")}
    with logged() as log:
        for command in COMMANDS:
            shown = invoke(lambda: make(url), command)
            assert revealed(shown) == [], command
            assert "Unexpected error" not in shown, shown
    debugged = invoke(lambda: make(url), "upgrade", FLASK_DEBUG="1")
    assert "Error [SF" in debugged and revealed(debugged) == []
    assert revealed(log.getvalue()) == []
    written = {path.name for path in tmp_path.rglob("*") if "__pycache__" not in path.parts}
    assert written <= before


@pytest.mark.parametrize("name", URLS)
def test_no_error_carries_a_password(name: str, make: Make, tmp_path: Path) -> None:
    """Neither in its words nor in those of its causes, which may be printed, logged, sent to a tracker."""
    try:
        app = make(given(name, tmp_path))
    except Exception:
        return  # Flask-SQLAlchemy's own error, before anything of ours ran
    with app.app_context():
        with pytest.raises(SchemaflowError) as raised:
            flask_schemaflow.upgrade()
        with pytest.raises(SchemaflowError) as standing:
            flask_schemaflow.status()
    for error in (raised.value, standing.value):
        chain: BaseException | None = error
        while chain is not None:
            assert revealed(f"{chain}\n{chain!r}\n{getattr(chain, 'orig', '')!r}") == []
            chain = chain.__cause__ or chain.__context__
        assert revealed("".join(traceback.format_exception(error))) == []


def test_a_misread_url_names_the_cure(make: Make) -> None:
    """What a driver takes for the host is a piece of the password."""
    told = invoke(lambda: make(URLS["bare @"]), "upgrade")
    assert told.splitlines()[0] == (
        "Error [SF422]: Part of the password is read as the host name (postgresql+psycopg://shop:***@127.0.0.1:1/shop)."
    )
    assert "write @ as %40" in told


def test_a_password_that_a_driver_cannot_send(make: Make, tmp_path: Path) -> None:
    """Says so, without the letter and its place."""
    told = invoke(lambda: make(given("unsendable", tmp_path)), "upgrade --create-database")
    server = admin_engine("mariadb").url
    assert told == (
        "Error [SF423]: The driver pymysql can't encode the user or password in SQLALCHEMY_DATABASE_URI "
        f"(mysql+pymysql://shop:***@{server.host}:{server.port}/shop?charset=utf8mb4).\n\n"
        "Use an ASCII password or another driver.\n"
    )


def test_a_password_that_is_a_piece_of_the_host(make: Make) -> None:
    """To mask it there would tell it."""
    told = invoke(lambda: make(f"{PG}://shop:zq7xv.kj9wp@zq7xv.kj9wp.invalid/shop"), "upgrade")
    assert told.splitlines()[0] == (
        "Error [SF422]: The host name 'zq7xv.kj9wp.invalid' can't be resolved "
        "(postgresql+psycopg://shop:***@zq7xv.kj9wp.invalid/shop)."
    )


def test_files_that_are_written_have_no_password(make: Make, mariadb_url: str, tmp_path: Path) -> None:
    """With a password that is right: the folder, revisions, SQL, backups."""
    account = f"sf_{os.getpid()}"
    with admin_engine("mariadb").connect() as connection:
        connection.exec_driver_sql(f"CREATE USER {account}@'%%' IDENTIFIED BY 'Zq7Xv@Kj9Wp'")
        connection.exec_driver_sql(f"GRANT ALL ON *.* TO {account}@'%%'")
    try:
        login = f"{account}:Zq7Xv%40Kj9Wp"
        url = mariadb_url.replace("://root", f"://{login}", 1)
        shown = [
            invoke(lambda: make(url), command, FLASK_DEBUG="1")
            for command in (
                "init -d other",
                "init -d several --multidb",
                "migrate -v -m second",
                "upgrade -v --backup",
                "upgrade --sql",
                "status --json",
                "current -v",
                "downgrade -v base --backup",
            )
        ]
    finally:
        with admin_engine("mariadb").connect() as connection:
            connection.exec_driver_sql(f"DROP USER {account}@'%%'")
    assert "Applied" in "".join(shown)
    assert revealed("".join(shown)) == []
    own = {"service", "passfile", "my.cnf"}
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name not in own]
    assert any("backup" in str(path).lower() for path in written), written
    assert [path for path in written if revealed(path.name + path.read_bytes().decode("latin-1"))] == []
