"""The fallback emulator: the same interface, and its snapshots are right in the real emulator, too."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bg_runner.terminals.emulator import load_emulator, new_emulator
from bg_runner.terminals.emulator_pyte import PyteEmulator
from tests.unit.terminal_soup import soups

CORPUS = Path(__file__).parents[1] / "corpus"


def test_screen_and_answers() -> None:
    emulator = PyteEmulator(4, 20, 100)
    assert emulator.feed(b"\x1b[c\x1b[>c\x1b[5nab\x1b[6n\x1b[?2004$p\x1b[?2027$p\x1b[?u") == (
        b"\x1b[?62;22c\x1b[0n\x1b[1;3R\x1b[?2004;2$y\x1b[?2027;0$y"
    )
    emulator.feed(
        "\r\n中文\x1b]2;title\x07\x1bPq payload \x1b\\\x1b_G;AAAA\x1b\\\x1b[?1049h\x1b[H\x1b[?25lfull".encode()
    )
    assert emulator.screen() == (("full", "", "", ""), 0, 4, False, True, "title")
    emulator.feed(b"\x1b[?1049l")
    assert emulator.screen().lines == ("ab", "中文", "", "")


@pytest.mark.parametrize("name", ["less", "less_quit", "git_log", "progress", "vim", "dashboard"])
def test_snapshot_of_a_recording_in_both_emulators(name: str) -> None:
    data = zlib.decompress((CORPUS / f"{name}.z").read_bytes())[:6000]
    whole = PyteEmulator(24, 80, 100)
    whole.feed(data)
    cut = random.Random(name).randrange(len(data))
    source = PyteEmulator(24, 80, 100)
    source.feed(data[:cut])
    copy = PyteEmulator(24, 80, 100)
    copy.feed(source.snapshot(True))
    real = new_emulator(24, 80)
    real.feed(source.snapshot(True))
    assert real.screen()[:5] == source.screen()[:5]
    loaded = load_emulator(source.dump())
    for emulator in (copy, loaded):
        emulator.feed(data[cut:])
        assert emulator.screen() == whole.screen()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(soups, st.integers(0, 2000), st.integers(1, 30), st.integers(1, 30))
def test_soup_never_fails(data: bytes, cut: int, rows: int, cols: int) -> None:
    emulator = PyteEmulator(6, 20, 100)
    emulator.feed(data[:cut])
    emulator.resize(rows, cols)
    emulator.feed(data[cut:])
    assert len(emulator.screen().lines) == rows
    loaded = load_emulator(emulator.dump())
    assert (loaded.rows, loaded.cols) == (rows, cols)


@pytest.mark.parametrize(
    "data",
    [b"\x1b]0;" + b"a" * 300_000, b"\x1b[" + b"1;" * 100_000, b"e" + "\u0301".encode() * 20_000, b"\x1b[6n" * 20_000],
)
def test_hostile_output_stays_bounded(data: bytes) -> None:
    emulator = PyteEmulator(24, 80, 100)
    for start in range(0, len(data), 60_000):
        assert len(emulator.feed(data[start : start + 60_000])) <= 64 * 1024
    assert len(emulator.snapshot(True)) < 70_000
    emulator.feed(b"\x07\x18\r\nend")
    assert "end" in emulator.screen().lines[emulator.screen().row]


def test_a_line_is_not_erased_in_a_way_that_does_not_exist() -> None:
    emulator = PyteEmulator(5, 20, 100)
    emulator.feed(b"text\x1b[10K\x1b[7J")
    assert emulator.screen().lines[0] == "text"
