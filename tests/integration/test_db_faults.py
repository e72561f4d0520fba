"""Writers at once, killed writers, killed servers, and databases that go away and come back."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from bg_runner.db import connect, engine
from bg_runner.db.engine import Database
from bg_runner.db.migrate import migrate
from bg_runner.db.tables import AgentInstance, Message, User
from bg_runner.errors import DatabaseDown, ShuttingDown, StartupError
from tests.conditions import wait_until
from tests.integration import db_writer
from tests.integration.postgres import PostgresServer


def count(database: Database) -> int:
    return database.run_blocking(lambda session: session.scalar(select(func.count()).select_from(AgentInstance)) or 0)


def is_whole(database: Database, acknowledged: set[uuid.UUID]) -> bool:
    """Every acknowledged agent is there, and every agent that is there has its two messages in full."""

    def read(session: Session) -> tuple[dict[uuid.UUID, int], list[tuple[uuid.UUID, str]]]:
        agents = {agent.id: agent.session_state["n"] for agent in session.scalars(select(AgentInstance))}
        return agents, [(message.agent_instance_id, message.content) for message in session.scalars(select(Message))]

    agents, messages = database.run_blocking(read)
    assert acknowledged <= agents.keys()
    assert len(messages) == 2 * len(agents)
    return all(content == str(agents[agent]) * 500 for agent, content in messages)


@contextlib.contextmanager
def writer(url: str | None, data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], Callable[[], set[uuid.UUID]]]]:
    """A writing program, and what it has said so far. It is killed at the end."""
    said = data_dir / "said"
    with said.open("w") as sink:
        command = [sys.executable, "-m", db_writer.__name__, url or "-", str(data_dir)]
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.PIPE, text=True)
    try:
        yield (
            process,
            lambda: {
                uuid.UUID(line.strip()) for line in said.read_text().splitlines(keepends=True) if line.endswith("\n")
            },
        )
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("least", [1, 23])
def test_a_writer_killed_at_any_moment_loses_nothing_and_tears_nothing(
    database: Database, database_url: str | None, tmp_path: Path, least: int
) -> None:
    with writer(database_url, tmp_path) as (process, acknowledged):
        wait_until(lambda: len(acknowledged()) >= least, 60, interval=0.001)
        process.kill()
        process.wait()
        assert is_whole(database, acknowledged())
    before = count(database)
    db_writer.write(database, 1)
    assert count(database) == before + 1


def test_a_killed_postgresql_has_all_it_acknowledged(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.empty_database()
    database = Database(url, tmp_path)
    migrate(database)
    with writer(url, tmp_path) as (process, acknowledged):
        wait_until(lambda: len(acknowledged()) >= 20, 60)
        try:
            postgres.stop()
            process.wait(60)
            with pytest.raises(DatabaseDown):
                count(database)
            assert "DatabaseDown" in (process.stderr.read() if process.stderr else "")
        finally:
            postgres.start()
        assert is_whole(database, acknowledged())
    database.close()


def test_postgresql_goes_down_and_comes_back(
    postgres: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "HEALTH_KEPT", 0.0)
    database = Database(postgres.empty_database(), tmp_path)
    migrate(database)
    db_writer.write(database, 1)
    assert database.healthy()
    postgres.stop()
    try:
        for _ in range(3):
            with pytest.raises(DatabaseDown) as caught:
                db_writer.write(database, 2)
        assert (caught.value.status, bool(caught.value.hint)) == (503, True)
        assert not database.healthy()
        with pytest.raises(DatabaseDown):
            migrate(database)
    finally:
        postgres.start()
    assert database.healthy()
    db_writer.write(database, 3)
    assert count(database) == 2
    assert [record.levelname for record in caplog.records if record.name == engine.__name__] == ["ERROR", "WARNING"]
    database.close()


def test_connections_that_an_administrator_ends_are_replaced(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.empty_database()
    database = Database(url, tmp_path)
    migrate(database)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bg-runner'")
    db_writer.write(database, 1)
    assert count(database) == 1
    database.close()


def test_a_sqlite_file_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    database = Database(None, tmp_path)
    migrate(database)
    db_writer.write(database, 1)
    file, elsewhere = tmp_path / "bg-runner.db", tmp_path / "elsewhere.db"
    file.rename(elsewhere)
    with pytest.raises(DatabaseDown):
        db_writer.write(database, 2)
    assert not database.healthy()
    assert not file.exists()
    elsewhere.rename(file)
    db_writer.write(database, 3)
    assert count(database) == 2
    assert database.healthy()
    database.close()


def test_a_damaged_sqlite_file_is_said_so_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bg-runner.db").write_bytes(b"no database" * 1000)
    database = Database(None, tmp_path)
    with pytest.raises(StartupError, match="not a database"):
        migrate(database)
    assert (tmp_path / "bg-runner.db").read_bytes() == b"no database" * 1000
    database.close()


def test_a_sqlite_file_that_another_program_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "PATIENCE", 0.05)
    database = Database(None, tmp_path)
    migrate(database)
    with contextlib.closing(sqlite3.connect(tmp_path / "bg-runner.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseDown):
            db_writer.write(database, 1)
        other.execute("ROLLBACK")
    db_writer.write(database, 2)
    assert count(database) == 1
    database.close()


def test_writers_at_once_lose_no_update(database: Database) -> None:
    database.run_blocking(lambda session: session.add(User(id="1", name="0", role="user")))

    def increment(session: Session) -> None:
        user = session.get_one(User, "1")
        user.name = str(int(user.name) + 1)

    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(database.run_blocking, increment) for _ in range(30)]:
            done.result()
    assert database.run_blocking(lambda session: session.get_one(User, "1").name) == "30"


def test_two_processes_write_at_once(database: Database, database_url: str | None, tmp_path: Path) -> None:
    with writer(database_url, tmp_path) as (_, acknowledged):
        wait_until(lambda: len(acknowledged()) >= 1, 60)
        mine = {db_writer.write(database, number) for number in range(5)}
        wait_until(lambda: len(acknowledged()) >= 5, 60)
    assert is_whole(database, acknowledged() | mine)


def test_what_fails_is_rolled_back(database: Database) -> None:
    def fail(session: Session) -> None:
        session.add(AgentInstance(user_id="u", tool_name="t", owner_device_id="d"))
        session.flush()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        database.run_blocking(fail)
    assert count(database) == 0


def test_the_event_loop_goes_on_while_sql_runs(database: Database) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(session: Session) -> object:
        begun.set()
        assert may_end.wait(60)
        return session.execute(text("SELECT 7")).scalar_one()

    async def both() -> object:
        slow_one = asyncio.create_task(database.run(slow))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        may_end.set()
        return await slow_one

    assert asyncio.run(both()) == 7


def test_a_closed_database_says_so(database: Database) -> None:
    database.close()
    database.close()
    with pytest.raises(ShuttingDown):
        count(database)
    with pytest.raises(ShuttingDown):
        asyncio.run(database.run(lambda session: None))
