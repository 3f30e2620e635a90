"""``alter_column`` with a conversion for PostgreSQL, and the one that undoes it."""

from __future__ import annotations

import typing as t

from alembic.autogenerate import renderers
from alembic.operations import ops


class ConvertColumn(ops.AlterColumnOp):
    """Alembic's ``alter_column``, which can run ``postgresql_using`` but neither writes nor reverses it."""

    forwards: str | None = None
    backwards: str | None = None

    @classmethod
    def of(cls, operation: ops.AlterColumnOp, forwards: str | None, backwards: str | None) -> ConvertColumn:
        """The same change with the expressions that convert values, there and back."""
        kw = {name: value for name, value in operation.kw.items() if name != "postgresql_using"}
        made = cls(
            operation.table_name,
            operation.column_name,
            schema=operation.schema,
            existing_type=operation.existing_type,
            existing_server_default=operation.existing_server_default,
            existing_nullable=operation.existing_nullable,
            existing_comment=operation.existing_comment,
            modify_nullable=operation.modify_nullable,
            modify_comment=operation.modify_comment,
            modify_server_default=operation.modify_server_default,
            modify_name=operation.modify_name,
            modify_type=operation.modify_type,
            **kw,
        )
        made.forwards, made.backwards = forwards, backwards
        made.info.update(operation.info)
        return made

    def reverse(self) -> ConvertColumn:
        made = t.cast(ConvertColumn, super().reverse())
        made.forwards, made.backwards = self.backwards, self.forwards
        return made


@renderers.dispatch_for(ConvertColumn)
def _render(context: t.Any, operation: ConvertColumn) -> str:
    plain = ops.AlterColumnOp(operation.table_name, operation.column_name)
    plain.__dict__.update(vars(operation))
    text = t.cast(str, renderers.dispatch(plain)(context, plain))
    if not operation.forwards:
        return text
    return f"{text[:-1]},\n{' ' * 11}postgresql_using={operation.forwards!r})"
