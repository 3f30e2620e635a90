"""The application of the tutorial: a company's employees and departments.

``create_app`` is the application factory; ``flask --app example_app db`` migrates its database, and
``python -m example_app`` runs the tutorial's lesson from end to end.
"""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData

from flask_schemaflow import Migrate

db = SQLAlchemy(metadata=MetaData())
# Inside the package, so that the commands find it from whatever folder they are run in.
migrate = Migrate(directory=Path(__file__).parent / "migrations")


def create_app() -> Flask:
    """Make the application, with SQLite in the instance folder or the database that ``DATABASE_URL`` names."""
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", "sqlite:///company.db")
    db.init_app(app)
    migrate.init_app(app, db)

    from . import models  # noqa: F401  (they register with db)

    return app
