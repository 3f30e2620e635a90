"""The base of what commands return.

A record is used like a frozen dataclass and costs nothing to define: the standard library's decorator writes and
compiles each method of each class, which took more time than all the rest of a light answer.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    RecordT = t.TypeVar("RecordT", bound="Record")
else:

    def dataclass_transform(**options: t.Any) -> t.Callable[[type], type]:
        """What type checkers are told about :class:`Record`."""
        return lambda cls: cls


@dataclass_transform(frozen_default=True)
class Record:
    """Plain values under names: made by position or by name, compared by value, never changed."""

    __match_args__: t.ClassVar[tuple[str, ...]] = ()
    """The names, in their order."""
    _known: t.ClassVar[tuple[dict[str, t.Any], frozenset[str]]]

    def __init_subclass__(cls) -> None:
        own = cls.__dict__.get("__annotations__") or cls.__annotations__
        cls.__match_args__ = tuple(own)  # type: ignore[misc]  # which is about dataclasses

    def __init__(self, *values: t.Any, **named: t.Any) -> None:
        names = self.__match_args__
        given = dict(zip(names, values, strict=False)) | named if values else named
        defaults, needed = self._form()
        found = defaults | given  # in the order of the names
        if len(found) > len(names) or len(given) < len(values) + len(named):
            raise TypeError(f"{type(self).__name__} takes {', '.join(names)}, each once")
        if not needed <= given.keys():
            raise TypeError(f"{type(self).__name__} needs {', '.join(sorted(needed - given.keys()))}")
        self.__dict__.update(found)

    @classmethod
    def _form(cls) -> tuple[dict[str, t.Any], frozenset[str]]:
        """What the values are where none are given, and which must be."""
        if "_known" not in cls.__dict__:
            needed = frozenset(name for name in cls.__match_args__ if not hasattr(cls, name))
            cls._known = {name: getattr(cls, name, None) for name in cls.__match_args__}, needed
        return cls._known

    def __setattr__(self, name: str, value: t.Any) -> None:
        raise AttributeError(f"{name!r} of a record can't be set; changed({name}=...) gives another one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name!r} of a record can't be deleted")

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({values})"

    def changed(self: RecordT, **values: t.Any) -> RecordT:
        """A record with other values under these names."""
        return type(self)(**{**vars(self), **values})

    def as_dict(self) -> dict[str, t.Any]:
        """The values by name, with those of the records inside; ready for JSON but for dates."""
        return {name: _plain(value) for name, value in vars(self).items()}


def _plain(value: t.Any) -> t.Any:
    if isinstance(value, Record):
        return value.as_dict()
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
