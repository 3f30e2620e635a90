"""Repositories and env.py files made by others."""
