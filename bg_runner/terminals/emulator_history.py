"""The scrollback of a libghostty-vt terminal as VT text.

The library's formatter is fast, but when rows of a wrapped line were erased later, it loses rows. So if any line
wraps, its text is fed to a scratch terminal and the result compared; if that differs, the same is done with pieces, and
the few rows where it still differs are made one by one, which is slow but exact. Rows with colour but no text, and
links, are plain in the scrollback.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyghostty import ffi, lib

from bg_runner.terminals.emulator_cells import GhosttyCells, check, terminal_get

COLOURS = 48  # bytes of sequences in a line, usually fewer
FEW, PARTS = 32, 16  # From how many rows on a piece is tried in how many parts.
_PLAIN = lib.GHOSTTY_FORMATTER_FORMAT_PLAIN


def history_text(terminal: Any, rows: int, cols: int) -> bytes:
    """VT text whose end stands where the first row of the screen begins (or wraps into it); empty without history."""
    count = int(terminal_get(terminal, lib.GHOSTTY_TERMINAL_DATA_SCROLLBACK_ROWS, "size_t"))
    if not count:
        return b""
    cells = GhosttyCells(terminal, count + 1, cols, lib.GHOSTTY_POINT_TAG_SCREEN)
    cells.reserve(count * (cols + COLOURS))
    return b"".join(_texts(cells, rows, cols, 0, count))


def _texts(cells: GhosttyCells, rows: int, cols: int, begin: int, end: int) -> Iterator[bytes]:
    """The text of rows `begin` to `end`, up to where row `end` begins or wraps."""
    text = _formatted(cells, rows, cols, begin, end)
    if text is not None:
        yield text
    elif end - begin <= FEW:
        for row in cells.rows(begin, end):
            yield row.text if row.wraps else row.text + b"\r\n"
    else:
        step = -(-(end - begin) // PARTS)
        while begin < end:
            # A line stays in one piece, if it is not endless.
            limit = min(begin + 2 * step, end)
            cut = next((row for row in range(min(begin + step, end), limit) if not cells.wraps(row - 1)), limit)
            yield from _texts(cells, rows, cols, begin, cut)
            begin = cut


def _formatted(cells: GhosttyCells, rows: int, cols: int, begin: int, end: int) -> bytes | None:
    """The same by the library's formatter; None if that loses something."""
    count = end - begin
    first, last = cells.ref(begin, 0), cells.end(end - 1)
    text = cells.format(first, last, unwrap=True)
    plain = cells.format(first, last, _PLAIN)
    written: int | None = plain.count(b"\n") + 1
    if text.count(b"\n") + 1 != written:
        # Lines have wrapped.
        written = _written(text, plain, rows, cols, count)
    if written is None:
        return None
    if written == count and cells.wraps(end - 1):
        return text
    return text + b"\r\n" * (count - written + 1)


def _written(text: bytes, plain: bytes, rows: int, cols: int, count: int) -> int | None:
    """How many rows `text` fills, or None if it does not look like `plain`."""
    pointer = ffi.new("GhosttyTerminal*")
    check(lib.ghostty_terminal_new(ffi.NULL, pointer, cols, rows))
    try:
        for option in (lib.GHOSTTY_TERMINAL_OPT_SCROLLBACK_MAX_BYTES, lib.GHOSTTY_TERMINAL_OPT_SCROLLBACK_MAX_LINES):
            check(lib.ghostty_terminal_set(pointer[0], option, ffi.NULL))
        lib.ghostty_terminal_vt_write(pointer[0], text, len(text))
        above = terminal_get(pointer[0], lib.GHOSTTY_TERMINAL_DATA_SCROLLBACK_ROWS, "size_t")
        written = int(above + terminal_get(pointer[0], lib.GHOSTTY_TERMINAL_DATA_CURSOR_Y, "uint16_t") + 1)
        if written > count:
            return None
        cells = GhosttyCells(pointer[0], above + rows, cols, lib.GHOSTTY_POINT_TAG_SCREEN)
        cells.reserve(len(plain) + 1)
        same = _same(cells.format(cells.ref(0, 0), cells.end(written - 1), _PLAIN), plain)
    finally:
        lib.ghostty_terminal_free(pointer[0])
    return written if same else None


def _same(one: bytes, other: bytes) -> bool:
    """Whether these lines look the same: an erased cell with a colour comes back as a blank."""
    return one == other or _stripped(one) == _stripped(other)


def _stripped(text: bytes) -> list[bytes]:
    return [line.rstrip(b" ") for line in text.split(b"\n")]
