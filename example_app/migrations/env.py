"""Runs the migrations of the current Flask application, for every database that it has.

What is passed to run_env() goes to Alembic's context.configure() and wins over Migrate(...).
"""

from flask_schemaflow import run_env

run_env()
