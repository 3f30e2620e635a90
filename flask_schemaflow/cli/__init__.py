"""The ``flask db`` command group: options, one error boundary, and what people read.

A command parses, calls one function of :mod:`flask_schemaflow.commands`, and shows its record. The package itself is
empty, because every command of ``flask`` imports it for :mod:`.plugin`.
"""
