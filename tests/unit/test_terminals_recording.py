"""A recording says what the log says, whatever happened to the log."""

from __future__ import annotations

import json
import random
import tempfile
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bg_runner.terminals.log_index import INDEX_NAME, Mark, read_index, thin
from bg_runner.terminals.output import LogReader, LogWriter, delete_log
from bg_runner.terminals.recording import cast_events

COMMAND = b"\x1b]133;A\x07$ \x1b]133;B\x07make tset\b\b\b\btest\r\n\x1b]133;C\x07building\r\n\x1b]133;D;0\x07"
pieces = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=20).map(str.encode),
    st.sampled_from([b"\n", b"\x1b[31mred\x1b[0m", "中文".encode(), "😀".encode()[:3], COMMAND, b"x" * 100]),
)
steps = st.lists(st.one_of(pieces, st.tuples(st.integers(1, 200), st.integers(1, 300)), st.floats(-5, 50)), max_size=30)


class Clock:
    """Time that moves only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Cast:
    """A recording, taken apart."""

    def __init__(self, data: bytes) -> None:
        assert data.endswith(b"\n")
        lines = [json.loads(line) for line in data.decode().removesuffix("\n").split("\n")]
        self.header: dict[str, Any] = lines[0]
        self.events: list[tuple[float, str, str]] = [tuple(line) for line in lines[1:]]
        times = [time for time, _, _ in self.events]
        assert all(before <= after for before, after in pairwise([0.0, *times]))
        assert {kind for _, kind, _ in self.events} <= {"o", "r", "m"}
        assert all(text for _, _, text in self.events)

    def of(self, kind: str) -> list[tuple[float, str]]:
        return [(time, text) for time, one, text in self.events if one == kind]

    @property
    def output(self) -> str:
        return "".join(text for _, text in self.of("o"))


def cast(directory: Path, title: str = "") -> Cast:
    return Cast(b"".join(cast_events(directory, title=title, env={"TERM": "xterm-256color"})))


def lossy(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def write(log: LogWriter, clock: Clock, script: list[Any]) -> bytes:
    """Play `script`: bytes are written, a pair resizes, a number moves the clock. Everything that was written."""
    written = b""
    for step in script:
        if isinstance(step, bytes):
            log.write(step)
            written += step
        elif isinstance(step, tuple):
            log.resize(*step)
        else:
            clock.now += step
    return written


@settings(deadline=None, max_examples=150)
@given(steps)
def test_the_output_is_the_log_and_time_never_goes_back(script: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        clock = Clock()
        with LogWriter(Path(name) / "log", clock=clock) as log:
            written = write(log, clock, script)
        assert cast(Path(name) / "log").output == lossy(written)


@settings(deadline=None, max_examples=150)
@given(steps, st.integers(8, 400), st.booleans())
def test_a_rotated_log_begins_where_a_terminal_can_read(script: list[Any], log_bytes: int, thinned: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory, clock = Path(name) / "log", Clock()
        with LogWriter(directory, log_bytes, clock=clock) as log:
            written = write(log, clock, script)
        oldest = LogReader(directory).read(0, 0).oldest
        if thinned and written:
            marks = thin(read_index(directory), oldest, 0)
            (directory / INDEX_NAME).write_bytes(b"".join(mark.line() for mark in marks))
        made = cast(directory)
        kept = written[oldest:]
        if not oldest:
            assert made.output == lossy(written)
            return
        assert made.of("m")[0] == (0.0, "earlier output is no longer kept")
        begins = [place for place in range(len(kept) + 1) if lossy(kept[place:]) == made.output]
        assert any(
            kept[place : place + 1] == b"\x1b" or (place and kept[place - 1 : place] == b"\n") or place <= 3
            for place in begins
        )


@settings(deadline=None, max_examples=150)
@given(steps, st.data())
def test_files_cut_at_any_byte_give_a_whole_recording(script: list[Any], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory, clock = Path(name) / "log", Clock()
        with LogWriter(directory, 160, clock=clock) as log:
            written = write(log, clock, script)
        files = sorted(directory.iterdir()) if written else []
        if files:
            path = data.draw(st.sampled_from(files))
            with path.open("r+b") as file:
                file.truncate(data.draw(st.integers(0, path.stat().st_size)))
        cast(directory)
        with LogWriter(directory, 160, clock=clock) as log:
            log.write(b"\nit goes on")
        assert cast(directory).output.endswith("\nit goes on"[1:])


def test_times_sizes_and_markers(tmp_path: Path) -> None:
    clock = Clock()
    with LogWriter(tmp_path / "log", rows=30, cols=100, clock=clock) as log:
        log.write("half a character: 中".encode()[:-1])
        clock.now += 1.5
        log.write("中".encode()[-1:] + b"\r\n")
        clock.now += 1
        log.resize(40, 120)
        log.resize(40, 120)
        clock.now += 1
        log.write(COMMAND)
        clock.now -= 100  # somebody set the clock back
        log.write(b"later")
        clock.now += 2
        log.write(b"the end")
        log.exit(0, None)
    made = cast(tmp_path / "log", title='a "title"')
    assert made.header == {
        "version": 2,
        "width": 100,
        "height": 30,
        "timestamp": 1000,
        "title": 'a "title"',
        "env": {"TERM": "xterm-256color"},
    }
    assert made.of("r") == [(2.5, "120x40")]
    assert made.of("m") == [(3.5, "make test")]
    assert made.of("o")[:2] == [(0.0, "half a character: "), (1.5, "中\r\n")]
    assert made.of("o")[-2:] == [(3.5, "later"), (5.5, "the end")]
    before = "".join(text for _, kind, text in made.events[: [kind for _, kind, _ in made.events].index("m")])
    assert before.endswith("\x1b]133;C\x07")


def test_the_size_of_a_rotated_log_is_the_one_that_held_there(tmp_path: Path) -> None:
    clock = Clock()
    with LogWriter(tmp_path / "log", 800, rows=24, cols=80, clock=clock) as log:
        log.write(b"0123456\n" * 10)
        clock.now += 10
        log.resize(50, 132)
        log.write(b"0123456\n" * 200)
        clock.now += 10
        log.write(b"end\n")
    made = cast(tmp_path / "log")
    assert (made.header["width"], made.header["height"], made.header["timestamp"]) == (132, 50, 1010)
    assert made.of("r") == []
    assert made.of("o")[-1] == (10.0, "end\n")


def test_a_second_program_in_the_log_says_its_size(tmp_path: Path) -> None:
    for cols in (80, 81):
        with LogWriter(tmp_path / "log", cols=cols) as log:
            log.write(b"x")
    made = cast(tmp_path / "log")
    assert made.header["width"] == 80
    assert [text for _, text in made.of("r")] == ["81x24"]


def test_a_log_without_an_index_or_without_anything(tmp_path: Path) -> None:
    made = Cast(b"".join(cast_events(tmp_path / "none", title="", env={}, width=90, height=20)))
    assert made.header == {"version": 2, "width": 90, "height": 20}
    assert made.events == []
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / f"{0:020d}.log").write_bytes(b"text \xe4")
    assert cast(tmp_path / "log").events == [(0.0, "o", "text "), (0.0, "o", "�")]


def test_a_program_that_printed_nothing_has_a_size(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", rows=10, cols=20) as log:
        log.exit(0, None)
    made = cast(tmp_path / "log")
    assert (made.header["width"], made.header["height"], made.events) == (20, 10, [])


def test_missing_bytes_are_a_marker(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", 8 * 10) as log:
        log.write(b"a" * 30)
    index = tmp_path / "log" / INDEX_NAME
    index.write_bytes(index.read_bytes() + Mark(2000.0, "d", (77, 20)).line() + b'[2001,"o",2')
    (tmp_path / "log" / f"{0:020d}.log").write_bytes("aaaa中".encode()[:-1])
    made = cast(tmp_path / "log")
    assert [text for _, text in made.of("m")] == ["4 bytes are missing", "77 bytes are missing: the disk was full"]
    assert made.output == "aaaa�" + "a" * 20


@pytest.mark.parametrize("more", [0, 1000, 50_000, 500_000])
def test_the_recording_is_made_while_the_terminal_writes_on(tmp_path: Path, more: int) -> None:
    """What comes after the first piece is not in it; what is rotated away meanwhile is a gap, not an error."""
    first = b"first line\n" * 40_000
    with LogWriter(tmp_path / "log", 8 * 100_000) as log:
        log.write(first)
        recording = cast_events(tmp_path / "log", title="", env={})
        taken = next(recording)
        log.write(b"other line\n" * more)
        made = Cast(taken + b"".join(recording))
    missing = sum(int(text.split()[0]) for _, text in made.of("m"))
    assert (missing > 0) == (more > 40_000)
    assert len(made.output) + missing == len(first)
    assert "other" not in made.output
    assert made.output.startswith("first line\n")


def test_a_log_that_is_deleted_meanwhile_ends(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log") as log:
        log.write(b"first line\n" * 40_000)
    recording = cast_events(tmp_path / "log", title="", env={})
    taken = next(recording)
    delete_log(tmp_path / "log")
    assert (b"first line\n" * 40_000).startswith(Cast(taken + b"".join(recording)).output.encode())


def test_a_large_log_streams(tmp_path: Path) -> None:
    line = "\x1b[32mINFO\x1b[0m 构建 ".encode() + b"x" * 80 + b"\r\n"
    with LogWriter(tmp_path / "log") as log:
        for _ in range(100):
            log.write(line * 2000)
    size = characters = 0
    tracemalloc.start()
    for piece in cast_events(tmp_path / "log", title="", env={}):
        assert len(piece) < 1 << 20
        size += len(piece)
        characters += piece.count("构".encode())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert characters == 200_000
    assert size > 20_000_000
    assert peak < 4_000_000


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000))
def test_how_the_bytes_came_does_not_change_the_text(seed: int) -> None:
    """A character, an escape sequence or a report of the shell may be cut anywhere."""
    text = ("中文 😀\r\n".encode() + COMMAND) * 5
    source = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        clock = Clock()
        with LogWriter(Path(name) / "log", clock=clock) as log:
            done = 0
            while done < len(text):
                step = source.randint(1, 20)
                log.write(text[done : done + step])
                clock.now += 0.02
                done += step
        made = cast(Path(name) / "log")
        assert made.output == lossy(text)
        assert [label for _, label in made.of("m")] == ["make test"] * 5
