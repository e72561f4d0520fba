"""A PTY host for one test, ended with everything it started."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bg_runner.db.engine import Database
from bg_runner.db.migrate import migrate
from bg_runner.terminals.host_client import HostClient
from tests.conditions import wait_until
from tests.integration.hosts import host_process, is_running
from tests.integration.postgres import PostgresServer


@pytest.fixture
def host_dir(tmp_path: Path) -> Iterator[Path]:
    """A data directory. A host that was started for it, and what that host started, does not outlive the test."""
    directory = tmp_path / "data"
    directory.mkdir()
    yield directory
    host = host_process(directory)
    if host is not None:
        family = [*host.children(recursive=True), host]
        for process in family:
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        wait_until(lambda: not any(is_running(process.pid) for process in family))


@pytest.fixture
def host(host_dir: Path) -> Iterator[HostClient]:
    """A client that is connected to a host of its own."""
    with HostClient(host_dir) as client:
        client.ensure()
        yield client


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL. A test that stops it starts it again."""
    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """What `Database` takes for an empty database of this test, of either kind."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres").empty_database()


@pytest.fixture
def empty_database(database_url: str | None, tmp_path: Path) -> Iterator[Database]:
    """A database without tables."""
    database = Database(database_url, tmp_path)
    yield database
    database.close()


@pytest.fixture
def database(empty_database: Database) -> Database:
    """A database with all tables."""
    migrate(empty_database)
    return empty_database
