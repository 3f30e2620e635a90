"""Proves a new revision on a scratch copy of the schema, without rows, before it is kept.

:mod:`.proof` is the whole of it in one page; the rest makes scratch databases and compares schemas.
"""

from __future__ import annotations
