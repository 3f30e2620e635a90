<%
    binds = config.attributes.get("binds") or [None]
    filled = [name[: -len("_upgrades")] for name in context.keys() if name.endswith("_upgrades")]
    binds = binds + [name for name in filled if name not in binds]
%>"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
Create Date: ${create_date}
"""

from collections.abc import Sequence

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}

revision: str = ${repr(up_revision)}
down_revision: str | Sequence[str] | None = ${repr(down_revision)}
branch_labels: str | Sequence[str] | None = ${repr(branch_labels)}
depends_on: str | Sequence[str] | None = ${repr(depends_on)}
% for bind in binds:
<%
    suffix = "" if bind is None else "_" + "".join(c if c.isalnum() or c == "_" else "_" for c in bind)
    up = upgrades if bind is None else context.get(bind + "_upgrades", None)
    down = downgrades if bind is None else context.get(bind + "_downgrades", None)
%>

def upgrade${suffix}() -> None:
    ${up if up else "pass"}


def downgrade${suffix}() -> None:
    ${down if down else "pass"}
% endfor
