# Settings of Alembic for this folder. The application's configuration has the database URL.

[alembic]
script_location = %(here)s
path_separator = os

# File names: date, revision and message.
file_template = %%(year)d%%(month).2d%%(day).2d_%%(hour).2d%%(minute).2d%%(second).2d_%%(rev)s_%%(slug)s

# To format each new file, install ruff and uncomment:
# [post_write_hooks]
# hooks = ruff
# ruff.type = module
# ruff.module = ruff
# ruff.options = format REVISION_SCRIPT_FILENAME
