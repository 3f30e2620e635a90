"""The tests of ``pytest -m fast``: some of every folder and every database, in less than a minute on two cores.

Chosen by what they cost (processor time; waiting on a busy machine says little) and by what they cover. A line is the
beginning of a test's id; ``tests/test_fast.py`` fails where one names nothing or a folder has none.
"""

from __future__ import annotations

FAST = (
    "tests/autogenerate/comparators/",
    "tests/autogenerate/passes/test_schemas.py",
    "tests/autogenerate/reflection/test_catalog.py",
    "tests/autogenerate/renames/test_shapes.py",
    "tests/autogenerate/test_imports.py",
    "tests/autogenerate/test_types.py",
    "tests/autogenerate/verify/test_verify.py::test_when_it_costs_little",
    "tests/backfills/test_runner.py::test_steering",
    "tests/cli/test_arguments.py",
    "tests/cli/test_commands.py",
    "tests/cli/test_group.py",
    "tests/commands/test_ahead.py::test_nothing_is_pending",
    "tests/compatibility/test_flask_migrate.py::test_a_folder_for_one_database_works",
    "tests/development/test_requests.py::test_the_setting_decides",
    "tests/diagnostics/test_doctor.py",
    "tests/errors/test_classes.py",
    "tests/errors/test_running.py",
    "tests/fuzz/test_found.py",
    "tests/linting/test_commands.py::test_findings_have_file_line_and_message",
    "tests/operations/test_online.py::test_as_sql",
    "tests/pictures/test_graph.py::test_an_empty_folder",
    "tests/revisions/test_graph.py",
    "tests/revisions/test_scripts.py",
    "tests/runtime/guards/backup/test_policy.py",
    "tests/runtime/guards/journal/test_parts.py",
    "tests/runtime/guards/lock/test_round_trips.py",
    "tests/runtime/guards/sqlite/test_batch.py",
    "tests/runtime/guards/sqlite/test_texts.py",
    "tests/runtime/guards/test_version_check.py",
    "tests/runtime/guards/test_version_table.py",
    "tests/runtime/test_guards.py",
    "tests/tenants/test_listing.py",
    "tests/test_extension.py",
    "tests/test_lazy.py",
    "tests/test_project.py",
    "tests/test_records.py",
    "tests/test_redaction.py",
    "tests/test_targets.py",
    "tests/testing/test_checks.py::test_a_downgrade_that_forgets",
    "tests/upkeep/test_log.py",
)
