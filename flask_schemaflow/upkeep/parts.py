"""The parts of a schema by their names in words, as snapshots have them."""

from __future__ import annotations

import typing as t


def table_in(part: str) -> str:
    """Return the table of a part: of ``column users.email`` and ``index ix of users``."""
    if part.startswith("column "):
        return part.removeprefix("column ").rpartition(".")[0]
    return part.rpartition(" of ")[2]


def words_of_part(value: t.Any, compared: t.Iterable[t.Any]) -> str:
    """Return what a part is, in few words: its type, or the properties that differ.

    :param compared: the values of that part in all schemas that are compared.
    """
    if value is None:
        return "-"
    if value is True:
        return "yes"
    pairs = _pairs(value)
    if not pairs:
        return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    others = [_pairs(item) for item in compared if item is not None]
    differing = [name for name in pairs if len({item.get(name) for item in others}) > 1]
    if differing:
        return ", ".join(f"{name} {pairs.get(name)}" for name in differing)
    if "type" in pairs:
        return f"{pairs['type']}{'' if pairs.get('nullable') == 'True' else ' NOT NULL'}"
    return "yes"


def _pairs(value: t.Any) -> dict[str, t.Any]:
    is_pairs = isinstance(value, tuple) and value and all(isinstance(item, tuple) and len(item) == 2 for item in value)
    return {str(name): item for name, item in value} if is_pairs else {}
