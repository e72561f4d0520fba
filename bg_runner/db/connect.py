"""How the two databases are reached: one connection to the SQLite file, a pool of them to PostgreSQL."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from bg_runner.db.columns import dump_json
from bg_runner.errors import StartupError
from bg_runner.files import sync_directory

SQLITE_FILE = "bg-runner.db"
# How long a transaction waits for its turn (s): for a connection, and for another program that holds the SQLite file.
PATIENCE = 10.0
CONNECT_TIMEOUT = 3
STATEMENT_TIMEOUT_MS = 30_000
_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
# What has a special meaning in an address must be percent-encoded in a password; else its end is taken for a host.
_HOST = re.compile(r"[A-Za-z0-9._:%-]*", re.ASCII)


def parse_url(text: str) -> URL:
    """The address of a PostgreSQL database. Raises: StartupError, which never repeats the address or its password."""
    hint = "Write BG_RUNNER_DATABASE_URL as postgresql://user:password@host:5432/name, with %-codes in the password."
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        raise StartupError("the database's address cannot be read", hint=hint) from None
    if url.drivername not in _SCHEMES:
        raise StartupError("the database's address is not one of PostgreSQL", hint=hint)
    if not _HOST.fullmatch(url.host or ""):
        raise StartupError("the host in the database's address cannot be read", hint=hint)
    return url.set(drivername="postgresql+psycopg")


def postgresql_engine(url: URL, max_connections: int) -> Engine:
    """Lost updates fail and are done again: REPEATABLE READ. A network that swallows packets is noticed within 10 s."""
    engine = create_engine(
        url,
        isolation_level="REPEATABLE READ",
        pool_pre_ping=True,
        pool_size=max_connections,
        max_overflow=0,
        pool_timeout=PATIENCE,
        hide_parameters=True,
        json_serializer=dump_json,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT,
            "application_name": "bg-runner",
            "keepalives_idle": 10,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        },
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # Not among the options of the connection: poolers in front of PostgreSQL refuse those.
        connection.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
        connection.commit()

    return engine


def sqlite_engine(path: Path) -> Engine:
    """One connection, and its pool is the lock: SQLite 3.7.0 to 3.51.2 can corrupt a WAL that two connections write.

    The file must be there (`make_sqlite_file`). One that was moved away or replaced is noticed before the next use.
    """

    def connect() -> sqlite3.Connection:
        # Never makes an empty database where the real one is missing.
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=PATIENCE,
            check_same_thread=False,
            isolation_level=None,
        )
        try:
            # EXTRA is FULL, and syncs the directory after the journal is gone: only then is a commit final.
            for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}").close()
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine(
        "sqlite+pysqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=PATIENCE,
        hide_parameters=True,
        json_serializer=dump_json,
    )

    @event.listens_for(engine, "connect")
    def remember_file(_connection: object, record: Any) -> None:
        record.info["file"] = _identity(path)

    @event.listens_for(engine, "checkout")
    def same_file(_connection: object, record: Any, _proxy: object) -> None:
        if record.info.get("file") != _identity(path):
            # What is written to a file without a name would be lost.
            raise DisconnectionError("the database file was replaced")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # A lock that is taken late, after reading, could not be waited for.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def make_sqlite_file(path: Path) -> None:
    """Make an empty database, mode 0600, if there is none. Raises: OSError.

    A file that is there is not opened: closing it would end the POSIX locks that SQLite holds on it in this process.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        path.chmod(0o600)
    sync_directory(path.parent)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
