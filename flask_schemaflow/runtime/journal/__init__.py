"""The journal: an interrupted revision is finished by one plain re-run, each statement once.

MariaDB and MySQL commit at every DDL statement, and so does PostgreSQL inside an ``autocommit_block()``. What was
committed can't be rolled back; so it is written down, and a re-run starts where the last commit was.
The parts:

``guard``       meets the statements of the migrated connection
``past``        what an interrupted run did, consumed again statement by statement
``statements``  what a statement is: a read, a write, the end of a transaction
``entries``     a statement and its result as JSON
``cursors``     hands a recorded result to whoever executed the statement
``table``       the rows in the database
``mysql``, ``postgresql``  what differs: when a statement commits, and how its outcome is told afterwards
``standing``    an interrupted revision in one sentence

Only points of commitment are written, each with the statements and results since the one before. On MariaDB a
row is written right before a DDL statement, in the open transaction: the statement's own implicit
commit commits the row together with the data changes before it, so these count as done exactly
when they are. Whether the statement itself came through is told by comparing the definitions
it changes with what they were. Recording results as durable execution engines do (Temporal, DBOS) is what lets
the code above the point run again: it reads what it read then, and decides as it decided then.
"""
