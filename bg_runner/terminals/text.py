"""Terminal output as plain text: escape sequences out, progress bars collapsed to their last state."""

from __future__ import annotations

import re

# ECMA-48: CSI, OSC/DCS/SOS/PM/APC strings (ended by BEL or ST), charset and other two-byte escapes, C1 CSI.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*(?:[@-~]|$)"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|(?=\x1b)|$)"
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b[0-~]?"
    r"|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]"
)


def strip_escapes(text: str) -> str:
    """Remove escape sequences and control characters, but keep tab, newline, carriage return and backspace."""
    return _ESCAPES.sub("", text)


def collapse(line: str) -> str:
    """The last state of a line in which a program went back with `\\r` or `\\b` and overwrote."""
    if "\r" not in line and "\b" not in line:
        return line
    cells: list[str] = []
    at = 0
    for part in re.split(r"([\r\b])", line):
        if part == "\r":
            at = 0
        elif part == "\b":
            at = max(0, at - 1)
        else:
            cells[at : at + len(part)] = part
            at += len(part)
    return "".join(cells)


def plain_lines(data: bytes) -> list[str]:
    """The lines of `data`; broken UTF-8 becomes U+FFFD. A line still being written is the last one."""
    text = strip_escapes(data.decode("utf-8", "replace")).replace("\r\n", "\n")
    lines = [collapse(line.removesuffix("\r")) for line in text.split("\n")]
    if lines and not lines[-1]:
        lines.pop()
    return lines


def last_lines(data: bytes, count: int) -> list[str]:
    """The last `count` lines of a tail of output."""
    return plain_lines(data)[-count:] if count else []
