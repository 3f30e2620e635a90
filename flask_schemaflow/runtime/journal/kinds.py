"""The databases that the journal knows, by the name of their dialect."""

from __future__ import annotations

from .mysql import MySQL
from .postgresql import PostgreSQL
from .servers import Server

SERVERS: dict[str, type[Server]] = {"postgresql": PostgreSQL, "mysql": MySQL, "mariadb": MySQL}
