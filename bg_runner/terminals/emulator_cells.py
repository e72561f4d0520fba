"""The cells of a libghostty-vt terminal as VT text, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyghostty import ffi, lib
from pyghostty.core import init_sized, union_fn

from bg_runner.terminals.emulator_state import sgr
from bg_runner.terminals.emulator_vt import Cell, Row

_VT = lib.GHOSTTY_FORMATTER_FORMAT_VT
_PLAIN = lib.GHOSTTY_FORMATTER_FORMAT_PLAIN
_grid_ref = union_fn("ghostty_terminal_grid_ref", "GhosttyResult(*)(GhosttyTerminal, GhosttyPointS, GhosttyGridRef*)")
_FLAGS = ("bold", "italic", "faint", "blink", "inverse", "invisible", "strikethrough", "overline")
_COLORS = ("fg_color", "bg_color", "underline_color")


_UNTOUCHED, _ERASED, _TEXT = range(3)


def terminal_get(terminal: Any, key: int, kind: str) -> Any:
    """One value of `ghostty_terminal_get`."""
    value = ffi.new(kind + "*")
    check(lib.ghostty_terminal_get(terminal, key, value))
    return value[0]


def check(result: int) -> None:
    """Raises: RuntimeError if the library refused, which only running out of memory can explain."""
    if result:
        raise RuntimeError(f"libghostty-vt failed: {result}")


class GhosttyCells:
    """The active screen of `terminal`, valid until something is fed to it."""

    def __init__(self, terminal: Any, rows: int, cols: int, tag: int = lib.GHOSTTY_POINT_TAG_ACTIVE) -> None:
        self._terminal = terminal
        self._count = rows
        self._cols = cols
        self._tag = tag
        self._cell = ffi.new("GhosttyCell*")
        self._row = ffi.new("GhosttyRow*")
        self._flag = ffi.new("bool*")
        self._number = ffi.new("int*")
        self._buffer = ffi.new("uint8_t[]", 64 * 1024)
        self._size = ffi.new("size_t*")
        self._selection = init_sized("GhosttySelection")
        self._options = init_sized("GhosttyFormatterTerminalOptions")
        self._options.trim, self._options.selection = False, self._selection
        # What the cells of a page are, by their 64 bits: the same ones come again and again.
        self._kinds: dict[int, tuple[int, bytes]] = {}
        self._page: Any = None

    def rows(self, begin: int = 0, end: int | None = None) -> list[Row]:
        """All rows, from the top, or those from `begin` to `end`. Raises: RuntimeError."""
        end = self._count if end is None else end
        texts = [self._row_text(row) for row in range(begin, min(end + 1, self._count))]
        following = [*texts[1:], b""]
        return [
            Row(text, self._wraps(row, text, after))
            for row, text, after in zip(range(begin, end), texts, following, strict=False)
        ]

    def lines(self) -> tuple[str, ...]:
        """All rows as plain text without trailing blanks. Raises: RuntimeError."""
        text = self.format(self.ref(0, 0), self.ref(self._count - 1, self._cols - 1), _PLAIN).decode("utf-8", "replace")
        lines = [line.rstrip(" ") for line in text.split("\n")]
        return tuple(lines + [""] * (self._count - len(lines)))

    def wraps(self, row: int) -> bool:
        """Whether printing the row and the next one wraps by itself as it did."""
        if not self._row_flag(self.ref(row, self._cols - 1), lib.GHOSTTY_ROW_DATA_WRAP):
            return False
        text = self._row_text(row)
        return self._wraps(row, text, self._row_text(row + 1))

    def reserve(self, size: int) -> None:
        """Expect to format so many bytes at once: where the buffer turns out too small, the work is done twice."""
        if len(self._buffer) < size:
            self._buffer = ffi.new("uint8_t[]", size)

    def cell(self, row: int, col: int) -> Cell:
        """The character at or under this position."""
        ref = self.ref(min(row, self._count - 1), min(col, self._cols - 1))
        if self._cell_number(ref, lib.GHOSTTY_CELL_DATA_WIDE) == lib.GHOSTTY_CELL_WIDE_SPACER_TAIL and ref.x:
            ref.x -= 1
        return Cell(ref.x, self._text(ref), self._pen(ref))

    def is_wide(self, row: int, col: int) -> bool:
        """Whether a wide character begins here."""
        return self._cell_number(self.ref(row, col), lib.GHOSTTY_CELL_DATA_WIDE) == int(lib.GHOSTTY_CELL_WIDE_WIDE)

    def ref(self, row: int, col: int) -> Any:
        """A pointer to a cell; `x` may be changed to reach others of the row."""
        point = ffi.new("GhosttyPointS*")
        point.tag = self._tag
        point.value.x, point.value.y = col, row
        ref = ffi.new("GhosttyGridRef*")
        ref.size = ffi.sizeof("GhosttyGridRef")
        check(_grid_ref(self._terminal, point[0], ref))
        return ref

    def end(self, row: int) -> Any:
        """The last cell of a row, without a gap before a wide character: the formatter would take that one, too."""
        ref = self.ref(row, self._cols - 1)
        if ref.x and self._cell_number(ref, lib.GHOSTTY_CELL_DATA_WIDE) == lib.GHOSTTY_CELL_WIDE_SPACER_HEAD:
            ref.x -= 1
        return ref

    def format(self, start: Any, end: Any, emit: int = _VT, unwrap: bool = False) -> bytes:
        """The text between two cells, both included. Raises: RuntimeError."""
        options = self._options
        self._selection.start, self._selection.end = start[0], end[0]
        options.emit, options.unwrap = emit, unwrap
        formatter = ffi.new("GhosttyFormatter*")
        check(lib.ghostty_formatter_terminal_new(ffi.NULL, formatter, self._terminal, options[0]))
        try:
            return self._formatted(formatter[0])
        finally:
            lib.ghostty_formatter_free(formatter[0])

    def _formatted(self, formatter: Any) -> bytes:
        while True:
            result = lib.ghostty_formatter_format_buf(formatter, self._buffer, len(self._buffer), self._size)
            if result != lib.GHOSTTY_OUT_OF_SPACE:
                check(result)
                return bytes(ffi.buffer(self._buffer, self._size[0]))
            self._buffer = ffi.new("uint8_t[]", self._size[0] + 4096)

    def _row_text(self, row: int) -> bytes:
        """The row in runs: text by the library's formatter, erased cells by ECH, untouched ones are skipped.

        The formatter would make spaces of them, which differ in what is selected, and in where lines break at a resize.
        """
        ref = self.ref(row, 0)
        linked = self._row_flag(ref, lib.GHOSTTY_ROW_DATA_HYPERLINK)
        parts: list[bytes] = []
        reached = 0
        for (kind, detail), start, end in self._runs(ref, linked):
            if kind == _UNTOUCHED:
                continue
            if start != reached:
                parts.append(b"\x1b[%dG" % (start + 1))
            reached = end
            if kind == _ERASED:
                parts.append(sgr(detail) + b"\x1b[%dX\x1b[0m" % (end - start))
                reached = start
                continue
            text = self.format(self.ref(row, start), self.ref(row, end - 1))
            parts.append(b"\x1b]8;;" + detail + b"\x1b\\" + text + b"\x1b]8;;\x1b\\" if detail else text)
        if reached != self._cols - 1 and self._pushed_wide(row):
            parts.append(b"\x1b[%dG" % self._cols)
        return b"".join(parts)

    def _runs(self, ref: Any, linked: bool) -> Iterator[tuple[tuple[int, bytes], int, int]]:
        """Runs of cells of the same kind (with the pen of erased ones, the link of text), from where, up to where."""
        if ref.node != self._page:
            # The numbers of styles are the page's own.
            self._page = ref.node
            self._kinds = {0: (_UNTOUCHED, b"")}
        current, start = (_UNTOUCHED, b""), 0
        raw, read = self._cell, lib.ghostty_grid_ref_cell
        for col in range(self._cols):
            ref.x = col
            read(ref, raw)
            value = raw[0]
            kind = self._kinds.get(value)
            if kind is None:
                kind = self._kinds[value] = self._kind(ref)
            if linked and kind[0] == _TEXT:
                kind = (_TEXT, self._link(ref))
            if kind != current:
                yield current, start, col
                current, start = kind, col
        yield current, start, self._cols

    def _kind(self, ref: Any) -> tuple[int, bytes]:
        if self._cell_number(ref, lib.GHOSTTY_CELL_DATA_HAS_TEXT):
            return _TEXT, b""
        wide = self._cell_number(ref, lib.GHOSTTY_CELL_DATA_WIDE)
        if wide in (lib.GHOSTTY_CELL_WIDE_WIDE, lib.GHOSTTY_CELL_WIDE_SPACER_TAIL):
            return _TEXT, b""
        pen = self._pen(ref)
        if wide == lib.GHOSTTY_CELL_WIDE_SPACER_HEAD:
            # Where a wide character did not fit: nothing but its background is to be seen.
            pen = bytes(4) + pen[4:8] + bytes(8)
        return (_UNTOUCHED, b"") if pen == bytes(16) else (_ERASED, pen)

    def _link(self, ref: Any) -> bytes:
        if self._cell_number(ref, lib.GHOSTTY_CELL_DATA_WIDE) == lib.GHOSTTY_CELL_WIDE_SPACER_TAIL:
            previous = ffi.new("GhosttyGridRef*", ref[0])
            previous.x -= 1
            return self._link(previous)
        result = lib.ghostty_grid_ref_hyperlink_uri(ref, self._buffer, len(self._buffer), self._size)
        return bytes(ffi.buffer(self._buffer, self._size[0])) if result == 0 else b""

    def _wraps(self, row: int, text: bytes, following: bytes) -> bool:
        """Whether the row is full and the next one goes on from it, so that printing both wraps by itself."""
        if not text or not following:
            return False
        ref = self.ref(row, self._cols - 1)
        if not self._row_flag(ref, lib.GHOSTTY_ROW_DATA_WRAP):
            return False
        return self._pushed_wide(row) or (self._kind(ref)[0] == _TEXT and self._kind(self.ref(row + 1, 0))[0] == _TEXT)

    def _pushed_wide(self, row: int) -> bool:
        """Whether the last cell is empty because a wide character went to the next row, where it still is."""
        if row + 1 >= self._count:
            return False
        last = self._cell_number(self.ref(row, self._cols - 1), lib.GHOSTTY_CELL_DATA_WIDE)
        return last == lib.GHOSTTY_CELL_WIDE_SPACER_HEAD and self.is_wide(row + 1, 0)

    def _row_flag(self, ref: Any, key: int) -> bool:
        check(lib.ghostty_grid_ref_row(ref, self._row))
        check(lib.ghostty_row_get(self._row[0], key, self._flag))
        return bool(self._flag[0])

    def _cell_number(self, ref: Any, key: int) -> int:
        check(lib.ghostty_grid_ref_cell(ref, self._cell))
        self._number[0] = 0
        check(lib.ghostty_cell_get(self._cell[0], key, self._number))
        return int(self._number[0])

    def _text(self, ref: Any) -> str:
        points = ffi.new("uint32_t[64]")
        result = lib.ghostty_grid_ref_graphemes(ref, points, len(points), self._size)
        if result == lib.GHOSTTY_OUT_OF_SPACE:
            points = ffi.new("uint32_t[]", self._size[0])
            result = lib.ghostty_grid_ref_graphemes(ref, points, len(points), self._size)
        return "".join(map(chr, points[0 : self._size[0]])) if result == 0 else ""

    def _pen(self, ref: Any) -> bytes:
        """The style of a cell as `emulator_state` has it."""
        tag = self._cell_number(ref, lib.GHOSTTY_CELL_DATA_CONTENT_TAG)
        if tag == lib.GHOSTTY_CELL_CONTENT_BG_COLOR_PALETTE:
            index = self._cell_number(ref, lib.GHOSTTY_CELL_DATA_COLOR_PALETTE)
            return bytes(4) + bytes((1, index, 0, 0)) + bytes(8)
        if tag == lib.GHOSTTY_CELL_CONTENT_BG_COLOR_RGB:
            color = ffi.new("GhosttyColorRgb*")
            check(lib.ghostty_cell_get(self._cell[0], lib.GHOSTTY_CELL_DATA_COLOR_RGB, color))
            return bytes(4) + bytes((2, color.r, color.g, color.b)) + bytes(8)
        style = init_sized("GhosttyStyle")
        check(lib.ghostty_grid_ref_style(ref, style))
        flags = sum(getattr(style, name) << bit for bit, name in enumerate(_FLAGS)) | style.underline << 8
        return b"".join(_color(getattr(style, name)) for name in _COLORS) + bytes((flags & 255, flags >> 8, 0, 0))


def _color(color: Any) -> bytes:
    if color.tag == lib.GHOSTTY_STYLE_COLOR_PALETTE:
        return bytes((1, color.value.palette, 0, 0))
    if color.tag == lib.GHOSTTY_STYLE_COLOR_RGB:
        return bytes((2, color.value.rgb.r, color.value.rgb.g, color.value.rgb.b))
    return bytes(4)
