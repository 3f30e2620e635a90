"""Runs the migrations of the current Flask application, for every database that it has.

Arguments of run_env() are passed to context.configure() and override Migrate(...).
"""

from flask_schemaflow import run_env

run_env()
