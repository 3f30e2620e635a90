"""The tests of Flask-SchemaFlow; a package, so that its parts can import ``tests.support``."""
