"""A snapshot is as good as having seen everything: in recordings of real programs and in soups of escape sequences."""

from __future__ import annotations

import random
import re
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bg_runner.terminals.emulator import Emulator, load_emulator, new_emulator
from tests.unit.terminal_soup import soups

CORPUS = Path(__file__).parents[1] / "corpus"
ROWS, COLS = 24, 80
CUTS = 12
RECORDINGS = sorted(path.stem for path in CORPUS.glob("*.z"))
property_test = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def recording(name: str) -> bytes:
    return zlib.decompress((CORPUS / f"{name}.z").read_bytes())


def fed(data: bytes, rows: int = ROWS, cols: int = COLS) -> Emulator:
    emulator = new_emulator(rows, cols)
    emulator.feed(data)
    return emulator


def everything(emulator: Emulator) -> tuple[object, ...]:
    """Screen, state and scrollback, in which two terminals that show the same are equal.

    Where the library keeps the scrollback's styles decides where it says again what the pen is.
    """
    return emulator.screen(), emulator.snapshot(False), re.sub(rb"(?:\x1b\[[0-9;:]*m)+", b"", emulator.snapshot(True))


@pytest.mark.parametrize("name", RECORDINGS)
def test_snapshot_and_dump_at_any_cut_of_a_recording(name: str) -> None:
    data = recording(name)
    whole = everything(fed(data))
    source = new_emulator(ROWS, COLS)
    at = 0
    for cut in sorted(random.Random(name).sample(range(len(data)), CUTS)):
        source.feed(data[at:cut])
        at = cut
        snapshot = source.snapshot(True)
        copy, loaded, screen_only = fed(snapshot), load_emulator(source.dump()), fed(source.snapshot(False))
        assert everything(copy) == everything(source) == everything(loaded), cut
        assert screen_only.snapshot(False) == source.snapshot(False), cut
        for emulator in (copy, loaded, screen_only):
            emulator.feed(data[cut:])
        assert everything(copy) == whole, cut
        assert everything(loaded) == whole, cut
        assert screen_only.screen() == whole[0], cut
        assert screen_only.snapshot(False) == whole[1], cut


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_loaded_dump_takes_a_resize_like_the_original(name: str) -> None:
    data = recording(name)
    source = fed(data[: len(data) // 2])
    loaded = load_emulator(source.dump())
    for emulator in (source, loaded):
        emulator.resize(30, 61)
        emulator.feed(data[len(data) // 2 :])
        emulator.resize(10, 120)
    assert everything(loaded) == everything(source)
    assert (loaded.rows, loaded.cols) == (10, 120)
    assert everything(fed(source.snapshot(True), 10, 120)) == everything(source)


@property_test
@given(soups, st.integers(0, 2000))
def test_snapshot_of_soup(data: bytes, cut: int) -> None:
    source = fed(data[:cut], 6, 20)
    snapshot = source.snapshot(False)
    copy = new_emulator(6, 20)
    assert copy.feed(snapshot) == b"", "a snapshot asks nothing"
    assert copy.screen() == source.screen()
    assert copy.snapshot(False) == snapshot
    for emulator in (source, copy):
        emulator.feed(data[cut:])
    assert copy.screen() == source.screen()


@property_test
@given(soups, st.integers(0, 2000))
def test_snapshot_of_soup_with_scrollback(data: bytes, cut: int) -> None:
    data = data * 5
    source = fed(data[:cut], 6, 20)
    copy = fed(source.snapshot(True), 6, 20)
    assert everything(copy) == everything(source)


@property_test
@given(soups, st.integers(0, 2000), st.integers(1, 40), st.integers(1, 50))
def test_dump_of_soup(data: bytes, cut: int, rows: int, cols: int) -> None:
    source = fed(data[:cut], 6, 20)
    source.resize(rows, cols)
    loaded = load_emulator(source.dump())
    assert everything(loaded) == everything(source)
    assert loaded.feed(data[cut:]) == source.feed(data[cut:])
    assert everything(loaded) == everything(source)


@property_test
@given(soups, st.integers(1, 40), st.integers(2, 50))
def test_snapshot_after_a_resize(data: bytes, rows: int, cols: int) -> None:
    """Of two columns or more: in one there is no room for a wide character, and what is left of it is no cell."""
    source = fed(data, 6, 20)
    source.resize(rows, cols)
    copy = fed(source.snapshot(False), rows, cols)
    assert copy.screen() == source.screen()
    assert copy.snapshot(False) == source.snapshot(False)


@pytest.mark.parametrize(
    "state",
    [
        b"\x1b[?2004h\x1b[?1003h\x1b[?1006h\x1b[?1h\x1b=\x1b[?1004h\x1b[?25l",
        b"\x1b[?1000h\x1b[?1003h\x1b[?1000l",
        b"\x1b[?1003h\x1b[?1000h",
        b"\x1b[5;10r\x1b[?6h\x1b[3;4H",
        b"\x1b[?69h\x1b[5;30s\x1b[2;20r\x1b[?6h\x1b[2;2H",
        b"\x1b[3g\x1b[5G\x1bH\x1b[33G\x1bH\x1b[H",
        b"\x1b[4h\x1b[20h\x1b[?7l",
        b"\x1b(0\x1b)A\x0e\x1b*0\x1bn",
        b"\x1b[1;3;4:3;31;48;2;1;2;3;58;5;7m",
        b"x" * COLS,
        b"\x1b[31m" + b"x" * (COLS - 1) + "\u0301".encode(),
        b"\x1b[79G" + "中".encode(),
        b"\x1b[3;5H\x1b[1;32m\x1b(0\x1b7\x1b[m\x1b(B\x1b[9;9H",
        b"\x1b[" + b"7;1H" + b"y" * COLS + b"\x1b7\x1b[H",
        b"\x1b[5 q\x1b[>4;2m\x1b[>1u\x1b[>5u",
        b"\x1b]2;t\xc3\xaftle\x07\x1b]7;file:///a/b\x07\x1b]4;1;#102030\x07\x1b]10;#aabbcc\x07\x1b]12;red\x07",
        b"\x1b]8;id=a;http://x/\x07link",
        b"first\x1b[?1049hsecond\x1b[2;3r\x1b[?6h\x1b[7m",
        b"first\x1b[4;4H\x1b[?1047hsecond",
        b"\x1b[41m\x1b[2J\x1b[H\x1b[42m\x1b[K\x1b[5;5H\x1b[43m\x1b[7X",
        b"\x1b[?2026h",
        b"\x1b[?1049h" + b"\x1b[44mz\x1b[K\r\n" * 30,
    ],
)
def test_every_kind_of_state(state: bytes) -> None:
    follow = b"q\xc2\xa3#\tA\x1b[2bB\r\nC\x1b8D\x1b[?6lE\x1b[LF\x1b[?1049lG"
    source = fed(b"\r\n".join(b"line %d" % number for number in range(40)) + b"\x1b[10;1H" + state)
    for scrollback in (True, False):
        copy = fed(source.snapshot(scrollback))
        assert copy.snapshot(scrollback) == source.snapshot(scrollback)
        original = load_emulator(source.dump())
        original.feed(follow)
        copy.feed(follow)
        assert copy.screen() == original.screen()
        assert copy.snapshot(scrollback) == original.snapshot(scrollback)


@pytest.mark.parametrize(
    "data",
    ["中".encode(), b"\x1b[1;31mx", b"\x1b]0;title\x1b\\y", b"\x1bP$qm\x1b\\z", b"\x1b(0q", "🚀e\u0301".encode()],
)
def test_cut_in_the_middle_of_a_sequence_or_character(data: bytes) -> None:
    for cut in range(len(data) + 1):
        source = fed(data[:cut])
        for copy in (fed(source.snapshot(True)), fed(source.snapshot(False)), load_emulator(source.dump())):
            copy.feed(data[cut:])
            assert everything(copy) == everything(fed(data)), cut


@pytest.mark.parametrize("erased", [b"", b"a" * 25 + b"\x1b[A\x1b[2K\x1b[B" + b"b" * 30 + b"\x1b[A\x1b[1K\x1b[B\r\n"])
@pytest.mark.parametrize("text", ["字符", "a字", "\x1b[44m字\x1b[m", "👍🏽字e\u0301 ", "字\x1b[K \x1b[41m\x1b[K"])
def test_scrollback_that_ends_amid_a_line_of_wide_characters(text: str, erased: bytes) -> None:
    for length in range(50, 90):
        for before in (b"", b"line\r\n" * 3):
            source = fed(erased + before + text.encode() * length, 6, 21)
            copy = fed(source.snapshot(True), 6, 21)
            assert copy.screen() == source.screen(), length
            assert copy.snapshot(True) == source.snapshot(True), length


def test_a_long_scrollback_with_few_lines_that_the_formatter_loses() -> None:
    line = b"a" * 25 + b"\x1b[A\x1b[2K\x1b[B" + b"b" * 30 + b"\x1b[A\x1b[1K\x1b[B\r\n"
    rows = [b"\x1b[3%dm%d\x1b[m " % (number % 8, number) + b"x" * (number % 60) for number in range(2000)]
    source = fed(b"\r\n".join([*rows[:700], line, *rows[700:1500], line * 40, b"w" * 3000, *rows[1500:]]), 6, 20)
    assert everything(fed(source.snapshot(True), 6, 20)) == everything(source)


def test_scrollback_of_lines_erased_after_they_wrapped() -> None:
    """The library's formatter would lose a row of them."""
    line = b"a" * 25 + b"\x1b[A\x1b[2K\x1b[B" + b"b" * 30 + b"\x1b[A\x1b[1K\x1b[B\r\n"
    source = fed(line * 30, 6, 20)
    assert everything(fed(source.snapshot(True), 6, 20)) == everything(source)
