"""Run by Alembic for `bg_runner.db.migrate`, which gives the connection and has begun the transaction."""

from __future__ import annotations

from alembic import context
from alembic.runtime.migration import MigrationInfo

from bg_runner.db.tables import Base


def note(*, step: MigrationInfo, **_others: object) -> None:
    """Tell the caller which revision was applied."""
    context.config.attributes["applied"].append(step.up_revision_id)


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
    on_version_apply=note,  # type: ignore[arg-type]  # alembic calls it with keywords only
)
with context.begin_transaction():
    context.run_migrations()
