"""Tenants: commands on many schemas or databases that have the same tables, a few or ten thousand.

The work on one tenant is :func:`.work.migrate_tenant`; :mod:`.fleet` hands it to an executor of
:mod:`concurrent.futures` for each tenant, and makes a report of the results.
"""
