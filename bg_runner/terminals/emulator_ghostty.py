"""The emulator on libghostty-vt (`pyghostty`, through cffi, which lets other threads run while it works).

Its VT formatter alone is not enough: it writes the active screen only, sets modes before the text that they would
spoil, and leaves out rows that have colour but no text. So here it makes only the text of rows; everything else is
read from the library's binary snapshot (`emulator_state.py`) and put together in `emulator_vt.py`.
"""

from __future__ import annotations

import functools
import re
import struct
import weakref
import zlib
from typing import Any

from pyghostty import __version__ as _library_version
from pyghostty import ffi, lib

from bg_runner.terminals import emulator, emulator_resize
from bg_runner.terminals.emulator_cells import GhosttyCells, check, terminal_get
from bg_runner.terminals.emulator_history import history_text
from bg_runner.terminals.emulator_resize import CELL_HEIGHT, CELL_WIDTH
from bg_runner.terminals.emulator_state import State, read_state
from bg_runner.terminals.emulator_vt import SnapshotWriter

# An unfinished sequence longer than this is an image or an attack; its beginning is forgotten (see `_tame`).
MAX_UNFINISHED = 64 * 1024
# What one `feed` may answer: enough for any program, too little to fill memory with answers to endless queries.
MAX_ANSWER = 64 * 1024
_MAX_DUMP = 256 * 1024 * 1024
# The scrollback is limited in bytes only: with a limit in lines the library allocates a page for every one that it
# drops, and takes 50 MB/s instead of 140. A cell needs 8 bytes, a row an eighth more; many styles need still more.
_BYTES_PER_CELL = 12
# A page that was wrapped anew is mostly air; and what a narrow window (a phone's) pushes out never comes back.
_LEAST_SCROLLBACK_BYTES = 2 * 1024 * 1024
_LEAST_COLS = 80
_HEAD = struct.Struct("<16sHHI")
_ENGINE = f"pyghostty {_library_version}".encode()[:16]

# What the page's xterm.js shows: that is what programs must adapt to, not to what libghostty could do.
_XTVERSION = ffi.new("char[]", b"xterm.js(6.0.0)")
_FOREGROUND = (0xD4, 0xD4, 0xD4)
_BACKGROUND = (0x1E, 0x1E, 0x1E)
# The kitty keyboard protocol and grapheme clusters (2027) are not in xterm.js 6: do not say that they are there.
_KITTY_KEYBOARD = re.compile(rb"\x1b\[\?\d+u")
_CLUSTERS = re.compile(rb"\x1b\[\?2027;\d\$y")

# What takes the place of an endless sequence, by how it began; more parameters make no command of these.
_IGNORED = {b"\x1b[": b"\x1b[0<", b"\x1b]": b"\x1b]9999;", b"\x1b": b"\x1b"}
_STRINGS = (b"P", b"_", b"^", b"X")


class _Answers:
    """What the library's callbacks need; apart from the emulator, so that nothing refers to itself."""

    def __init__(self, rows: int, cols: int) -> None:
        self.rows = rows
        self.cols = cols
        self.parts: list[bytes] = []
        self.size = 0

    def take(self) -> bytes:
        answer = b"".join(self.parts)
        self.parts.clear()
        self.size = 0
        return answer


@ffi.callback("GhosttyTerminalWritePtyFn")  # type: ignore[untyped-decorator]
def _write_pty(_terminal: Any, userdata: Any, data: Any, length: int) -> None:
    answers: _Answers = ffi.from_handle(userdata)
    answer = bytes(ffi.buffer(data, length))
    if _KITTY_KEYBOARD.fullmatch(answer):
        return
    if _CLUSTERS.fullmatch(answer):
        answer = b"\x1b[?2027;0$y"
    if answers.size + length <= MAX_ANSWER:
        answers.parts.append(answer)
        answers.size += length


@ffi.callback("GhosttyTerminalSizeFn")  # type: ignore[untyped-decorator]
def _report_size(_terminal: Any, userdata: Any, size: Any) -> bool:
    answers: _Answers = ffi.from_handle(userdata)
    size.rows, size.columns = answers.rows, answers.cols
    size.cell_width, size.cell_height = CELL_WIDTH, CELL_HEIGHT
    return True


@ffi.callback("GhosttyTerminalDeviceAttributesFn")  # type: ignore[untyped-decorator]
def _report_attributes(_terminal: Any, _userdata: Any, attributes: Any) -> bool:
    """VT220 with ANSI colours."""
    attributes.primary.conformance_level = 62
    attributes.primary.features[0] = 22
    attributes.primary.num_features = 1
    attributes.secondary.device_type = 1
    attributes.secondary.firmware_version = 10
    attributes.secondary.rom_cartridge = 0
    attributes.tertiary.unit_id = 0
    return True


@ffi.callback("GhosttyTerminalXtversionFn")  # type: ignore[untyped-decorator]
def _report_version(_terminal: Any, _userdata: Any) -> Any:
    return {"ptr": ffi.cast("uint8_t*", _XTVERSION), "len": len(_XTVERSION) - 1}


class _KnownCells:
    """Cells whose rows are made into text once; they may not change meanwhile."""

    def __init__(self, cells: GhosttyCells) -> None:
        self.rows = functools.cache(cells.rows)
        self.cell = cells.cell


class GhosttyEmulator:
    """See `emulator.Emulator`. Grows with the scrollback only: about 0.2 to 1 KB a line."""

    def __init__(self, rows: int, cols: int, scrollback: int, _terminal: Any = None) -> None:
        emulator.check_size(rows, cols)
        self.rows = rows
        self.cols = cols
        self._scrollback = scrollback
        self._opener = b""
        self._looked_at: tuple[bytes, State, _KnownCells] | None = None
        self._answers = _Answers(rows, cols)
        self._handle = ffi.new_handle(self._answers)
        if _terminal is None:
            pointer = ffi.new("GhosttyTerminal*")
            check(lib.ghostty_terminal_new(ffi.NULL, pointer, cols, rows))
            _terminal = pointer[0]
        self._terminal = _terminal
        self._free = weakref.finalize(self, lib.ghostty_terminal_free, _terminal)
        self._configure()

    @classmethod
    def load(cls, body: bytes) -> GhosttyEmulator:
        """From the body of a dump. Raises: ValueError."""
        data = emulator.inflate(body, _MAX_DUMP)
        if len(data) < _HEAD.size:
            raise ValueError("the dump is broken")
        engine, rows, cols, scrollback = _HEAD.unpack_from(data)
        if engine.rstrip(b"\0") != _ENGINE:
            raise ValueError("the dump is of another version of the emulator")
        emulator.check_size(rows, cols)
        loaded = cls(rows, cols, scrollback, _decode(data[_HEAD.size :], history=True))
        if (loaded._get("ROWS"), loaded._get("COLS")) != (rows, cols):
            raise ValueError("the dump is broken")
        return loaded

    def feed(self, data: bytes) -> bytes:
        self._looked_at = None
        lib.ghostty_terminal_vt_write(self._terminal, data, len(data))
        if not terminal_get(self._terminal, lib.GHOSTTY_TERMINAL_DATA_VT_GROUND, "bool"):
            self._tame(data)
        if self._get("COLS") != self.cols:
            # DECCOLM: a program may not change the size, since the other terminals that show this do not.
            check(lib.ghostty_terminal_resize(self._terminal, self.cols, self.rows, CELL_WIDTH, CELL_HEIGHT))
        return self._answers.take()

    def resize(self, rows: int, cols: int) -> bytes:
        emulator.check_size(rows, cols)
        self._looked_at = None
        narrower = cols < self.cols
        state = read_state(self._encode(history=False))
        self.rows = self._answers.rows = rows
        self.cols = self._answers.cols = cols
        self._limit_scrollback()
        emulator_resize.resize(self._terminal, rows, cols, state)
        if narrower and not state.alternate and 1 in state.screens and not self._can_encode():
            emulator_resize.clear_hidden(self._terminal, state)
        return self._answers.take()

    def snapshot(self, scrollback: bool) -> bytes:
        head, state, active = self._looked_at or self._look()
        # The screen alone is followed by the screen with scrollback, usually at once.
        self._looked_at = None if scrollback else (head, state, active)
        if not state.alternate:
            history = history_text(self._terminal, self.rows, self.cols) if scrollback else None
            return SnapshotWriter(state).write(history, None, active)
        clone = _decode(self._encode(history=True) if scrollback else head, history=scrollback)
        try:
            _show_primary(clone)
            history = history_text(clone, self.rows, self.cols) if scrollback else None
            return SnapshotWriter(state).write(history, GhosttyCells(clone, self.rows, self.cols), active)
        finally:
            lib.ghostty_terminal_free(clone)

    def _look(self) -> tuple[bytes, State, _KnownCells]:
        head = self._encode(history=False)
        return head, read_state(head), _KnownCells(GhosttyCells(self._terminal, self.rows, self.cols))

    def screen(self) -> emulator.Screen:
        cells = GhosttyCells(self._terminal, self.rows, self.cols)
        title = terminal_get(self._terminal, lib.GHOSTTY_TERMINAL_DATA_TITLE, "GhosttyString")
        return emulator.Screen(
            cells.lines(),
            self._get("CURSOR_Y"),
            self._get("CURSOR_X"),
            self._get("CURSOR_VISIBLE", "bool"),
            self._get("ACTIVE_SCREEN", "GhosttyTerminalScreen") == lib.GHOSTTY_TERMINAL_SCREEN_ALTERNATE,
            bytes(ffi.buffer(title.ptr, title.len)).decode("utf-8", "replace") if title.len else "",
        )

    def dump(self) -> bytes:
        head = _HEAD.pack(_ENGINE, self.rows, self.cols, self._scrollback)
        return emulator.close_dump(b"g", zlib.compress(head + self._encode(history=True), 3))

    def close(self) -> None:
        self._looked_at = None
        self._free()
        self._terminal = ffi.NULL

    def _get(self, name: str, kind: str = "uint16_t") -> Any:
        return terminal_get(self._terminal, getattr(lib, f"GHOSTTY_TERMINAL_DATA_{name}"), kind)

    def _configure(self) -> None:
        self._set("USERDATA", self._handle)
        self._set("WRITE_PTY", _write_pty)
        self._set("SIZE", _report_size)
        self._set("DEVICE_ATTRIBUTES", _report_attributes)
        self._set("XTVERSION", _report_version)
        self._set("COLOR_FOREGROUND", ffi.new("GhosttyColorRgb*", _FOREGROUND))
        self._set("COLOR_BACKGROUND", ffi.new("GhosttyColorRgb*", _BACKGROUND))
        self._set("CONTINUATION_MAX_BYTES", ffi.new("size_t*", MAX_UNFINISHED))
        self._set("SCROLLBACK_MAX_LINES", ffi.NULL)
        self._limit_scrollback()
        # No images: neither in memory nor read from files or shared memory that a program names.
        self._set("KITTY_IMAGE_STORAGE_LIMIT", ffi.new("uint64_t*", 0))
        for medium in ("FILE", "SHARED_MEM"):
            self._set(f"KITTY_IMAGE_MEDIUM_{medium}", ffi.new("bool*", False))
        self._set("KITTY_IMAGE_MEDIUM_TEMP_FILE", ffi.NULL)
        self._set("GLYPH_PROTOCOL", ffi.new("bool*", False))
        self._set("APC_MAX_BYTES", ffi.new("size_t*", MAX_UNFINISHED))
        self._set("CLIPBOARD_WRITE_MAX_BYTES", ffi.new("size_t*", 0))

    def _limit_scrollback(self) -> None:
        size = max(_LEAST_SCROLLBACK_BYTES, self._scrollback * max(self.cols, _LEAST_COLS) * _BYTES_PER_CELL)
        size = size if self._scrollback else 0
        self._set("SCROLLBACK_MAX_BYTES", ffi.new("size_t*", size))

    def _set(self, name: str, value: Any) -> None:
        check(lib.ghostty_terminal_set(self._terminal, getattr(lib, f"GHOSTTY_TERMINAL_OPT_{name}"), value))

    def _tame(self, data: bytes) -> None:
        """Replace an endless unfinished sequence by a short one of its kind, so that a snapshot stays possible.

        Strings (OSC, DCS, APC...) go on until their terminator and are then ignored, as the long one would have been.
        """
        start = data.rfind(b"\x1b")
        if start >= 0:
            self._opener = data[start : start + 2]
        elif len(self._opener) == 1:
            self._opener += data[:1]
        size = ffi.new("size_t*")
        result = lib.ghostty_terminal_continuation_buf(self._terminal, ffi.NULL, 0, size)
        if result == lib.GHOSTTY_OUT_OF_SPACE:
            return
        # BEL ends an OSC only. 9999 and "." name nothing that anybody knows.
        ignored = _IGNORED.get(self._opener, b"\x1b_." if self._opener[1:] in _STRINGS else b"\x1b(((((")
        replacement = b"\x18" + ignored
        lib.ghostty_terminal_vt_write(self._terminal, replacement, len(replacement))

    def _encode(self, history: bool) -> bytes:
        """The library's binary snapshot, or only its part without the history."""
        result, snapshot = self._try_encode(history)
        if result == lib.GHOSTTY_INVALID_VALUE:
            # A program has changed the columns (DECCOLM) amid wide characters, on a screen that does not show.
            lib.ghostty_terminal_reset(self._terminal)
            result, snapshot = self._try_encode(history)
        check(result)
        return snapshot

    def _can_encode(self) -> bool:
        return not self._try_encode(history=False)[0]

    def _try_encode(self, history: bool) -> tuple[int, bytes]:
        parts: list[bytes] = []

        @ffi.callback("GhosttyWriterFn")  # type: ignore[untyped-decorator]
        def write(_userdata: Any, data: Any, length: int) -> bool:
            parts.append(bytes(ffi.buffer(data, length)))
            # READY is an empty record of its own; after it comes the history.
            return history or not parts[-1].startswith(b"\x05\x00\x00\x00\x00\x00")

        writer = ffi.new("GhosttyWriter*")
        writer.write = write
        result = int(lib.ghostty_snapshot_encode(self._terminal, writer[0]))
        return 0 if result == lib.GHOSTTY_IO_ERROR and not history else result, b"".join(parts)


def _decode(snapshot: bytes, history: bool) -> Any:
    """A terminal from a binary snapshot; the caller frees it. Raises: ValueError."""
    decoder = ffi.new("GhosttySnapshotDecoder*")
    check(lib.ghostty_snapshot_decoder_new_buf(ffi.NULL, decoder, ffi.from_buffer(snapshot), len(snapshot)))
    terminal = ffi.new("GhosttyTerminal*")
    try:
        options = (("MAX_CONTINUATION_BYTES", "size_t*", MAX_UNFINISHED), ("RETAIN_CONTINUATION", "bool*", True))
        for name, kind, value in options:
            key = getattr(lib, f"GHOSTTY_SNAPSHOT_DECODER_OPT_{name}")
            check(lib.ghostty_snapshot_decoder_set(decoder[0], key, ffi.new(kind, value)))
        decode = lib.ghostty_snapshot_decoder_decode if history else lib.ghostty_snapshot_decoder_ready
        if decode(decoder[0], terminal):
            raise ValueError("the emulator's dump is broken")
    finally:
        lib.ghostty_snapshot_decoder_free(decoder[0])
    return terminal[0]


def _show_primary(terminal: Any) -> None:
    """Switch a clone to its primary screen; CAN ends what is unfinished."""
    switch = b"\x18\x1b[?47l"
    lib.ghostty_terminal_vt_write(terminal, switch, len(switch))
