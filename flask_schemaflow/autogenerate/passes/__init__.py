"""Passes over the directives of autogenerate, one file a concern."""
