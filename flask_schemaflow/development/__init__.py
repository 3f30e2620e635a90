"""Pending migrations while an application is developed: a line at ``flask run``, a page, and help with errors.

:mod:`flask_schemaflow.hooks` imports these modules on first use, which never happens outside of development.
"""
