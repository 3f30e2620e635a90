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

    def __init_subclass__(cls) -> None:
        own = cls.__dict__.get("__annotations__") or cls.__annotations__
        cls.__match_args__ = tuple(own)  # type: ignore[misc]  # which is about dataclasses

    def __init__(self, *values: t.Any, **named: t.Any) -> None:
        names = self.__match_args__
        given = dict(zip(names, values, strict=False)) | named
        if len(given) == len(names) == len(values) + len(named) and given.keys() == set(names):
            vars(self).update({name: given[name] for name in names})
            return
        if len(values) > len(names) or len(given) < len(values) + len(named) or not given.keys() <= set(names):
            raise TypeError(f"{type(self).__name__} takes {', '.join(names)}, each once")
        for name in names:
            if name not in given and not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} needs {name}")
            vars(self)[name] = given[name] if name in given else getattr(type(self), name)

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
