"""The log of a terminal (or of any task): a byte stream in files, with an index of times beside it.

A directory holds `<20-digit start offset>.log` segments and `index.jsonl` (see `log_index`). A byte's offset in the
stream is its *cursor*; it never changes, also when older segments are deleted to stay within the bound. One writer at a
time; any number of readers, in any process, at the same time.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bg_runner.terminals.identity import DEFAULT_LOG_BYTES, Exit, check_id
from bg_runner.terminals.log_index import INDEX_NAME, IndexWriter, Mark, parse_index, read_index

SEGMENTS = 8
TAIL_OF_INDEX = 4096


def log_directory(data_dir: Path, log_id: str) -> Path:
    """Where the log of the terminal or task `log_id` lies. Raises: ValueError for a bad id."""
    return data_dir / "terminals" / check_id(log_id)


def segment_name(start: int) -> str:
    return f"{start:020d}.log"


def segment_starts(directory: Path) -> list[int]:
    """The start cursors of the segments, ascending; empty if there is no such directory."""
    try:
        names = os.listdir(directory)  # noqa: PTH208 (a Path for every entry doubles the cost of following a log)
    except FileNotFoundError:
        return []
    return sorted(int(name[:-4]) for name in names if len(name) == 24 and name.endswith(".log") and name[:20].isdigit())


class Chunk(NamedTuple):
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
    """Reads a log, also while it is written. A log that does not exist yet is empty. Holds nothing open."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, cursor: int, limit: int = 1 << 20) -> Chunk:
        """Up to `limit` bytes from `cursor`. Raises: OSError if the disk fails."""
        while True:
            starts = segment_starts(self._directory)
            if not starts:
                return Chunk(b"", 0, 0, 0)
            try:
                return self._read(starts, cursor, limit)
            except FileNotFoundError:
                continue  # The writer deleted the oldest segment meanwhile.

    def tail(self, limit: int) -> Chunk:
        """The last `limit` bytes. Raises: OSError if the disk fails."""
        end = self.read(0, 0).end
        return self.read(end - limit, limit)

    def _read(self, starts: list[int], cursor: int, limit: int) -> Chunk:
        oldest = starts[0]
        end = starts[-1] + (self._directory / segment_name(starts[-1])).stat().st_size
        cursor = min(max(cursor, oldest), end)
        parts: list[bytes] = []
        at = cursor
        for start in starts[max(bisect_right(starts, at) - 1, 0) :]:
            wanted = min(limit - (at - cursor), end - at)
            if wanted <= 0:
                break
            if start > at:
                # A crash of the machine shortened the segment before: skip the hole, but never inside one chunk.
                if parts:
                    break
                at = cursor = start
            data = self._read_segment(start, at - start, wanted)
            if data:
                parts.append(data)
                at += len(data)
        return Chunk(b"".join(parts), cursor, oldest, end)

    def _read_segment(self, start: int, offset: int, size: int) -> bytes:
        fd = os.open(self._directory / segment_name(start), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(fd, size, offset)
        finally:
            os.close(fd)


class LogWriter:
    """Appends to a log; makes its directory at the first byte. A full disk drops output, counts it and goes on.

    Nothing here raises OSError: what cannot be written is counted in `dropped` (bytes). `log_bytes` bounds the
    segments together; the oldest eighth goes first. An existing log is continued (the constructor raises OSError if
    it cannot be looked at).
    """

    def __init__(
        self,
        directory: Path,
        log_bytes: int = DEFAULT_LOG_BYTES,
        rows: int = 24,
        cols: int = 80,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._segment_bytes = max(log_bytes // SEGMENTS, 1)
        self._clock = clock
        self._size = (cols, rows)
        self._index = IndexWriter(directory, log_bytes // 64)
        self._made = False
        self._started = False
        self._fd = -1
        self._room = 0
        self._starts: list[int] = []
        self._cursor = 0
        self._lines = 0
        self._dropped = 0
        self._unmarked_drop = 0
        if directory.is_dir():
            self._continue()

    @property
    def cursor(self) -> int:
        """The end of the log (bytes)."""
        return self._cursor

    @property
    def dropped(self) -> int:
        """Bytes that a full disk cost."""
        return self._dropped

    @property
    def waits(self) -> bool:
        """Whether marks wait for a full disk to get room; call `flush` now and then."""
        return self._index.waits

    def write(self, data: bytes) -> int:
        """Append `data`, note when it came; return the new end of the log."""
        begin = self.append(data)
        self.note(begin)
        return self._cursor

    def append(self, data: bytes) -> int:
        """Append `data`; return where it begins. For those who are in a hurry: `note` has to follow."""
        begin = self._cursor
        view = memoryview(data)
        while view:
            try:
                if self._room == 0:
                    self._next_segment()
                written = os.write(self._fd, view[: self._room])
            except OSError as error:
                self._made = error.errno != errno.ENOENT  # Somebody deleted the directory: make it again next time.
                self._dropped += len(view)
                self._unmarked_drop += len(view)
                break
            self._mark_drop()
            done = len(data) - len(view)
            self._lines += data.count(b"\n", done, done + written)
            self._cursor += written
            self._room -= written
            view = view[written:]
        return begin

    def note(self, begin: int) -> None:
        """Note in the index that what begins at `begin` came now."""
        if self._cursor > begin:
            self._begin()
            self._index.output(self._clock(), begin)
            self._index.keep_bounded(self._starts[0])

    def resize(self, rows: int, cols: int) -> int:
        """Note a new window size in the index; return the end of the log, where it begins to hold."""
        self._size = (cols, rows)
        if self._started:
            self._index.add(Mark(self._clock(), "r", (cols, rows, self._cursor)))
        return self._cursor

    def exit(self, code: int | None, signal: int | None) -> Exit:
        """Note how the program ended."""
        ended = Exit(code, signal, self._cursor, round(self._clock(), 3))
        self._mark_drop()
        self._begin()
        self._index.add_later(Mark(ended.at, "x", (code, signal, self._cursor)))
        self.flush()
        return ended

    def flush(self) -> None:
        """Try again to write what a full disk refused of the index."""
        try:
            self._make_directory()
        except OSError:
            return
        self._index.flush()

    def close(self) -> None:
        self._mark_drop()
        self._index.close()
        self._close_segment()

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _continue(self) -> None:
        """Go on where an earlier writer of this log stopped."""
        self._made = True
        self._starts = segment_starts(self._directory)
        if self._starts:
            last = self._starts[-1]
            self._cursor = last + (self._directory / segment_name(last)).stat().st_size
            self._lines = self._count_lines()
        self._begin()
        self._index.flush()

    def _count_lines(self) -> int:
        """The newlines before the end: those that the last mark knows of, and the ones since."""
        marks = {mark.cursor: mark.values[0] or 0 for mark in read_index(self._directory) if mark.kind == "n"}
        # A log of a version without such marks is counted from its oldest byte.
        known = max((start for start in self._starts if start in marks), default=self._starts[0])
        since = self._starts[self._starts.index(known) :]
        return marks.get(known, 0) + sum(_count_newlines(self._directory / segment_name(start)) for start in since)

    def _make_directory(self) -> None:
        if self._made:
            return
        try:
            self._directory.mkdir(mode=0o700)
        except FileExistsError:
            pass
        except FileNotFoundError:
            self._directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._directory.mkdir(mode=0o700, exist_ok=True)
        self._made = True

    def _begin(self) -> None:
        """Put the first line of the index before the one that is about to be written."""
        if not self._started:
            self._started = True
            self._index.add_later(Mark(self._clock(), "s", self._size))

    def _next_segment(self) -> None:
        self._make_directory()
        self._close_segment()
        while len(self._starts) >= SEGMENTS:
            (self._directory / segment_name(self._starts[0])).unlink(missing_ok=True)
            del self._starts[0]
        path = self._directory / segment_name(self._cursor)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._room = self._segment_bytes
        if self._cursor not in self._starts:
            self._starts.append(self._cursor)
        if self._cursor:
            self._index.add(Mark(self._clock(), "n", (self._lines, self._cursor)))

    def _close_segment(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._room = 0

    def _mark_drop(self) -> None:
        if self._unmarked_drop:
            self._begin()
            self._index.add(Mark(self._clock(), "d", (self._unmarked_drop, self._cursor)))
            self._unmarked_drop = 0


def _count_newlines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 20), b""))


def read_exit(directory: Path) -> Exit | None:
    """How the program of this log ended, if that was noted, also when the host died afterwards.

    Raises: OSError if the disk fails.
    """
    mark = _last_of(parse_index(_tail(directory / INDEX_NAME)))
    if mark is None:
        # Far back: something wrote on for long after the end.
        mark = _last_of(iter(read_index(directory)))
    if mark is None or mark.kind == "s":
        return None
    code, signal, cursor = mark.values
    return Exit(code, signal, cursor or 0, mark.at)


def _last_of(marks: Iterator[Mark]) -> Mark | None:
    last = None
    for mark in marks:
        if mark.kind in "sx":
            last = mark
    return last


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_OF_INDEX))
            return file.read()
    except FileNotFoundError:
        return b""


def delete_log(directory: Path) -> None:
    """Delete the log; one that does not exist is fine. Raises: OSError if the disk fails."""
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return
