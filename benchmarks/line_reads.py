"""(k) `since` reads on a full buffer: from the log on disk, beside seed 001's `smartRead` over its lines in memory."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from benchmarks.report import Row, Size, in_turn
from bg_runner.terminals.lines import Lines
from bg_runner.terminals.output import LogWriter
from bg_runner.terminals.smart_read import ReadOptions

PART = "lines"
ROUNDS: dict[Size, int] = {"full": 15, "small": 2}
READS: dict[Size, int] = {"full": 100, "small": 3}
BUFFER = 10_000
WRITTEN = 30_000
LINE = "\x1b[32m{:07d}\x1b[0m src/module_{}/file.c:{}: warning: unused variable 'result' [-Wunused-variable]\r\n"


class Entry(NamedTuple):
    number: int
    content: str


class SeedBuffer:
    """Seed 001's `OutputBuffer` and `smartRead`, sections 2 and 3, line for line in Python."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._buffer: list[Entry] = []
        self._current = 0

    def append(self, data: str) -> None:
        for line in data.split("\n"):
            if not line:
                continue
            self._buffer.append(Entry(self._current, line))
            self._current += 1
            if len(self._buffer) > self._max_size:
                self._buffer.pop(0)

    def smart_read(self, since: int, mode: Literal["full", "tail"], tail_lines: int, max_lines: int) -> str:
        entries = [entry for entry in self._buffer if entry.number >= since]
        if len(entries) > max_lines:
            entries = entries[-max_lines:]
        if mode == "tail":
            entries = entries[-tail_lines:]
        return "\n".join(entry.content for entry in entries)


class Case(NamedTuple):
    what: str
    options: ReadOptions


END = WRITTEN
CASES = (
    Case("`since` the end, nothing new", ReadOptions(since=END)),
    Case("`since` 10 lines ago", ReadOptions(since=END - 10)),
    Case("`since` 100 lines ago", ReadOptions(since=END - 100)),
    Case("tail of 50 lines", ReadOptions(since=0, mode="tail", tail_lines=50, max_lines=BUFFER)),
    Case("all 10,000 lines, stripped and counted", ReadOptions(since=0, max_lines=BUFFER)),
)


def measure(size: Size) -> list[Row]:
    """Milliseconds a read. The seed neither strips escapes nor estimates by more than a division."""
    rows = []
    with _filled() as (lines, seed):
        for what, options in CASES:
            reads = READS[size] if options.since or options.mode == "tail" else max(READS[size] // 20, 1)
            sides = _timed(_ours(lines, options), reads), _timed(_seed(seed, options), reads)
            ours, peer = in_turn(ROUNDS[size], *sides)
            rows.append(Row(PART, what, "ms", ours, peer, "seed 001"))
    rows[-1] = replace(rows[-1], note=f"buffer of {BUFFER:,} lines; only ours strips escapes and estimates tokens")
    return rows


@contextmanager
def _filled() -> Iterator[tuple[Lines, SeedBuffer]]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "log"
        seed = SeedBuffer(BUFFER)
        with LogWriter(directory) as log:
            for number in range(WRITTEN):
                line = LINE.format(number, number % 7, number % 1000)
                log.write(line.encode())
                seed.append(line)
        lines = Lines(directory, BUFFER)
        lines.window()
        yield lines, seed


def _ours(lines: Lines, options: ReadOptions) -> Callable[[], object]:
    return lambda: lines.smart_read(options)


def _seed(seed: SeedBuffer, options: ReadOptions) -> Callable[[], object]:
    mode: Literal["full", "tail"] = "tail" if options.mode == "tail" else "full"
    return lambda: seed.smart_read(options.since or 0, mode, options.tail_lines, options.max_lines)


def _timed(read: Callable[[], object], times: int) -> Callable[[], float]:
    def milliseconds() -> float:
        begin = time.perf_counter()
        for _ in range(times):
            read()
        return (time.perf_counter() - begin) / times * 1000

    return milliseconds
