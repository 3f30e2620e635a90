"""Texts that are nearly right: lines lost, doubled and exchanged, words cut, bytes that no encoding has."""

from __future__ import annotations

import typing as t

from hypothesis import strategies as st

Mutate = t.Callable[[bytes], bytes]

_BYTES = st.binary(min_size=1, max_size=6) | st.sampled_from(
    [
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\r",
        b"\x1a",
        b'"""',
        b"'",
        b"(",
        b")",
        b"%",
        b"${",
        b"[",
        b"]",
        b"=",
        b"\t",
        b"#",
    ]
)


@st.composite
def mutations(draw: st.DrawFn) -> Mutate:
    """A few changes, one after the other, that don't depend on what the text is."""
    steps = draw(
        st.lists(st.tuples(st.sampled_from(_STEPS), st.floats(0, 1), st.floats(0, 1), _BYTES), min_size=1, max_size=3)
    )

    def mutate(text: bytes) -> bytes:
        for step, first, second, extra in steps:
            text = step(text, first, second, extra)
        return text

    return mutate


def _without_line(text: bytes, first: float, second: float, extra: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    at = _at(lines, first)
    return b"".join(lines[:at] + lines[at + 1 :])


def _doubled_line(text: bytes, first: float, second: float, extra: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join([*lines, *lines[_at(lines, first) :][:1]])


def _exchanged_lines(text: bytes, first: float, second: float, extra: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    one, other = _at(lines, first), _at(lines, second)
    if lines:
        lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _cut(text: bytes, first: float, second: float, extra: bytes) -> bytes:
    return text[: int(len(text) * first)]


def _hole(text: bytes, first: float, second: float, extra: bytes) -> bytes:
    at = int(len(text) * first)
    return text[:at] + text[at + int(20 * second) :]


def _inserted(text: bytes, first: float, second: float, extra: bytes) -> bytes:
    at = int(len(text) * first)
    return text[:at] + extra + text[at:]


def _encoded(text: bytes, first: float, second: float, extra: bytes) -> bytes:
    encodings = ("utf-16", "utf-32", "utf-8-sig", "cp037", "utf-16-le")
    return text.decode("utf-8", "replace").encode(encodings[int(first * 4)], "replace")


def _at(lines: t.Sequence[bytes], where: float) -> int:
    return min(int(len(lines) * where), max(0, len(lines) - 1))


_STEPS = (
    _without_line,
    _without_line,
    _doubled_line,
    _exchanged_lines,
    _cut,
    _hole,
    _hole,
    _inserted,
    _inserted,
    _encoded,
)
