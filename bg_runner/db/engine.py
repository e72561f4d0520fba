"""The database as others see it: a function runs in one transaction, in a thread, to the end or not at all."""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from pathlib import Path
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from bg_runner.db import connect
from bg_runner.db.connect import SQLITE_FILE, make_sqlite_file, parse_url, postgresql_engine, sqlite_engine
from bg_runner.errors import BgRunnerError, DatabaseDown, ShuttingDown, StartupError

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_CONNECTIONS = 10
ATTEMPTS = 12
HEALTH_KEPT = 3.0
HEALTH_TIMEOUT = 5.0
# serialization_failure, deadlock_detected, lock_not_available
_CONFLICTS = {"40001", "40P01", "55P03"}
# insufficient_resources, query_canceled by statement_timeout, and all of operator intervention and system error
_FAILING = ("53", "57", "58", "08", "25006", "XX")


class Database:
    """Any thread. Until `migrate` made them there may be no tables.

    Without `url` the database is `bg-runner.db` in `data_dir`. The password in `url` is never logged or shown.
    """

    def __init__(self, url: str | None, data_dir: Path, max_connections: int = MAX_CONNECTIONS) -> None:
        """Does not connect yet. Raises: StartupError for an unusable address or data directory."""
        if url is not None:
            address = parse_url(url)
            self.name = f"PostgreSQL database {address.database or address.username or ''}".rstrip()
            self.engine = postgresql_engine(address, max_connections)
        else:
            path = data_dir / SQLITE_FILE
            try:
                make_sqlite_file(path)
            except OSError as error:
                raise StartupError(f"the database {path} cannot be made: {error.strerror}") from error
            self.name = f"database {path.name}"
            self.engine = sqlite_engine(path)
        self.is_sqlite = url is None
        # Waiting for SQLite's only connection takes a thread, too; more than a few would only wait.
        self._threads = ThreadPoolExecutor(2 if self.is_sqlite else max_connections, thread_name_prefix="database")
        self._closed = False
        self._health_lock = threading.Lock()
        self._probe: Future[None] | None = None
        self._is_up = True
        self._known_at = float("-inf")

    async def run(self, fn: Callable[[Session], T]) -> T:
        """`run_blocking` in a thread of the database's own; the event loop goes on.

        Whoever stops waiting (cancellation) does not stop the transaction.
        """
        return await asyncio.wrap_future(self._submit(lambda: self.run_blocking(fn)))

    def run_blocking(self, fn: Callable[[Session], T]) -> T:
        """`fn` in one transaction: committed before this returns, rolled back if `fn` raises. Never on the event loop.

        If others wrote the same rows meanwhile, `fn` is called again, in a new transaction; so it must do nothing that
        cannot be done twice. Its rows can be read afterwards. Must not be called inside `fn`.
        Raises: what `fn` raises; DatabaseDown (if the connection broke in the commit, nobody knows if it was done);
        InvalidField for text that cannot be stored; sqlalchemy.exc.IntegrityError for a broken constraint;
        ShuttingDown.
        """
        deadline = time.monotonic() + connect.PATIENCE
        for attempt in range(1, ATTEMPTS + 1):
            if self._closed:
                raise ShuttingDown("the database is closed")
            try:
                with Session(self.engine, expire_on_commit=False) as session, session.begin():
                    result = fn(session)
            except PoolTimeout:
                raise self._down("all its connections are busy") from None
            except StatementError as error:
                self._judge(error, is_last=attempt == ATTEMPTS or time.monotonic() > deadline)
                time.sleep(random.uniform(0.1, 1.0) * min(0.5, 0.005 * 2**attempt))  # noqa: S311
            else:
                self._saw(is_up=True)
                return result
        raise AssertionError("unreachable")

    def _judge(self, error: StatementError, *, is_last: bool) -> None:
        """Return if the transaction may be tried again, else raise what the caller should see."""
        if isinstance(error.orig, BgRunnerError):
            raise error.orig from None
        if not isinstance(error, DBAPIError):
            raise error
        if _is_conflict(error):
            if is_last:
                raise self._down("others kept it busy") from None
            return
        if _is_failure(error):
            raise self._down(str(error.orig)) from None
        _hide_values(error)
        raise error

    def _down(self, reason: str) -> DatabaseDown:
        if self._is_up:
            log.error("the %s cannot be used: %s", self.name, " ".join(reason.split()))
        self._saw(is_up=False)
        return DatabaseDown("the database cannot be used at present")

    def _saw(self, *, is_up: bool) -> None:
        if is_up and not self._is_up:
            log.warning("the %s can be used again", self.name)
        self._is_up, self._known_at = is_up, time.monotonic()

    def healthy(self) -> bool:
        """Whether the database answers; known for 3 s, then asked again for at most 5 s. Not on the event loop."""
        with self._health_lock:
            if time.monotonic() - self._known_at < HEALTH_KEPT:
                return self._is_up
            try:
                if self._probe is None or self._probe.done():
                    self._probe = self._submit(self._ask)
                self._probe.result(HEALTH_TIMEOUT)
            except (BgRunnerError, StillRunning):
                return False
            return self._is_up

    def _ask(self) -> None:
        self.run_blocking(lambda session: session.execute(text("SELECT 1")).scalar_one())

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        try:
            return self._threads.submit(work)
        except RuntimeError:
            raise ShuttingDown("the database is closed") from None

    def close(self) -> None:
        """Let what runs end, refuse what comes, let go of all connections. May be called twice."""
        self._closed = True
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.engine.dispose()


def _hide_values(error: DBAPIError) -> None:
    """PostgreSQL repeats the values of the row that it refuses; they may be secrets, and errors are logged."""
    diagnosis = getattr(error.orig, "diag", None)
    for found in filter(None, (error, error.orig)):
        for value in filter(None, (getattr(diagnosis, "message_detail", None), getattr(diagnosis, "context", None))):
            found.args = tuple(part.replace(value, "hidden") if isinstance(part, str) else part for part in found.args)


def _is_conflict(error: DBAPIError) -> bool:
    """Whether the same transaction may succeed when it is done again."""
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_code(error.orig) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    return getattr(error.orig, "sqlstate", None) in _CONFLICTS


def _is_failure(error: DBAPIError) -> bool:
    """Whether the database failed, and not what was asked of it."""
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_code(error.orig) in _SQLITE_FAILING
    state: str | None = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated:
        return True
    # What fails before the server answers has no state.
    return isinstance(error, OperationalError | InterfaceError) if state is None else state.startswith(_FAILING)


_SQLITE_FAILING = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}


def _sqlite_code(error: sqlite3.Error) -> int:
    """The primary result code; 0 for errors of Python's module itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
