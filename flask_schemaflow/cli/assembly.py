"""The command group with all of its commands."""

from __future__ import annotations

from .examining import register as _examining
from .group import db
from .reading import register as _reading
from .repository import register as _repository
from .running import register as _running
from .writing import register as _writing

for _register in (_repository, _writing, _running, _reading, _examining):
    _register(db)

__all__ = ["db"]
