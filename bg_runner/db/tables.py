"""The tables. Columns of the first three are those of seed 002 by name; migrations make them, never `create_all`.

Each default stands twice: for rows that this program adds (so that a row is whole before it is written), and in the
database for those that others add, as in the seed. A test compares this file with what the migrations make.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Uuid,
    false,
    func,
    text,
)
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bg_runner.db.columns import LongText, UtcTime, Words, json_type

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
ROLES = ("owner", "user", "guest")
SHARE_MODES = ("view", "control")


def now() -> datetime:
    """The present time, aware, in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """An id that nobody guesses, for tables whose ids are text."""
    return str(uuid.uuid4())


class Base(DeclarativeBase):
    """Base of all mappings; rows stay readable after their transaction, as they were when it ended."""

    metadata = MetaData(naming_convention=NAMING)


def _uuid() -> Mapped[uuid.UUID]:
    return mapped_column(Uuid, primary_key=True, default=uuid.uuid4)


def _now() -> Mapped[datetime]:
    return mapped_column(UtcTime, default=now, server_default=func.current_timestamp())


def _moment() -> Mapped[datetime | None]:
    return mapped_column(UtcTime)


def _object(name: str | None = None) -> Mapped[dict[str, Any]]:
    """A JSON object. A change of its own keys is noticed, while the row is held; one deeper inside is not."""
    kind = MutableDict.as_mutable(json_type())
    return mapped_column(name, kind, default=dict, server_default=text("'{}'"))


class AgentInstance(Base):
    """One AI tool at work for a user (seed 002, after Omnara)."""

    __tablename__ = "agent_instances"
    __table_args__ = (
        Index(None, "user_id", "started_at"),
        Index(None, "status", "last_activity_at"),
    )

    id: Mapped[uuid.UUID] = _uuid()
    user_id: Mapped[str] = mapped_column(Words(255))
    tool_name: Mapped[str] = mapped_column(Words(50))
    status: Mapped[str] = mapped_column(Words(20), default="active", server_default="active")
    name: Mapped[str | None] = mapped_column(Words(255))
    owner_device_id: Mapped[str] = mapped_column(Words(100))
    current_device_id: Mapped[str | None] = mapped_column(Words(100))
    session_type: Mapped[str | None] = mapped_column(Words(20))
    server_host: Mapped[str | None] = mapped_column(Words(255))
    started_at: Mapped[datetime] = _now()
    ended_at: Mapped[datetime | None] = _moment()
    last_activity_at: Mapped[datetime] = _now()
    session_state: Mapped[dict[str, Any]] = _object()
    permission_state: Mapped[dict[str, Any]] = _object()
    git_diff: Mapped[str | None] = mapped_column(LongText())
    initial_git_hash: Mapped[str | None] = mapped_column(Words(40))


class TerminalSession(Base):
    """The tmux, screen or PTY session that an agent sits in, and how to get back to it (seed 002)."""

    __tablename__ = "terminal_sessions"
    __table_args__ = (
        Index(None, "agent_instance_id"),
        Index(None, "status", "last_attached_at"),
        Index(None, "native_session_id"),
    )

    id: Mapped[uuid.UUID] = _uuid()
    agent_instance_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("agent_instances.id", ondelete="CASCADE"))
    session_type: Mapped[str] = mapped_column(Words(20))
    native_session_id: Mapped[str] = mapped_column(Words(100))
    tool_name: Mapped[str] = mapped_column(Words(50))
    tool_command: Mapped[str] = mapped_column(LongText())
    working_directory: Mapped[str | None] = mapped_column(LongText())
    server_host: Mapped[str] = mapped_column(Words(255))
    server_port: Mapped[int] = mapped_column(Integer, default=22, server_default="22")
    server_user: Mapped[str | None] = mapped_column(Words(100))
    attach_command: Mapped[str] = mapped_column(LongText())
    ssh_command: Mapped[str | None] = mapped_column(LongText())
    status: Mapped[str] = mapped_column(Words(20), default="running", server_default="running")
    pid: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = _now()
    last_attached_at: Mapped[datetime] = _now()
    ended_at: Mapped[datetime | None] = _moment()


class Message(Base):
    """What an agent said or was told (seed 002). `sender_type` is USER or AGENT."""

    __tablename__ = "messages"
    __table_args__ = (Index(None, "agent_instance_id", "created_at"),)

    id: Mapped[uuid.UUID] = _uuid()
    agent_instance_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("agent_instances.id", ondelete="CASCADE"))
    sender_type: Mapped[str] = mapped_column(Words(10))
    content: Mapped[str] = mapped_column(LongText())
    requires_user_input: Mapped[bool] = mapped_column(default=False, server_default=false())
    git_diff: Mapped[str | None] = mapped_column(LongText())
    # `metadata` means something else on a mapped class.
    message_metadata: Mapped[dict[str, Any]] = _object("metadata")
    created_at: Mapped[datetime] = _now()


class User(Base):
    """Somebody with an account. `password_hash` is argon2's, or None without a password."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint(f"role IN {ROLES}", name="role"),)

    id: Mapped[str] = mapped_column(Words(255), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(Words(255), unique=True)
    role: Mapped[str] = mapped_column(Words(10))
    password_hash: Mapped[str | None] = mapped_column(Words(255))
    created_at: Mapped[datetime] = _now()
    disabled_at: Mapped[datetime | None] = _moment()


class Login(Base):
    """A person's session in a browser. Only the cookie's hash is kept; `address` and `agent` say where from."""

    __tablename__ = "logins"
    __table_args__ = (Index(None, "user_id"), Index(None, "expires_at"))

    id: Mapped[str] = mapped_column(Words(36), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    token_hash: Mapped[str] = mapped_column(Words(64), unique=True)
    created_at: Mapped[datetime] = _now()
    last_seen_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = _moment()
    address: Mapped[str | None] = mapped_column(Words(64))
    agent: Mapped[str | None] = mapped_column(Words(500))


class ApiToken(Base):
    """A program's key. Only its hash is kept; `scopes` is a list of read, run, terminal, admin."""

    __tablename__ = "api_tokens"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[str] = mapped_column(Words(36), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Words(255))
    token_hash: Mapped[str] = mapped_column(Words(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(json_type(), default=list, server_default=text("'[]'"))
    created_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime | None] = _moment()
    last_used_at: Mapped[datetime | None] = _moment()
    revoked_at: Mapped[datetime | None] = _moment()


class ShareLink(Base):
    """A link to one terminal: the fields of `terminals.shares.Share`. `digest` is SHA-256 of its secret (hex)."""

    __tablename__ = "shares"
    __table_args__ = (
        Index(None, "terminal_id"),
        Index(None, "expires_at"),
        CheckConstraint(f"mode IN {SHARE_MODES}", name="mode"),
    )

    id: Mapped[str] = mapped_column(Words(36), primary_key=True)
    terminal_id: Mapped[str] = mapped_column(Words(100))
    user: Mapped[str] = mapped_column(Words(255))
    mode: Mapped[str] = mapped_column(Words(10))
    label: Mapped[str] = mapped_column(Words(255), default="", server_default="")
    created_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    digest: Mapped[str] = mapped_column(Words(64))


class AuditEntry(Base):
    """Who did what, when, from where. It outlives the user: `actor` is the name at that time. Never holds a secret."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "at"), Index(None, "user_id", "at"))

    # SQLite counts up by itself only in a column that is INTEGER.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[datetime] = _now()
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    actor: Mapped[str] = mapped_column(Words(255))
    action: Mapped[str] = mapped_column(Words(100))
    target: Mapped[str | None] = mapped_column(Words(500))
    address: Mapped[str | None] = mapped_column(Words(64))
    detail: Mapped[dict[str, Any]] = _object()
