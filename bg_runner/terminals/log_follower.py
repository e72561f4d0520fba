"""Following a log's end cheaply: one `pread` for each piece of news, where `LogReader` lists and opens every time."""

from __future__ import annotations

import os
from bisect import bisect_right
from pathlib import Path

from bg_runner.terminals.output import segment_name, segment_starts


class Overtaken(Exception):
    """What lies at the wanted cursor was deleted meanwhile; the log goes on at `cursor` (bytes)."""

    def __init__(self, cursor: int) -> None:
        super().__init__(f"the log begins at {cursor} now")
        self.cursor = cursor


class LogFollower:
    """Reads on in a growing log, like `LogReader`, but holds the segment open (one descriptor at most).

    Not for several threads at once. `close` it; a closed one opens again by itself when it is read.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._fd = -1
        self._start = 0
        self._next: int | None = None  # Where the next segment begins, if there was one when this was opened.

    def read(self, cursor: int, limit: int = 1 << 16) -> bytes:
        """Bytes from exactly `cursor`, at most `limit` and never across two segments; empty at the end of the log.

        Deleted segments are still read to their end by whoever has them open.
        Raises: Overtaken if the bytes at `cursor` are gone; OSError if the disk fails.
        """
        data = self._read_open(cursor, limit)
        if data or limit <= 0 or self._is_end(cursor):
            return data
        self._find(cursor)
        data = self._read_open(cursor, limit)
        if not data and self._next is not None:
            # A crash of the machine shortened this segment: there is a hole up to the next one.
            raise Overtaken(self._next)
        return data

    def close(self) -> None:
        """Twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._next = -1, None

    def __enter__(self) -> LogFollower:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_open(self, cursor: int, limit: int) -> bytes:
        if self._fd < 0 or cursor < self._start or (self._next is not None and cursor >= self._next):
            return b""
        return os.pread(self._fd, limit, cursor - self._start)

    def _is_end(self, cursor: int) -> bool:
        """Whether the log ends at `cursor`, in the open segment: the usual reason why nothing was read."""
        if self._fd < 0 or self._next is not None:
            return False
        status = os.fstat(self._fd)
        if status.st_nlink == 0 or cursor != self._start + status.st_size:
            return False
        # The writer begins a segment exactly where the one before ends.
        return cursor == self._start or not os.access(self._directory / segment_name(cursor), os.F_OK)

    def _find(self, cursor: int) -> None:
        """Open the segment that holds `cursor`, if there is any segment. Raises: Overtaken."""
        self.close()
        while starts := segment_starts(self._directory):
            place = bisect_right(starts, cursor) - 1
            if place < 0:
                raise Overtaken(starts[0])
            try:
                self._fd = os.open(self._directory / segment_name(starts[place]), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # The writer deleted it meanwhile.
            self._start, self._next = starts[place], starts[place + 1] if place + 1 < len(starts) else None
            return
