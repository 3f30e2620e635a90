"""Records that commands return: what they wrote, applied or found.

They hold plain values, so that they can be printed, compared in a test or turned into JSON without a database.
"""

from __future__ import annotations

from .base import duration
from .base import Record
from .results import DataStep
from .results import Difference
from .results import Drift
from .results import Drifted
from .results import Finding
from .results import Renewal
from .results import Template
from .results import Written
from .runs import Backup
from .runs import Event
from .runs import Loss
from .runs import Notify
from .runs import Report
from .runs import silent
from .runs import Step
from .status import AppliedRevision
from .status import Current
from .status import LogEntry
from .status import Moved
from .status import Revision
from .status import Standing

__all__ = [
    "AppliedRevision",
    "Backup",
    "Current",
    "DataStep",
    "Difference",
    "Drift",
    "Drifted",
    "duration",
    "Event",
    "Finding",
    "LogEntry",
    "Loss",
    "Moved",
    "Notify",
    "Record",
    "Renewal",
    "Report",
    "Revision",
    "silent",
    "Standing",
    "Step",
    "Template",
    "Written",
]
