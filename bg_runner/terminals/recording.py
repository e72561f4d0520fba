"""The log of a terminal as an asciicast v2 recording (https://docs.asciinema.org/manual/asciicast/v2/).

Times and sizes come from the log's index, the bytes from its segments. Nothing is kept for the recording alone: it is
made while it is read, also of a terminal that still writes, in memory that does not grow with the log.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bg_runner.terminals.log_index import Mark, read_index
from bg_runner.terminals.osc import OscScanner
from bg_runner.terminals.output import LogReader
from bg_runner.terminals.text import plain_lines

CHUNK_BYTES = 64 * 1024
PIECE_BYTES = 64 * 1024
BEGIN_BYTES = 4096
LABEL_BYTES = 4096
LABEL_CHARS = 120

# Where a terminal can begin to read in the middle of a stream: at an escape sequence, or in a new line.
_SANE_START = re.compile(rb"\n|(?=\x1b)")
_CONTINUATION = re.compile(rb"[\x80-\xbf]{0,3}")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def cast_events(
    directory: Path, *, title: str, env: Mapping[str, str], width: int = 80, height: int = 24
) -> Iterator[bytes]:
    """The recording of the log in `directory`, in pieces of whole lines: a header, then an event a line.

    `title` may be empty; `env` is the header's (asciinema knows TERM and SHELL); `width` and `height` (cells) hold when
    the index says no size. Events are output ("o", UTF-8 decoded, U+FFFD for what is broken), "r" for a new window size
    and "m" for a marker: at each command that the shell reports (OSC 133;C), and where output is missing. Times (s)
    count from the first byte that is still there. What is written after the first piece was taken is not part of it.

    Blocks while it reads. Raises: OSError if the disk fails.
    """
    reader = LogReader(directory)
    bounds = reader.read(0, 0)
    begin = _begin(reader, bounds.oldest, bounds.end)
    recording = _Recording(_placed(read_index(directory)), begin, (width, height))
    lines = [recording.header(title, env)]
    size = 0
    for line in recording.events(_chunks(reader, begin, bounds.end)):
        lines.append(line)
        size += len(line)
        if size >= PIECE_BYTES:
            yield b"".join(lines)
            lines, size = [], 0
    yield b"".join(lines)


def _placed(marks: Iterable[Mark]) -> list[Mark]:
    """The marks that place something in the log, in ascending order of their cursors.

    A program's start ("s") becomes a size ("r") where the mark after it stands. When a crash of the machine shortened
    the log, what was marked beyond that place was written again: the later marks hold.
    """
    placed: list[Mark] = []
    started: Mark | None = None
    for mark in marks:
        if mark.kind == "s":
            started = mark
            continue
        if mark.kind not in "ordx":
            continue
        while placed and placed[-1].cursor > mark.cursor:
            placed.pop()
        if started is not None:
            placed.append(Mark(started.at, "r", (*started.values, mark.cursor)))
            started = None
        placed.append(mark)
    if started is not None and not placed:
        placed.append(Mark(started.at, "r", (*started.values, 0)))
    return placed


def _begin(reader: LogReader, oldest: int, end: int) -> int:
    """Where to begin: a rotated log may begin in the middle of a character or of an escape sequence (bytes)."""
    if oldest == 0:
        return 0
    data = reader.read(oldest, min(BEGIN_BYTES, end - oldest)).data
    found = _SANE_START.search(data) or _CONTINUATION.match(data)
    return oldest + (found.end() if found else 0)


def _chunks(reader: LogReader, cursor: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The bytes from `cursor` to `end` with their cursors; a jump is where they are lost."""
    while cursor < end:
        chunk = reader.read(cursor, min(CHUNK_BYTES, end - cursor))
        if not chunk.data:
            return  # The log was deleted.
        yield min(chunk.cursor, end), chunk.data[: max(0, end - chunk.cursor)]
        cursor = chunk.next


class _Recording:
    """Goes through bytes and marks together and writes events."""

    def __init__(self, marks: list[Mark], begin: int, size: tuple[int, int]) -> None:
        """`begin` is the cursor of the first byte; `size` (cols, rows) holds if no mark up to there says another."""
        self._marks = deque(marks)
        self._size = size
        self._clock = marks[0].at if marks else 0.0
        self._cursor = begin
        while self._marks and self._marks[0].cursor <= begin:
            mark = self._marks.popleft()
            self._clock = mark.at
            self._resize(mark)
        self._timestamp = int(self._clock)
        self._time = 0.0
        self._scanner = OscScanner()
        self._scanned = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._since_prompt = bytearray()

    def header(self, title: str, env: Mapping[str, str]) -> bytes:
        width, height = self._size
        fields: dict[str, object] = {"version": 2, "width": width, "height": height}
        if self._timestamp:
            fields["timestamp"] = self._timestamp
        if title:
            fields["title"] = title
        if env:
            fields["env"] = dict(env)
        return _line(fields)

    def events(self, chunks: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
        """The events of `chunks`: bytes with the cursor where they begin, ascending."""
        if self._cursor > 0:
            yield self._event("m", "earlier output is no longer kept")
        for cursor, data in chunks:
            if cursor > self._cursor:
                yield from self._gap(cursor)
            yield from self._chunk(data)
        yield from self._apply_marks()
        yield from self._end_of_text()

    def _chunk(self, data: bytes) -> Iterator[bytes]:
        done = 0
        while done < len(data):
            yield from self._apply_marks()
            until_mark = self._marks[0].cursor - self._cursor if self._marks else len(data)
            part = data[done : done + until_mark]
            yield from self._output(part)
            self._cursor += len(part)
            done += len(part)

    def _apply_marks(self) -> Iterator[bytes]:
        """What the marks up to the cursor say."""
        while self._marks and self._marks[0].cursor <= self._cursor:
            mark = self._marks.popleft()
            # A clock that was set back costs no time: a recording's time only grows.
            self._time += max(0.0, mark.at - self._clock)
            self._clock = mark.at
            if self._resize(mark):
                yield self._event("r", "{}x{}".format(*self._size))
            elif mark.kind == "d":
                yield self._event("m", f"{mark.values[0]} bytes are missing: the disk was full")

    def _resize(self, mark: Mark) -> bool:
        """Whether `mark` says another size."""
        if mark.kind != "r":
            return False
        size = (mark.values[0] or 0, mark.values[1] or 0)
        if size == self._size or min(size) < 1:
            return False
        self._size = size
        return True

    def _gap(self, cursor: int) -> Iterator[bytes]:
        """Bytes were rotated away while we read, or a crash of the machine cost them."""
        yield from self._end_of_text()
        yield self._event("m", f"{cursor - self._cursor} bytes are missing")
        self._cursor = cursor

    def _output(self, data: bytes) -> Iterator[bytes]:
        """Output that arrived together, with a marker where a command begins."""
        done = 0
        for event in self._scanner.feed(data):
            if event.kind not in ("prompt", "command", "output"):
                continue
            end = event.offset - self._scanned
            yield from self._text(data[done:end])
            done = end
            if event.kind == "output":
                yield self._event("m", event.text or _command_line(bytes(self._since_prompt)))
            self._since_prompt.clear()
        self._scanned += len(data)
        yield from self._text(data[done:])

    def _text(self, data: bytes) -> Iterator[bytes]:
        self._since_prompt += data[-LABEL_BYTES:]
        del self._since_prompt[:-LABEL_BYTES]
        text = self._decoder.decode(data)
        if text:
            yield self._event("o", text)

    def _end_of_text(self) -> Iterator[bytes]:
        """What is left of a character that never ended."""
        text = self._decoder.decode(b"", True)
        if text:
            yield self._event("o", text)

    def _event(self, kind: str, data: str) -> bytes:
        return _line([round(self._time, 3), kind, data])


def _command_line(typed: bytes) -> str:
    """What stood in the line where a command was typed, its prompt included unless the shell told them apart."""
    lines = [line.strip() for line in plain_lines(typed)]
    return next((line for line in reversed(lines) if line), "command")[:LABEL_CHARS]


def _line(value: object) -> bytes:
    return _encode(value).encode() + b"\n"
