"""Line numbers over a log, against a model that keeps all lines in a list."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bg_runner.terminals import line_index
from bg_runner.terminals.line_index import LineIndex, position_of_newline
from bg_runner.terminals.lines import MAX_LINE_BYTES, Lines, LineStats
from bg_runner.terminals.log_index import INDEX_NAME
from bg_runner.terminals.output import SEGMENTS, LogReader, LogWriter
from bg_runner.terminals.smart_read import CUT_LINE, ReadOptions

texts = st.lists(st.sampled_from([b"a", b"\n", b"\n", b"bc\n", b"\r\n", b"\xe4\xb8\xad", b"x" * 30]), max_size=20).map(
    b"".join
)
steps = st.lists(st.tuples(texts, st.sampled_from(["nothing", "read", "follow", "restart"])), max_size=25)


@pytest.fixture(autouse=True)
def small_spacing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many checkpoints in little text."""
    monkeypatch.setattr(line_index, "SPACING", 16)


def expected(model: bytes, oldest: int, buffer_lines: int) -> tuple[int, int, list[str]]:
    """Oldest line, line count so far, and the readable lines of the stream `model`, kept from the byte `oldest`."""
    lines = model.split(b"\n")
    if not lines[-1]:
        lines.pop()
    first_kept = model[:oldest].count(b"\n")
    oldest_line = max(len(lines) - buffer_lines, first_kept)
    shown = [line.decode("utf-8", "replace").rstrip("\r") for line in lines[oldest_line:]]
    if oldest and oldest_line == first_kept and shown:
        rest = model[oldest:].split(b"\n")[0]
        rest = rest.lstrip(b"\xb8\xad")  # What is left of a character.
        shown[0] = CUT_LINE + rest.decode("utf-8", "replace").rstrip("\r")
    return oldest_line, len(lines), shown


@settings(deadline=None, max_examples=100)
@given(steps, st.integers(80, 900), st.integers(1, 12))
def test_lines_are_those_of_the_model(steps: list[tuple[bytes, str]], log_bytes: int, buffer_lines: int) -> None:
    """Random writes, rotation, reads at any moment, a follower that tells some output, restarts of both sides."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "log"
        reader = LogReader(directory)
        lines, model, log = Lines(directory, buffer_lines), b"", LogWriter(directory, log_bytes)
        for data, then in steps:
            log.write(data)
            begin = len(model)
            model += data
            if then == "follow":
                lines.follow(begin, data)
            elif then == "restart":
                log.close()
                lines, log = Lines(directory, buffer_lines), LogWriter(directory, log_bytes)
            elif then == "read":
                check(lines, model, reader.read(0, 0).oldest, buffer_lines)
        check(lines, model, reader.read(0, 0).oldest, buffer_lines)
        check(Lines(directory, buffer_lines), model, reader.read(0, 0).oldest, buffer_lines)
        log.close()


def check(lines: Lines, model: bytes, oldest: int, buffer_lines: int) -> None:
    oldest_line, total, shown = expected(model, oldest, buffer_lines)
    window = lines.window()
    complete = total - (bool(model) and not model.endswith(b"\n"))
    assert window == (oldest_line, complete, total, len(model))
    result = lines.smart_read(ReadOptions(ansi=True))
    assert result.output == "\n".join(shown)
    for since in range(oldest_line, total + 1):
        part = lines.smart_read(ReadOptions(since=since, ansi=True, max_lines=2))
        assert part.output == "\n".join(shown[since - oldest_line :][:2])
    stats = lines.stats()
    assert (stats.total_lines, stats.oldest_line) == (len(shown), oldest_line if shown else 0)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=10), st.integers(0, 20))
def test_an_index_finds_every_line(parts: list[bytes], start: int) -> None:
    index, cursor = LineIndex(start, 5), start
    for part in parts:
        index.add(cursor, part)
        cursor += len(part)
    data = b"".join(parts)
    assert index.newlines == 5 + data.count(b"\n")
    assert index.last_start == start + data.rfind(b"\n") + 1
    for line in range(6, index.newlines + 1):
        begin, stop, count = index.span_of(line)
        piece = data[begin - start : stop - start]
        assert piece.count(b"\n") >= count
        assert data[: begin - start + position_of_newline(piece, count)].count(b"\n") == line - 6


@given(st.binary(max_size=3000).map(lambda data: data.replace(b"\x00", b"\n")), st.data())
def test_position_of_newline(data: bytes, draw: st.DataObject) -> None:
    places = [place for place, byte in enumerate(data) if byte == 10]
    if places:
        count = draw.draw(st.integers(1, len(places)))
        assert position_of_newline(data, count) == places[count - 1]


def test_a_terminal_without_output_has_no_line(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "none", 10)
    assert lines.window() == (0, 0, 0, 0)
    assert lines.stats() == LineStats(0, 0, 0, 0, 0)
    assert lines.smart_read(ReadOptions()).output == ""


def test_numbers_survive_when_nobody_read_while_everything_was_rotated_away(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", 800) as log:
        lines = Lines(tmp_path / "log", 50)
        log.write(b"0\n1\n2\n")
        assert lines.window().total == 3
        for number in range(3, 3000):
            log.write(b"%d\n" % number)
        result = lines.smart_read(ReadOptions(mode="tail", tail_lines=2))
        assert (result.output, result.next_read_from) == ("2998\n2999", 3000)
        assert lines.smart_read(ReadOptions(since=2990, max_lines=1)).output == "2990"


def test_a_log_without_line_marks_is_counted_from_its_oldest_byte(tmp_path: Path) -> None:
    directory = tmp_path / "log"
    with LogWriter(directory, 800) as log:
        for number in range(1000):
            log.write(b"%d\n" % number)
    (directory / INDEX_NAME).unlink()
    lines = Lines(directory, 50)
    window = lines.window()
    assert window.total == LogReader(directory).read(0).data.count(b"\n")
    assert lines.smart_read(ReadOptions(since=window.total - 1)).output == "999"


def test_a_log_that_was_deleted_and_begun_again_is_counted_again(tmp_path: Path) -> None:
    directory = tmp_path / "log"
    lines = Lines(directory, 50)
    with LogWriter(directory) as log:
        log.write(b"1\n2\n3\n")
    assert lines.window().total == 3
    for path in directory.iterdir():
        path.unlink()
    with LogWriter(directory) as log:
        log.write(b"x\n")
    assert lines.window() == (0, 1, 1, 2)


def test_a_hole_in_the_log_is_no_line_end(tmp_path: Path) -> None:
    """A crash of the machine may shorten a segment."""
    directory = tmp_path / "log"
    with LogWriter(directory, SEGMENTS * 10) as log:
        log.write(b"aaa\nbbbbb\n")
        log.write(b"ccc\nddd\n")
    with (directory / f"{0:020d}.log").open("r+b") as file:
        file.truncate(6)
    for lines in (Lines(directory, 50), Lines(directory, 2)):
        assert lines.smart_read(ReadOptions()).output.endswith("ddd")
        assert lines.smart_read(ReadOptions(since=0)).output


def test_a_line_of_many_megabytes_costs_little_and_shows_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with LogWriter(tmp_path / "log") as log:
        log.write(b"before\n" + b"x" * 20_000_000 + b"end\nafter\n" + b"y" * 3_000_000)
        lines = Lines(tmp_path / "log", 100)
        lines.window()
        read: list[int] = []
        original = LogReader.read

        def counting(reader: LogReader, cursor: int, limit: int = 1 << 20) -> object:
            chunk = original(reader, cursor, limit)
            read.append(len(chunk.data))
            return chunk

        monkeypatch.setattr(LogReader, "read", counting)
        before, long, after, unfinished = lines.smart_read(ReadOptions()).output.split("\n")
    assert (before, after) == ("before", "after")
    assert long == CUT_LINE + "x" * (MAX_LINE_BYTES - 3) + "end"
    assert unfinished == CUT_LINE + "y" * MAX_LINE_BYTES
    assert sum(read) < 2_000_000


def test_reading_costs_what_is_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with LogWriter(tmp_path / "log") as log:
        log.write(b"".join(b"line number %d of many\n" % number for number in range(200_000)))
    lines = Lines(tmp_path / "log", 150_000)
    lines.window()
    read: list[int] = []
    original = LogReader.read

    def counting(reader: LogReader, cursor: int, limit: int = 1 << 20) -> object:
        chunk = original(reader, cursor, limit)
        read.append(len(chunk.data))
        return chunk

    monkeypatch.setattr(LogReader, "read", counting)
    assert lines.smart_read(ReadOptions(since=120_000, max_lines=2)).output == (
        "line number 120000 of many\nline number 120001 of many"
    )
    assert sum(read) <= 2 * line_index.SPACING + 100
    read.clear()
    assert lines.smart_read(ReadOptions(since=200_000)).output == ""
    assert sum(read) == 0
