"""The base of records, and durations as people say them."""

from __future__ import annotations

import dataclasses
import typing as t

RecordT = t.TypeVar("RecordT", bound="Record")


@dataclasses.dataclass(frozen=True)
class Record:
    """The base of records: frozen dataclasses of plain values."""

    def changed(self: RecordT, **values: t.Any) -> RecordT:
        """Return a copy with these values replaced."""
        return dataclasses.replace(self, **values)

    def as_dict(self) -> dict[str, t.Any]:
        """Return the values by name, including those of inner records; ready for JSON except for dates."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}


def _plain(value: t.Any) -> t.Any:
    if isinstance(value, Record):
        return value.as_dict()
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def duration(seconds: float) -> str:
    """Return a time as people say it: ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
