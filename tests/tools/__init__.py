"""Tools that help with the package and are no tests; each runs as ``python -m tests.tools.NAME``."""
