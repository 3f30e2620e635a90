"""Revisions that show when a statement ran twice or not at all."""

from __future__ import annotations

from ....support.application import Project

MIXED = """
bind = op.get_bind()
book = op.create_table(
    "book",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String(80), nullable=False),
    sa.Column("stock", sa.Integer, nullable=False, server_default="0"),
    sa.Column("author_name", sa.String(40)),
)
rows = [{"id": n + 1, "title": f"book {n}", "stock": n, "author_name": f"author {n % 3}"} for n in range(9)]
op.bulk_insert(book, rows)
op.execute("UPDATE book SET stock = stock + 100")
op.create_index("ix_book_title", "book", ["title"])
author = op.create_table(
    "author", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(40), unique=True)
)
names = bind.execute(sa.select(book.c.author_name).distinct().order_by(book.c.author_name)).scalars().all()
ids = {}
for name in names:
    ids[name] = bind.execute(sa.insert(author).values(name=name)).inserted_primary_key[0]
with op.batch_alter_table("book") as batch:
    batch.add_column(sa.Column("author_id", sa.Integer))
book = sa.table("book", *(sa.column(name) for name in ("id", "title", "stock", "author_name", "author_id")))
for number, name in bind.execute(sa.select(book.c.id, book.c.author_name).order_by(book.c.id)).all():
    bind.execute(book.update().where(book.c.id == number).values(author_id=ids[name], stock=book.c.stock * 2))
if not sa.inspect(bind).has_table("sale"):
    op.create_table("sale", sa.Column("id", sa.Integer, primary_key=True), sa.Column("book_id", sa.Integer))
with op.batch_alter_table("book") as batch:
    batch.drop_column("author_name")
op.execute("INSERT INTO sale (book_id) SELECT id FROM book WHERE stock > 210")
op.execute("UPDATE book SET stock = stock - 1")
op.rename_table("sale", "purchase")
with op.batch_alter_table("book") as batch:
    batch.alter_column("title", new_column_name="name", existing_type=sa.String(80), existing_nullable=False)
total = bind.execute(sa.text("SELECT count(*) FROM purchase")).scalar()
op.create_table(f"summary_{total}", sa.Column("id", sa.Integer, primary_key=True), sa.Column("total", sa.Integer))
op.execute(f"INSERT INTO summary_{total} (total) VALUES ({total})")
op.create_index("ix_purchase_book", "purchase", ["book_id"])
op.execute("INSERT INTO purchase (id, book_id) VALUES (30, 1)")
"""

BACK = """
op.execute("UPDATE book SET stock = stock + 1")
op.drop_index("ix_purchase_book", table_name="purchase")
op.execute("UPDATE book SET stock = stock * 3")
total = op.get_bind().execute(sa.text("SELECT max(id) FROM purchase")).scalar()
op.execute(f"UPDATE book SET stock = stock + {total}")
op.create_table("undone", sa.Column("id", sa.Integer, primary_key=True), sa.Column("total", sa.Integer))
op.execute(f"INSERT INTO undone (total) VALUES ({total})")
op.drop_table("purchase")
op.execute("INSERT INTO undone (total) SELECT sum(stock) FROM book")
"""

CONCURRENT = """
bind = op.get_bind()
op.create_table(
    "big", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer), sa.Column("kind", sa.String(9))
)
op.execute("INSERT INTO big (id, n) SELECT g, g % 10 FROM generate_series(1, 200) g")
count = bind.execute(sa.text("SELECT count(*) FROM big WHERE kind IS NULL")).scalar()
op.execute(f"UPDATE big SET n = n + {count}")
op.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
with op.get_context().autocommit_block():
    op.execute("ALTER TYPE mood ADD VALUE 'happy'")
    op.create_index("ix_big_n", "big", ["n"], postgresql_concurrently=True)
    while True:
        some = "SELECT id FROM big WHERE kind IS NULL ORDER BY id LIMIT 70"
        done = bind.execute(sa.text(f"UPDATE big SET kind = 'x', n = n + 1 WHERE id IN ({some})"))
        if not done.rowcount:
            break
    op.execute("CREATE INDEX CONCURRENTLY ON big (kind)")
    op.execute("VACUUM big")
mood = sa.Enum("sad", "ok", "happy", name="mood", create_type=False)
op.add_column("big", sa.Column("mood", mood, server_default="happy"))
op.execute("UPDATE big SET n = n * 2")
with op.get_context().autocommit_block():
    op.drop_index("ix_big_n", table_name="big", postgresql_concurrently=True)
    op.execute("INSERT INTO big (id, n) VALUES (1000, 1)")
op.execute("UPDATE big SET n = n + 1")
op.create_index("ix_big_mood", "big", ["mood"])
"""

SECOND = """
op.create_table("note", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String(20)))
op.execute("INSERT INTO note (text) VALUES ('one')")
"""


def write_mixed(project: Project) -> None:
    """Two revisions with schema and data in turn, and the way back."""
    project.write_revision("aaa1", None, MIXED, BACK)
    project.write_revision("aaa2", "aaa1", SECOND, 'op.drop_table("note")')


def write_concurrent(project: Project) -> None:
    """Revisions of which the second commits in between, in autocommit blocks."""
    project.write_revision("bbb1", None, SECOND)
    project.write_revision("bbb2", "bbb1", CONCURRENT)
    project.write_revision("bbb3", "bbb2", "op.execute(\"INSERT INTO note (text) VALUES ('two')\")")


def write_chain(project: Project) -> None:
    """Revisions in a row whose versions may wait for each other, and some at which they may not."""
    chain = (
        'op.create_table("a", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))\n'
        'op.create_index("ix_a_n", "a", ["n"])',
        'op.create_table("b", sa.Column("id", sa.Integer, primary_key=True))',
        'op.execute("INSERT INTO b (id) VALUES (1)")\nop.add_column("b", sa.Column("n", sa.Integer))\n'
        'op.execute("UPDATE b SET n = id + 1")',
        'op.add_column("a", sa.Column("m", sa.Integer))\nop.drop_index("ix_a_n", "a")',
        "pass",
        'op.create_table("c", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))\n'
        'op.create_index("ix_c_n", "c", ["n"])\nop.create_index("ix_c_both", "c", ["id", "n"])\n'
        'op.execute("INSERT INTO c (n) SELECT n FROM b")\nop.drop_index("ix_c_n", "c")',
        'op.execute("UPDATE c SET n = n + 1")',
        'op.rename_table("b", "d")',
        'op.drop_table("a")\nop.execute("UPDATE d SET n = n * 2")',
    )
    for number, body in enumerate(chain, 1):
        project.write_revision(f"ccc{number}", f"ccc{number - 1}" if number > 1 else None, body)


def write_filled(project: Project) -> None:
    """A column whose place another one takes; the way back fills it in four batches, and keeps the table."""
    old, new = 'sa.Column("n", sa.Integer(), nullable=False)', 'sa.Column("m", sa.BigInteger(), nullable=False)'
    table = f'op.create_table("big", sa.Column("id", sa.Integer(), primary_key=True), {old})'
    doubled = '    op.execute(f"INSERT INTO big (id, n) SELECT id + {2**k}, n + {2**k} FROM big")'
    first = f'{table}\nop.execute("INSERT INTO big (id, n) VALUES (1, 1)")\nfor k in range(14):\n{doubled}'
    project.write_revision("ddd1", None, first)
    how = 'forward="n * 2", backward="m / 2"'
    expand = f'op.expand_column("big", "n", {new}, {how})\nop.execute("UPDATE big SET m = n * 2")'
    project.write_revision("ddd2", "ddd1", expand, f'op.undo_expand_column("big", {old}, "m")')
    contract = f'op.contract_column("big", "n", {new})'
    project.write_revision("ddd3", "ddd2", contract, f'op.undo_contract_column("big", {old}, {new}, {how})')
