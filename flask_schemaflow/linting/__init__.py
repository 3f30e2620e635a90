"""Measure what revisions do before they are applied: lint and plan.

A revision runs on a scratch copy of the schema, without rows, and each of its statements is observed: the locks it
takes, whether the server reads or writes every row for it, and what of the schema it changes. Nothing here prints,
and the application's own database is only read.

The way of a revision through the package:

1. :func:`.lint.lint_databases` chooses the revisions of each database and makes the copy (that of ``migrate
   --verify``, or an empty database on which the history runs from the beginning).
2. :class:`.measure.Measurement` runs one revision: ``run()`` returns the :class:`.observation.Observation` of each
   statement, made by the recorder of the kind of database (:mod:`.recorders`), and what of the running code fails
   afterwards (:mod:`.running_code`).
3. ``Measurement.check()`` applies the rules (:mod:`.rules`), each a function from observations to findings, and takes
   the comments that allow one into account (:mod:`.source`).

What comes out are the records of :mod:`.records`: a ``LintReport`` for each database, in it a ``CheckedRevision`` for
each revision with its ``Transaction`` and ``Statement`` records (locks and work by table), its ``Finding`` records,
the ``verdict``, and the ``order`` in which code and schema are to be deployed. ``plan`` is another view of the same
records.

Sizes of tables and estimates of time are in :mod:`.sizes`; the queries of ``--data`` in :mod:`.data_checks`.
"""
