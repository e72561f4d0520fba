"""After any resize a terminal can still be saved and shown: also where the library cuts wide characters in half."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bg_runner.terminals.emulator import Emulator, load_emulator, new_emulator
from tests.unit.terminal_soup import soups

WIDE = "中".encode() * 40
ALTERNATE = b"\x1b[?1049h"
sizes = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 40)), min_size=1, max_size=3)


def shown(emulator: Emulator) -> tuple[object, bytes]:
    return emulator.screen(), emulator.snapshot(False)


@pytest.mark.parametrize(
    "data",
    [
        ALTERNATE + WIDE * 3,
        ALTERNATE + WIDE + b"\x1b[?1049l",
        b"\x1b[?47h" + WIDE + b"\x1b[?47l",
        WIDE * 50 + b"\x1b[?7l",
        WIDE + b"\x1b[?7l" + ALTERNATE,
        ALTERNATE + WIDE + b"\x1b[2;5r\x1b[?6h\x1b[31m\x1b]8;;http://x/\x07" + WIDE[:2],
    ],
)
def test_wide_characters_at_the_new_edge(data: bytes) -> None:
    source = new_emulator(24, 80)
    source.feed(data)
    for rows, cols in ((10, 41), (10, 1), (24, 79), (5, 30)):
        source.resize(rows, cols)
        loaded, copy = load_emulator(source.dump()), new_emulator(rows, cols)
        copy.feed(source.snapshot(False))
        assert shown(loaded) == shown(source)
        assert copy.screen() == source.screen()


def test_what_is_cut_is_erased_and_nothing_else_changes() -> None:
    source = new_emulator(3, 10)
    state = b"\x1b[2;3r\x1b[?6h\x1b[?7l\x1b[4h\x1b(0\x1b[1;31m\x1b[2;2H"
    source.feed(ALTERNATE + b"a" + "中".encode() * 4 + b"\x1b[2;1H" + "中".encode() * 4 + state + b"\x1b]2;ti")
    source.resize(3, 6)
    assert source.screen().lines == ("a中中", "中中中", "")
    whole = new_emulator(3, 6)
    whole.feed(ALTERNATE + b"a" + "中".encode() * 2 + b"\x1b[2;1H" + "中".encode() * 3 + state + b"\x1b]2;ti")
    for emulator in (source, whole):
        # The margins go with every resize.
        emulator.resize(3, 7)
        emulator.feed(b"tle\x07q")
    assert shown(source) == shown(whole)


def test_a_narrow_window_for_a_while_loses_no_scrollback() -> None:
    source = new_emulator(24, 80, 1000)
    source.feed(b"".join(b"%d %s\r\n" % (number, b"x" * 60) for number in range(1000)))
    before = source.snapshot(True)
    source.resize(40, 30)
    source.resize(24, 80)
    assert before.count(b"\n") >= 999
    assert source.snapshot(True) == before


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(soups, sizes, soups)
def test_resized_soup_can_be_saved(data: bytes, sizes: list[tuple[int, int]], more: bytes) -> None:
    source = new_emulator(6, 20)
    source.feed(data)
    for rows, cols in sizes:
        source.resize(rows, cols)
        copy, loaded = new_emulator(rows, cols), load_emulator(source.dump())
        copy.feed(source.snapshot(False))
        assert shown(loaded) == shown(source)
        assert copy.screen() == source.screen()
        source.feed(more)
    source.snapshot(True)
