"""Both databases keep the same rows in the same way, and the migrations make what the mappings say."""

from __future__ import annotations

import json
import shutil
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, delete, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bg_runner.db.engine import Database
from bg_runner.db.migrate import MIGRATIONS, migrate
from bg_runner.db.tables import AgentInstance, ApiToken, AuditEntry, Base, Login, Message, ShareLink, User, now
from bg_runner.errors import InvalidField, StartupError
from tests.integration.postgres import PostgresServer

# Seed 002's tables.
SEED = {
    "agent_instances": "id user_id tool_name status name owner_device_id current_device_id session_type server_host "
    "started_at ended_at last_activity_at session_state permission_state git_diff initial_git_hash",
    "terminal_sessions": "id agent_instance_id session_type native_session_id tool_name tool_command working_directory "
    "server_host server_port server_user attach_command ssh_command status pid created_at last_attached_at ended_at",
    "messages": "id agent_instance_id sender_type content requires_user_input git_diff metadata created_at",
}
# Rows as the first revision had them, written without the mappings, which change with the program.
FIRST_ROWS = {
    "agent_instances": {
        "id": "11111111111141118111111111111111",
        "user_id": "user-456",
        "tool_name": "claude",
        "owner_device_id": "ios-device-123",
        "started_at": "2024-01-01 12:00:00+00:00",
        "session_state": json.dumps({"名": ["值", None]}),
        "git_diff": "+ 新\n- old",
    },
    "terminal_sessions": {
        "id": "22222222222242228222222222222222",
        "agent_instance_id": "11111111111141118111111111111111",
        "session_type": "tmux",
        "native_session_id": "ai-claude-abc12345",
        "tool_name": "claude",
        "tool_command": "claude",
        "server_host": "server",
        "attach_command": "tmux attach -t ai-claude-abc12345",
    },
    "messages": {
        "id": "33333333333343338333333333333333",
        "agent_instance_id": "11111111111141118111111111111111",
        "sender_type": "AGENT",
        "content": "done?",
        "requires_user_input": "1",
    },
}


def agent(**others: Any) -> AgentInstance:
    return AgentInstance(**{"user_id": "u", "tool_name": "claude", "owner_device_id": "phone", **others})


def add(database: Database, *rows: Base) -> None:
    database.run_blocking(lambda session: session.add_all(rows))


def test_the_seeds_columns_are_there_by_name(database: Database) -> None:
    inspector = inspect(database.engine)
    found = {table: {column["name"] for column in inspector.get_columns(table)} for table in SEED}
    assert found == {table: set(columns.split()) for table, columns in SEED.items()}


def test_postgresql_has_the_seeds_types(postgres: PostgresServer, tmp_path: Path) -> None:
    database = Database(postgres.empty_database(), tmp_path)
    migrate(database)
    columns = inspect(database.engine).get_columns("messages")
    database.close()
    types = {column["name"]: str(column["type"]) for column in columns}
    assert types["id"] == types["agent_instance_id"] == "UUID"
    assert types["metadata"] == "JSONB"
    assert next(column["default"] for column in columns if column["name"] == "id") == "gen_random_uuid()"


def test_migrations_make_what_the_mappings_say(database: Database) -> None:
    def differences(session: Session) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(session.connection()), Base.metadata))

    assert database.run_blocking(differences) == []


@pytest.mark.parametrize("older", ["0001"])
def test_an_older_database_is_brought_up_to_date_with_its_rows(empty_database: Database, older: str) -> None:
    migrate(empty_database, older)

    def insert(session: Session) -> None:
        for table, row in FIRST_ROWS.items():
            names, values = ", ".join(row), ", ".join(f"'{value}'" for value in row.values())
            session.connection().exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({values})")

    def read(session: Session) -> dict[str, list[Any]]:
        return {table: list(session.execute(text(f"SELECT * FROM {table}"))) for table in FIRST_ROWS}

    empty_database.run_blocking(insert)
    before = empty_database.run_blocking(read)
    assert migrate(empty_database)[-1] == newest()
    assert empty_database.run_blocking(read) == before
    found = empty_database.run_blocking(lambda session: session.scalars(select(AgentInstance)).one())
    assert (found.user_id, found.status, found.session_state) == ("user-456", "active", {"名": ["值", None]})
    assert found.started_at == datetime(2024, 1, 1, 12, tzinfo=UTC)
    assert now() - found.last_activity_at < timedelta(hours=1)
    message = empty_database.run_blocking(lambda session: session.scalars(select(Message)).one())
    assert (message.agent_instance_id, message.requires_user_input) == (found.id, True)


def newest() -> str:
    return max(path.name[1:5] for path in (MIGRATIONS / "versions").glob("r*.py"))


def test_migrating_twice_does_nothing(database: Database) -> None:
    assert migrate(database) == []


def test_two_that_start_at_once_migrate_once(
    empty_database: Database, database_url: str | None, tmp_path: Path
) -> None:
    others = [Database(database_url, tmp_path) for _ in range(3)]
    with ThreadPoolExecutor(4) as threads:
        applied = list(threads.map(migrate, [empty_database, *others]))
    for other in others:
        other.close()
    assert sorted(applied) == [[], [], [], ["0001", "0002"]]


def test_a_migration_that_fails_leaves_nothing(empty_database: Database) -> None:
    """A table that stands in the way of the second revision; the first one is not kept either."""
    empty_database.run_blocking(lambda session: session.execute(text("CREATE TABLE shares (id INTEGER)")))
    with pytest.raises(StartupError, match="already exists"):
        migrate(empty_database)
    assert inspect(empty_database.engine).get_table_names() == ["shares"]
    empty_database.run_blocking(lambda session: session.execute(text("DROP TABLE shares")))
    assert migrate(empty_database) == ["0001", "0002"]


# The third revision of a program to come: on SQLite the table is made anew, and the old one dropped.
ALTER = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9001", "{newest}"


def upgrade():
    with op.batch_alter_table("agent_instances") as table:
        table.alter_column("name", type_=sa.String(300), existing_type=sa.String(255))
"""


def test_altering_a_table_keeps_the_rows_that_refer_to_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = agent()
    add(database, row)
    add(database, Message(agent_instance_id=row.id, sender_type="USER", content="yes"))
    migrations = tmp_path / "100%" / "migrations"
    shutil.copytree(MIGRATIONS, migrations, ignore=shutil.ignore_patterns("__pycache__"))
    (migrations / "versions" / "r9001_alter.py").write_text(ALTER.format(newest=newest()))
    monkeypatch.setattr("bg_runner.db.migrate.MIGRATIONS", migrations)
    assert migrate(database) == ["9001"]
    messages = database.run_blocking(lambda session: list(session.scalars(select(Message.content))))
    assert messages == ["yes"]
    with pytest.raises(IntegrityError):
        add(database, Message(agent_instance_id=uuid.uuid4(), sender_type="USER", content="to nobody"))


def test_a_newer_database_is_refused(database: Database) -> None:
    database.run_blocking(lambda session: session.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(StartupError, match="newer bg-runner"):
        migrate(database)


def test_rows_come_back_as_they_were(database: Database) -> None:
    east = datetime(2024, 5, 1, 9, 30, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    state = {"窗口": "主", "emoji": "👩‍💻", "deep": [1, 2.5, None, {"a": True}], "backslash": "\\u0000 in words"}
    row = agent(name="名字 'quoted\"; --", started_at=east, session_state=state)
    add(database, row)
    found = database.run_blocking(lambda session: session.get_one(AgentInstance, row.id))
    assert found is not row
    assert (found.name, found.session_state, found.permission_state) == (row.name, state, {})
    assert found.started_at == east
    assert found.started_at.utcoffset() == timedelta(0)


def test_a_changed_key_of_a_state_is_written(database: Database) -> None:
    row = agent(session_state={"a": 1})
    add(database, row)

    def change(session: Session) -> None:
        found = session.get_one(AgentInstance, row.id)
        found.session_state["b"] = 2

    database.run_blocking(change)
    found = database.run_blocking(lambda session: session.get_one(AgentInstance, row.id))
    assert found.session_state == {"a": 1, "b": 2}


def test_times_are_compared_as_moments(database: Database) -> None:
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    add(database, *(agent(name=str(hour), started_at=noon + timedelta(hours=hour)) for hour in range(4)))
    limit = (noon + timedelta(hours=2)).astimezone(timezone(-timedelta(hours=7)))
    query = select(AgentInstance.name).where(AgentInstance.started_at >= limit).order_by(AgentInstance.started_at)
    assert database.run_blocking(lambda session: list(session.scalars(query))) == ["2", "3"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "NUL \0 inside"},
        {"name": "half \ud83d"},
        {"user_id": "x" * 256},
        {"git_diff": "\0"},
        {"session_state": {"a": ["\0"]}},
        {"session_state": {"half \udc80": 1}},
        {"session_state": {"a": float("nan")}},
    ],
    ids=str,
)
def test_text_that_one_database_would_refuse_is_refused_by_both(database: Database, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidField):
        add(database, agent(**wrong))
    assert database.run_blocking(lambda session: session.scalars(select(AgentInstance)).all()) == []


def test_accounts_and_what_hangs_on_them(database: Database) -> None:
    later = now() + timedelta(days=1)
    user = User(id="owner", name="王", role="owner")
    add(database, user)
    add(
        database,
        Login(user_id="owner", token_hash="a" * 64, expires_at=later, address="::1", agent="Firefox"),
        ApiToken(user_id="owner", name="ci", token_hash="b" * 64, scopes=["read", "run"]),
        ShareLink(id="s", terminal_id="t", user="owner", mode="view", expires_at=later, digest="c" * 64),
        AuditEntry(user_id="owner", actor="王", action="login", detail={"how": "password"}),
        AuditEntry(user_id=None, actor="somebody", action="login refused"),
    )
    scopes = database.run_blocking(lambda session: session.scalars(select(ApiToken.scopes)).one())
    assert scopes == ["read", "run"]
    database.run_blocking(lambda session: session.execute(delete(User)))
    left = database.run_blocking(
        lambda session: [len(session.scalars(select(table)).all()) for table in (Login, ApiToken, ShareLink)]
    )
    assert left == [0, 0, 1]
    entries = database.run_blocking(lambda session: list(session.scalars(select(AuditEntry).order_by(AuditEntry.id))))
    assert [(entry.user_id, entry.actor) for entry in entries] == [(None, "王"), (None, "somebody")]


@pytest.mark.parametrize(
    "row",
    [
        User(id="2", name="taken", role="user"),
        User(id="3", name="other", role="god"),
        Login(user_id="nobody", token_hash="a", expires_at=datetime(2024, 1, 1, tzinfo=UTC)),
        ShareLink(
            id="s", terminal_id="t", user="u", mode="own", expires_at=datetime(2024, 1, 1, tzinfo=UTC), digest=""
        ),
    ],
    ids=["name twice", "no such role", "no such user", "no such mode"],
)
def test_the_database_keeps_its_rules(database: Database, row: Base) -> None:
    add(database, User(id="1", name="taken", role="user"))
    copy = type(row)(
        **{
            column.key: getattr(row, column.key)
            for column in inspect(type(row)).column_attrs
            if getattr(row, column.key) is not None
        }
    )
    with pytest.raises(IntegrityError):
        add(database, copy)


def test_no_secret_stands_in_an_error(database: Database) -> None:
    secret = "hash-of-a-secret"
    add(
        database,
        User(id="1", name="a", role="user"),
    )

    def token() -> ApiToken:
        return ApiToken(user_id="1", name="n", token_hash=secret)

    add(database, token())
    with pytest.raises(IntegrityError) as caught:
        add(database, token())
    logged = "".join(traceback.format_exception(caught.value))
    assert "api_tokens" in logged
    assert secret not in logged


def sqlite_pragma(connection: Connection, name: str) -> object:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def test_sqlite_is_set_to_last(tmp_path: Path) -> None:
    database = Database(None, tmp_path)
    migrate(database)
    with database.engine.connect() as connection:
        found = [sqlite_pragma(connection, name) for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert found == ["delete", 3, 1]
    assert (tmp_path / "bg-runner.db").stat().st_mode & 0o777 == 0o600
    database.close()
