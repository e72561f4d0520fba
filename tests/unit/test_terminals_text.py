"""Terminal output as plain lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bg_runner.terminals.text import last_lines, plain_lines, strip_escapes


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"\x1b[1;31mred\x1b[0m\n", ["red"]),
        (b" 10%\r 50%\r100%\r\n", ["100%"]),
        (b"downloading\rdone\n", ["doneloading"]),
        (b"abc\b\b\bx\n", ["xbc"]),
        (b"\x1b]0;a title\x07text", ["text"]),
        (b"\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\", ["link"]),
        (b"\x1b(B\x1b=ok", ["ok"]),
        ("中文 ✓\n".encode(), ["中文 ✓"]),
        (b"\xff\xfe", ["��"]),
        (b"half \x1b[3", ["half "]),
    ],
)
def test_plain_lines(data: bytes, lines: list[str]) -> None:
    assert plain_lines(data) == lines


@given(st.text())
def test_no_escape_and_no_control_character_is_left(text: str) -> None:
    assert not set(strip_escapes(text)) & {chr(code) for code in range(32) if chr(code) not in "\b\t\n\r"}


def test_last_lines() -> None:
    assert last_lines(b"1\n2\n3\n", 2) == ["2", "3"]
    assert last_lines(b"1\n", 0) == []
