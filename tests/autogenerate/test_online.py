"""``migrate --online`` writes changes of tables in use as pairs of revisions and in the forms that wait the least."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa

from ..conftest import FlaskDb
from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..support.application import Project

BEFORE = """
class Doctor(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(20))

class Visit(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    fee = sa.Column(sa.Integer, nullable=False)
    room = sa.Column(sa.String(20))
    size = sa.Column(sa.Integer)
    code = sa.Column(sa.String(9), index=True)
    doctor_id = sa.Column(sa.Integer)
"""
AFTER = """
class Doctor(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(20), nullable=False)

class Visit(db.Model):
    __table_args__ = (sa.CheckConstraint("doctor_id > 0", name="has_doctor"),)
    id = sa.Column(sa.Integer, primary_key=True)
    price = sa.Column(sa.Integer, nullable=False)
    room = sa.Column(sa.String(20), index=True)
    size = sa.Column(sa.String(30))
    label = sa.Column(sa.String(9), index=True)
    paid = sa.Column(sa.Boolean, nullable=False, default=False)
    word = sa.Column(sa.String(20), nullable=False)
    doctor_id = sa.Column(sa.ForeignKey("doctor.id", name="fk_visit_doctor"))
"""


def test_a_pair_of_revisions(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """What can be done beside the running code is in the first one, and what breaks it is in the second one."""
    made = project(BEFORE, url=database_url)
    flask_db(made, "init")
    flask_db(made, "migrate", "--rev-id", "a1")
    flask_db(made, "upgrade")
    made.execute("INSERT INTO doctor (id, name) VALUES (1, 'x')")
    for number in range(1, 6):
        made.execute(f"INSERT INTO visit (id, fee, size, doctor_id) VALUES ({number}, {number * 10}, {number}, 1)")
    before = sa.inspect(made.engine()).get_columns("visit")
    made.write_models(AFTER)
    answers = ["--rename", "visit.fee:price", "--rename", "visit.code:label", "--fill", "visit.word=sql:'w' || id"]
    if "mysql" in database_url:
        answers[-1] = "visit.word=sql:concat('w', id)"
    written = flask_db(made, "migrate", "--online", "--rev-id", "b2", "-m", "change visits", *answers, "--verify")
    texts = [path.read_text("utf-8") for path in made.revision_files()]
    first, second = [text for text in texts if 'revision: str = "a1"' not in text]
    assert 'op.expand_column("visit", "fee", sa.Column("price"' in first
    assert "op.create_index_online(" in first and "op.create_foreign_key_online(" in first
    assert 'op.set_not_null_online("doctor", "name"' in first
    assert 'op.create_check_constraint_online("has_doctor", "visit", ' in first
    assert first.count("@backfill") == 4
    assert "op.contract_column(" in second and "rename=True" in second
    assert 'op.set_not_null_online("visit", "word"' in second
    assert "in place" not in written.output
    flask_db(made, "upgrade")
    flask_db(made, "check")
    found = made.execute("SELECT price, size, paid, word FROM visit ORDER BY id")
    assert [(row[0], row[1], bool(row[2]), row[3]) for row in found][:2] == [
        (10, "1", False, "w1"), (20, "2", False, "w2")
    ]  # fmt: skip
    flask_db(made, "downgrade", "a1")
    after = sa.inspect(made.engine()).get_columns("visit")
    assert {item["name"] for item in after} == {item["name"] for item in before}
    assert made.execute("SELECT fee, size FROM visit WHERE id = 2") == [(20, 2)]


KEYS_BEFORE = """
class Doctor(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)

class Visit(db.Model):
    __table_args__ = (
        sa.UniqueConstraint("number", "code", name="uq_visit_both"),
        sa.Index("ix_both", "number", "code"),
    )
    id = sa.Column(sa.Integer, primary_key=True)
    code = sa.Column(sa.String(9), index=True, nullable=False)
    number = sa.Column(sa.Integer)
    size = sa.Column(sa.Integer, index=True)
    doctor_id = sa.Column(sa.ForeignKey("doctor.id", name="fk_visit_doctor"))
"""
KEYS_AFTER = (
    KEYS_BEFORE.replace("    code =", "    label =")
    .replace('"code"', '"label"')
    .replace("    doctor_id =", "    doc_id =")
    .replace("size = sa.Column(sa.Integer", "size = sa.Column(sa.String(20)")
    .replace("    __table_args__ = (", '    __table_args__ = (\n        sa.UniqueConstraint("size", name="uq_size"),')
)


def test_columns_in_keys(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """The new column has the same indexes, unique constraints and foreign keys, and in the end the same names."""
    made = project(KEYS_BEFORE, url=database_url)
    flask_db(made, "init")
    flask_db(made, "migrate", "--rev-id", "a1")
    flask_db(made, "upgrade")
    made.execute("INSERT INTO doctor (id) VALUES (1)")
    for number in range(1, 4):
        values = f"({number}, 'c{number}', {number}, {number}, 1)"
        made.execute(f"INSERT INTO visit (id, code, number, size, doctor_id) VALUES {values}")
    before = keys_of(made)
    made.write_models(KEYS_AFTER)
    answers = ["--rename", "visit.code:label", "--rename", "visit.doctor_id:doc_id"]
    written = flask_db(made, "migrate", "--online", "--rev-id", "b2", *answers)
    assert "in place" not in written.output
    flask_db(made, "upgrade", "b2")
    for columns in ("id, code, number", "id, label, number"):
        with pytest.raises(sa.exc.IntegrityError):
            made.execute(f"INSERT INTO visit ({columns}) VALUES (10, 'c1', 1)")
    flask_db(made, "upgrade")
    flask_db(made, "check")
    assert made.execute("SELECT label, size, doc_id FROM visit WHERE id = 2") == [("c2", "2", 1)]
    names = {"ix_visit_code": "ix_visit_label"}
    renamed = {"code": "label", "doctor_id": "doc_id"}
    wanted = {(names.get(n, n), tuple(renamed.get(c, c) for c in key)) for n, key in before}
    assert keys_of(made) == wanted | {("uq_size", ("size",))}
    flask_db(made, "downgrade", "a1")
    assert keys_of(made) == before
    assert made.execute("SELECT code, size, doctor_id FROM visit WHERE id = 2") == [("c2", 2, 1)]


def keys_of(made: Project) -> set[tuple[str, tuple[str, ...]]]:
    """The indexes, unique constraints and foreign keys of the table, with their columns."""
    inspector = sa.inspect(made.engine())
    found: list[t.Any] = [*inspector.get_indexes("visit"), *inspector.get_unique_constraints("visit")]
    keys = {(item["name"], tuple(item["column_names"])) for item in found}
    return keys | {(str(key["name"]), tuple(key["constrained_columns"])) for key in inspector.get_foreign_keys("visit")}


IN_PLACE = """
class Doctor(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    email = sa.Column(sa.String(20), unique=True)

class Visit(db.Model):
    __table_args__ = (
        sa.CheckConstraint("stars > 0", name="positive"),
        sa.Index("ix_both", "first", "second"),
        sa.Index("ix_some", "room", postgresql_where=sa.text("room <> 'x'")),
    )
    number = sa.Column(sa.Integer, primary_key=True)
    stars = sa.Column(sa.Integer)
    first = sa.Column(sa.Integer)
    second = sa.Column(sa.Integer)
    room = sa.Column(sa.String(20))
    doctor_id = sa.Column(sa.ForeignKey("doctor.id", name="fk_doctor"))
    email = sa.Column(sa.ForeignKey("doctor.email", name="fk_email"))
"""


def test_columns_that_change_in_place(project: MakeProject, flask_db: FlaskDb, postgres_url: str) -> None:
    """What keeps a column from being doubled is named, and the revision works nevertheless."""
    made = project(IN_PLACE, url=postgres_url)
    flask_db(made, "init")
    flask_db(made, "migrate")
    flask_db(made, "upgrade")
    made.execute("INSERT INTO visit (number, stars) VALUES (1, 1)")
    text = IN_PLACE.replace("doctor.email", "doctor.mail")
    text = text.replace("    email = sa.Column(sa.S", "    mail = sa.Column(sa.S")
    text = text.replace("doctor_id = sa.Column(sa", "doctor_id = sa.Column(sa.BigInteger, sa")
    for name in ("number", "stars", "first", "second", "room"):
        text = text.replace(f"    {name} =", f"    {name}_2 =").replace(f'"{name}"', f'"{name}_2"')
    made.write_models(text.replace("stars > 0", "stars_2 > 0").replace("room <>", "room_2 <>"))
    names = ["visit.number", "visit.stars", "visit.first", "visit.second", "visit.room"]
    answers = [f"{name}:{name.partition('.')[2]}_2" for name in names] + ["doctor.email:mail"]
    said = flask_db(made, "migrate", "--online", *(part for answer in answers for part in ("--rename", answer))).output
    for sentence in (
        "visit.number is renamed in place: the primary key contains it.",
        "visit.stars is renamed in place: check positive contains it.",
        "visit.first is renamed in place: index ix_both contains it and second_2, which changes, too.",
        "visit.room is renamed in place: index ix_some contains it.",
        "visit.doctor_id changes its type in place: foreign key fk_doctor contains it.",
        "doctor.email is renamed in place: foreign key fk_email of visit refers to it.",
    ):
        assert sentence in said
    flask_db(made, "upgrade")
    flask_db(made, "check")


def test_not_with_update(project: MakeProject, flask_db: FlaskDb) -> None:
    """One revision can't be regenerated as two."""
    made = project(BEFORE)
    flask_db(made, "init")
    said = flask_db(made, "migrate", "--online", "--update", status=2)
    assert "--online can't be used with --update" in said.output


def test_a_new_table_is_as_ever(project: MakeProject, flask_db: FlaskDb) -> None:
    """Nobody uses a table that doesn't exist yet, so one revision is enough."""
    made = project(BEFORE)
    flask_db(made, "init")
    flask_db(made, "migrate", "--online")
    (path,) = made.revision_files()
    assert "online" not in path.read_text() and "op.create_table(" in path.read_text()


def test_lint_of_the_pair(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """Lint finds nothing in the first revision, and the second one says why what it finds is meant."""
    made = project(BEFORE, url=database_url)
    flask_db(made, "init")
    flask_db(made, "migrate", "--rev-id", "a1")
    flask_db(made, "upgrade")
    made.execute("INSERT INTO visit (id, fee) VALUES (1, 1)")
    made.write_models(BEFORE.replace("    fee =", "    price ="))
    flask_db(made, "migrate", "--online", "--rename", "visit.fee:price", "--rev-id", "b2")
    said = flask_db(made, "lint").output
    assert "b2 expand column visit.fee to price: no problem, safe" in said
    assert "allowed" in said and " error " not in said


def test_binds(project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase) -> None:
    """Each database gets its own pair; a backfill names the bind that has its table."""
    binds = {"archive": make_database("mariadb")}
    made = project(BEFORE + OLD_ROOM, url=make_database("postgresql"), binds=binds)
    flask_db(made, "init", "--multidb")
    flask_db(made, "migrate", "--rev-id", "a1")
    flask_db(made, "upgrade")
    made.execute("INSERT INTO visit (id, fee) VALUES (1, 7)")
    made.execute("INSERT INTO room (id, beds, kind) VALUES (1, 3, 'x')", bind="archive")
    made.write_models(BEFORE.replace("    fee =", "    price =") + OLD_ROOM.replace("beds", "places"))
    answers = ["--rename", "visit.fee:price", "--rename", "room.beds:places"]
    flask_db(made, "migrate", "--online", "--rev-id", "b2", *answers)
    first = next(path.read_text("utf-8") for path in made.revision_files() if "_b2" in path.name)
    assert first.count("@backfill") == 2 and first.count("bind='archive'") + first.count('bind="archive"') == 1
    flask_db(made, "upgrade")
    flask_db(made, "check")
    assert made.execute("SELECT price FROM visit") == [(7,)]
    assert made.execute("SELECT places, kind FROM room", bind="archive") == [(3, "x")]
    flask_db(made, "downgrade", "a1")
    assert made.execute("SELECT fee FROM visit") == [(7,)]
    assert made.execute("SELECT beds FROM room", bind="archive") == [(3,)]


OLD_ROOM = """
class Room(db.Model):
    __bind_key__ = "archive"
    id = sa.Column(sa.Integer, primary_key=True)
    beds = sa.Column(sa.Integer, nullable=False)
    kind = sa.Column(sa.String(9), index=True)
"""
