"""``python -m example_app``: the lesson, on the database that the application is configured for."""

from __future__ import annotations

import sys

from .lesson import main

sys.exit(main())
