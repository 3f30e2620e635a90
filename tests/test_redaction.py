"""URLs and foreign texts without passwords, and ordinary texts as they were."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from flask_schemaflow.redaction import masker
from flask_schemaflow.redaction import safe_url
from flask_schemaflow.redaction import scrub

# A piece that stands in no other part of a URL, between characters that mean something in one.
CANARY = "Zq7Xv"
AROUND = st.text(st.sampled_from("@:/?#%&;='\" +[]$\\ünï中a0"), max_size=6)
PASSWORDS = st.builds("{}{}{}{}{}".format, AROUND, st.just(CANARY), AROUND, st.just(CANARY), AROUND)
BARE = st.builds("{0}{2}{1}{2}{0}".format, *[st.text(st.sampled_from("@:/#%ab0'"), max_size=4)] * 2, st.just(CANARY))
DRIVERS = st.sampled_from(["postgresql+psycopg", "mysql+pymysql", "mssql+pyodbc", "sqlite"])
NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)


@example("postgresql+psycopg", "shop", "0/Zq7Xv?a=", None, None)
@given(DRIVERS, NAMES, PASSWORDS, st.none() | NAMES, st.none() | NAMES)
def test_no_url_object_shows_its_password(
    driver: str, user: str, password: str, host: str | None, database: str | None
) -> None:
    """Whatever is in it, and also as the text of the URL."""
    url = sa.URL.create(driver, user, password, host, None, database, {"connect_timeout": "5"})
    for shown in (safe_url(url), safe_url(url.render_as_string(hide_password=False))):
        assert CANARY not in shown
        assert shown.startswith(f"{driver}://")
    assert "connect_timeout=5" in safe_url(url)


@given(DRIVERS, NAMES, BARE)
def test_no_url_with_a_bare_password_shows_it(driver: str, user: str, password: str) -> None:
    """Neither as a text, nor as what SQLAlchemy takes it for."""
    text = f"{driver}://{user}:{password}@db.example:5432/shop"
    assert CANARY not in safe_url(text)
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        return
    assert CANARY not in safe_url(url)
    hide = masker([text])
    assert CANARY not in hide(f"failed to resolve host '{url.host}': Name or service not known")


@given(st.sampled_from(["password", "passwd", "sslpassword", "auth_token", "api_key", "pasword", "PWD"]), PASSWORDS)
def test_no_query_shows_a_secret(name: str, password: str) -> None:
    """The other options stay."""
    url = sa.URL.create("postgresql+psycopg", host="db.example", query={name: password, "sslmode": "require"})
    assert CANARY not in safe_url(url)
    assert "sslmode=require" in safe_url(url)


@given(st.text(st.characters(exclude_characters="=:@/'\"$(;&?")))
def test_ordinary_text_is_left_alone(text: str) -> None:
    """Where there is nothing that a secret could be given with."""
    assert scrub(text) == text
    assert masker([])(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Access denied for user 'shop'@'127.0.0.1' (using password: YES)",
        'password authentication failed for user "shop"',
        "The column users.password is NOT NULL and has no default.",
        'op.add_column("users", sa.Column("password_hash", sa.String(length=60), nullable=True))',
        "password_hash = sa.Column(sa.String(60))",
        "password: Mapped[str] = mapped_column()",
        "see https://docs.sqlalchemy.org/en/20/core/engines.html#escaping, or write to me@example.com",
        "sqlite:////srv/a@b/shop.db",
        "postgresql+psycopg://shop@db.example:5432/shop?connect_timeout=3",
        "postgresql+psycopg://db.example:5432/shop?user=shop@server",
        "10:30 shop@db.example",
        "render_as_string(hide_password=False)",
        "DefaultCredentialsError: Your default credentials were not found.",
        "Invalid token: unexpected end of file",
        "Could not load credentials: no such file",
    ],
)
def test_what_only_speaks_of_passwords_stays(text: str) -> None:
    """So that messages can be read."""
    assert scrub(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("host=db.example password=Zq7Xv user=shop", "host=db.example password=*** user=shop"),
        ("host=db.example password='Zq7 \\' Xv' user=shop", "host=db.example password=*** user=shop"),
        ("connect(password='Zq7Xv', user='shop')", "connect(password=***, user='shop')"),
        ("{'user': 'shop', 'password': 'Zq7Xv'}", "{'user': 'shop', 'password': ***}"),
        ('{"password": "Zq7Xv"}', '{"password": ***}'),
        ('PASSWORD: str = "Zq7Xv"', "PASSWORD: str = ***"),
        ("user: shop password: hunter host: db", "user: shop password: *** host: db"),
        ("the password: hunter", "the password: ***"),
        ("DB_PASS = 'Zq7Xv'", "DB_PASS = ***"),
        ("ALTER ROLE shop WITH PASSWORD 'Zq7Xv' LOGIN", "ALTER ROLE shop WITH PASSWORD '***' LOGIN"),
        ("ALTER ROLE shop PASSWORD E'Zq7\\'Xv'", "ALTER ROLE shop PASSWORD E'***'"),
        ("ALTER ROLE shop PASSWORD $x$Zq7'Xv$x$ LOGIN", "ALTER ROLE shop PASSWORD '***' LOGIN"),
        ("CREATE USER shop IDENTIFIED BY 'Zq7Xv'", "CREATE USER shop IDENTIFIED BY '***'"),
        ('CREATE USER shop IDENTIFIED BY "Zq7Xv"', "CREATE USER shop IDENTIFIED BY '***'"),
        ("IDENTIFIED VIA mysql_native_password USING 'Zq7Xv'", "IDENTIFIED VIA mysql_native_password USING '***'"),
        ("SET PASSWORD FOR shop = PASSWORD('Zq7Xv')", "SET PASSWORD FOR shop = PASSWORD('***')"),
        ("OPTIONS (user 'shop', password 'Zq7Xv')", "OPTIONS (user 'shop', password '***')"),
        ("PASSWORD 'Zq7Xv cut of", "PASSWORD '***'"),
        ("mssql://?odbc_connect=UID%3Dshop%3BPWD%3DZq7Xv&x=1", "mssql://?odbc_connect=***&x=1"),
        ("at redis://:Zq7Xv@cache/0, refused", "at redis://:***@cache/0, refused"),
        ("postgresql://shop@server:Zq7Xv@db.example/shop", "postgresql://shop@server:***@db.example/shop"),
        ("postgresql://shop:Zq7/X@v@db.example/shop", "postgresql://shop:***@db.example/shop"),
    ],
)
def test_what_gives_a_password_is_masked(text: str, shown: str) -> None:
    """In the forms that drivers, SQL and Python have for it."""
    assert scrub(text) == shown


@pytest.mark.parametrize(
    ("url", "text", "shown"),
    [
        ("postgresql://shop:Zq7Xv@h/d", "the value Zq7Xv is wrong", "the value *** is wrong"),
        ("postgresql://shop:Zq7%40Xv@h/d", "no host Zq7@Xv, no Zq7%40Xv", "no host ***, no ***"),
        ("postgresql://shop:upgrade@h/d", "flask db upgrade", "flask db upgrade"),
        ("postgresql://shop:db-int3rnal@db-int3rnal.example/d", "on db-int3rnal.example", "on db-int3rnal.example"),
        ("postgresql://shop:Shop2024@h/shop2024", "the database shop2024", "the database shop2024"),
        ("postgresql://shop:Zq7@Xv@h/d", "no host 'Xv@h', port 1", "no host '***@h', port 1"),
        ("postgresql://h/d?user=shop&sslpassword=Zq7Xv", "'Zq7Xv'", "'***'"),
        ("postgresql:/shop:Zq7Xv@h/d", "string 'postgresql:/shop:Zq7Xv@h/d'", "string 'postgresql:/shop:***@h/d'"),
        ("shop:Zq7Xv@h/d", "string 'shop:Zq7Xv@h/d'", "string 'shop:***@h/d'"),
    ],
)
def test_what_is_known_is_found_anywhere(url: str, text: str, shown: str) -> None:
    """Unless masking would tell what it hides: common words, and what the URL shows anyway."""
    assert masker([url])(text) == shown
    if "://" in url and url.count("@") < 2:
        assert masker([sa.make_url(url)])(text) == shown


@pytest.mark.parametrize("text", ["a" * 50_000, "://" * 20_000, "x:" * 30_000, "password" * 8_000, "'" * 50_000])
def test_long_texts_take_no_time(text: str) -> None:
    """No pattern goes over the same text again and again."""
    import time

    begun = time.process_time()
    scrub(text)
    safe_url(f"postgresql://{text}@h")
    assert time.process_time() - begun < 2


def test_urls_that_are_none() -> None:
    """A setting may hold anything."""
    values: list[t.Any] = [None, 7, "", b"postgresql://shop:Zq7Xv@h/d"]
    assert [CANARY in safe_url(value) for value in values] == [False] * 4
