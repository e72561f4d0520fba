"""Escape sequences for property tests of terminal emulators: mostly valid, in any order, with numbers that matter."""

from __future__ import annotations

from hypothesis import strategies as st

_NUMBERS = st.sampled_from(["", "0", "1", "2", "3", "4", "5", "9", "10", "20", "99", "65535", "99999999999"])
_MODES = [
    "?1",
    "?5",
    "?6",
    "?7",
    "?9",
    "?12",
    "?25",
    "?45",
    "?66",
    "?1000",
    "?1002",
    "?1003",
    "?1004",
    "?1005",
    "?1006",
]
_MODES += ["?1007", "?1015", "?1016", "?1049", "?2004", "?2026", "?69", "4", "20"]
_SGR = ["", "0", "1", "3", "4", "7", "27", "31", "42", "93", "104", "38;5;200", "48;2;1;2;3", "4:3", "58;5;9", "39;49"]

_TEXT = st.text("abc ~ü│中😀e\u0301한", min_size=1, max_size=30)
_CONTROL = st.sampled_from(["\r", "\n", "\r\n", "\b", "\t", "\x0b"])
_MOVES = st.builds("\x1b[{}{}".format, _NUMBERS, st.sampled_from("ABCDEFGZ`adeST"))
_PLACES = st.builds("\x1b[{};{}H".format, _NUMBERS, _NUMBERS)
_ERASES = st.builds("\x1b[{}{}".format, _NUMBERS, st.sampled_from("JKXPL@M"))
_PENS = st.builds("\x1b[{}m".format, st.sampled_from(_SGR))
_SWITCHES = st.builds("\x1b[{}{}".format, st.sampled_from(_MODES), st.sampled_from("hl"))
_MARGINS = st.builds("\x1b[{};{}{}".format, _NUMBERS, _NUMBERS, st.sampled_from("rs"))
_SAVES = ["\x1b7", "\x1b8", "\x1bM", "\x1bD", "\x1bE", "\x1bH", "\x1b[3g", "\x1b=", "\x1b>", "\x1b#8", "\x1b[?2004s"]
_CHARSETS = ["\x1b(0lqk\x1b(B", "\x1b)0\x0emqj\x0f"]
_LOOKS = ["\x1b[4 q", "\x1b[>4;2m", "\x1b[>1u", "\x1b[<u", "\x1b[!p", "\x1bc", '\x1b[1"q', '\x1b[0"q']
_OSCS = ["2;title\x07", "4;1;#123456\x07", "10;#abcdef\x1b\\", "104\x07", "7;file:///tmp\x07", "133;A\x07"]
_LINKS = ["8;;http://a/\x1b\\", "8;id=x;http://b/\x07", "8;;\x07"]
_STRINGS = [*(f"\x1b]{osc}" for osc in (*_OSCS, *_LINKS)), "\x1bPq#0\x1b\\"]
_ESCAPES = st.sampled_from([*_SAVES, *_CHARSETS, *_LOOKS, *_STRINGS])

pieces = st.one_of(_TEXT, _TEXT, _CONTROL, _MOVES, _PLACES, _ERASES, _PENS, _SWITCHES, _MARGINS, _ESCAPES)
soups = st.lists(pieces, max_size=60).map(lambda parts: "".join(parts).encode())
