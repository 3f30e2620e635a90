"""Settings of the documentation; ``sphinx-build -W -n`` builds it without a network."""

from __future__ import annotations

import builtins
import os
import pathlib
import sys

from flask_schemaflow import __version__

sys.path.insert(0, str(pathlib.Path(__file__).parent / "_ext"))

project = "Flask-SchemaFlow"
author = "The Flask-SchemaFlow authors"
copyright = f"2026, {author}"  # noqa: A001
release = __version__
version = ".".join(release.split(".")[:2])

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.extlinks",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
    "from_code",
    "settings_table",
    "errors_list",
]
exclude_patterns = ["_build"]
nitpicky = True
default_role = "code"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True

# Names of other projects link to their documentation where a network is at hand; a build without one
# leaves them as plain text.
if os.environ.get("READTHEDOCS"):
    extensions.append("sphinx.ext.intersphinx")
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "alembic": ("https://alembic.sqlalchemy.org/en/latest", None),
    "click": ("https://click.palletsprojects.com/en/stable", None),
    "flask": ("https://flask.palletsprojects.com/en/stable", None),
    "sqlalchemy": ("https://docs.sqlalchemy.org/en/20", None),
}
# Names of other projects, and the short names under which modules import them for annotations.
_PROJECTS = "alembic|click|flask|flask_migrate|flask_sqlalchemy|flask_sqlalchemy_lite|mako|sqlalchemy"
_STANDARD = "collections|contextlib|dataclasses|datetime|pathlib|subprocess|types|typing|concurrent"
_OURS = "Action|AppSource|BackfillStatus|CallbackT|Directory|GoOn|Notify|NotifyFleet|Pause|State|Tell|Tenants|XArg"
_SHORT = "os|sa|t|Batch|Config|Engine|Flask|MetaData|MigrationContext|MigrationStep|Path|ScriptDirectory"
nitpick_ignore_regex = [
    ("py:.*", rf"({_PROJECTS}|{_STANDARD}|{_SHORT}|{_OURS})(\..*)?"),
    ("py:.*", "|".join(dir(builtins))),
    # ``:raises:`` names errors as the module that raises them does; the page of errors has them all.
    ("py:exc", r"\w+"),
]

html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False

# What is copied are the commands: neither their prompts nor what they print.
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
