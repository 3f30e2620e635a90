"""Upgrades, compares and downgrades a scratch database as commands do, with every guard and without env.py."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.runtime.environment import EnvironmentContext

from ...extension import State
from ...runtime import planning
from ...runtime.environment import Environment
from ...runtime.passage import Options
from ...runtime.passage import Passage
from ...settings import Settings
from ...targets import Target


class ScratchState(State):
    """The application's registration with one scratch database in place of its own databases."""

    target: Target

    @classmethod
    def of(cls, state: State, target: Target) -> ScratchState:
        """The same registration.

        :param target: the scratch database.
        """
        made = cls(**vars(state))
        made.target = target
        return made

    @property
    def settings(self) -> Settings:
        # Nobody else is there: nothing to wait for, to resume or to save.
        return super().settings.changed(lock="off", journal=False, backup="never")

    def targets(self) -> list[Target]:
        return [self.target]


class ScratchEnvironment(Environment):
    """The migrations folder as it is now, for a scratch database.

    :param environment: the application's own.
    :param target: the scratch database.
    :param options: what env.py passes to ``context.configure()`` for the database that it is a copy of.
    """

    def __init__(self, environment: Environment, target: Target, options: dict[str, t.Any]) -> None:
        super().__init__(ScratchState.of(environment.state, target), environment.config)
        self._target = target
        self.options = options

    def _run_once(self, passage: Passage, rest: dict[str, t.Any]) -> None:
        """What env.py does, for one database."""
        before = self.config.attributes.get("schemaflow")
        self.config.attributes["schemaflow"] = passage
        env = EnvironmentContext(self.config, self.script, fn=passage.run_steps, **rest)
        try:
            with env, passage.attached(env), self._target.sync_engine.connect() as connection:
                env.configure(connection=connection, **self.options)
                with env.begin_transaction():
                    env.run_migrations()
        finally:
            self.config.attributes["schemaflow"] = before

    def upgrade(self, revision: str) -> None:
        """Apply what is missing up to ``revision``."""
        self.run(
            lambda heads, context: planning.upgrade_steps(self.script, revision, heads),
            Options("write"),
            destination_rev=revision,
        )

    def downgrade(self, revision: str) -> None:
        """Revert what was applied after ``revision``."""
        self.run(
            lambda heads, context: planning.downgrade_steps(self.script, revision, heads),
            Options("write"),
            destination_rev=revision,
        )

    def connect(self) -> sa.Connection:
        """A connection to the scratch database."""
        return self._target.sync_engine.connect()
