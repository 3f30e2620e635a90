"""Permissions that hold for the superuser too, under whom tests in containers run."""

from __future__ import annotations

import contextlib
import ctypes
import os
import typing as t

_VERSION = 0x20080522  # of Linux' capset(), version 3
_IGNORES_PERMISSIONS = (1 << 1) | (1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@contextlib.contextmanager
def like_anybody() -> t.Iterator[None]:
    """Within the block, this thread may read and write what the permissions of files allow, and no more."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, kept = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    _checked(libc.capget(header, kept))
    fewer = (ctypes.c_uint32 * 6)(*kept)
    fewer[0] &= ~_IGNORES_PERMISSIONS  # the effective set; the permitted one is kept, to come back
    _checked(libc.capset(header, fewer))
    try:
        yield
    finally:
        _checked(libc.capset(header, kept))


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "the capabilities of this thread can't be changed")
