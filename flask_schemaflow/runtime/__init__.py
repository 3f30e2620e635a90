"""The seam to Alembic: everything that knows how Alembic runs an env.py, and nothing else.

``environment`` starts env.py; ``guards`` and the modules it lists protect the run; ``headers`` and
``index`` answer questions about revision files without Alembic.
"""
