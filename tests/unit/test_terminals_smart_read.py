"""Smart reads (seed 001, section 3) against a simple model, and the seed's own algorithm where that is right."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bg_runner.terminals.lines import MAX_LINE_BYTES, Lines
from bg_runner.terminals.output import LogReader, LogWriter
from bg_runner.terminals.smart_read import CUT_LINE, OMITTED, Mode, ReadOptions, ReadResult

small = st.integers(0, 9)
options = st.builds(
    ReadOptions,
    since=st.none() | st.integers(0, 40),
    mode=st.sampled_from(get_args(Mode)),
    head_lines=small,
    tail_lines=small,
    max_lines=st.integers(1, 12),
    ansi=st.booleans(),
)
torn = st.lists(st.sampled_from([b"ab", b"\n", b"c\n", b"\n\n", b"x\r", b"\xe4", b"\xb8", b"\xad"]), max_size=40)
movements = st.lists(
    st.sampled_from(["\x1b[", "\r", "\b", "9999999", "2", "K", "C", "D", "G", "@", "P", "X", "x中", "\u0301"])
)
written = st.lists(st.sampled_from(["one", "two", "", "中文", "a\x1b[31mb\x1b[0m"]), max_size=30)


def write(directory: Path, data: bytes | str) -> Lines:
    with LogWriter(directory) as log:
        log.write(data if isinstance(data, bytes) else data.encode())
    return Lines(directory, 10_000)


def seed_smart_read(lines: list[str], options: ReadOptions) -> tuple[str, int, bool, int]:
    """Seed 001's `smartRead` over a buffer that holds `lines`: output, nextReadFrom, truncated, linesOmitted."""
    since = options.since or 0
    entries = list(enumerate(lines))[since:][-options.max_lines :]
    result, head, tail = entries, options.head_lines, options.tail_lines
    truncated, omitted = False, 0
    if options.mode == "head" and len(entries) > head:
        result, truncated, omitted = entries[:head], True, len(entries) - head
    elif options.mode == "tail" and len(entries) > tail:
        result, truncated, omitted = entries[-tail:], True, len(entries) - tail
    elif options.mode == "head-tail" and len(entries) > head + tail:
        result, truncated, omitted = entries[:head] + entries[-tail:], True, len(entries) - head - tail
    output = "\n".join(content for _, content in result)
    if truncated and options.mode == "head-tail":
        parts = ["\n".join(content for _, content in part) for part in (result[:head], result[-tail:])]
        output = f"{parts[0]}\n\n... [省略 {omitted} 行] ...\n\n{parts[1]}"
    return output, entries[-1][0] + 1 if entries else since, truncated, omitted


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, max_size=30), options)
def test_as_the_seed_where_the_seed_is_right(contents: list[str], options: ReadOptions) -> None:
    """That is: whole, not blank lines, some of them asked for, nothing cut by the bound, no `slice(-0)`."""
    options = options.model_copy(
        update={
            "since": None if options.since is None else options.since % len(contents),
            "max_lines": 100,
            "head_lines": options.head_lines + 1,
            "tail_lines": options.tail_lines + 1,
        }
    )
    with tempfile.TemporaryDirectory() as name:
        result = write(Path(name) / "log", "".join(f"{content}\n" for content in contents)).smart_read(options)
    output, next_read_from, truncated, omitted = seed_smart_read(contents, options)
    assert result.output == output
    assert result.next_read_from == next_read_from
    assert (result.truncated, result.stats.lines_omitted) == (truncated, omitted)
    assert not result.has_more


@settings(deadline=None, max_examples=300)
@given(written, st.sampled_from(["", "unfinished"]), st.integers(1, 25), options)
def test_what_is_shown_is_what_was_asked_for(contents: list[str], last: str, buffer: int, options: ReadOptions) -> None:
    every = [*contents, last] if last else contents
    with tempfile.TemporaryDirectory() as name:
        with LogWriter(Path(name) / "log") as log:
            log.write("".join(f"{content}\r\n" for content in contents).encode() + last.encode())
        result = Lines(Path(name) / "log", buffer).smart_read(options)
    oldest = max(0, len(every) - buffer)
    start = oldest if options.since is None else min(max(options.since, oldest), len(every))
    shown = [content if options.ansi else content.replace("\x1b[31m", "").replace("\x1b[0m", "") for content in every]
    asked = list(range(start, len(every)))
    head, tail = wanted(asked, options)
    chosen = [*head, *tail]
    cut = len(chosen) > options.max_lines
    oldest_kept = options.since is not None or options.mode == "head"
    if cut:
        chosen = chosen[: options.max_lines] if oldest_kept else newest(head, tail, options.max_lines)
    goes_on = chosen[-1] + 1 if cut and oldest_kept else len(contents)
    omitted = [line for line in asked if line not in chosen and (line < goes_on or not (cut and oldest_kept))]
    assert result.output == joined(shown, chosen, omitted, options)
    assert (result.next_read_from, result.has_more, result.truncated) == (goes_on, cut, bool(omitted))
    assert (result.total_lines, result.oldest_line, result.first_line) == (len(asked), oldest, start)
    assert (result.stats.lines_shown, result.stats.lines_omitted) == (len(chosen), len(omitted))
    assert result.stats.total_bytes == len(result.output.encode())
    assert result.incomplete == (bool(last) and bool(chosen) and chosen[-1] == len(contents))
    assert result.lines_lost == max(0, oldest - (oldest if options.since is None else options.since))
    assert not chosen or result.shown_from == chosen[0]


def wanted(asked: list[int], options: ReadOptions) -> tuple[list[int], list[int]]:
    """Head and tail of the lines that were asked for; all are the head in the mode "full"."""
    head, tail = asked[: options.head_lines], asked[max(0, len(asked) - options.tail_lines) :]
    if options.mode == "head":
        return head, []
    if options.mode == "tail":
        return [], tail
    if options.mode == "full" or len(head) + len(tail) >= len(asked):
        return ([], asked) if options.since is None else (asked, [])
    return head, tail


def newest(head: list[int], tail: list[int], most: int) -> list[int]:
    """The newest of the tail; what room is left goes to the beginning of the head."""
    tail = tail[-most:]
    return head[: most - len(tail)] + tail


def joined(shown: list[str], chosen: list[int], omitted: list[int], options: ReadOptions) -> str:
    if options.mode != "head-tail" or not omitted:
        return "\n".join(shown[line] for line in chosen)
    before = [shown[line] for line in chosen if line < omitted[0]]
    after = [shown[line] for line in chosen if line > omitted[0]]
    return "\n".join(before) + OMITTED.format(len(omitted)) + "\n".join(after)


@settings(deadline=None, max_examples=100)
@given(torn, small)
def test_whoever_reads_on_gets_every_line_once_it_is_whole(pieces: list[bytes], most: int) -> None:
    """Reads between the writes, from where the last one said: a line split over two reads is one line in the end."""
    collected: dict[int, str] = {}
    with tempfile.TemporaryDirectory() as name:
        lines, since = Lines(Path(name) / "log", 1000), 0
        with LogWriter(Path(name) / "log") as log:
            for piece in pieces:
                log.write(piece)
                result = lines.smart_read(ReadOptions(since=since, max_lines=most + 1))
                remember(collected, result)
                since = result.next_read_from
            while result.has_more if pieces else False:
                result = lines.smart_read(ReadOptions(since=since, max_lines=most + 1))
                remember(collected, result)
                since = result.next_read_from
        whole = lines.smart_read(ReadOptions())
    assert [collected[number] for number in sorted(collected)] == (whole.output.split("\n") if collected else [])
    assert list(collected) == list(range(len(collected)))


def remember(collected: dict[int, str], result: ReadResult) -> None:
    if result.stats.lines_shown:
        collected.update(enumerate(result.output.split("\n"), result.shown_from))


@pytest.mark.parametrize(
    ("data", "output"),
    [
        (b"a\n\n\nb\n", "a\n\n\nb"),
        (b"a\r\nb\r\r\n", "a\nb"),
        (b" 10%\r 50%\r100%\r\nnext", "100%\nnext"),
        (b"50% of it\r\x1b[Kdone\n", "done"),
        (b"50% of it\x1b[2K\rdone\n", "done"),
        (b"abc\b\b\x1b[1Pd\n", "ad"),
        (b"abcd\b\b\b\x1b[1P\n", "acd"),
        (b"abcd\b\b\x1b[1@X\n", "abXcd"),
        (b"abcd\x1b[2D\x1b[1X\n", "ab d"),
        (b"abcd\x1b[2Gx\x1b[Cy\n", "axcy"),
        ("中文\rab\n".encode(), "ab文"),
        ("中文\ra\n".encode(), "a 文"),
        ("e\u0301x\r\x1b[Cy\n".encode(), "e\u0301y"),
        (b"\x1b[31mred\x1b[0m\n", "red"),
        (b"\x1b]0;title\x07text\n", "text"),
        (b"\x1b]0;a title that a\nnewline cuts\x07\n", "\nnewline cuts"),
        (b"\x1b[3\n1m\n", "\n1m"),
        (b"\x00\x07a\x0cb\n", "ab"),
        ("\x9b31mc1\x9c\n".encode(), "c1"),
        (b"\xff\xfe\n", "\ufffd\ufffd"),
        (b"tab\there\n", "tab\there"),
        ("\u2028line separators are not line ends\x85\n".encode(), "\u2028line separators are not line ends"),
    ],
)
def test_the_default_view(tmp_path: Path, data: bytes, output: str) -> None:
    assert write(tmp_path / "log", data).smart_read(ReadOptions()).output == output


def test_escapes_and_states_are_kept_on_request(tmp_path: Path) -> None:
    data = b"\x1b[31mred\x1b[0m 1%\r 2%\r\nx"
    assert write(tmp_path / "log", data).smart_read(ReadOptions(ansi=True)).output == "\x1b[31mred\x1b[0m 1%\r 2%\nx"


def test_a_line_still_being_written_is_shown_marked_and_comes_again(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log") as log:
        lines = Lines(tmp_path / "log", 100)
        log.write(b"$ make\ncompil")
        first = lines.smart_read(ReadOptions(since=0))
        assert (first.output, first.next_read_from, first.incomplete) == ("$ make\ncompil", 1, True)
        log.write(b"ing\ndone\n")
        second = lines.smart_read(ReadOptions(since=first.next_read_from))
        assert (second.output, second.next_read_from, second.incomplete) == ("compiling\ndone", 3, False)


def test_a_line_of_the_future_gives_nothing_and_the_current_end(tmp_path: Path) -> None:
    lines = write(tmp_path / "log", "1\n2\nhalf")
    for since in (3, 4, 10**15):
        result = lines.smart_read(ReadOptions(since=since))
        assert (result.output, result.total_lines, result.next_read_from, result.first_line) == ("", 0, 2, 3)
    assert lines.smart_read(ReadOptions(since=2)).output == "half"


def test_lines_older_than_the_buffer_are_said_to_be_lost(tmp_path: Path) -> None:
    write(tmp_path / "log", "".join(f"{number}\n" for number in range(100)))
    result = Lines(tmp_path / "log", 10).smart_read(ReadOptions(since=85))
    assert (result.oldest_line, result.first_line, result.lines_lost) == (90, 90, 5)
    assert result.output.split("\n") == [str(number) for number in range(90, 100)]


def test_a_bound_keeps_the_newest_or_pages_on(tmp_path: Path) -> None:
    lines = write(tmp_path / "log", "".join(f"{number}\n" for number in range(10)))
    newest_lines = lines.smart_read(ReadOptions(max_lines=3))
    assert (newest_lines.output, newest_lines.has_more, newest_lines.next_read_from) == ("7\n8\n9", True, 10)
    page = lines.smart_read(ReadOptions(since=0, max_lines=3))
    assert (page.output, page.has_more, page.truncated, page.next_read_from) == ("0\n1\n2", True, False, 3)


@pytest.mark.parametrize("tail", [b"z" * 200_000, b"\r" + b"z" * 70, b"\xe4\xb8\xad" * 50_000 + b"!"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\nmore\n"])
def test_of_a_long_line_the_end_or_the_last_state_is_shown(tmp_path: Path, tail: bytes, end: bytes) -> None:
    lines = write(tmp_path / "log", b"first\n" + b"a" * 300_000 + tail + end)
    first, long, *more = lines.smart_read(ReadOptions()).output.split("\n")
    assert (first, more) == ("first", ["more"] if b"more" in end else [])
    text = tail.decode()
    if "\r" in text:
        assert long == text[1:]
    else:
        assert long.startswith(CUT_LINE)
        assert long.endswith(text[-1000:])
        assert len(long.encode()) <= MAX_LINE_BYTES + len(CUT_LINE.encode())
        assert "\ufffd" not in long


def test_large_outputs_come_in_pieces_of_bounded_size(tmp_path: Path) -> None:
    data = b"".join(b"line %d \x1b[32mok\x1b[0m\n" % number for number in range(100_000))
    lines = Lines(tmp_path / "log", 1_000_000)
    with LogWriter(tmp_path / "log") as log:
        log.write(data)
    reading = lines.reading(ReadOptions(mode="head-tail", head_lines=40_000, tail_lines=40_000, max_lines=1_000_000))
    pieces = list(reading.pieces())
    assert max(map(len, pieces)) < 1 << 19
    assert len(pieces) > 4
    output = "".join(pieces)
    assert "line 39999 ok\n\n... [省略 20000 行] ...\n\nline 60000 ok\n" in output
    result = reading.result()
    assert (result.stats.lines_shown, result.stats.total_bytes) == (80_000, len(output.encode()))
    assert result.stats.estimated_tokens == pytest.approx(80_000 * 5, rel=0.3)


def test_what_is_rotated_away_during_a_read_ends_it_early_and_nothing_else(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", 4 << 20) as log:
        lines = Lines(tmp_path / "log", 1_000_000)
        log.write(b"old line\n" * 400_000)
        reading = lines.reading(ReadOptions(max_lines=1_000_000))
        pieces = reading.pieces()
        first = next(pieces)
        log.write(b"new line\n" * 1_000_000)
        rest = "".join(pieces)
    assert set((first + rest).split("\n")) == {"old line"}
    assert reading.result().stats.lines_shown == len((first + rest).split("\n"))
    after = lines.smart_read(ReadOptions(mode="tail", tail_lines=1))
    assert (after.output, after.next_read_from) == ("new line", 1_400_000)


def test_a_character_cut_by_rotation_is_no_trouble(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", 80) as log:
        for _ in range(100):
            log.write("中文\n".encode())
    assert LogReader(tmp_path / "log").read(0).cursor % 7 not in (0, 3)
    output = Lines(tmp_path / "log", 1000).smart_read(ReadOptions()).output.split("\n")
    assert output[0].startswith(CUT_LINE)
    assert set(output[1:]) == {"中文"}


@settings(deadline=None, max_examples=100)
@given(st.lists(st.binary(max_size=80), max_size=12), st.integers(8, 300), options)
def test_no_bytes_make_it_fail(parts: list[bytes], log_bytes: int, options: ReadOptions) -> None:
    with tempfile.TemporaryDirectory() as name:
        with LogWriter(Path(name) / "log", log_bytes) as log:
            for part in parts:
                log.write(part)
        result = Lines(Path(name) / "log", 50).smart_read(options)
    result.output.encode()
    if not options.ansi:
        assert not {chr(code) for code in (*range(9), *range(11, 32), *range(0x7F, 0xA0))} & set(result.output)


@settings(deadline=None, max_examples=100)
@given(movements)
def test_hostile_lines_stay_in_bounds(parts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        output = write(Path(name) / "log", "".join(parts)).smart_read(ReadOptions()).output
    assert len(output) <= 2000 + 3 * len("".join(parts))


@pytest.mark.parametrize(
    "bad",
    [{"since": -1}, {"since": 2**63}, {"mode": "middle"}, {"head_lines": -1}, {"tail_lines": 10**9}, {"max_lines": 0}],
)
def test_bad_options_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ReadOptions.model_validate(bad)
