"""Files that survive kill -9 and power loss at any line: old content or new content, never a mix."""

from __future__ import annotations

import contextlib
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bg_runner.errors import StorageFailed


def write_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace `path` by `data`: temp file beside it, write, fsync, rename, fsync the directory (ALICE, OSDI'14).

    Raises: StorageFailed; the old content is then still there. A failed fsync is not retried on the same pages:
    the caller writes again from memory.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            try:
                os.fchmod(handle, mode)
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view) :]
                os.fsync(handle)
            finally:
                os.close(handle)
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        sync_directory(path.parent)
    except OSError as error:
        raise StorageFailed(f"{path.name} could not be written: {error.strerror or error}") from error


def sync_directory(directory: Path) -> None:
    """Make renames and removals in `directory` durable. Raises: OSError."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def set_aside(path: Path) -> Path:
    """Rename an unreadable file to `<name>.corrupt-<time>`, so that nothing ever overwrites it; return the new path."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    path.rename(aside)
    with contextlib.suppress(OSError):
        sync_directory(path.parent)
    return aside


def remove_leftovers(directory: Path) -> None:
    """Delete the temp files that a killed `write_durably` left behind."""
    for path in directory.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()
