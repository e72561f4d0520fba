"""What the emulator shows and answers, what it refuses, and that nothing makes it grow without bound."""

from __future__ import annotations

import random
import sys
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bg_runner.terminals import emulator as emulators
from bg_runner.terminals.emulator import load_emulator, new_emulator
from bg_runner.terminals.emulator_ghostty import MAX_ANSWER, GhosttyEmulator

MEGABYTE = 1 << 20


def test_screen_as_text() -> None:
    emulator = new_emulator(4, 20)
    emulator.feed("one\r\n\x1b[1m中文\x1b[0m e\u0301\r\n".encode())
    assert isinstance(emulator, GhosttyEmulator)
    assert emulator.screen() == (("one", "中文 e\u0301", "", ""), 2, 0, True, False, "")
    emulator.feed(b"\x1b]2;a title\x07\x1b[?1049h\x1b[?25l\x1b[2;3Hfull")
    assert emulator.screen() == (("", "  full", "", ""), 1, 6, False, True, "a title")
    emulator.feed(b"\x1b[?1049l")
    assert emulator.screen().lines == ("one", "中文 e\u0301", "", "")


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (b"\x1b[c", b"\x1b[?62;22c"),
        (b"\x1b[>c", b"\x1b[>1;10;0c"),
        (b"\x1b[5n", b"\x1b[0n"),
        (b"ab\x1b[6n", b"\x1b[1;3R"),
        (b"\x1b[?2004$p", b"\x1b[?2004;2$y"),
        (b"\x1b[?2004h\x1b[?2004$p", b"\x1b[?2004;1$y"),
        (b"\x1b[4$p", b"\x1b[4;2$y"),
        (b"\x1b[?9999$p", b"\x1b[?9999;0$y"),
        (b"\x1b[>q", b"\x1bP>|xterm.js(6.0.0)\x1b\\"),
        (b"\x1b]10;?\x07", b"\x1b]10;rgb:d4d4/d4d4/d4d4\x07"),
        (b"\x1b]11;?\x1b\\", b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\"),
        (b"\x1b]4;1;?\x07", b"\x1b]4;1;rgb:cccc/6666/6666\x07"),
        (b"\x1bP$qm\x1b\\", b"\x1bP1$r0m\x1b\\"),
        (b"\x1bP$qr\x1b\\", b"\x1bP1$r1;24r\x1b\\"),
        (b"\x1b[18t", b"\x1b[8;24;80t"),
        (b"\x1b[14t", b"\x1b[4;384;640t"),
        # Not in xterm.js, so not in what its user runs: grapheme clusters, the kitty keyboard, titles as input.
        (b"\x1b[?2027$p", b"\x1b[?2027;0$y"),
        (b"\x1b[?u", b""),
        (b"\x1b]2;rm -rf\x07\x1b[21t", b""),
        (b"\x1b]52;c;?\x07", b""),
        (b"\x1b_Gi=1,a=q;AAAA\x1b\\", b""),
    ],
)
def test_answers_to_queries(query: bytes, answer: bytes) -> None:
    emulator = new_emulator(24, 80)
    assert emulator.feed(query) == answer
    assert emulator.feed(b"") == b""


def test_a_size_report_when_a_program_asked_for_them() -> None:
    emulator = new_emulator(24, 80)
    assert emulator.resize(25, 80) == b""
    emulator.feed(b"\x1b[?2048h")
    assert emulator.resize(10, 40) == b"\x1b[48;10;40;160;320t"
    assert (emulator.rows, emulator.cols) == (10, 40)


def test_a_program_does_not_change_the_size() -> None:
    emulator = new_emulator(24, 80)
    emulator.feed(b"\x1b[?40h\x1b[?3h\x1b[8;50;200tx")
    assert (emulator.rows, emulator.cols, len(emulator.screen().lines)) == (24, 80, 24)
    assert emulator.feed(b"\x1b[18t") == b"\x1b[8;24;80t"


@pytest.mark.parametrize("lines", [0, 10, 10_000])
def test_scrollback_keeps_at_least_what_was_asked_for(lines: int) -> None:
    emulator = new_emulator(24, 80, scrollback=lines)
    emulator.feed(b"".join(b"line %d\r\n" % number for number in range(lines + 5000)))
    kept = emulator.snapshot(True).count(b"\r\n")
    assert lines + 23 <= kept <= lines * 2 + 3000
    assert emulator.snapshot(True).count(b"line") == kept


@pytest.mark.parametrize(("rows", "cols"), [(0, 80), (24, 0), (-1, 80), (1001, 80), (24, 2001), (65536, 65536)])
def test_sizes_that_are_refused(rows: int, cols: int) -> None:
    with pytest.raises(ValueError, match="not possible"):
        new_emulator(rows, cols)
    emulator = new_emulator(24, 80)
    with pytest.raises(ValueError, match="not possible"):
        emulator.resize(rows, cols)


@pytest.mark.parametrize(
    "data",
    [
        b"\x1b]0;" + b"a" * MEGABYTE,
        b"\x1b]52;c;" + b"QUJD" * MEGABYTE,
        b"\x1bPq" + b"#0~~" * MEGABYTE,
        b"\x1b_Ga=T,f=32,s=1000,v=1000;" + b"QUJD" * MEGABYTE,
        b"\x1b[" + b"1;" * MEGABYTE,
        b"\x1b[" + b"9" * MEGABYTE,
        b"\x1b(" + b"(" * MEGABYTE,
        b"e" + "\u0301".encode() * MEGABYTE,
        b"\x1b]8;;http://" + b"u" * MEGABYTE,
        b"\x1b[6n" * 40_000,
        b"\x1b]4;" + b"1;?;" * 100_000,
        b"x\x1b[65535b\x1b[65535S\x1b[65535L\x1b[65535@\x1b[99999I" * 20,
        random.Random(1).randbytes(MEGABYTE),
    ],
    ids=lambda data: f"{data[:8]!r}",
)
@pytest.mark.parametrize("chunk", [65_000, 9 * MEGABYTE])
def test_hostile_output_stays_bounded_and_can_be_parked(data: bytes, chunk: int) -> None:
    emulator = new_emulator(24, 80, scrollback=1000)
    for start in range(0, len(data), chunk):
        assert len(emulator.feed(data[start : start + chunk])) <= MAX_ANSWER
    snapshot = emulator.snapshot(True)
    assert len(snapshot) < 512 * 1024
    copy, loaded = new_emulator(24, 80, scrollback=1000), load_emulator(emulator.dump())
    copy.feed(snapshot)
    ending = b"\x1b\\\x07\x18\r\n\x1b[mthe end"
    for each in (emulator, copy, loaded):
        each.feed(ending)
    assert emulator.screen() == copy.screen() == loaded.screen()
    assert "the end" in emulator.screen().lines[emulator.screen().row]


def test_an_endless_string_is_swallowed_up_to_its_end() -> None:
    emulator = new_emulator(5, 20)
    for _ in range(10):
        emulator.feed(b"\x1b]1337;File=:" + b"A" * 100_000)
        emulator.feed(b"B" * 100_000)
        emulator.feed(b"\x07")
    emulator.feed(b"shown")
    assert emulator.screen().lines == ("shown", "", "", "", "")


def test_a_dump_is_small() -> None:
    emulator = new_emulator(24, 80)
    assert len(emulator.dump()) < 2000
    emulator.feed(b"".join(b"\x1b[3%dmline %d\x1b[m of a log\r\n" % (number % 8, number) for number in range(10_000)))
    assert len(emulator.dump()) < 200_000


def test_torn_and_foreign_dumps_are_refused() -> None:
    emulator = new_emulator(5, 20)
    emulator.feed(b"hello")
    dump = emulator.dump()
    for length in range(len(dump)):
        with pytest.raises(ValueError, match="dump"):
            load_emulator(dump[:length])
    for index in range(0, len(dump), 7):
        with pytest.raises(ValueError, match="dump"):
            load_emulator(dump[:index] + bytes([dump[index] ^ 1]) + dump[index + 1 :])


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 700), st.sampled_from([b"g", b"p", b"x"]))
def test_broken_contents_with_a_right_checksum_are_refused(noise: bytes, at: int, engine: bytes) -> None:
    emulator = new_emulator(5, 20)
    body = zlib.decompress(emulator.dump()[emulators._HEADER.size :])
    broken = body[:at] + noise + body[at + len(noise) :]
    for candidate in (noise, zlib.compress(noise), zlib.compress(broken)):
        try:
            load_emulator(emulators.close_dump(engine, candidate)).close()
        except ValueError:
            continue


def test_a_dump_of_another_version_of_the_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    dump = new_emulator(5, 20).dump()
    monkeypatch.setattr("bg_runner.terminals.emulator_ghostty._ENGINE", b"pyghostty 9.9")
    with pytest.raises(ValueError, match="another version"):
        load_emulator(dump)


def test_pyte_takes_over_where_the_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bg_runner.terminals.emulator_ghostty", None)
    emulator = new_emulator(5, 20)
    assert type(emulator).__name__ == "PyteEmulator"
    emulator.feed(b"hi")
    assert load_emulator(emulator.dump()).screen().lines[0] == "hi"
