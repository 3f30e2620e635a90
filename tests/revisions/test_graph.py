"""The index's answers are Alembic's, or it gives none."""

from __future__ import annotations

import datetime
import gc
import pathlib
import subprocess
import sys
import typing as t
import warnings

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from flask_schemaflow.revisions.graph import NotCertain
from flask_schemaflow.revisions.graph import RevisionIndex
from flask_schemaflow.revisions.headers import Header
from flask_schemaflow.runtime.database_status import current_scripts

from ..support.examples import examples
from .histories import broken_histories
from .histories import histories
from .histories import Node
from .histories import plain
from .histories import repository


def read(folder: pathlib.Path) -> RevisionIndex:
    return RevisionIndex.read(str(folder / "versions"))


def header(name: str, *down: str, **values: t.Any) -> Header:
    return Header(f"{name}.py", name, down, static=True, **values)


def ids(revisions: t.Iterable[t.Any]) -> list[str]:
    return [getattr(found, "id", None) or found.revision for found in revisions]


@settings(deadline=None, max_examples=examples(80))
@given(histories())
def test_every_revision_is_as_alembic_sees_it(nodes: list[Node]) -> None:
    """Heads, places, labels and messages are the same."""
    with repository(nodes) as folder:
        script, index = plain(folder), read(folder)
        assert list(index.heads) == script.get_heads()
        assert index.effective_heads == script.revision_map._real_heads
        for node in nodes:
            theirs, ours = script.get_revision(node.id), index.get(node.id)
            assert (ours.path, ours.message, ours.doc) == (theirs.path, theirs.doc, theirs.longdoc)
            assert ours.down == theirs._versioned_down_revisions
            assert set(ours.labels) == theirs.branch_labels
            assert set(ours.children) == theirs.nextrev
            assert ours.is_head is theirs.is_head
            assert ours.is_effective_head is theirs._is_real_head
            assert ours.is_base is theirs.is_base
            assert ours.is_branch_point is theirs.is_branch_point
            assert ours.is_merge_point is theirs.is_merge_point


def _children_first(walked: list[str], nodes: list[Node]) -> bool:
    place = {name: number for number, name in enumerate(walked)}
    owners = {name: node.id for node in nodes for name in (node.id, *node.labels)}  # a revision may depend on a label
    pairs = ((node.id, owners[above]) for node in nodes for above in (*node.down, *node.depends_on))
    return all(place[name] < place[above] for name, above in pairs if name in place and above in place)


@settings(deadline=None, max_examples=examples(100))
@given(histories(), st.data())
def test_orders_are_those_of_alembic(nodes: list[Node], data: st.DataObject) -> None:
    """History, what is pending and what is current come in Alembic's order, for any state of a database."""
    with repository(nodes) as folder:
        script, index = plain(folder), read(folder)
        names = [node.id for node in nodes]
        current = data.draw(
            st.lists(st.sampled_from(names), max_size=3, unique=True) if names else st.just([])
        )
        try:
            walked = ids(index.walk())
        except NotCertain as error:
            assert "depends on the run" in str(error)
            return
        theirs = ids(script.walk_revisions())
        # Where many revisions depend on one, Alembic goes through a set of names: its order is another in each process.
        assert walked == theirs or (sorted(walked) == sorted(theirs) and _children_first(walked, nodes))
        try:
            steps = script._upgrade_revs("heads", t.cast(str, tuple(current)))
        except Exception:
            with pytest.raises(NotCertain, match="the version table holds a revision and its ancestor"):
                index.pending(current)
        else:
            pending, applied = ids(index.pending(current)), [step.revision.revision for step in steps]
            # Alembic's order of revisions that don't depend on each other is another in each process here, too.
            assert pending == applied or (sorted(pending) == sorted(applied) and _children_first(pending[::-1], nodes))
            expected = set(ids(script.get_all_current(tuple(current))))
            assert set(ids(index.current(current))) == set(ids(current_scripts(script, current))) == expected


@settings(deadline=None, max_examples=examples(120))
@given(broken_histories())
def test_what_alembic_complains_about_is_left_to_it(nodes: list[Node]) -> None:
    """Where Alembic warns or fails, the index is not certain."""
    with repository(nodes) as folder, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        script = plain(folder)
        try:
            heads: list[str] | None = script.get_heads()
        except Exception:
            heads = None
        if heads is None or seen:
            with pytest.raises(NotCertain):
                read(folder)
            return
        try:
            index = read(folder)
            walked = ids(index.walk())
        except NotCertain:
            return
        assert list(index.heads) == heads
        assert walked == ids(script.walk_revisions())


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([Header("/x/a.py")], "/x/a.py must be imported"),
        ([header("a"), header("a")], "duplicate revision id 'a'"),
        ([header("a", "b")], "no file has the id 'b'"),
        ([header("a", "b"), header("b", "a")], "the revisions form a cycle"),
        ([header("a"), header("b", "a", "a")], "'b' names a parent twice"),
        ([header("head")], "the id 'head' is out of the ordinary"),
        ([header("a-1")], "the id 'a-1' is out of the ordinary"),
        ([header("a", labels=("x",)), header("b", labels=("x",))], "the label 'x' is taken"),
        ([header("a", labels=("b",)), header("b")], "the label 'b' is taken"),
        ([header("a", depends_on=("x",))], "a dependency of 'a' isn't there"),
    ],
)
def test_reasons(headers: list[Header], reason: str) -> None:
    """The index says why it gives no answer."""
    with pytest.raises(NotCertain) as error:
        RevisionIndex(headers)
    assert str(error.value) == reason


def test_unknown_ids() -> None:
    """An id without a file is named; nothing that depends on it is answered."""
    index = RevisionIndex([header("abcdef")])
    assert index.unknown(["abcdef", "abcd", "gone"]) == ("abcd", "gone")
    for question in (index.get, index.applied, index.current):
        with pytest.raises(NotCertain, match="^no file has the id 'abcd.*'$"):
            question(t.cast(t.Any, "abcd" if question == index.get else ["abcd"]))
    assert index.pending(["gone"]) == []


def test_a_revision_is_pending_until_it_is_applied() -> None:
    """The pending ones come in the order in which an upgrade runs them."""
    index = RevisionIndex([header("c", "b"), header("a"), header("b", "a")])
    assert ids(index.pending([])) == ["a", "b", "c"]
    assert ids(index.pending(["b"])) == ["c"]
    assert index.pending(["c"]) == []
    assert index.applied(["b"]) == {"a", "b"}


@pytest.mark.parametrize(
    ("doc", "date"),
    [
        ("x\n\nCreate Date: 2024-05-06 07:08:09.123456\n", datetime.datetime(2024, 5, 6, 7, 8, 9, 123456)),
        (
            "Create Date: 2024-05-06 07:08:09+02:00",
            datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
        ),
        ("Create Date: last week", None),
        ("no date", None),
        (None, None),
    ],
)
def test_create_date(doc: str | None, date: datetime.datetime | None) -> None:
    """The date is the docstring's, if there is one that can be read."""
    assert RevisionIndex([header("a", doc=doc)]).get("a").created == date


def test_the_index_needs_no_alembic() -> None:
    """Neither Alembic nor SQLAlchemy nor Mako is imported."""
    code = (
        "import sys, flask_schemaflow.revisions.graph as index;"
        "index.RevisionIndex.read('.');"
        "print({'alembic', 'sqlalchemy', 'mako'} & set(sys.modules))"
    )
    folder = pathlib.Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=True)
    assert run.stdout == "set()\n"


def history_with_merges(count: int) -> list[Header]:
    """A chain in which every tenth revision is the start of two branches that are merged again."""
    headers = [header("r0")]
    tip = "r0"
    for number in range(1, count, 10):
        names = [f"r{number + offset}" for offset in range(10)]
        headers.append(header(names[0], tip))
        headers += [header(names[offset], names[offset - 1]) for offset in range(1, 5)]
        headers.append(header(names[5], names[0]))
        headers += [header(names[offset], names[offset - 1]) for offset in range(6, 9)]
        headers.append(header(names[9], names[4], names[8]))
        tip = names[9]
    return headers


def calls(work: t.Callable[[], t.Any]) -> int:
    """How many functions, Python's and C's, the work calls."""
    count = 0

    def profile(frame: t.Any, event: str, argument: t.Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.collect()
    gc.disable()  # what other tests left would be taken apart meanwhile
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@pytest.mark.parametrize("question", ["heads", "walk", "pending", "current"])
def test_work_grows_with_the_history(question: str) -> None:
    """Ten times the revisions are at most ten times the work (and a little for the start)."""

    def ask(headers: list[Header]) -> None:
        index = RevisionIndex(headers)
        if question == "walk":
            assert len(list(index.walk())) == len(headers)
        elif question == "pending":
            assert len(index.pending(["r0"])) == len(headers) - 1
        elif question == "current":
            assert len(index.current(index.heads)) == 1

    small, large = history_with_merges(301), history_with_merges(3001)
    assert calls(lambda: ask(large)) <= 10.5 * calls(lambda: ask(small))


def test_a_long_history_needs_no_deep_stack() -> None:
    """A chain of many revisions is walked without recursion, whatever the order of its files."""
    headers = [header(f"r{n}", *([f"r{n - 1}"] if n else [])) for n in range(20_000)]
    index = RevisionIndex(reversed(headers))
    assert ids(index.walk())[:2] == ["r19999", "r19998"]
    assert len(index.pending(["r0"])) == 19_999
