"""What ``flask db migrate`` writes: changes between database and models, understood instead of copied."""

from __future__ import annotations
