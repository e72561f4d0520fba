"""Reports of the terminal go nowhere, keys go through, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bg_runner.cli.keyboard import Keyboard, detach_pattern

REPORTS = [
    b"\x1b[?62;22c",
    b"\x1b[>1;4600;0c",
    b"\x1bP!|00000000\x1b\\",
    b"\x1b[0n",
    b"\x1b[24;80R",
    b"\x1b[?24;80;1R",
    b"\x1b[?2026;2$y",
    b"\x1b[4;2$y",
    b"\x1b[?997;1n",
    b"\x1b[?5u",
    b"\x1b[8;24;80t",
    b"\x1b]10;rgb:ffff/ffff/ffff\x07",
    b"\x1b]4;1;rgb:cdcd/0000/0000\x1b\\",
    b"\x1b]52;c;aGk=\x1b\\",
    b"\x1bP1$r0m\x1b\\",
    b"\x1bP1+r544e=787465726d\x1b\\",
    b"\x1bP>|xterm(390)\x1b\\",
    b"\x1b_Gi=31;OK\x1b\\",
]
KEYS = [
    b"a",
    "中".encode(),
    b"\r",
    b"\x03",
    b"\x1b",
    b"\x1bOP",
    b"\x1b[A",
    b"\x1b[1;5C",
    b"\x1b[15~",
    b"\x1b[[A",
    b"\x1b[c",  # Shift+Right of rxvt
    b"\x1b[97;5u",
    b"\x1b[I",
    b"\x1b[<0;10;5M",
    b"\x1b[M !!",
    b"\x1b]x",  # Alt+]
    b"\x1bP",  # Alt+P
    b"\x1b[1;2R",  # Shift+F3
    b"\x1b[200~pasted \x1d \x1b[?62c\x1b]10;rgb:1\x07\x1b[201~",
]


def keyboard(key: str = "ctrl-]") -> Keyboard:
    return Keyboard(detach_pattern(key))


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_goes_nowhere_wherever_it_is_cut(report: bytes) -> None:
    for cut in range(len(report)):
        board = keyboard()
        assert board.feed(b"a" + report[:cut]) == b"a"
        assert board.holds == (cut > 0)
        assert board.feed(report[cut:] + b"b") == b"b"
        assert not board.holds


@pytest.mark.parametrize("key", KEYS)
def test_a_key_goes_through(key: bytes) -> None:
    board = keyboard()
    assert board.feed(key) + board.flush() == key
    assert not board.detached


# What cannot be told from the beginning of a report when something follows at once.
ALONE = (b"\x1b", b"\x1b]x", b"\x1bP")
TOKENS = [(True, report) for report in REPORTS] + [(False, key) for key in KEYS if key not in ALONE]


@settings(deadline=None)
@given(st.lists(st.sampled_from(TOKENS)), st.data())
def test_keys_and_reports_in_any_order_and_pieces(tokens: list[tuple[bool, bytes]], data: st.DataObject) -> None:
    sent = b"".join(token for _, token in tokens)
    expected = b"".join(token for report, token in tokens if not report)
    board = keyboard()
    got = b""
    at = 0
    while at < len(sent):
        step = data.draw(st.integers(1, 20))
        got += board.feed(sent[at : at + step])
        at += step
    assert got + board.flush() == expected


@settings(deadline=None)
@given(st.lists(st.binary(max_size=20)))
def test_text_without_escapes_is_untouched(pieces: list[bytes]) -> None:
    board = keyboard("none")
    plain = [piece.replace(b"\x1b", b"") for piece in pieces]
    assert b"".join(board.feed(piece) for piece in plain) == b"".join(plain)


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=20), st.sampled_from(REPORTS + KEYS))))
def test_nothing_is_held_for_ever(pieces: list[bytes]) -> None:
    board = keyboard("none")
    for piece in pieces:
        board.feed(piece)
        board.flush()
        assert not board.holds


def test_an_endless_report_is_let_through() -> None:
    board = keyboard()
    sent = b"\x1b]10;" + b"x" * 10_000
    assert board.feed(sent) == sent


def test_a_cursor_position_that_was_asked_for_is_no_key() -> None:
    board = keyboard()
    board.show(b"...\x1b[")
    board.show(b"6")
    board.show(b"n and \x1b[6n")
    assert board.feed(b"\x1b[1;2R" * 3) == b"\x1b[1;2R"


@pytest.mark.parametrize("sent", [b"\x1d", b"\x1b[93;5u", b"\x1b[93::93;69:1u", b"\x1b[27;5;93~"])
def test_the_detach_key_however_it_is_sent(sent: bytes) -> None:
    board = keyboard()
    assert board.feed(b"before" + sent + b"after") == b"before"
    assert board.detached


@pytest.mark.parametrize(
    ("key", "sent"), [("ctrl-a", b"\x01"), ("^\\", b"\x1c"), ("C-_", b"\x1f"), ("Ctrl-^", b"\x1e")]
)
def test_other_detach_keys(key: str, sent: bytes) -> None:
    board = keyboard(key)
    assert board.feed(b"\x1d" + sent) == b"\x1d"
    assert board.detached


@pytest.mark.parametrize("key", ["", "x", "ctrl-", "ctrl-1", "ctrl-ab", "alt-x"])
def test_a_key_that_cannot_be(key: str) -> None:
    with pytest.raises(ValueError, match="ctrl-"):
        detach_pattern(key)
