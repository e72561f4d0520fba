"""The log of a terminal (or of any task): a byte stream in files, with an index of times beside it.

A directory holds `<20-digit start offset>.log` segments and `index.jsonl`. A byte's offset in the stream is its
*cursor*; it never changes, also when older segments are deleted to stay within the bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bg_runner.terminals.models import DEFAULT_LOG_BYTES, Exit, check_id


def log_directory(data_dir: Path, log_id: str) -> Path:
    """Where the log of the terminal or task `log_id` lies. Raises: ValueError for a bad id."""
    return data_dir / "terminals" / check_id(log_id)


@dataclass(frozen=True)
class Chunk:
    """`data` begins at `cursor` (moved up to `oldest` if what was asked for is deleted; down to `end` if beyond it).

    `oldest` and `end` bound what the log holds now; all are bytes.
    """

    data: bytes
    cursor: int
    oldest: int
    end: int

    @property
    def next(self) -> int:
        """The cursor to read on from."""
        return self.cursor + len(self.data)


class LogReader:
    """Reads a log, also while it is written. A log that does not exist yet is empty. Not thread-safe; cheap to make."""

    def __init__(self, directory: Path) -> None:
        raise NotImplementedError

    def read(self, cursor: int, limit: int = 1 << 20) -> Chunk:
        """Up to `limit` bytes from `cursor`. Raises: OSError if the disk fails."""
        raise NotImplementedError

    def tail(self, limit: int) -> Chunk:
        """The last `limit` bytes. Raises: OSError if the disk fails."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> LogReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LogWriter:
    """Appends to a log; makes its directory at the first byte. A full disk drops output, counts it and goes on.

    Nothing here raises OSError: what cannot be written is counted in `dropped` (bytes).
    """

    def __init__(self, directory: Path, log_bytes: int = DEFAULT_LOG_BYTES, rows: int = 24, cols: int = 80) -> None:
        raise NotImplementedError

    @property
    def cursor(self) -> int:
        """The end of the log (bytes)."""
        raise NotImplementedError

    @property
    def dropped(self) -> int:
        raise NotImplementedError

    def write(self, data: bytes) -> int:
        """Append `data`; return the new end of the log."""
        raise NotImplementedError

    def resize(self, rows: int, cols: int) -> None:
        """Note a new window size in the index."""
        raise NotImplementedError

    def exit(self, code: int | None, signal: int | None) -> Exit:
        """Note how the program ended."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_exit(directory: Path) -> Exit | None:
    """How the program of this log ended, if that was noted, also when the host died afterwards."""
    raise NotImplementedError


def delete_log(directory: Path) -> None:
    """Delete the log; one that does not exist is fine. Raises: OSError if the disk fails."""
    raise NotImplementedError
