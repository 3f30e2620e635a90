"""Work on a history as a whole: begin it with an existing database, move, join and squash its revisions, find drift.

All of it is tried on scratch databases before a file is kept. Nothing here prints or asks.
"""
