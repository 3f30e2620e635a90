"""A migrations folder that is missing, broken or closed: the whole message of each."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import flask_schemaflow

from ..conftest import MakeProject
from ..conftest import WriteRepository
from ..support.application import Project
from .conftest import Fails
from .conftest import invoke
from .conftest import Runs
from .messages import readable
from .messages import said
from .privileges import like_anybody


def test_no_folder(project: MakeProject, shop: Project, fails: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ``init`` was never run, or another folder was named."""
    assert fails("-d", "elsewhere", "upgrade") == said(
        """
        Error [SF201]: There is no migrations folder at PROJECT/elsewhere.

        There are migrations nearby:
          PROJECT/migrations

        Use it: `flask db --directory migrations ...`, or change to its project directory. To start a new folder,
            run `flask db init`.
        """
    )
    (shop.migrations / "versions").rmdir()
    for path in shop.migrations.iterdir():
        path.unlink()
    shop.migrations.rmdir()
    assert fails("upgrade") == said(
        """
        Error [SF201]: There is no migrations folder at PROJECT/migrations.

        Run `flask db init` to create it, or use another one with `flask db --directory PATH`.
        """
    )
    shop.write("migrations", "a file")
    assert fails("upgrade") == said(
        """
        Error [SF201]: PROJECT/migrations is a file, not a migrations folder.

        Move it away, or name another folder: `flask db init --directory PATH`.
        """
    )


def test_another_working_directory(shop: Project, fails: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of that name nearby is named, with the command that uses it."""
    shop.migrations.rename(shop.root / "database" )
    (shop.root / "database").rename(shop.root / "shop.old")
    (shop.root / "service").mkdir()
    (shop.root / "shop.old").rename(shop.root / "service" / "migrations")
    assert fails("upgrade") == said(
        """
        Error [SF201]: There is no migrations folder at PROJECT/migrations.

        There are migrations nearby:
          PROJECT/service/migrations

        Use it: `flask db --directory service/migrations ...`, or change to its project directory. To start a new
            folder, run `flask db init`.
        """
    )
    (shop.root / "docs" / "api").mkdir(parents=True)
    monkeypatch.chdir(shop.root / "docs" / "api")
    (shop.root / "service" / "migrations").rename(shop.root / "migrations")
    assert "There is no migrations folder" not in invoke(shop, "heads").stderr


def test_made_twice(shop: Project, fails: Fails) -> None:
    """What is there is not touched."""
    assert fails("init") == said(
        """
        Error [SF203]: The folder PROJECT/migrations exists and is not empty.

        Use it as it is, or choose another one: `flask db init --directory OTHER`.
        """
    )


def test_a_template_that_does_not_exist(shop: Project, fails: Fails) -> None:
    """The command that lists them is named."""
    names = ", ".join(template.name for template in flask_schemaflow.list_templates())
    assert " ".join(fails("init", "-d", "other", "-t", "flsk", status=2).split()) == (
        f"Error [SF204]: There is no template 'flsk'. The templates are: {names}. "
        "For your own template, use a path: ./my-template."
    )


def test_where_nothing_can_be_written(shop: Project, fails: Fails) -> None:
    """A folder without permission to write, for ``init`` and for a new revision."""
    os.chmod(shop.migrations / "versions", 0o500)
    os.chmod(shop.root, 0o500)
    with like_anybody():
        assert fails("init", "-d", "other") == said(
            """
            Error [SF207]: The folder PROJECT/other can't be created: Permission denied.

            Free disk space, fix the permissions of the parent folder, or choose another place: `flask db init
                --directory OTHER`.
            """
        )
        assert fails("revision", "--rev-id", "abcd0001") == said(
            """
            Error [SF207]: PROJECT/migrations/versions/DATE_abcd0001_manual_changes.py can't be read or written:
                Permission denied.

            Give this account read and write permission for the file and its folder, or run the command as their
                owner.
            """
        )
    os.chmod(shop.root, 0o700)
    os.chmod(shop.migrations / "versions", 0o700)


def test_a_file_that_cannot_be_read(shop: Project, fails: Fails) -> None:
    """A revision, env.py or alembic.ini of another account."""
    closed = [shop.write_revision("abcd0001"), shop.migrations / "env.py", shop.migrations / "alembic.ini"]
    told = []
    for path in closed:
        os.chmod(path, 0)
        with like_anybody():
            told.append(readable(invoke(shop, "upgrade").stderr, shop.root))
        os.chmod(path, 0o600)
    assert "\n\n".join(told) == said(
        """
        Error [SF207]: PROJECT/migrations/versions/abcd0001.py can't be read or written: Permission denied.

        Give this account read and write permission for the file and its folder, or run the command as their
            owner.

        Error [SF207]: PROJECT/migrations/env.py can't be read or written: Permission denied.

        Give this account read and write permission for the file and its folder, or run the command as their
            owner.

        Error [SF207]: PROJECT/migrations/alembic.ini can't be read: Permission denied.

        Give this account read and write permission for the file and its folder, or run the command as their
            owner.
        """
    )


def test_no_room_for_the_new_file(shop: Project, fails: Fails) -> None:
    """The disk is full: what was begun is taken away again."""
    (shop.migrations / "alembic.ini").write_text("[alembic]\n")
    (shop.migrations / "versions" / "abcd0001_manual_changes.py").symlink_to("/dev/full")
    assert fails("revision", "--rev-id", "abcd0001") == said(
        """
        Error [SF207]: The new revision file can't be written to PROJECT/migrations/versions: No space left on
            device.

        Free space on that disk and run the command again. Nothing was written.
        """
    )


def test_no_versions_folder(shop: Project, runs: Runs, fails: Fails) -> None:
    """git keeps no empty folders: it is made anew, and until then there are no revisions."""
    (shop.migrations / "versions").rmdir()
    assert runs("heads").stdout == ""
    assert runs("upgrade").exit_code == 0
    assert runs("revision", "-m", "first").exit_code == 0


def test_no_env_file(shop: Project, fails: Fails) -> None:
    """The file is named, and where to get it."""
    (shop.migrations / "env.py").unlink()
    assert fails("upgrade") == said(
        """
        Error [SF202]: The migrations folder PROJECT/migrations has no env.py.

        Get it back from version control, `git checkout -- PROJECT/migrations/env.py`, or copy it from a new
            folder: `flask db init --directory NEW`.
        """
    )


def test_no_script_template(shop: Project, runs: Runs, fails: Fails) -> None:
    """Only who writes a revision needs it."""
    shop.write_revision("abcd0001")
    (shop.migrations / "script.py.mako").unlink()
    assert runs("upgrade").exit_code == 0
    assert fails("revision", "-m", "second") == said(
        """
        Error [SF202]: The migrations folder PROJECT/migrations has no script.py.mako.

        Get it back from version control, `git checkout -- PROJECT/migrations/script.py.mako`, or copy it from a
            new folder: `flask db init --directory NEW`.
        """
    )


def test_a_broken_script_template(shop: Project, fails: Fails) -> None:
    """The line of the template, and nothing written: a name that is unknown, a syntax error, Python that fails."""
    template = shop.migrations / "script.py.mako"
    source = template.read_text("utf-8")
    shop.write(template, source.replace("${up_revision}", "${up_revisions}"))
    assert fails("revision", "-m", "second") == said(
        """
        Error [SF206]: The template PROJECT/migrations/script.py.mako, line 25, can't be rendered: it uses an
            undefined name.

          Revision ID: ${up_revisions}

        Fix it, or copy a new one from a folder that `flask db init --directory OTHER` creates.
        """
    )
    shop.write(template, source + "\n% if create_date:\n")
    assert fails("revision", "-m", "second") == said(
        """
        Error [SF206]: The template PROJECT/migrations/script.py.mako, line 51, can't be rendered: Unterminated
            control keyword: 'if'.

          % if create_date:

        Fix it, or copy a new one from a folder that `flask db init --directory OTHER` creates.
        """
    )
    shop.write(template, source + "\n${1 / 0}\n")
    assert fails("revision", "-m", "second") == said(
        """
        Error [SF206]: The template PROJECT/migrations/script.py.mako, line 51, can't be rendered:
            ZeroDivisionError: division by zero.

          ${1 / 0}

        Fix it, or copy a new one from a folder that `flask db init --directory OTHER` creates.
        """
    )
    shop.write(template, source.replace("def upgrade", "deff upgrade"))
    assert fails("revision", "-m", "second") == said(
        """
        Error [SF209]: The new revision file can't be loaded: SyntaxError: invalid syntax. Nothing was written.

          line 20: deff upgrade() -> None:

        Fix the line in script.py.mako, or the rendering of the type or default (render_item in env.py). Then run
            the command again.
        """
    )
    template.write_bytes(source.encode() + b"# caf\xe9\n")
    assert fails("revision", "-m", "second") == said(
        """
        Error [SF206]: The template PROJECT/migrations/script.py.mako can't be rendered: Unicode decode operation
            of encoding 'utf-8' failed.

        Fix it, or copy a new one from a folder that `flask db init --directory OTHER` creates.
        """
    )


def test_a_broken_env_file(shop: Project, fails: Fails) -> None:
    """Syntax, names, imports: the line of env.py."""
    shop.write_revision("abcd0001")
    shop.write("migrations/env.py", "from flask_schemaflow import run_env\n\nrun_env(\n")
    assert fails("upgrade") == said(
        """
        Error [SF205]: PROJECT/migrations/env.py, line 3 failed: SyntaxError: '(' was never closed

          run_env(

        Fix that line. Run `flask db doctor --fix` to compare env.py with the current template and replace it. It
            keeps a copy.
        """
    )
    shop.write("migrations/env.py", "from flask_schemaflow import run_env\n\nrun_env(render=thing)\n")
    assert fails("upgrade") == said(
        """
        Error [SF205]: PROJECT/migrations/env.py, line 3 failed: NameError: name 'thing' is not defined

          run_env(render=thing)

        Fix that line. Run `flask db doctor --fix` to compare env.py with the current template and replace it. It
            keeps a copy.
        """
    )
    shop.write("migrations/env.py", "import geoalchemy99\n")
    assert fails("upgrade") == said(
        """
        Error [SF205]: PROJECT/migrations/env.py, line 1 failed: ModuleNotFoundError: No module named
            'geoalchemy99'

          import geoalchemy99

        Run `pip install geoalchemy99`, if that is the package's name, or fix the import.
        """
    )
    shop.write("migrations/env.py", "raise SystemExit('not today')\n")
    assert fails("upgrade") == said(
        """
        Error [SF205]: PROJECT/migrations/env.py, line 1 failed: SystemExit: not today

          SystemExit('not today')

        Fix that line. Run `flask db doctor --fix` to compare env.py with the current template and replace it. It
            keeps a copy.
        """
    )


def test_an_env_file_that_does_nothing(shop: Project, fails: Fails) -> None:
    """One that never runs the migrations, and one that forgets to configure."""
    shop.write_revision("abcd0001")
    shop.write("migrations/env.py", "")
    assert fails("upgrade") == said(
        """
        Error [SF205]: PROJECT/migrations/env.py never calls context.run_migrations() or run_env().

        Restore it from version control. Run `flask db doctor --fix` to compare env.py with the current template
            and replace it. It keeps a copy.
        """
    )
    shop.write("migrations/env.py", "from alembic import context\ncontext.run_migrations()\n")
    assert fails("upgrade") == said(
        """
        Error [SF205]: PROJECT/migrations/env.py, line 2 failed: context.configure() was not called before it.

          context.run_migrations()

        Fix that line. Run `flask db doctor --fix` to compare env.py with the current template and replace it. It
            keeps a copy.
        """
    )


def test_an_env_file_of_a_plain_alembic_project(shop: Project, fails: Fails) -> None:
    """``alembic init`` makes one that knows nothing of the application."""
    shop.write_revision("abcd0001")
    source = Path(sys.modules["alembic"].__file__ or "").parent / "templates" / "generic" / "env.py"
    shop.write("migrations/env.py", source.read_text("utf-8"))
    assert fails("upgrade") == said(
        """
        Error [SF205]: PROJECT/migrations/env.py, line 60 failed: KeyError: 'url'

          engine_from_config(config.get_section(config.config_ini_section, {}), prefix='sqlalchemy.', poolc...

        If the line is right, `flask db --traceback ...` shows what failed below it. Run `flask db doctor --fix`
            to compare env.py with the current template and replace it. It keeps a copy.
        """
    )


@pytest.mark.parametrize(
    "content",
    [
        "[alembic]\n# Geb\u00e4ude\nfile_template = %%(rev)s_%%(slug)s\n".encode("latin-1"),
        "[alembic]\n# Geb\u00e4ude\n".encode("utf-16"),
        "\ufeff[alembic]\n# \u5efa\u7269\n".encode(),
        b"[alembic]\nsqlalchemy.url = postgresql://u:100%@h/d\n",
        b"[alembic]\nsomething_new = 50% of %(nothing)s\n[unknown]\nx = 1\n",
        b"[alembic]\r\n# \x00\xff\r\n",
        b"",
        None,
    ],
    ids=["latin-1", "utf-16", "utf-8 with mark", "percent", "unknown keys", "control characters", "empty", "none"],
)
def test_an_alembic_ini_that_can_be_read_after_all(content: bytes | None, shop: Project, runs: Runs) -> None:
    """Any encoding, percent signs, unknown keys and sections, and none at all are no errors."""
    path = shop.migrations / "alembic.ini"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    shop.write_revision("abcd0001")
    assert runs("upgrade").stdout.startswith("Applied abcd0001")
    assert runs("revision", "-m", "next").exit_code == 0


def test_a_broken_alembic_ini(shop: Project, fails: Fails) -> None:
    """The line that can't be understood."""
    path = shop.migrations / "alembic.ini"
    path.write_text("[alembic]\nthis is not an option\n")
    assert fails("upgrade") == said(
        """
        Error [SF208]: The configuration file PROJECT/migrations/alembic.ini, line 2, can't be understood: a line
            is neither a [section] nor name = value.

          this is not an option

        Fix that line and run the command again.
        """
    )
    path.write_text("timezone = UTC\n[alembic]\n")
    assert fails("heads") == said(
        """
        Error [SF208]: The configuration file PROJECT/migrations/alembic.ini, line 1, can't be understood: a line
            comes before the first [section].

          timezone = UTC

        Fix that line and run the command again.
        """
    )
    path.write_text("[alembic]\na = 1\na = 2\n")
    assert fails("heads") == said(
        """
        Error [SF208]: The configuration file PROJECT/migrations/alembic.ini, line 3, can't be understood: the
            option 'a' is there twice.

          a = 2

        Fix that line and run the command again.
        """
    )
    path.write_text("[alembic]\n[alembic]\n")
    assert fails("heads") == said(
        """
        Error [SF208]: The configuration file PROJECT/migrations/alembic.ini, line 2, can't be understood: the
            section [alembic] is there twice.

          [alembic]

        Fix that line and run the command again.
        """
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("truncate_slug_length = forty", "ValueError: invalid literal for int() with base 10: 'forty'"),
        ("file_template = %(revision)s", "KeyError: 'revision'"),
        ("output_encoding = utf-nine", "LookupError: unknown encoding: utf-nine"),
    ],
)
def test_a_value_in_alembic_ini_that_means_nothing(line: str, words: str, shop: Project, fails: Fails) -> None:
    """An option that Alembic knows, with a value that it doesn't."""
    (shop.migrations / "alembic.ini").write_text(f"[alembic]\n{line}\n".replace("%", "%%"))
    assert fails("revision", "-m", "next").replace("\n    ", " ") == (
        f"Error [SF208]: The option {line} in PROJECT/migrations/alembic.ini is invalid: {words}.\n\n"
        "Fix or remove it; Alembic's documentation lists the valid values."
    )


def test_an_unknown_time_zone(shop: Project, fails: Fails) -> None:
    """It is named, and how one is written."""
    (shop.migrations / "alembic.ini").write_text("[alembic]\ntimezone = Europe/Berln\n")
    assert fails("revision", "-m", "next") == said(
        """
        Error [SF208]: The time zone 'Europe/Berln' in PROJECT/migrations/alembic.ini is unknown.

        Write it as in `timezone = Europe/Berlin`; on Windows, `pip install tzdata`.
        """
    )


@pytest.mark.parametrize("version", ["1.3.1", "4.1.0"])
def test_an_old_env_file_reads_an_alembic_ini_in_any_encoding(
    version: str, shop: Project, legacy_repository: WriteRepository, runs: Runs
) -> None:
    """It hands the file to ``logging``, which knows only the locale's encoding."""
    legacy_repository(shop, version)
    path = shop.migrations / "alembic.ini"
    source = "# Geb\u00e4ude \u5efa\u7269\n" + path.read_text("utf-8")
    shop.write_revision("abcd0001")
    for encoding in ("utf-8", "utf-16", "utf-8-sig"):
        path.write_bytes(source.encode(encoding))
        assert runs("upgrade").exit_code == 0
        assert runs("downgrade", "base").exit_code == 0
    path.unlink()
    assert runs("upgrade").exit_code == 0


def test_a_logging_section_that_fails(
    shop: Project, legacy_repository: WriteRepository, runs: Runs, fails: Fails
) -> None:
    """An old env.py applies the logging section of alembic.ini, in which a handler may be missing."""
    legacy_repository(shop, "4.1.0")
    path = shop.migrations / "alembic.ini"
    path.write_text(path.read_text("utf-8").replace("handlers = console", "handlers = file"), "utf-8")
    shop.write_revision("abcd0001")
    assert fails("upgrade") == said(
        """
        Error [SF208]: The logging sections of PROJECT/migrations/alembic.ini can't be applied: KeyError: 'file'.

        Fix them, or leave logging to the application: SCHEMAFLOW_LOGGING = False.
        """
    )
    shop.write_app(config={"SCHEMAFLOW_LOGGING": False})
    assert runs("upgrade").exit_code == 0


def test_other_projects_are_not_nearby(shop: Project, fails: Fails, tmp_path: Path) -> None:
    """A folder of migrations beside the project is somebody else's; one of the same project is named."""
    shop.migrations.rename(tmp_path / "stranger")
    assert "nearby" not in fails("upgrade")
    (tmp_path / "pyproject.toml").touch()
    said_now = fails("upgrade").replace("PROJECT", str(shop.root))
    assert f"There are migrations nearby:\n  {tmp_path / 'stranger'}" in said_now
