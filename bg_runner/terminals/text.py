"""Terminal output as plain text: escape sequences out, progress bars collapsed to their last state.

A line is what stands between two newlines, wherever they came: an escape sequence that a newline cuts ends there.
"""

from __future__ import annotations

import re
import unicodedata

# ECMA-48: CSI, OSC/DCS/SOS/PM/APC strings (ended by BEL or ST), charset and other short escapes, C0 and C1 controls.
_CSI = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*(?:[@-~]|$)"
_REST = (
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|(?=\x1b)|$)"
    r"|\x1b[ -/]+(?:[0-~]|$)"
    r"|\x1b[0-~]?"
    r"|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
)
_ESCAPES = re.compile(f"{_CSI}|{_REST}")
# What moves the cursor within its line or erases there: kept apart by `last_state`, all other sequences go.
_MOVES = re.compile(rf"([\r\b]|(?:\x1b\[|\x9b)[0-9]*[KCDGPX@])|(?:{_CSI}|{_REST})")
_HAS_MOVES = re.compile(r"[\r\b]|(?:\x1b\[|\x9b)[0-9]*[DG]")
_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
MAX_COLUMN = 1000


def strip_escapes(text: str) -> str:
    """Remove escape sequences and control characters, but keep tab, newline, carriage return and backspace."""
    return _ESCAPES.sub("", text)


def plain_line(line: str) -> str:
    """One line as it looked last: no escapes, what `\\r`, `\\b`, cursor movements and erasing left of it.

    The line's `\\r` before the newline may still be there. Movements to other lines are ignored.
    """
    if _CONTROLS.search(line) is None:
        return line
    line = line.rstrip("\r")
    if _HAS_MOVES.search(line) is None:
        return strip_escapes(line)
    return _last_state(line)


def _last_state(line: str) -> str:
    cells = _Cells()
    at = 0
    for found in _MOVES.finditer(line):
        cells.write(line[at : found.start()])
        at = found.end()
        if found[1]:
            cells.move(found[1])
    cells.write(line[at:])
    return "".join(cells.cells)


class _Cells:
    """The cells of one line and the cursor in it. The second cell of a wide character is empty."""

    def __init__(self) -> None:
        self.cells: list[str] = []
        self._at = 0

    def write(self, text: str) -> None:
        if not text:
            return
        new = list(text) if text.isascii() else _cells_of(text)
        if new and new[0] and not unicodedata.combining(new[0][0]):
            self._write_cells(new)
        elif 0 < self._at <= len(self.cells):
            self.cells[self._at - (1 if self.cells[self._at - 1] else 2)] += new[0]
            self._write_cells(new[1:])
        else:
            self._write_cells(new)

    def _write_cells(self, new: list[str]) -> None:
        end = self._at + len(new)
        if self._at > len(self.cells):
            self.cells += " " * (self._at - len(self.cells))
        self._split(self._at)
        self._split(end)
        self.cells[self._at : end] = new
        self._at = end

    def _split(self, at: int) -> None:
        """Half of a wide character that is about to be overwritten leaves blanks."""
        if 0 < at < len(self.cells) and not self.cells[at]:
            self.cells[at - 1 : at + 1] = "  "

    def move(self, sequence: str) -> None:
        """Carriage return, backspace, or a CSI with at most one number."""
        final = sequence[-1]
        if final == "\r":
            self._at = 0
            return
        digits = sequence.lstrip("\x1b\x9b[")[:-1]
        count = int(digits[-6:] or "0")
        if final == "K":
            self._erase_line(count)
            return
        count = max(count, 1)
        furthest = max(MAX_COLUMN, len(self.cells))
        if final in "\bD":
            self._at = max(0, self._at - count)
        elif final == "C":
            self._at = min(self._at + count, furthest)
        elif final == "G":
            self._at = min(count - 1, furthest)
        else:
            self._change(final, count, furthest)

    def _erase_line(self, what: int) -> None:
        if what == 0:
            self._split(self._at)
            del self.cells[self._at :]
        elif what == 1:
            end = min(self._at + 1, len(self.cells))
            self._split(end)
            self.cells[:end] = " " * end
        elif what == 2:
            self.cells.clear()

    def _change(self, final: str, count: int, furthest: int) -> None:
        """DCH, ECH, ICH: delete, erase, insert characters; no more than `furthest` are left."""
        end = min(self._at + count, len(self.cells))
        if self._at >= len(self.cells):
            return
        self._split(self._at)
        if final == "@":
            self.cells[self._at : self._at] = " " * min(count, MAX_COLUMN)
            del self.cells[furthest:]  # They leave at the right edge, and a hostile line does not grow.
            return
        self._split(end)
        self.cells[self._at : end] = "" if final == "P" else " " * (end - self._at)


def _cells_of(text: str) -> list[str]:
    cells: list[str] = []
    for character in text:
        if unicodedata.combining(character) and cells:
            cells[-1 if cells[-1] else -2] += character
        elif unicodedata.east_asian_width(character) in "WF":
            cells += (character, "")
        else:
            cells.append(character)
    return cells


def split_plain(text: str) -> list[str]:
    """What stands before, between and after the newlines of `text`, as it looked last."""
    text = text.replace("\r\n", "\n").rstrip("\r")
    if "\x1b" in text:
        text = _COLOURS.sub("", text)  # Mostly there is nothing else, and all lines at once are quicker.
    lines = text.split("\n")
    return lines if _CONTROLS.search(text) is None else [plain_line(line) for line in lines]


def plain_lines(data: bytes) -> list[str]:
    """The lines of `data`; broken UTF-8 becomes U+FFFD. A line still being written is the last one."""
    lines = split_plain(data.decode("utf-8", "replace"))
    if not lines[-1]:
        lines.pop()
    return lines


def last_lines(data: bytes, count: int) -> list[str]:
    """The last `count` lines of a tail of output."""
    return plain_lines(data)[-count:] if count else []
