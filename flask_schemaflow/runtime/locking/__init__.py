"""One process at a time migrates a database; the others wait, and say for whom."""
