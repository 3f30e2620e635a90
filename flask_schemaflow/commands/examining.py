"""What is wrong, and what would be better, with everything that migrations rest on."""

from __future__ import annotations

import typing as t

from ..examination import examine
from ..examination import renewing
from ..examination.subject import Subject
from ..extension import Directory
from ..extension import XArg
from ..records import Finding
from ..records import Renewal
from ..records import Written


def doctor(directory: Directory | None = None, *, x_arg: XArg = None) -> list[Finding]:
    """Look at the application, its migrations folder and its databases; changes nothing.

    :param directory: another folder than the registered one.
    :param x_arg: handed to env.py.
    :returns: what was found: errors, warnings and notes, each with its next step. What is broken is a finding too.
    """
    return examine(directory, x_arg)


def renewals(directory: Directory | None = None) -> list[Renewal]:
    """Files of the migrations folder that the packaged ones could replace; changes nothing.

    :param directory: another folder than the registered one.
    :returns: each with the difference and with what in it is the project's own; empty when all are up to date.
    :raises FolderError: when there is no migrations folder.
    """
    return renewing.renewals(Subject(directory))


def renew(wanted: t.Sequence[Renewal]) -> Written:
    """Replace the files, and keep a copy of each beside it.

    :param wanted: of what :func:`renewals` returned.
    :returns: the files that were written, with a notice for each copy.
    :raises FolderNotWritable: names the file that can't be replaced.
    """
    done = renewing.renew(wanted)
    return Written(
        paths=tuple(path for path, _ in done),
        notices=tuple(f"Kept a copy of what it was: {copy}" for _, copy in done if copy),
        difference="".join(found.difference for found in wanted),
    )
