"""A real PostgreSQL of the tests' own: in a temp directory, on a Unix socket only, ended with the tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg

from scripts.system_packages import POSTGRESQL, postgresql_programs
from tests.conditions import wait_until

# Tests kill processes, not the machine: what the kernel has is safe without waiting for the disk.
OPTIONS = ("listen_addresses=", "fsync=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=60")


class PostgresServer:
    """One cluster. PostgreSQL refuses root, so as root it runs as another user.

    The directory is not pytest's: that one lets nobody but root in, and its name may be too long for a socket.
    """

    def __init__(self) -> None:
        programs = postgresql_programs()
        if programs is None:
            raise AssertionError(f"no PostgreSQL on this machine; `make test` installs {', '.join(POSTGRESQL)} as root")
        self._programs = programs
        self._directory = Path(tempfile.mkdtemp(prefix="bg-runner-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        # It ends with the tests even if they are killed.
        self._as_user = ["setpriv", "--pdeathsig=QUIT"]
        if os.geteuid() == 0:
            user = _other_user()
            os.chown(self._directory, user.pw_uid, user.pw_gid)
            self._as_user += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def start(self) -> PostgresServer:
        """Make the cluster if it is new, start it, wait until it answers."""
        data = self._directory / "data"
        if not data.exists():
            initdb = [
                "initdb",
                "-D",
                str(data),
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            ]
            done = self._run(initdb)
            assert done.returncode == 0, done.stdout.decode(errors="replace")
        options = [part for option in OPTIONS for part in ("-c", option)]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user, self._programs / "postgres", "-D", data, "-k", self._directory, *options],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, 60)
        return self

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        program = [*self._as_user, str(self._programs / command[0]), *command[1:]]
        return subprocess.run(program, cwd=self._directory, capture_output=True, check=False)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError((self._directory / "log").read_text(errors="replace"))
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url("postgres")):
            return True
        return False

    def url(self, database: str) -> str:
        """The address as a setting has it."""
        return f"postgresql://postgres@/{database}?host={quote(str(self._directory), safe='')}"

    def empty_database(self) -> str:
        """The address of a database for this test: always the same one, emptied, since making one takes long."""
        url = self.url("postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        return url

    def stop(self) -> None:
        """As `pg_ctl stop -m immediate` or a power cut of the process: no checkpoint, no goodbye to clients."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)
            self._process = None

    def close(self) -> None:
        """End it and remove its files."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            assert self._process is not None
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


def _other_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
