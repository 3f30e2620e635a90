<%!
    def has_code(body):
        lines = [line.strip() for line in body.splitlines()]
        return any(line and line != "pass" and not line.startswith("#") for line in lines)
%><%
    binds = config.attributes.get("binds") or [None]
    filled = [name[: -len("_upgrades")] for name in context.keys() if name.endswith("_upgrades")]
    binds = binds + [name for name in filled if name not in binds]
    parts = []
    for bind in binds:
        suffix = "" if bind is None else "_" + "".join(c if c.isalnum() or c == "_" else "_" for c in bind)
        up = upgrades if bind is None else context.get(bind + "_upgrades", None)
        down = downgrades if bind is None else context.get(bind + "_downgrades", None)
        parts.append((suffix, up or "pass", down or "pass"))
    # A bind without operations needs no functions, unless all are to be written by hand.
    changed = [part for part in parts if has_code(part[1]) or has_code(part[2])]
    parts = [part for part in parts if part in changed or part[0] == "" or not changed]
    summary = context.get("changes", None)
%>"""${message}
% if summary:

${summary}
% endif

Revision ID: ${up_revision}
Revises:${" " if down_revision else ""}${down_revision | comma,n}
Create Date: ${create_date}
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision: str = ${repr(up_revision)}
down_revision: str | Sequence[str] | None = ${repr(down_revision)}
branch_labels: str | Sequence[str] | None = ${repr(branch_labels)}
depends_on: str | Sequence[str] | None = ${repr(depends_on)}
% for suffix, up, down in parts:


def upgrade${suffix}() -> None:
    ${up}


def downgrade${suffix}() -> None:
    ${down}
% endfor
