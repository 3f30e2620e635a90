"""Passes over enums: PostgreSQL's types, MariaDB's and MySQL's columns, VARCHARs with a CHECK anywhere.

They share how a change of values is understood (:mod:`.values`): a value that goes was renamed, or is removed, and
rows that have a removed one need another.
"""
