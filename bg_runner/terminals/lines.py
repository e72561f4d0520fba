"""Line numbers over a terminal's log, and reading by them, without keeping a line in memory.

A line's number is how many newlines the terminal wrote before it. It never changes: not when old output is rotated
away, and not when the server starts again, since the log's index says for each segment how many newlines came before.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple, TypeVar

from bg_runner.terminals.line_index import LineIndex, position_of_newline
from bg_runner.terminals.log_index import read_index
from bg_runner.terminals.output import LogReader
from bg_runner.terminals.smart_read import Reading, ReadOptions, ReadResult, rendered
from bg_runner.terminals.tokens import estimate_tokens

MAX_LINE_BYTES = 1 << 16
"""Of a longer line only the end is read."""
BLOCK = 1 << 18
SAMPLES, SAMPLE_BYTES = 32, 1 << 11
ATTEMPTS = 20


class Window(NamedTuple):
    """What can be read now: the lines [oldest, total), of which the last is unfinished if `complete` < `total`.

    `cursor` is the end of the log (bytes); `complete` is also the number of the next line to be finished.
    """

    oldest: int
    complete: int
    total: int
    cursor: int


class Span(NamedTuple):
    """The lines from `first` on that lie in the bytes [start, end). With `cut`, the first one lost its beginning."""

    first: int
    start: int
    end: int
    cut: bool


class RawLines(NamedTuple):
    """Whole lines, joined by newlines. With `cut`, the beginning of the first one is missing."""

    data: bytes
    cut: bool


T = TypeVar("T")


class LinesMoved(Exception):
    """The writer deleted meanwhile what was to be read: ask for the window again."""


@dataclass(frozen=True)
class LineStats:
    """About the lines that can be read now, as seed 001's `getStats`.

    `total_bytes` are those of the log, escapes included; `estimated_tokens` are of the plain text. `oldest_line` and
    `newest_line` are 0 if there is no line.
    """

    total_lines: int
    total_bytes: int
    estimated_tokens: int
    oldest_line: int
    newest_line: int


class Lines:
    """The last `buffer_lines` lines of the log in `directory`, as far as the log still has them. For any thread.

    What is read costs in proportion to what is returned, plus 16 KB or so; only the first read counts the newlines of
    the buffer. All methods but `follow` raise OSError if the disk fails.
    """

    def __init__(self, directory: Path, buffer_lines: int) -> None:
        self._directory = directory
        self._reader = LogReader(directory)
        self._buffer_lines = buffer_lines
        self._lock = Lock()
        self._index: LineIndex | None = None

    def follow(self, cursor: int, data: bytes) -> None:
        """Take note of the log's bytes from `cursor`, which somebody has read anyway. Never waits; may be left out."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._index is None and cursor == 0:
                self._index = LineIndex(0, 0)
            if self._index is not None and cursor <= self._index.end < cursor + len(data):
                self._index.add(self._index.end, data[self._index.end - cursor :])
        finally:
            self._lock.release()

    def window(self) -> Window:
        """What can be read at this moment."""
        with self._lock:
            index = _retried(self._refreshed)
            total = index.newlines + (index.end > index.last_start)
            oldest = max(total - self._buffer_lines, index.first)
            # Twice the buffer, so that whoever reads slowly still finds the lines of the window that it got.
            index.forget_lines(total - 2 * self._buffer_lines)
            return Window(oldest, index.newlines, total, index.end)

    def span(self, window: Window, first: int, stop: int) -> Span:
        """Where the lines [first, stop) of `window` are. Raises: LinesMoved."""
        with self._lock:
            start, cut = self._start_of(first)
            end = window.cursor if stop >= window.total else self._start_of(stop)[0]
            return Span(first, start, max(start, end), cut)

    def read(self, span: Span) -> Iterator[RawLines]:
        """The lines of `span` in pieces of about 256 KB; of a line over 64 KB the end only.

        Ends early if the writer deletes them meanwhile.
        """
        line, at, cut, rest = span.first, span.start, span.cut, b""
        while at < span.end:
            chunk = self._reader.read(at, min(BLOCK, span.end - at))
            data = chunk.data[: max(0, span.end - chunk.cursor)]
            if chunk.oldest > at or not data:
                return
            at = chunk.cursor + len(data)
            last = data.rfind(b"\n")
            if last >= 0:
                whole = rest + data[:last]
                yield RawLines(whole, cut)
                line += whole.count(b"\n") + 1
                cut, rest = False, data[last + 1 :]
            else:
                rest += data
            if len(rest) > MAX_LINE_BYTES:
                end = self._end_of(line, span.end)
                if end - at > MAX_LINE_BYTES:
                    at, cut, rest = end - MAX_LINE_BYTES, True, b""
        if rest:
            yield RawLines(rest, cut)

    def reading(self, options: ReadOptions) -> Reading:
        """Begin a smart read whose text comes in pieces."""
        return _retried(lambda: Reading(self, options))

    def smart_read(self, options: ReadOptions) -> ReadResult:
        """A smart read at once."""
        reading = self.reading(options)
        output = "".join(reading.pieces())
        return reading.result(output)

    def stats(self) -> LineStats:
        """Of a large buffer the tokens are estimated from samples."""
        window, span = _retried(self._whole)
        size = span.end - span.start
        count = window.total - window.oldest
        newest = window.total - 1 if count else 0
        return LineStats(count, size, self._tokens(span), window.oldest if count else 0, newest)

    def _whole(self) -> tuple[Window, Span]:
        window = self.window()
        return window, self.span(window, window.oldest, window.total)

    def _tokens(self, span: Span) -> int:
        size = span.end - span.start
        if size <= BLOCK:
            return sum(estimate_tokens("\n".join(rendered(raw, ansi=False)) + "\n") for raw in self.read(span))
        tokens = seen = 0
        for number in range(SAMPLES):
            at = span.start + (size - SAMPLE_BYTES) * number // (SAMPLES - 1)
            data = self._reader.read(at, SAMPLE_BYTES).data
            # From a line's start to a line's end, where there are such.
            data = data[data.find(b"\n", 0, SAMPLE_BYTES // 2) + 1 :]
            data = data[: data.rfind(b"\n") + 1] or data
            tokens += estimate_tokens("\n".join(rendered(RawLines(data, cut=False), ansi=False)))
            seen += len(data)
        return tokens * size // max(seen, 1)

    # From here on the caller holds the lock.

    def _refreshed(self) -> LineIndex:
        """The index, brought up to the end that the log has now and down to its oldest byte."""
        index = self._index
        chunk = self._reader.read(index.end if index else 0, 0)
        if index is None or chunk.end < index.end or chunk.oldest > index.end:
            index = self._index = self._rebuilt(chunk.oldest, chunk.end)
        else:
            self._count(index, chunk.end)
        if chunk.oldest > index.start:
            self._cut(index, chunk.oldest)
        return index

    def _count(self, index: LineIndex, end: int) -> None:
        """Raises: LinesMoved; the index is right as far as it got."""
        while index.end < end:
            chunk = self._reader.read(index.end, min(BLOCK, end - index.end))
            if chunk.oldest > index.end:
                raise LinesMoved
            if chunk.cursor >= end or not chunk.data:
                return
            index.add(chunk.cursor, chunk.data[: end - chunk.cursor])

    def _cut(self, index: LineIndex, oldest: int) -> None:
        """The writer deleted what stood before `oldest`."""
        cursor, lines = index.next_checkpoint(oldest)
        part = LineIndex(oldest, 0)
        self._count(part, cursor)
        index.cut(oldest, lines - part.newlines)

    def _rebuilt(self, oldest: int, end: int) -> LineIndex:
        """Count from the last mark that leaves enough lines after it, or from the oldest byte."""
        marks = {mark.cursor: mark.values[0] or 0 for mark in read_index(self._directory) if mark.kind == "n"}
        marks = {cursor: lines for cursor, lines in marks.items() if oldest <= cursor <= end}
        if oldest not in marks:
            marks[oldest] = self._lines_before(oldest, marks)
        index: LineIndex | None = None
        for cursor in sorted(marks, reverse=True):
            part = LineIndex(cursor, marks[cursor])
            self._count(part, index.start if index else end)
            if index is None:
                index = part
            else:
                index.prepend(part)
            if index.newlines - index.first > self._buffer_lines:
                break
        assert index is not None
        return index

    def _lines_before(self, oldest: int, marks: dict[int, int]) -> int:
        """The newlines before a byte that has no mark."""
        if oldest == 0:
            return 0
        if marks:
            part = LineIndex(oldest, 0)
            self._count(part, min(marks))
            return max(0, marks[min(marks)] - part.newlines)
        # A log of a version without marks. Numbers at least never go back while this object lives.
        return self._index.newlines if self._index else 0

    def _start_of(self, line: int) -> tuple[int, bool]:
        """Where `line` begins, and whether its true beginning is gone. Raises: LinesMoved."""
        index = self._index
        assert index is not None
        if line <= index.first:
            if line < index.first:
                raise LinesMoved
            return index.start, index.start > 0
        if line == index.newlines:
            return index.last_start, False
        cursor, stop, count = index.span_of(line)
        while cursor < stop:
            chunk = self._reader.read(cursor, stop - cursor)
            if chunk.oldest > cursor or not chunk.data:
                raise LinesMoved
            here = chunk.data.count(b"\n")
            if here >= count:
                return chunk.cursor + position_of_newline(chunk.data, count) + 1, False
            count -= here
            cursor = chunk.next
        raise LinesMoved

    def _end_of(self, line: int, most: int) -> int:
        """Where the newline of `line` is, if that is before `most`."""
        with self._lock:
            index = self._index
            if index is None or line >= index.newlines:
                return most
            try:
                return min(self._start_of(line + 1)[0] - 1, most)
            except LinesMoved:
                return most


def _retried(attempt: Callable[[], T]) -> T:
    """Raises: OSError if the writer deletes faster than anybody can read."""
    for _ in range(ATTEMPTS):
        try:
            return attempt()
        except LinesMoved:
            continue
    raise OSError(errno.EAGAIN, "the log is rotated faster than it can be read")
