"""Reading the head of libghostty-vt's binary snapshot: all the state that its C interface has no getters for.

The layout is documented in ghostty's src/terminal/snapshot/{terminal,screen,style,hyperlink}.zig (format version 1):
an envelope, then records of tag, length, CRC and payload, all little-endian. Cells (PAGE records) are not read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_ENVELOPE = b"GHOSTSNP" + struct.pack("<H", 1)
_RECORD = struct.Struct("<HII")
_TERMINAL, _SCREEN, _PAGE, _HISTORY, _READY, _CONTINUATION = 1, 2, 3, 4, 5, 7
_TERMINAL_HEAD = struct.Struct("<HHII4HBHHI10B3Q8s8s8sQQ")
_SCREEN_HEAD = struct.Struct("<HHQHHBB16sIHBB8sBBB")
_SAVED = struct.Struct("<HH16sBH")

# The bit of each mode in the packed mode words: (number, is ANSI).
MODES: tuple[tuple[int, bool], ...] = (
    *((number, True) for number in (2, 4, 12, 20)),
    *(
        (number, False)
        for number in (1, 3, 4, 5, 6, 7, 8, 9, 12, 25, 40, 45, 47, 66, 67, 69, 1000, 1002, 1003, 1004, 1005, 1006, 1007)
    ),
    *((number, False) for number in (1015, 1016, 1035, 1036, 1039, 1045, 1047, 1048, 1049, 2004, 2026, 2027, 2031)),
    *((number, False) for number in (2033, 2048, 5522)),
)


@dataclass(frozen=True)
class Charsets:
    """G0 to G3 (0 and 1 plain, 2 British, 3 DEC special graphics), which is GL and GR, a pending single shift."""

    sets: tuple[int, int, int, int] = (0, 0, 0, 0)
    gl: int = 0
    gr: int = 2
    single_shift: int | None = None

    @classmethod
    def unpack(cls, word: int) -> Charsets:
        sets = (word & 3, word >> 2 & 3, word >> 4 & 3, word >> 6 & 3)
        shift = word >> 12 & 7
        return cls(sets, word >> 8 & 3, word >> 10 & 3, shift - 1 if shift else None)


@dataclass(frozen=True)
class Cursor:
    """Where the next character goes and what it looks like; row and column from 0. `pen` is the encoded style."""

    row: int = 0
    col: int = 0
    pending_wrap: bool = False
    protected: bool = False
    origin: bool = False
    pen: bytes = bytes(16)
    charsets: Charsets = Charsets()


@dataclass(frozen=True)
class ScreenState:
    """One of the two screens."""

    cursor: Cursor
    saved: Cursor | None
    shape: int
    hyperlink: tuple[bytes, bytes] | None
    keyboard: tuple[int, ...]


@dataclass
class State:
    """What a terminal is besides its cells."""

    rows: int = 0
    cols: int = 0
    region: tuple[int, int, int, int] = (0, 0, 0, 0)
    alternate: bool = False
    default_shape: bool = True
    modify_other_keys: bool = False
    mouse_event: int = 0
    mouse_format: int = 0
    modes: dict[tuple[int, bool], bool] = field(default_factory=dict)
    saved_modes: dict[tuple[int, bool], bool] = field(default_factory=dict)
    default_modes: dict[tuple[int, bool], bool] = field(default_factory=dict)
    colors: dict[int, bytes] = field(default_factory=dict)
    palette: dict[int, bytes] = field(default_factory=dict)
    tabs: tuple[int, ...] = ()
    cwd: bytes = b""
    title: bytes = b""
    screens: dict[int, ScreenState] = field(default_factory=dict)
    continuation: bytes = b""

    def mode(self, number: int, ansi: bool = False) -> bool:
        """Whether the mode is set."""
        return self.modes[number, ansi]


def read_state(head: bytes) -> State:
    """The state in the part of a binary snapshot up to READY. Raises: ValueError if it is of another format."""
    if not head.startswith(_ENVELOPE):
        raise ValueError("not a snapshot of format version 1")
    state = State()
    offset = len(_ENVELOPE)
    try:
        while offset < len(head):
            tag, length, _ = _RECORD.unpack_from(head, offset)
            offset += _RECORD.size
            if tag == _READY:
                return state
            if tag != _PAGE:
                _read_record(state, tag, head[offset : offset + length])
            offset += length
    except (struct.error, IndexError) as error:
        raise ValueError("the snapshot is cut off") from error
    raise ValueError("the snapshot is cut off")


def _read_record(state: State, tag: int, payload: bytes) -> None:
    if tag == _TERMINAL:
        _read_terminal(state, payload)
    elif tag == _SCREEN:
        key, screen = _read_screen(payload)
        state.screens[key] = screen
    elif tag == _CONTINUATION:
        state.continuation = payload


def _read_terminal(state: State, payload: bytes) -> None:
    head = _TERMINAL_HEAD.unpack_from(payload)
    state.cols, state.rows = head[0], head[1]
    state.region = head[4:8]
    state.alternate = head[9] == 1
    state.default_shape = bool(head[12])
    state.modify_other_keys = bool(head[16])
    state.mouse_event, state.mouse_format = head[17], head[18]
    state.modes, state.saved_modes, state.default_modes = map(_mode_bits, head[22:25])
    # OSC 11, 10, 12: background, foreground, cursor.
    state.colors = {code: color[5:8] for code, color in zip((11, 10, 12), head[25:28], strict=True) if color[4] == 1}
    _read_variable(state, payload[_TERMINAL_HEAD.size :])


def _mode_bits(word: int) -> dict[tuple[int, bool], bool]:
    return {mode: bool(word >> bit & 1) for bit, mode in enumerate(MODES)}


def _read_variable(state: State, rest: bytes) -> None:
    width = (state.cols + 7) // 8
    state.tabs = tuple(col for col in range(state.cols) if rest[col // 8] >> col % 8 & 1)
    mask = int.from_bytes(rest[width + 768 : width + 800], "little")
    overridden = [index for index in range(256) if mask >> index & 1]
    offset = width + 800
    for index in overridden:
        state.palette[index] = rest[offset : offset + 3]
        offset += 3
    state.cwd, offset = _string(rest, offset)
    state.title, _ = _string(rest, offset)


def _read_screen(payload: bytes) -> tuple[int, ScreenState]:
    head = _SCREEN_HEAD.unpack_from(payload)
    offset = _SCREEN_HEAD.size
    cursor = Cursor(head[4], head[3], bool(head[6] & 1), bool(head[6] & 2), False, head[7], Charsets.unpack(head[9]))
    saved = None
    if head[15]:
        col, row, pen, flags, charset = _SAVED.unpack_from(payload, offset)
        offset += _SAVED.size
        saved = Cursor(row, col, bool(flags & 2), bool(flags & 1), bool(flags & 4), pen, Charsets.unpack(charset))
    keyboard = tuple(head[12][: head[11] + 1])
    return head[0], ScreenState(cursor, saved, head[5], _read_hyperlink(payload, offset), keyboard)


def _read_hyperlink(payload: bytes, offset: int) -> tuple[bytes, bytes] | None:
    """(id, URI); the id is empty if the terminal made one up."""
    kind = payload[offset]
    if kind == 1:
        uri, _ = _string(payload, offset + 5)
        return b"", uri
    if kind == 2:
        name, after = _string(payload, offset + 1)
        uri, _ = _string(payload, after)
        return name, uri
    return None


def _string(data: bytes, offset: int) -> tuple[bytes, int]:
    (length,) = struct.unpack_from("<I", data, offset)
    return data[offset + 4 : offset + 4 + length], offset + 4 + length


def sgr(pen: bytes) -> bytes:
    """SGR for an encoded style: three colours of 4 bytes (kind, data), then flags."""
    flags = int.from_bytes(pen[12:14], "little")
    codes = ["0"]
    codes += [code for bit, code in enumerate(("1", "3", "2", "5", "7", "8", "9", "53")) if flags >> bit & 1]
    underline = flags >> 8 & 7
    if underline:
        codes.append("4" if underline == 1 else f"4:{underline}")
    for base, color in ((38, pen[0:4]), (48, pen[4:8]), (58, pen[8:12])):
        codes += _color(base, color)
    return f"\x1b[{';'.join(codes)}m".encode()


def _color(base: int, color: bytes) -> list[str]:
    if color[0] == 1:
        index = color[1]
        if base != 58 and index < 8:
            return [str(base - 8 + index)]
        if base != 58 and index < 16:
            return [str(base + 52 + index - 8)]
        return [f"{base}:5:{index}" if base == 58 else f"{base};5;{index}"]
    if color[0] == 2:
        r, g, b = color[1:4]
        return [f"{base}:2::{r}:{g}:{b}" if base == 58 else f"{base};2;{r};{g};{b}"]
    return []
