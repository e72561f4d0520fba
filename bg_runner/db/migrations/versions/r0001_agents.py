"""The tables of seed 002: agents, their terminal sessions and messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None


def upgrade() -> None:
    agent_instances()
    terminal_sessions()
    messages()


def own_id() -> sa.Column[object]:
    """SQLite has no function that makes a UUID; there the program gives it."""
    makes_uuids = op.get_bind().dialect.name == "postgresql"
    return sa.Column(
        "id", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()") if makes_uuids else None
    )


def json_object(name: str) -> sa.Column[object]:
    kind = sa.JSON().with_variant(JSONB(), "postgresql")
    return sa.Column(name, kind, nullable=False, server_default=sa.text("'{}'"))


def moment(name: str, *, now: bool = False) -> sa.Column[object]:
    default = sa.func.current_timestamp() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not now, server_default=default)


def agent_instances() -> None:
    op.create_table(
        "agent_instances",
        own_id(),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("tool_name", sa.String(50), nullable=False),
        sa.Column("status", sa.String(20), nullable=False, server_default="active"),
        sa.Column("name", sa.String(255)),
        sa.Column("owner_device_id", sa.String(100), nullable=False),
        sa.Column("current_device_id", sa.String(100)),
        sa.Column("session_type", sa.String(20)),
        sa.Column("server_host", sa.String(255)),
        moment("started_at", now=True),
        moment("ended_at"),
        moment("last_activity_at", now=True),
        json_object("session_state"),
        json_object("permission_state"),
        sa.Column("git_diff", sa.Text()),
        sa.Column("initial_git_hash", sa.String(40)),
        sa.PrimaryKeyConstraint("id", name="pk_agent_instances"),
    )
    op.create_index("ix_agent_instances_user_id_started_at", "agent_instances", ["user_id", "started_at"])
    op.create_index("ix_agent_instances_status_last_activity_at", "agent_instances", ["status", "last_activity_at"])


def terminal_sessions() -> None:
    op.create_table(
        "terminal_sessions",
        own_id(),
        sa.Column("agent_instance_id", sa.Uuid(), nullable=False),
        sa.Column("session_type", sa.String(20), nullable=False),
        sa.Column("native_session_id", sa.String(100), nullable=False),
        sa.Column("tool_name", sa.String(50), nullable=False),
        sa.Column("tool_command", sa.Text(), nullable=False),
        sa.Column("working_directory", sa.Text()),
        sa.Column("server_host", sa.String(255), nullable=False),
        sa.Column("server_port", sa.Integer(), nullable=False, server_default="22"),
        sa.Column("server_user", sa.String(100)),
        sa.Column("attach_command", sa.Text(), nullable=False),
        sa.Column("ssh_command", sa.Text()),
        sa.Column("status", sa.String(20), nullable=False, server_default="running"),
        sa.Column("pid", sa.Integer()),
        moment("created_at", now=True),
        moment("last_attached_at", now=True),
        moment("ended_at"),
        sa.PrimaryKeyConstraint("id", name="pk_terminal_sessions"),
        sa.ForeignKeyConstraint(
            ["agent_instance_id"],
            ["agent_instances.id"],
            name="fk_terminal_sessions_agent_instance_id_agent_instances",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_terminal_sessions_agent_instance_id", "terminal_sessions", ["agent_instance_id"])
    op.create_index("ix_terminal_sessions_status_last_attached_at", "terminal_sessions", ["status", "last_attached_at"])
    op.create_index("ix_terminal_sessions_native_session_id", "terminal_sessions", ["native_session_id"])


def messages() -> None:
    op.create_table(
        "messages",
        own_id(),
        sa.Column("agent_instance_id", sa.Uuid(), nullable=False),
        sa.Column("sender_type", sa.String(10), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("requires_user_input", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("git_diff", sa.Text()),
        json_object("metadata"),
        moment("created_at", now=True),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.ForeignKeyConstraint(
            ["agent_instance_id"],
            ["agent_instances.id"],
            name="fk_messages_agent_instance_id_agent_instances",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_messages_agent_instance_id_created_at", "messages", ["agent_instance_id", "created_at"])
