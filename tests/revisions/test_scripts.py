"""The script directory answers as Alembic's own does, and runs a file only when its code is wanted."""

from __future__ import annotations

import os
import pathlib
import re
import threading
import typing as t
import warnings

import alembic
import pytest
from alembic.runtime.migration import RevisionStep
from alembic.runtime.migration import StampStep
from alembic.script import Script
from alembic.script import ScriptDirectory
from alembic.script.revision import Revision
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from flask_schemaflow import alembic_private
from flask_schemaflow.alembic_private import is_checked_release
from flask_schemaflow.errors import RevisionChanged
from flask_schemaflow.revisions.scripts import HeaderScript
from flask_schemaflow.revisions.scripts import script_directory

from ..support.examples import examples
from .histories import broken_histories
from .histories import config_for
from .histories import histories
from .histories import Node
from .histories import plain
from .histories import repository

NOON = 1_000_000_000_000_000_000
SIMPLE = [Node("aaaa01", (), (), (), 0), Node("bbbb02", ("aaaa01",), (), (), 1)]


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A repository of two revisions."""
    (tmp_path / "versions").mkdir()
    for node in SIMPLE:
        node.write(tmp_path / "versions")
    return pathlib.Path(os.path.realpath(tmp_path))


def ours(folder: pathlib.Path, **options: str) -> ScriptDirectory:
    return script_directory(config_for(folder, **options))


def run(name: str, script: ScriptDirectory) -> t.Any:
    """The module of a revision, which runs its file."""
    return script.get_revision(name).module


def told(answer: t.Any) -> t.Any:
    """An answer in a form that compares: ids for revisions, all of a step's values."""
    if isinstance(answer, Revision):
        return answer.revision
    if isinstance(answer, RevisionStep):
        return (
            answer.revision.revision,
            answer.is_upgrade,
            answer.from_revisions,
            answer.to_revisions,
            answer.doc,
        )
    if isinstance(answer, StampStep):
        return (answer.from_, answer.to_, answer.is_upgrade, answer.branch_move)
    if isinstance(answer, (set, frozenset)):
        return {told(item) for item in answer}
    if isinstance(answer, (str, type(None))):
        return answer
    return [told(item) for item in answer]


def ask(question: t.Callable[[ScriptDirectory], t.Any], script: ScriptDirectory) -> t.Any:
    """The answer, or what kind of error with which words."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            answer = told(question(script))
        except Exception as error:
            answer = (type(error), words(error))
    return answer, [str(warning.message) for warning in seen]


def words(text: object) -> list[str]:
    """The words of a text, sorted: Alembic lists some of them in the order of a set."""
    return sorted(re.findall(r"[^\s,()]+", str(text)))


@st.composite
def targets(draw: st.DrawFn, nodes: list[Node]) -> str:
    """Whatever may be written for a revision on the command line."""
    names = [node.id for node in nodes]
    labels = [label for node in nodes for label in node.labels]
    plain_names = ["head", "heads", "base", "nothing", *names, *labels, *(name[:4] for name in names)]
    symbol = draw(st.sampled_from(plain_names))
    branch = draw(st.sampled_from(["", "", *(f"{name}@" for name in (*labels, *names))]))
    relative = draw(st.sampled_from(["", "", "+1", "-1", "-2", "+2"]))
    return draw(st.sampled_from([symbol, branch + symbol, symbol + relative, branch + (relative or "+1")]))


def questions(data: st.DataObject, nodes: list[Node]) -> list[t.Callable[[ScriptDirectory], t.Any]]:
    names = [node.id for node in nodes]
    current = tuple(data.draw(st.lists(st.sampled_from(names), max_size=3, unique=True)) if names else ())
    one, other = data.draw(targets(nodes)), data.draw(targets(nodes))
    return [
        lambda script: script.get_heads(),
        lambda script: script.revision_map._real_heads,
        lambda script: script.get_bases(),
        lambda script: script.revision_map._real_bases,
        lambda script: script.get_current_head(),
        lambda script: script.get_base(),
        lambda script: script.get_revision(one),
        lambda script: script.get_revisions(one),
        lambda script: script.get_revisions([one, other]),
        lambda script: script.as_revision_number(one),
        lambda script: script.walk_revisions(),
        lambda script: script.walk_revisions(one, other),
        lambda script: script.iterate_revisions(one, other),
        lambda script: script.iterate_revisions(one, current, implicit_base=True),
        lambda script: script.iterate_revisions(one, other, inclusive=True),
        lambda script: script.iterate_revisions(one, other, select_for_downgrade=True),
        lambda script: script.iterate_revisions(one, other, assert_relative_length=False),
        lambda script: script.get_all_current(current),
        lambda script: script._upgrade_revs(one, t.cast(str, current)),
        lambda script: script._downgrade_revs(one, t.cast(str, current)),
        lambda script: script._stamp_revs(one, current),
    ]


@settings(deadline=None, max_examples=examples(100))
@given(histories(), st.data())
def test_every_question_is_answered_as_by_alembic(nodes: list[Node], data: st.DataObject) -> None:
    """The same values, the same errors, the same warnings."""
    with repository(nodes) as folder:
        theirs, mine = plain(folder), ours(folder)
        for question in questions(data, nodes):
            assert ask(question, mine) == ask(question, theirs)


@settings(deadline=None, max_examples=examples(80))
@given(histories())
def test_every_revision_shows_itself_as_in_alembic(nodes: list[Node]) -> None:
    """What history, heads and show print, and what dependencies were resolved to."""

    def described(script: ScriptDirectory) -> list[t.Any]:
        return [
            (
                *(words(found.cmd_format(verbose, True, True, True)) for verbose in (True, False)),
                str(found),
                found.doc,
                found.nextrev,
                found._all_nextrev,
                found._resolved_dependencies,
                found._normalized_down_revisions,
                found.branch_labels,
                [name for name in script.revision_map._revision_map if not str(name).startswith("label")],
            )
            for found in script.walk_revisions()
        ]

    with repository(nodes) as folder:
        assert described(ours(folder)) == described(plain(folder))


@settings(deadline=None, max_examples=examples(100))
@given(broken_histories())
def test_broken_histories_fail_as_in_alembic(nodes: list[Node]) -> None:
    """Cycles, duplicates, missing parents: the same error, after the same warnings."""

    def kind(script: ScriptDirectory) -> t.Any:
        answer, seen = ask(lambda script: script.get_heads(), script)
        # Which of two owners of a label is named first is a matter of chance in Alembic, as is which of
        # several missing dependencies.
        vague = isinstance(answer, tuple) and (answer[0] is KeyError or "used" in answer[1])
        return (answer[0] if vague else answer), seen

    with repository(nodes) as folder:
        assert kind(ours(folder)) == kind(plain(folder))


@settings(deadline=None, max_examples=examples(50))
@given(histories())
def test_adding_a_revision_keeps_the_map_whole(nodes: list[Node]) -> None:
    """A revision that was just written takes its place as in Alembic's map."""
    with repository(nodes) as folder:
        answers = []
        for script in (plain(folder), ours(folder)):
            heads = tuple(script.get_heads())
            new = Revision("new0", heads, dependencies=None, branch_labels=("fresh",))
            script.revision_map.add_revision(new)
            answers.append(
                (
                    script.get_heads(),
                    script.get_bases(),
                    told(script.walk_revisions()),
                    told([new.branch_labels]),
                )
            )
        assert answers[0] == answers[1]


def test_files_run_only_when_their_code_is_wanted(folder: pathlib.Path) -> None:
    """Heads, history and messages are known without running a file; an upgrade runs what it needs."""
    ran = folder / "ran"
    ran.mkdir()
    for node in SIMPLE:
        path = folder / "versions" / f"{node.place:03}_{node.id}.py"
        # Making a folder twice fails, so this also shows that no file runs twice.
        path.write_text(path.read_text() + f"import os\nran = os.mkdir({str(ran / node.id)!r})\n")
    script = ours(folder)
    assert [found.doc for found in script.walk_revisions()] == ["message of bbbb02", "message of aaaa01"]
    assert os.listdir(ran) == []
    module = script.get_revision("bbbb02").module
    assert script.get_revision("bbbb02").module is module
    assert module.upgrade is not None
    assert os.listdir(ran) == ["bbbb02"]
    script._upgrade_revs("heads", ())  # type: ignore[arg-type]
    assert set(os.listdir(ran)) == {"aaaa01", "bbbb02"}


def test_a_module_is_alembics(folder: pathlib.Path) -> None:
    """The module has the name, file and contents that Alembic gives it."""
    theirs, mine = plain(folder).get_revision("aaaa01"), ours(folder).get_revision("aaaa01")
    assert type(mine) is HeaderScript
    assert isinstance(mine, Script)
    assert (mine.module.__name__, mine.module.__file__) == (theirs.module.__name__, theirs.module.__file__)
    assert set(vars(mine.module)) == set(vars(theirs.module))
    assert (mine.path, repr(mine)) == (theirs.path, repr(theirs).replace("Script(", "HeaderScript("))


def test_a_failing_file_raises_its_own_error_and_can_be_tried_again(folder: pathlib.Path) -> None:
    """Its error comes when its code is wanted, each time, until it is mended."""
    path = folder / "versions" / "001_bbbb02.py"
    sound = path.read_text()
    path.write_text(sound + "value = {}['absent']\n")
    script = ours(folder)
    assert script.get_heads() == ["bbbb02"]
    for _ in range(2):
        with pytest.raises(KeyError, match="^'absent'$"):
            run("bbbb02", script)
    path.write_text(sound)
    assert script.get_revision("bbbb02").module.revision == "bbbb02"


def test_a_file_that_changed_meanwhile_is_refused(folder: pathlib.Path) -> None:
    """A revision that is no longer what the history was made of doesn't run under its old place."""
    script = ours(folder)
    assert script.get_heads() == ["bbbb02"]
    path = folder / "versions" / "001_bbbb02.py"
    path.write_text(path.read_text().replace("aaaa01", "cccc03"))
    with pytest.raises(RevisionChanged) as error:
        run("bbbb02", script)
    assert str(error.value) == (
        "The file 001_bbbb02.py no longer has the revision identifiers that were read from it.\n"
        "Run the command again; if that doesn't help, assign plain strings to them in the file."
    )


def test_stale_bytecode_does_not_win(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python takes bytecode for current if size and second agree; the header tells better."""
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    path = folder / "versions" / "001_bbbb02.py"
    os.utime(path, ns=(NOON, NOON))
    assert plain(folder).get_heads() == ["bbbb02"]
    path.write_text(path.read_text().replace("bbbb02", "cccc03"))
    os.utime(path, ns=(NOON, NOON + 1))
    assert plain(folder).get_heads() == ["bbbb02"]
    script = ours(folder)
    assert script.get_heads() == ["cccc03"]
    assert script.get_revision("cccc03").module.revision == "cccc03"


def test_threads_share_one_module(folder: pathlib.Path) -> None:
    """However many threads want it at once, all get the same module."""
    revision = ours(folder).get_revision("aaaa01")
    modules: list[t.Any] = []
    threads = [threading.Thread(target=lambda: modules.append(revision.module)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(module) for module in modules}) == 1
    assert revision.module is modules[0]


def test_a_module_can_be_put_in_place(folder: pathlib.Path) -> None:
    """As with Alembic's Script, ``module`` may be set."""
    revision, other = ours(folder).get_revision("aaaa01"), ours(folder).get_revision("bbbb02")
    revision.module = other.module
    assert revision.module.revision == "bbbb02"


def test_a_new_revision_is_written_and_found(folder: pathlib.Path) -> None:
    """Alembic's own ``generate_revision`` works on it."""
    (folder / "script.py.mako").write_text(
        "revision = ${repr(up_revision)}\ndown_revision = ${repr(down_revision)}\n"
        "branch_labels = ${repr(branch_labels)}\ndepends_on = ${repr(depends_on)}\n"
    )
    script = ours(folder)
    made = script.generate_revision("cccc03", "a message", head="head")
    assert made is not None
    assert (made.down_revision, script.get_heads()) == ("bbbb02", ["cccc03"])
    assert ours(folder).get_heads() == ["cccc03"]


@pytest.mark.parametrize(
    ("version", "checked"),
    [
        *(("1.18.0", True), ("1.19.2", True), ("1.20.1", True), ("1.20.2.dev1", True)),
        *(("1.17.2", False), ("1.21.0", False), ("2.0.0", False), ("unknown", False), ("1", False)),
    ],
)
def test_checked_releases(version: str, checked: bool) -> None:
    """Private names are used with releases of Alembic that were looked at only."""
    assert is_checked_release(version) is checked


def test_another_release_gets_alembics_own(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a release that wasn't checked, everything is Alembic's, and answers."""
    monkeypatch.setattr(alembic_private, "CHECKED", ((0, 0), (0, 0)))
    script = ours(folder)
    assert type(script.get_revision("head")) is Script


def test_private_names_are_there() -> None:
    """The names by which Alembic loads revisions exist in this release, if it counts as checked."""
    if not is_checked_release():
        pytest.skip(f"Alembic {alembic.__version__} wasn't checked, so none is used")
    assert hasattr(ScriptDirectory, "_load_revisions")
    assert hasattr(Script, "_from_path")
