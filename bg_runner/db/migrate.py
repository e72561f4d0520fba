"""Bring the tables up to date when the server starts."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bg_runner.db.engine import Database
from bg_runner.errors import DatabaseDown, StartupError

log = logging.getLogger(__name__)
MIGRATIONS = Path(__file__).parent / "migrations"
OLDEST_POSTGRESQL = (13,)
# Any number that no other program takes for its advisory lock in the same database.
_LOCK = 0x62672D72756E6E65


def migrate(database: Database, revision: str = "head") -> list[str]:
    """Apply what is missing up to `revision`, in one transaction; return the revisions that were applied, in order.

    Two servers that start at once do it once: SQLite's write lock and an advisory lock of PostgreSQL see to that.
    Raises: StartupError if the database is newer than this program, too old a PostgreSQL, or cannot be migrated;
    DatabaseDown if it cannot be reached, and then the caller may try again.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if not database.is_sqlite:
        database.run_blocking(lambda session: session.execute(text("SELECT 1")))
    # Each statement must see what the holder of the lock before us committed.
    engine = (
        database.engine if database.is_sqlite else database.engine.execution_options(isolation_level="READ COMMITTED")
    )
    try:
        with engine.connect() as connection:
            if database.is_sqlite:
                return _migrate_sqlite(connection, revision)
            if (connection.dialect.server_version_info or ()) < OLDEST_POSTGRESQL:
                raise StartupError("this PostgreSQL is too old", hint="Use PostgreSQL 13 or later.")
            connection.rollback()
            with connection.begin():
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                return _upgrade(connection, revision)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseDown("the connection to the database broke") from None
        raise StartupError(
            f"the {database.name} could not be brought up to date: {error.orig}",
            hint="Nothing of it was changed. Restore a backup, or let the database's user make tables.",
        ) from None


def _migrate_sqlite(connection: Connection, revision: str) -> list[str]:
    """SQLite alters a table by making it anew; dropping the old one must not delete the rows that refer to it."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute("PRAGMA foreign_keys=OFF").close()
    try:
        with connection.begin():
            applied = _upgrade(connection, revision)
            if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                raise StartupError("rows of the database refer to others that are missing")
            return applied
    finally:
        driver.execute("PRAGMA foreign_keys=ON").close()


def _upgrade(connection: Connection, revision: str) -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}
    newer = set(MigrationContext.configure(connection).get_current_heads()) - known
    if newer:
        raise StartupError(
            f"the database was made by a newer bg-runner (revision {', '.join(sorted(newer))})",
            hint="Start the newer version again, or restore the database from before it.",
        )
    applied: list[str] = []
    config.attributes.update(connection=connection, applied=applied)
    command.upgrade(config, revision)
    if applied:
        log.info("the %s was brought to revision %s", connection.dialect.name, applied[-1])
    return applied
