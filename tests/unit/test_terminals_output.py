"""The log's files: whatever happens to them, a reader gets what was written, at its cursor."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bg_runner.terminals.identity import Exit
from bg_runner.terminals.log_index import INDEX_NAME, SMALLEST_BOUND, Mark, parse_index, read_index, thin
from bg_runner.terminals.output import SEGMENTS, LogReader, LogWriter, delete_log, log_directory, read_exit

writes = st.lists(st.binary(max_size=300), max_size=30)


class Clock:
    """Time that moves only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def read_all(directory: Path, limit: int = 1 << 20) -> tuple[int, bytes]:
    """The oldest cursor and everything from there, in chunks of `limit`."""
    reader = LogReader(directory)
    chunk = reader.read(0, limit)
    first, data = chunk.cursor, chunk.data
    while chunk.next < chunk.end:
        chunk = reader.read(chunk.next, limit)
        data += chunk.data
    return first, data


@settings(deadline=None, max_examples=60)
@given(writes, st.integers(8, 2000), st.integers(1, 400), st.integers(0, 10_000))
def test_a_reader_sees_the_end_of_what_was_written(
    written: list[bytes], log_bytes: int, limit: int, cursor: int
) -> None:
    """The model: one long byte string, of which at most `log_bytes` and at least seven eighths of it are kept."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "log"
        with LogWriter(directory, log_bytes) as log:
            for data in written:
                log.write(data)
        model = b"".join(written)
        first, data = read_all(directory, limit)
        assert data == model[first:]
        segment = log_bytes // SEGMENTS
        assert len(data) <= log_bytes
        assert len(data) >= min(len(model), segment * (SEGMENTS - 1))
        if model:
            chunk = LogReader(directory).read(cursor, limit)
            assert (chunk.oldest, chunk.end) == (first, len(model))
            assert chunk.cursor == min(max(cursor, first), len(model))
            assert chunk.data == model[chunk.cursor : chunk.cursor + limit]
            assert LogReader(directory).tail(limit).data == data[-limit:]


@settings(deadline=None, max_examples=60)
@given(writes, writes, st.integers(100, 2000))
def test_a_log_is_continued_by_the_next_writer(first: list[bytes], second: list[bytes], log_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "log"
        for part in (first, second):
            with LogWriter(directory, log_bytes) as log:
                for data in part:
                    log.write(data)
        model = b"".join(first + second)
        begin, data = read_all(directory)
        assert data == model[begin:]


lines_of_text = st.lists(st.sampled_from([b"a", b"\n", b"bc\n\n", b"\n" * 30]), max_size=40)


@settings(deadline=None, max_examples=60)
@given(st.lists(lines_of_text, min_size=1, max_size=4), st.integers(8, 300), st.data())
def test_every_segment_says_how_many_newlines_stand_before_it(
    runs: list[list[bytes]], log_bytes: int, data: st.DataObject
) -> None:
    """Also when several writers continued the log, the index was thinned, and a crash cost the last mark."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "log"
        model = b""
        for written in runs:
            with LogWriter(directory, log_bytes) as log:
                for part in written:
                    log.write(part)
                    model += part
            marks = read_index(directory)
            if data.draw(st.booleans()) and marks:
                marks = thin(marks, LogReader(directory).read(0, 0).oldest, 0)
            if data.draw(st.booleans()) and marks and marks[-1].kind == "n":
                del marks[-1]
            if marks:
                (directory / INDEX_NAME).write_bytes(b"".join(mark.line() for mark in marks))
        with LogWriter(directory, log_bytes) as log:
            log.write(b"!")
        marks = [mark for mark in read_index(directory) if mark.kind == "n"]
        assert [mark.values for mark in marks] == [(model.count(b"\n", 0, m.cursor), m.cursor) for m in marks]
        last = int(max(path.name for path in directory.glob("*.log"))[:-4])
        assert last == 0 or marks[-1].cursor == last


def test_a_log_without_line_counts_is_counted_from_its_oldest_byte(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / f"{100:020d}.log").write_bytes(b"a\nb\n")
    with LogWriter(tmp_path / "log") as log:
        log.write(b"c\n")
    assert [mark.values for mark in read_index(tmp_path / "log") if mark.kind == "n"] == [(2, 104)]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=10), st.data())
def test_files_cut_at_any_byte_are_read_and_continued(written: list[bytes], data: st.DataObject) -> None:
    """A crash of the machine may shorten any file. What is left is still at its own cursor."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "log"
        with LogWriter(directory, 160) as log:
            for part in written:
                log.write(part)
        model = b"".join(written)
        path = data.draw(st.sampled_from(sorted(directory.iterdir())))
        size = data.draw(st.integers(0, path.stat().st_size))
        with path.open("r+b") as file:
            file.truncate(size)
        reader, cursor = LogReader(directory), 0
        chunk = reader.read(cursor, 7)
        while chunk.data:
            assert chunk.data == model[chunk.cursor : chunk.cursor + len(chunk.data)]
            chunk = reader.read(chunk.next, 7)
        assert chunk.cursor == chunk.end
        with LogWriter(directory, 160) as log:
            begin = log.cursor
            log.write(b"more")
        assert reader.read(begin, 100).data == b"more"


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 200))
def test_an_index_cut_at_any_byte_keeps_its_whole_lines(cut: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "log"
        clock = Clock()
        with LogWriter(directory, 8000, clock=clock) as log:
            for _ in range(5):
                clock.now += 1
                log.write(b"x" * 10)
        path = directory / INDEX_NAME
        whole = path.read_bytes()
        path.write_bytes(whole[:cut])
        before = read_index(directory)
        assert before == list(parse_index(whole))[: len(before)]
        assert len(before) == whole[:cut].count(b"\n")
        with LogWriter(directory, 8000, clock=clock) as log:
            log.exit(7, None)
        assert read_index(directory)[: len(before)] == before
        assert read_exit(directory) == Exit(7, None, 50, clock.now)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_garbage_in_an_index_is_ignored(garbage: bytes) -> None:
    good = Mark(5.0, "o", (3,))
    marks = list(parse_index(garbage + b"\n" + good.line() + garbage))
    assert good in marks


@pytest.mark.parametrize(
    "line",
    ['[1,"o"]', '[1,"o",null]', '["1","o",1]', '[NaN,"o",1]', '[1e999,"o",1]', '[1,"q",1]', "{}", '[true,"o",1]'],
)
def test_lines_that_say_something_else_are_ignored(line: str) -> None:
    assert list(parse_index(line.encode() + b"\n")) == []


def test_a_log_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert LogReader(tmp_path / "none").read(5) == (b"", 0, 0, 0)
    assert LogReader(tmp_path / "none").tail(5).data == b""
    assert read_exit(tmp_path / "none") is None
    delete_log(tmp_path / "none")


def test_nothing_is_made_before_the_first_byte_and_files_are_private(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    log.resize(30, 100)
    log.write(b"x")
    log.close()
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "a" / "b").iterdir()} == {0o600}
    assert read_index(tmp_path / "a" / "b")[0].values == (100, 30)


def test_marks_come_at_most_every_ten_milliseconds_and_hold_resizes(tmp_path: Path) -> None:
    clock = Clock()
    with LogWriter(tmp_path / "log", clock=clock) as log:
        for _ in range(100):
            log.write(b"0123456789")
            clock.now += 1 / 128
        assert log.resize(50, 132) == 1000
        log.exit(None, 9)
    marks = read_index(tmp_path / "log")
    assert [mark.kind for mark in marks].count("o") == 50
    assert marks[1] == Mark(1000.0, "o", (0,))
    assert [mark.values for mark in marks if mark.kind == "r"] == [(132, 50, 1000)]
    assert read_exit(tmp_path / "log") == Exit(None, 9, 1000, round(clock.now, 3))


def test_an_exit_is_found_however_much_was_written_after_it(tmp_path: Path) -> None:
    clock = Clock()
    with LogWriter(tmp_path / "log", clock=clock) as log:
        ended = log.exit(0, None)
        for _ in range(2000):
            clock.now += 1
            log.write(b"x")
    assert read_exit(tmp_path / "log") == ended


def test_a_new_start_in_the_same_log_hides_the_old_exit(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log") as log:
        log.exit(0, None)
    assert read_exit(tmp_path / "log") is not None
    with LogWriter(tmp_path / "log"):
        assert read_exit(tmp_path / "log") is None


def test_the_index_of_a_program_that_prints_for_ever_stays_bounded(tmp_path: Path) -> None:
    clock = Clock()
    with LogWriter(tmp_path / "log", SMALLEST_BOUND * 64, clock=clock) as log:
        log.exit(3, None)
        for _ in range(20_000):
            clock.now += 0.05
            log.write(b".")
    assert (tmp_path / "log" / INDEX_NAME).stat().st_size <= SMALLEST_BOUND + 100
    ended = read_exit(tmp_path / "log")
    assert ended is not None
    assert ended.code == 3
    cursors = [mark.cursor for mark in read_index(tmp_path / "log") if mark.kind == "o"]
    assert cursors == sorted(cursors)
    assert cursors[0] == 0
    assert cursors[-1] > 19_000
    assert (tmp_path / "log" / INDEX_NAME).stat().st_mode & 0o777 == 0o600


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ordsxn"), st.integers(0, 5000)), max_size=200),
    st.integers(0, 5000),
    st.integers(0, 3000),
)
def test_thinning_keeps_order_starts_exits_and_the_size(
    entries: list[tuple[str, int]], oldest: int, bound: int
) -> None:
    cursor = 0
    marks: list[Mark] = []
    for kind, step in entries:
        cursor += step
        values = {"o": (cursor,), "r": (80, 24, cursor), "d": (1, cursor), "s": (80, 24), "x": (0, None, cursor)}
        marks.append(Mark(float(len(marks)), kind, values.get(kind, (7, cursor))))
    kept = thin(marks, oldest, bound)
    assert kept == [mark for mark in marks if mark in kept]
    assert [m for m in kept if m.kind in "sx"] == [m for m in marks if m.kind in "sx"]
    assert [m for m in kept if m.kind == "n"] == [m for m in marks if m.kind == "n" and m.cursor >= oldest]


@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "../x", "-x", "a\0", "a" * 201, "ä", "a\n"])
def test_an_id_that_is_no_directory_name_is_refused(bad: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a terminal id"):
        log_directory(tmp_path, bad)


def test_the_index_is_json_lines(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", rows=5, cols=6, clock=Clock()) as log:
        log.write(b"x")
        log.exit(0, None)
    lines = (tmp_path / "log" / INDEX_NAME).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [[1000.0, "s", 6, 5], [1000.0, "o", 0], [1000.0, "x", 0, None, 1]]
