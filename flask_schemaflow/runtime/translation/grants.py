"""The statement that gives a privilege which was missing, as far as the database's words tell which."""

from __future__ import annotations

import re

# The words of PostgreSQL, MySQL and MariaDB, which come in English unless the server was told otherwise.
_POSTGRESQL = (
    (r"permission denied for schema (\S+)", 'GRANT USAGE, CREATE ON SCHEMA {0} TO "{user}"'),
    (r"must be owner of (?:table|relation) (\S+)", 'ALTER TABLE {0} OWNER TO "{user}"'),
    (r"must be owner of (type|view|sequence|function|schema) (\S+)", 'ALTER {0} {1} OWNER TO "{user}"'),
    (r"permission denied for (?:table|relation) (\S+)", 'GRANT ALL ON {0} TO "{user}"'),
    (r"permission denied for sequence (\S+)", 'GRANT ALL ON SEQUENCE {0} TO "{user}"'),
)
_MYSQL = (
    (r"command denied to user '([^']*)'@'([^']*)' for table", "GRANT ALL ON `{database}`.* TO '{0}'@'{1}'"),
    (r"Access denied for user '([^']*)'@'([^']*)' to database '([^']*)'", "GRANT ALL ON `{2}`.* TO '{0}'@'{1}'"),
)


def statement_that_allows(words: str, user: str, database: str) -> str:
    """SQL for the owner to run; empty where the words don't tell what is missing."""
    for pattern, statement in (*_POSTGRESQL, *_MYSQL):
        found = re.search(pattern, words)
        if found is not None and (user or "{user}" not in statement):
            return statement.format(*found.groups(), user=user, database=database)
    return ""
