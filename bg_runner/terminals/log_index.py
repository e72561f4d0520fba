"""The index beside a log: one JSON array a line, in the order things happened.

    [t, "s", cols, rows]               a program was started; what stood before it belongs to an earlier one
    [t, "o", cursor]                   the byte at `cursor` arrived at t, and so did those up to the next mark
    [t, "r", cols, rows, cursor]       the window was resized when the log ended at `cursor`
    [t, "d", bytes, cursor]            so many bytes are missing before `cursor`: the disk was full
    [t, "x", code, signal, cursor]     the program ended, by code or signal (the other is null)
    [t, "n", lines, cursor]            a segment begins at `cursor`, with so many newlines before it (since byte 0)

Segments have an "n" so that a line's number costs no reading of all before it. The first one, at byte 0, needs none;
one that a crash prevented is made up for by counting on from the segment before. After a crash of the machine a segment
may begin twice: the later mark holds.

`t` is seconds since the epoch. A torn line, as a crash or a full disk leaves it, is ignored, and so is a kind that
this version does not know. Marks come at most every 10 ms. A long-lived program that prints a little all the time
would make an index larger than its log; so the index is bounded, too, by forgetting every second mark.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

INDEX_NAME = "index.jsonl"
MARK_SPACING = 0.01
SMALLEST_BOUND = 64 * 1024
MAX_WAITING = 1000

_FIELDS = {"s": 2, "o": 1, "r": 3, "d": 2, "x": 3, "n": 2}
_NULLABLE = {"x": (0, 1)}


class Mark(NamedTuple):
    """One line of the index; `values` are what follows the kind."""

    at: float
    kind: str
    values: tuple[int | None, ...]

    def line(self) -> bytes:
        values = ",".join(["null" if value is None else str(value) for value in self.values])
        return f'[{round(self.at, 3)},"{self.kind}",{values}]\n'.encode()

    @property
    def cursor(self) -> int:
        """Where in the log it belongs (bytes)."""
        return 0 if self.kind == "s" else self.values[-1] or 0


def parse_index(data: bytes) -> Iterator[Mark]:
    """The marks in `data`, without what is torn, foreign or unknown."""
    end = data.rfind(b"\n") + 1
    for line in data[:end].splitlines():
        mark = _parse_line(line)
        if mark is not None:
            yield mark


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _parse_line(line: bytes) -> Mark | None:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, list) or len(fields) < 2:
        return None
    at, kind, *values = fields
    if not isinstance(kind, str) or not (isinstance(at, float) or _is_int(at)) or not math.isfinite(at):
        return None
    nullable = _NULLABLE.get(kind, ())
    if len(values) != _FIELDS.get(kind):
        return None
    if not all(_is_int(value) or (value is None and place in nullable) for place, value in enumerate(values)):
        return None
    return Mark(float(at), kind, tuple(values))


def thin(marks: list[Mark], oldest: int, bound: int) -> list[Mark]:
    """The marks that still say something about a log beginning at `oldest`, in at most `bound` bytes if that goes.

    Output marks are the many: those before `oldest` go, then every second one until it fits. Of resizes and drops the
    latest stay. Start, exit, and the line counts of the segments that still exist always stay.
    """
    first = max((place for place, mark in enumerate(marks) if mark.kind == "o" and mark.cursor <= oldest), default=0)
    size_then = max((place for place, mark in enumerate(marks[:first]) if mark.kind == "r"), default=-1)
    kept = [
        (mark, len(mark.line()))
        for place, mark in enumerate(marks)
        if (place >= first or place == size_then or mark.kind in "sxn")
        and not (mark.kind == "n" and mark.cursor < oldest)
    ]
    while sum(size for _, size in kept) > bound:
        dropped: set[int] = set()
        for kind in "ord":
            places = [place for place, (mark, _) in enumerate(kept) if mark.kind == kind]
            dropped.update(places[1::2] if kind == "o" else places[: len(places) // 2])
        if not dropped:
            break
        kept = [entry for place, entry in enumerate(kept) if place not in dropped]
    return [mark for mark, _ in kept]


class IndexWriter:
    """Appends marks to `directory/index.jsonl`. Never raises OSError: what cannot be written now waits (bounded)."""

    def __init__(self, directory: Path, bound: int) -> None:
        self._path = directory / INDEX_NAME
        self._bound = max(bound, SMALLEST_BOUND)
        self._fd = -1
        self._size = 0
        self._spacing = MARK_SPACING
        self._last_output = 0.0
        self._waiting: list[Mark] = []

    def output(self, at: float, cursor: int) -> None:
        """Mark output that begins at `cursor`, unless the last mark is younger than 10 ms."""
        if 0 <= at - self._last_output < self._spacing:
            return
        self._last_output = at
        self.add(Mark(at, "o", (cursor,)))

    def add(self, mark: Mark) -> None:
        self._waiting.append(mark)
        self.flush()

    def add_later(self, mark: Mark) -> None:
        """Write `mark` together with the next one."""
        self._waiting.append(mark)

    @property
    def waits(self) -> bool:
        """Whether marks could not be written yet."""
        return bool(self._waiting)

    def flush(self) -> None:
        """Try to write what waits."""
        if not self._waiting:
            return
        data = b"".join([mark.line() for mark in self._waiting])
        try:
            if self._fd < 0:
                self._open()
            written = os.write(self._fd, data)
        except OSError:
            written = 0
        if written == len(data):
            self._size += written
            self._waiting.clear()
            return
        self._undo(written)
        if len(self._waiting) > MAX_WAITING:
            older, newer = self._waiting[: -MAX_WAITING // 2], self._waiting[-MAX_WAITING // 2 :]
            self._waiting = [mark for mark in older if mark.kind in "sxn"] + newer

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size
        if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
            # A crash tore the last line: end it, so that ours begins a line of its own.
            self._size += os.write(self._fd, b"\n")

    def _undo(self, written: int) -> None:
        """Take back half a line, so that the next attempt begins a line."""
        if written:
            try:
                os.ftruncate(self._fd, self._size)
            except OSError:
                self.close()

    def keep_bounded(self, oldest: int) -> None:
        """Rewrite the index when it has outgrown its bound. `oldest` is where the log begins now (bytes)."""
        if self._size <= self._bound:
            return
        self.close()
        new = self._path.with_suffix(".new")
        try:
            marks = list(parse_index(self._path.read_bytes()))
            self._spacing *= 2
            new.write_bytes(b"".join(mark.line() for mark in thin(marks, oldest, self._bound // 2)))
            new.chmod(0o600)
            new.replace(self._path)
            self._open()
        except OSError:
            # A full disk: go on with the long one, and try again when it has doubled.
            self._bound *= 2

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_index(directory: Path) -> list[Mark]:
    """All marks of a log; empty if it has none. Raises: OSError if the disk fails."""
    try:
        data = (directory / INDEX_NAME).read_bytes()
    except FileNotFoundError:
        return []
    return list(parse_index(data))
