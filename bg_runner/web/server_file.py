"""One server for a data directory: `server.lock` is held while it lives, `server.json` says where it is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bg_runner.errors import DataDirLocked, StartupError
from bg_runner.files import write_durably

LOCK_FILE = "server.lock"
INFO_FILE = "server.json"


@dataclass(frozen=True)
class ServerInfo:
    """`started_at` is ISO 8601 in UTC."""

    pid: int
    url: str
    started_at: str
    version: str


@contextlib.contextmanager
def lock_data_dir(data_dir: Path) -> Iterator[None]:
    """Be the one server of `data_dir`, which is made if it is not there. The kernel lets go when the process ends.

    Raises: DataDirLocked, StartupError.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        hint = "Choose another directory with BG_RUNNER_DATA_DIR or --data-dir."
        raise StartupError(f"the data directory {data_dir} cannot be used: {error.strerror}", hint=hint) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN):
                raise StartupError(f"{data_dir / LOCK_FILE} cannot be locked: {error.strerror}") from error
            raise DataDirLocked(_who_holds(data_dir)) from None
        yield
    finally:
        os.close(handle)


def _who_holds(data_dir: Path) -> str:
    other = read_info(data_dir)
    if other is None:
        return f"another server uses {data_dir}; it has not said its address yet"
    return f"another server uses {data_dir}: pid {other.pid} at {other.url}"


@contextlib.contextmanager
def announce(data_dir: Path, info: ServerInfo) -> Iterator[None]:
    """Say where the server is as long as it listens. Raises: StorageFailed."""
    path = data_dir / INFO_FILE
    write_durably(path, json.dumps(asdict(info), indent=1).encode() + b"\n", mode=0o600)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def read_info(data_dir: Path) -> ServerInfo | None:
    """What the running server said, or what one that was killed left behind."""
    try:
        return ServerInfo(**json.loads((data_dir / INFO_FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def is_locked(data_dir: Path) -> bool:
    """Whether a server lives that uses `data_dir`."""
    try:
        handle = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
