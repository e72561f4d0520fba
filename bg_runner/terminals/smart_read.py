"""Reading a terminal by lines, for scripts and agents: since a line, head, tail, a bound (seed 001, section 3).

What was asked for are the lines from `since` on, of those that the buffer still has; without `since` all of these.
`mode` chooses from them. `max_lines` bounds the choice: with `since` (and with mode "head") the oldest are kept and
`next_read_from` goes on behind them, otherwise the newest are kept. `has_more` says that this bound cut something.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from bg_runner.terminals.text import plain_line, split_plain
from bg_runner.terminals.tokens import estimate_tokens

if TYPE_CHECKING:
    from bg_runner.terminals.lines import Lines, RawLines, Span, Window

Mode = Literal["full", "head", "tail", "head-tail"]
OMITTED = "\n\n... [省略 {} 行] ...\n\n"
"""What stands between head and tail, word for word as in seed 001."""
CUT_LINE = "... [省略行首] ..."
"""Stands for the beginning of a line that is over 64 KB or was rotated away."""
LONGEST_LINE = 1 << 16
MOST_LINES = 1_000_000
FURTHEST_LINE = 1 << 62


class ReadOptions(BaseModel):
    """What to read; all counts are lines.

    since: number of the first line wanted; None for all. One beyond the end gives no text and the current end.
    max_lines: at most so many lines are shown (the note of what was left out is none).
    ansi: keep escape sequences, and every state of a line that a program overwrote.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: int | None = Field(default=None, ge=0, le=FURTHEST_LINE)
    mode: Mode = "full"
    head_lines: int = Field(default=50, ge=0, le=MOST_LINES)
    tail_lines: int = Field(default=50, ge=0, le=MOST_LINES)
    max_lines: int = Field(default=1000, ge=1, le=MOST_LINES)
    ansi: bool = False


@dataclass(frozen=True)
class ReadStats:
    """Of the output text: its size in UTF-8, tokens, lines. `lines_omitted`: see ReadResult.truncated."""

    total_bytes: int
    estimated_tokens: int
    lines_shown: int
    lines_omitted: int


@dataclass(frozen=True)
class ReadResult:
    """The fields of seed 001, and what else a reader needs.

    output: lines joined by newlines, none at the end.
    total_lines: lines that were asked for, shown or not.
    next_read_from: `since` of the next read: the first unfinished line, which comes again in full, or where paging
        goes on.
    has_more: `max_lines` cut something.
    truncated: lines that were asked for are not shown, and reading on from `next_read_from` does not bring them.
    oldest_line: the oldest line that can be read at all.
    first_line: the first line that was asked for after `since` was moved up to `oldest_line` or down to the end.
    lines_lost: how far `since` was moved up: lines that are no more.
    shown_from: number of the first line in `output` (of the next line, if it is empty).
    incomplete: the last line of `output` is still being written.
    cursor: the end of the log at that moment (bytes).
    """

    output: str
    total_lines: int
    next_read_from: int
    has_more: bool
    truncated: bool
    stats: ReadStats
    oldest_line: int
    first_line: int
    lines_lost: int
    shown_from: int
    incomplete: bool
    cursor: int


class Choice(NamedTuple):
    """Lines [start, head_stop) and [tail_start, tail_stop) are shown; the other counts as in ReadResult."""

    start: int
    head_stop: int
    tail_start: int
    tail_stop: int
    next_read_from: int
    has_more: bool
    omitted: int


def choose(options: ReadOptions, oldest: int, complete: int, total: int) -> Choice:
    """Which of the lines [oldest, total) to show, if the first unfinished one is `complete`."""
    start = oldest if options.since is None else min(max(options.since, oldest), total)
    asked = total - start
    paging = options.since is not None or options.mode == "head"
    head, tail = _sizes(options, asked, paging=paging)
    most = options.max_lines
    has_more = head + tail > most
    if not has_more:
        omitted = asked - head - tail
        return Choice(start, start + head, total - tail, total, complete, has_more, omitted)
    tail_start = total - tail
    if not paging:
        tail = min(tail, most)
        head = min(head, most - tail)
        return Choice(start, start + head, total - tail, total, complete, has_more, asked - head - tail)
    head = min(head, most)
    tail_stop = tail_start + most - head
    if tail_stop == tail_start:
        return Choice(start, start + head, start + head, start + head, start + head, has_more, 0)
    return Choice(start, start + head, tail_start, tail_stop, tail_stop, has_more, tail_start - start - head)


def _sizes(options: ReadOptions, asked: int, *, paging: bool) -> tuple[int, int]:
    """How many lines from the beginning and from the end the mode wants."""
    head = min(options.head_lines, asked)
    tail = min(options.tail_lines, asked)
    if options.mode == "head":
        return head, 0
    if options.mode == "tail":
        return 0, tail
    if options.mode == "full" or head + tail >= asked:
        return (asked, 0) if paging else (0, asked)
    return head, tail


class Reading:
    """One smart read under way. Take all `pieces` first, then `result`; memory stays bounded however much it is."""

    def __init__(self, lines: Lines, options: ReadOptions) -> None:
        """Raises: LinesMoved if the writer was faster: try again. OSError if the disk fails."""
        self._lines = lines
        self._options = options
        self._window: Window = lines.window()
        self._choice = choose(options, self._window.oldest, self._window.complete, self._window.total)
        choice = self._choice
        ranges = [(choice.start, choice.head_stop), (choice.tail_start, choice.tail_stop)]
        self._spans = [lines.span(self._window, first, stop) if first < stop else None for first, stop in ranges]
        self._shown = self._bytes = self._tokens = 0

    def pieces(self) -> Iterator[str]:
        """The output, in pieces of about 256 KB. Raises: OSError."""
        head, tail = self._spans
        any_before = False
        if head is not None:
            for text in self._texts(head, first=True):
                any_before = True
                yield text
        if self._options.mode == "head-tail" and self._choice.omitted:
            yield self._counted(OMITTED.format(self._choice.omitted))
            any_before = False
        if tail is not None:
            yield from self._texts(tail, first=not any_before)

    def _texts(self, span: Span, *, first: bool) -> Iterator[str]:
        for raw in self._lines.read(span):
            lines = rendered(raw, ansi=self._options.ansi)
            self._shown += len(lines)
            yield self._counted(("" if first else "\n") + "\n".join(lines))
            first = False

    def _counted(self, text: str) -> str:
        self._bytes += len(text.encode())
        self._tokens += estimate_tokens(text)
        return text

    def result(self, output: str = "") -> ReadResult:
        """What is to be said about the pieces that were taken; `output` is their text, if it was kept."""
        window, choice = self._window, self._choice
        shown_from = choice.start if choice.head_stop > choice.start else choice.tail_start
        return ReadResult(
            output=output,
            total_lines=window.total - choice.start,
            next_read_from=choice.next_read_from,
            has_more=choice.has_more,
            truncated=choice.omitted > 0,
            stats=ReadStats(self._bytes, self._tokens, self._shown, choice.omitted),
            oldest_line=window.oldest,
            first_line=choice.start,
            lines_lost=max(0, window.oldest - (window.oldest if self._options.since is None else self._options.since)),
            shown_from=shown_from,
            incomplete=window.complete < window.total and self._shows(window.complete),
            cursor=window.cursor,
        )

    def _shows(self, line: int) -> bool:
        choice = self._choice
        return choice.start <= line < choice.head_stop or choice.tail_start <= line < choice.tail_stop


def rendered(raw: RawLines, *, ansi: bool) -> list[str]:
    """The lines of `raw` as text: broken UTF-8 becomes U+FFFD; without `ansi` as they looked last."""
    if raw.cut or len(raw.data) > LONGEST_LINE:
        parts = raw.data.split(b"\n")
        long = [number for number, part in enumerate(parts) if len(part) > LONGEST_LINE or (raw.cut and not number)]
        cut = {number: _cut_line(parts[number], ansi=ansi) for number in long}
        if cut:
            for number in cut:
                parts[number] = b""
            lines = _rendered(b"\n".join(parts), ansi=ansi)
            for number, line in cut.items():
                lines[number] = line
            return lines
    return _rendered(raw.data, ansi=ansi)


def _rendered(data: bytes, *, ansi: bool) -> list[str]:
    text = data.decode("utf-8", "replace")
    return [line.rstrip("\r") for line in text.split("\n")] if ansi else split_plain(text)


def _cut_line(data: bytes, *, ansi: bool) -> str:
    """The end of a long line; or its last state, if the program went back to its beginning in there."""
    data = data[-LONGEST_LINE:]
    cut = next((place for place, byte in enumerate(data[:3]) if byte & 0xC0 != 0x80), 3)  # What is left of a character.
    data = data[cut:]
    text = data.decode("utf-8", "replace").rstrip("\r")
    if ansi:
        return CUT_LINE + text
    _, went_back, rest = text.partition("\r")
    return plain_line(rest) if went_back else CUT_LINE + plain_line(text)
