"""The emulator on pyte, for machines where libghostty-vt cannot be loaded: pure Python, about fifty times slower.

What it cannot do: it does not reflow lines at a resize nor remember which were wrapped, keeps no saved cursor, no
cursor shape, no palette and no underline styles in a snapshot, and answers only DA, DSR 5 and 6 and DECRQM. The
alternate screen, scrollback, margins, tab stops, modes, DEC line drawing, pen and pending wrap it has.
"""

from __future__ import annotations

import copy
import re
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from typing import Any

import pyte
from pyte import charsets, graphics
from pyte import modes as pyte_modes

from bg_runner.terminals import emulator
from bg_runner.terminals.emulator_state import MODES, Charsets, Cursor, ScreenState, State, sgr
from bg_runner.terminals.emulator_vt import Cell, Row, SnapshotWriter

_SEQUENCE = re.compile(
    rb"\x1b(?:\[(?P<params>[0-?]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    rb"|(?P<kind>[\]PX^_])(?P<string>[^\x07\x18\x1a\x1b]*)(?:\x07|\x18|\x1a|\x1b\\|(?=\x1b[^\\]))"
    rb"|(?P<prefix>[ -/]*)(?P<escape>[0-OQ-WYZ\\`-~]))"
)
_PARTIAL = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x18\x1a\x1b]*\x1b?|[ -/]*)")
_PARTIAL_UTF8 = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z")
_DEFAULT_MODES = {(7, False), (25, False), (12, True), (1007, False), (1035, False), (1036, False)}
_ALTERNATE_MODES = {47, 1047, 1049}
_NAMES = [*graphics.FG_ANSI.values()][:8], [*graphics.FG_AIXTERM.values()][:8]
_LONGEST_UNFINISHED = 64 * 1024
_LONGEST_TITLE = 2048
_MAX_ANSWER = 64 * 1024
_MAX_DUMP = 256 * 1024 * 1024
_HEAD = struct.Struct("<HHI")


class _Terminal(pyte.Screen):
    """pyte's screen with a scrollback, an alternate screen and all private modes remembered."""

    def __init__(self, cols: int, rows: int, scrollback: int) -> None:
        self.history: deque[dict[int, Any]] = deque(maxlen=scrollback)
        self.answers: list[str] = []
        self.primary: tuple[Any, Any] | None = None
        super().__init__(cols, rows)

    def reset(self) -> None:
        self.primary = None
        super().reset()
        # pyte begins with line drawing here, real terminals do not.
        self.g1_charset = charsets.LAT1_MAP

    def index(self) -> None:
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y == bottom and top == 0 and self.primary is None:
            self.history.append(self.buffer[0])
        super().index()

    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        if how == 3:
            self.history.clear()
        elif how in (0, 1, 2):  # pyte fails at any other.
            super().erase_in_display(how, *args, **kwargs)

    def erase_in_line(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        if how in (0, 1, 2):
            super().erase_in_line(how, *args, **kwargs)

    def draw(self, data: str) -> None:
        for start in range(0, len(data), 256):
            super().draw(data[start : start + 256])
            line, col = self.buffer[self.cursor.y], max(0, self.cursor.x - 1)
            # Endless combining characters would all be kept.
            if len(line[col].data) > 16:
                line[col] = line[col]._replace(data=line[col].data[:16])

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        if kwargs.get("private") and _ALTERNATE_MODES.intersection(modes) and self.primary is None:
            self.primary = (copy.copy(self.buffer), copy.copy(self.cursor))
            self.buffer.clear()
        super().set_mode(*modes, **kwargs)

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        super().reset_mode(*modes, **kwargs)
        if kwargs.get("private") and _ALTERNATE_MODES.intersection(modes) and self.primary is not None:
            buffer, cursor = self.primary
            self.primary = None
            self.buffer.clear()
            self.buffer.update(buffer)
            self.cursor = cursor
            self.ensure_hbounds()
            self.ensure_vbounds()

    def report_device_attributes(self, mode: int = 0, **kwargs: bool) -> None:
        if mode == 0 and not kwargs.get("private"):
            self.write_process_input("\x1b[?62;22c")

    def report_mode(self, number: int, private: bool) -> None:
        """DECRQM."""
        if (number, not private) not in MODES or number == 2027:
            state = 0
        else:
            state = 1 if (number << 5 if private else number) in self.mode else 2
        self.write_process_input(f"\x1b[{'?' if private else ''}{number};{state}$y")

    def write_process_input(self, data: str) -> None:
        self.answers.append(data)


class PyteEmulator:
    """See `emulator.Emulator`."""

    def __init__(self, rows: int, cols: int, scrollback: int) -> None:
        emulator.check_size(rows, cols)
        self.rows = rows
        self.cols = cols
        self._scrollback = scrollback
        self._terminal = _Terminal(cols, rows, scrollback)
        self._stream = pyte.Stream(self._terminal)
        # pyte knows line drawing only outside its UTF-8 mode; decoding is done here anyway.
        self._stream.use_utf8 = False
        self._rest = b""

    @classmethod
    def load(cls, body: bytes) -> PyteEmulator:
        """From the body of a dump. Raises: ValueError."""
        data = emulator.inflate(body, _MAX_DUMP)
        if len(data) < _HEAD.size:
            raise ValueError("the dump is broken")
        loaded = cls(*_HEAD.unpack_from(data))
        loaded.feed(data[_HEAD.size :])
        return loaded

    def feed(self, data: bytes) -> bytes:
        for piece in self._split(self._rest + data):
            try:
                if isinstance(piece, re.Match):
                    self._sequence(piece)
                else:
                    self._stream.feed(piece.decode("utf-8", "replace"))
            except (TypeError, ValueError, LookupError, AssertionError):
                # pyte calls its handlers with as many parameters as a program sent, and believes all of them.
                continue
        answer = "".join(self._terminal.answers).encode()
        self._terminal.answers.clear()
        return answer[:_MAX_ANSWER]

    def resize(self, rows: int, cols: int) -> bytes:
        emulator.check_size(rows, cols)
        self.rows, self.cols = rows, cols
        self._terminal.resize(rows, cols)
        self._terminal.ensure_hbounds()
        self._terminal.ensure_vbounds()
        return b""

    def snapshot(self, scrollback: bool) -> bytes:
        terminal = self._terminal
        history = None
        if scrollback:
            history = b"".join(_row_text(line, self.cols) + b"\r\n" for line in terminal.history)
        active = _Cells(terminal.buffer, self.rows, self.cols)
        primary = None if terminal.primary is None else _Cells(terminal.primary[0], self.rows, self.cols)
        return SnapshotWriter(self._state()).write(history, primary, active)

    def screen(self) -> emulator.Screen:
        terminal = self._terminal
        lines = tuple(_plain(terminal.buffer[row], self.cols) for row in range(self.rows))
        col = min(terminal.cursor.x, self.cols - 1)
        visible = pyte_modes.DECTCEM in terminal.mode
        return emulator.Screen(lines, terminal.cursor.y, col, visible, terminal.primary is not None, terminal.title)

    def dump(self) -> bytes:
        head = _HEAD.pack(self.rows, self.cols, self._scrollback)
        return emulator.close_dump(b"p", zlib.compress(head + self.snapshot(True), 3))

    def close(self) -> None:
        self._terminal.reset()
        self._terminal.history.clear()

    def _split(self, data: bytes) -> Iterator[bytes | re.Match[bytes]]:
        """Text and finished sequences; what is unfinished waits in `_rest`."""
        self._rest = b""
        offset = 0
        while (start := data.find(b"\x1b", offset)) >= 0:
            if start > offset:
                yield data[offset:start]
            sequence = _SEQUENCE.match(data, start)
            if sequence is not None:
                yield sequence
                offset = sequence.end()
            elif _PARTIAL.fullmatch(data, start):
                self._keep(data[start:])
                return
            else:
                offset = start + 1
        partial = _PARTIAL_UTF8.search(data, max(offset, len(data) - 3))
        end = partial.start() if partial else len(data)
        yield data[offset:end]
        self._keep(data[end:])

    def _keep(self, rest: bytes) -> None:
        if len(rest) > _LONGEST_UNFINISHED:
            # Swallow the rest of an endless string; an endless CSI is given up.
            rest = b"" if rest[1:2] == b"[" else b"\x1b_"
        self._rest = rest

    def _sequence(self, found: re.Match[bytes]) -> None:
        """Hand on what pyte understands; it takes other sequences for text or for their namesakes."""
        if found["final"]:
            self._csi(found)
        elif found["kind"] == b"]":
            number, _, text = found["string"].partition(b";")
            if number in (b"0", b"2"):
                self._terminal.set_title(text[:_LONGEST_TITLE].decode("utf-8", "replace"))
        elif found["escape"] in (b"=", b">"):
            modes = self._terminal.set_mode if found["escape"] == b"=" else self._terminal.reset_mode
            modes(66, private=True)
        elif found["escape"] and found["prefix"] in (b"", b"#", b"(", b")"):
            self._stream.feed(found[0].decode("ascii"))

    def _csi(self, found: re.Match[bytes]) -> None:
        params, between = found["params"], found["between"]
        if between == b"$" and found["final"] == b"p" and re.fullmatch(rb"\??\d{1,5}", params):
            self._terminal.report_mode(int(params.lstrip(b"?")), params.startswith(b"?"))
        elif not between and re.fullmatch(rb"\??[0-9;]{0,100}", params):
            self._stream.feed(found[0].decode("ascii"))

    def _state(self) -> State:
        terminal = self._terminal
        top, bottom = terminal.margins or (0, self.rows - 1)
        modes = {(number, ansi): (number if ansi else number << 5) in terminal.mode for number, ansi in MODES}
        defaults = {mode: mode in _DEFAULT_MODES for mode in MODES}
        # pyte does not know these defaults, so nothing can be said about them.
        modes |= {mode: True for mode in _DEFAULT_MODES if mode[0] not in (7, 25)}
        state = State(
            rows=self.rows,
            cols=self.cols,
            region=(top, bottom, 0, self.cols - 1),
            alternate=terminal.primary is not None,
            mouse_event=_last({1: 9, 2: 1000, 3: 1002, 4: 1003}, modes),
            mouse_format=_last({1: 1005, 3: 1015, 2: 1006, 4: 1016}, modes),
            modes=modes,
            saved_modes=defaults,
            default_modes=defaults,
            tabs=tuple(sorted(col for col in terminal.tabstops if col < self.cols)),
            title=terminal.title.encode(),
            continuation=self._rest,
        )
        sets = tuple(3 if name == charsets.VT100_MAP else 0 for name in (terminal.g0_charset, terminal.g1_charset))
        used = Charsets((*sets, 0, 0), gl=terminal.charset)  # type: ignore[arg-type]
        state.screens[int(state.alternate)] = ScreenState(self._cursor(terminal.cursor, used), None, 1, None, (0,))
        if terminal.primary is not None:
            cursor = self._cursor(terminal.primary[1], used)
            state.screens[0] = ScreenState(cursor, cursor, 1, None, (0,))
        return state

    def _cursor(self, cursor: Any, used: Charsets) -> Cursor:
        pending = cursor.x >= self.cols
        return Cursor(cursor.y, min(cursor.x, self.cols - 1), pending, False, False, _pen(cursor.attrs), used)


class _Cells:
    def __init__(self, buffer: Any, rows: int, cols: int) -> None:
        self._buffer = buffer
        self._rows = rows
        self._cols = cols

    def rows(self) -> list[Row]:
        return [Row(_row_text(self._buffer[row], self._cols), False) for row in range(self._rows)]

    def cell(self, row: int, col: int) -> Cell:
        line = self._buffer[row]
        if not line[col].data and col:
            col -= 1
        return Cell(col, line[col].data, _pen(line[col]))


def _last(group: dict[int, int], modes: dict[tuple[int, bool], bool]) -> int:
    return max((key for key, mode in group.items() if modes[mode, False]), default=0)


def _plain(line: Any, cols: int) -> str:
    return "".join(line[col].data for col in range(cols)).rstrip(" ")


def _row_text(line: Any, cols: int) -> bytes:
    end = max((col + 1 for col, char in line.items() if col < cols and char != line.default), default=0)
    parts: list[str] = []
    pen = bytes(16)
    for col in range(end):
        char = line[col]
        if char.data and (new := _pen(char)) != pen:
            parts.append(sgr(new).decode())
            pen = new
        parts.append(char.data)
    return "".join([*parts, "\x1b[0m" if pen != bytes(16) else ""]).encode()


def _pen(char: Any) -> bytes:
    flags = (char.bold, char.italics, False, char.blink, char.reverse, False, char.strikethrough, False)
    bits = sum(flag << bit for bit, flag in enumerate(flags))
    return _color(char.fg) + _color(char.bg) + bytes(4) + bytes((bits, int(char.underscore), 0, 0))


def _color(name: str) -> bytes:
    if name == "default":
        return bytes(4)
    for base, names in zip((0, 8), _NAMES, strict=True):
        if name in names:
            return bytes((1, base + names.index(name), 0, 0))
    return b"\x02" + bytes.fromhex(name)
