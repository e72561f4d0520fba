"""Titles, directories, progress and prompt marks out of a stream that is cut anywhere."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bg_runner.terminals.osc import MAX_TEXT, OscEvent, OscScanner

SAMPLE = (
    b"x\x1b]0;one\x07\x1b]2;two\x1b\\\x1b]7;file://host/home/a%20b/%E4%B8%AD\x07\x1b]9;4;1;42\x07\x1b]9;4;0\x1b\\"
    b"\x1b]133;A\x07$ \x1b]133;B\x07ls\r\n\x1b]133;C\x07out\x1b]133;D;3;aid=7\x07\x1b]133;D\x07"
)


def test_every_kind_with_both_terminators() -> None:
    assert [event[:3] for event in OscScanner().feed(SAMPLE)] == [
        ("title", "one", None),
        ("title", "two", None),
        ("cwd", "/home/a b/中", None),
        ("progress", "1", 42),
        ("progress", "0", None),
        ("prompt", "", None),
        ("command", "", None),
        ("output", "", None),
        ("done", "", 3),
        ("done", "", None),
    ]


def test_offset_is_the_end_of_the_sequence() -> None:
    scanner = OscScanner()
    scanner.feed(b"12345")
    assert scanner.feed(b"6\x1b]0;t\x07rest") == [OscEvent("title", "t", None, 12)]
    assert scanner.feed(b"\x1b]0;u\x1b") == []
    assert scanner.feed(b"\\") == [OscEvent("title", "u", None, 23)]


@given(st.lists(st.integers(0, len(SAMPLE)), max_size=12))
def test_cuts_change_nothing(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(SAMPLE)]
    scanner = OscScanner()
    pieces = [SAMPLE[start:end] for start, end in itertools.pairwise(edges)]
    assert [event for piece in pieces for event in scanner.feed(piece)] == OscScanner().feed(SAMPLE)


_SOUP = st.lists(
    st.sampled_from(
        [b"\x1b", b"]", b"0;", b"133;D;", b"9;4;1;", b"\\", b"\x07", b"\x18", b"P", b"7;file:///", b"a", b"5"]
    )
)


@given(_SOUP, st.lists(st.integers(0, 100), max_size=6))
def test_soup_cut_anywhere(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    scanner = OscScanner()
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    assert [event for piece in pieces for event in scanner.feed(piece)] == OscScanner().feed(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x1b]52;c;aGk=\x07",
        b"\x1b]9;a notification\x07",
        b"\x1b]9;4;7\x07",
        b"\x1b]7;http://host/x\x07",
        b"\x1b]7;file://nothing\x07",
        b"\x1b]7;file:///a%0Ab\x07",
        b"\x1b]133;Z\x07",
        b"\x1b]0;aborted\x18\x07",
        b"\x1b]0;cut off\x1b[m\x07",
        b"\x1bP\x07]0;in a DCS\x07\x1b\\",
        b"\xc2\x9d0;eight bit\x07",
        b"\x9d0;eight bit\x07",
    ],
)
def test_what_says_nothing(data: bytes) -> None:
    assert OscScanner().feed(data) == []


def test_titles_are_untrusted() -> None:
    hostile = "a\x01\x9b\u202eb\u2066\n" + "z" * 5000
    (event,) = OscScanner().feed(b"\x1b]2;" + hostile.encode() + b"\x07")
    assert event.text == "ab" + "z" * (MAX_TEXT - 2)
    assert OscScanner().feed(b"\x1b]2;\xff\xfe\x07")[0].text == "\ufffd\ufffd"


def test_an_endless_string_is_not_kept() -> None:
    scanner = OscScanner()
    for _ in range(100):
        assert scanner.feed(b"\x1b]0;" + b"a" * 100_000) == []
    assert len(scanner._string or b"") < 20_000
    assert scanner.feed(b"\x07\x1b]0;b\x07")[0].text == "b"
