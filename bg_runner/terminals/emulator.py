"""The terminal emulator that the server keeps for each terminal: what its screen shows, what it answers, snapshots.

Two engines stand behind one small interface: libghostty-vt (`emulator_ghostty.py`), and pyte where that library cannot
be loaded (`emulator_pyte.py`, slower and less exact).
"""

from __future__ import annotations

import logging
import struct
import zlib
from typing import NamedTuple, Protocol

logger = logging.getLogger(__name__)

MAX_ROWS = 1000
MAX_COLS = 2000

# Dump: magic, version, engine, CRC-32 of the body.
_HEADER = struct.Struct("<8sB1sI")
_MAGIC = b"BGREMU\r\n"
_VERSION = 1


class Screen(NamedTuple):
    """What is visible: `rows` lines without trailing blanks, the cursor (from 0), the title (untrusted text)."""

    lines: tuple[str, ...]
    row: int
    col: int
    cursor_visible: bool
    alternate: bool
    title: str


class Emulator(Protocol):
    """Used by one thread at a time, any thread."""

    rows: int
    cols: int

    def feed(self, data: bytes) -> bytes:
        """Take output of the program; return what the terminal answers to queries in it (for the PTY, or to drop)."""

    def resize(self, rows: int, cols: int) -> bytes:
        """Change the size; return what the terminal reports about it (mode 2048), for the PTY."""

    def snapshot(self, scrollback: bool) -> bytes:
        """VT bytes that give a freshly reset terminal of this size the same state. They contain no query.

        Valid also in the middle of an escape sequence or UTF-8 character: its unfinished part comes last.
        """

    def screen(self) -> Screen:
        """The visible screen as text."""

    def dump(self) -> bytes:
        """Everything, small, for `load_emulator`."""

    def close(self) -> None:
        """Free the memory; nothing else may be called afterwards."""


def new_emulator(rows: int, cols: int, scrollback: int = 10_000) -> Emulator:
    """A terminal of `rows` x `cols` cells that keeps `scrollback` lines or more. Raises: ValueError for a wild size."""
    check_size(rows, cols)
    try:
        from bg_runner.terminals.emulator_ghostty import GhosttyEmulator
    except (ImportError, OSError):
        # OSError: the wheel has no library for this machine.
        return _new_pyte(rows, cols, scrollback)
    return GhosttyEmulator(rows, cols, scrollback)


def load_emulator(dump: bytes) -> Emulator:
    """The emulator that `Emulator.dump` wrote. Raises: ValueError if it is torn, of another version or engine."""
    engine, body = _open_dump(dump)
    try:
        if engine == b"g":
            from bg_runner.terminals.emulator_ghostty import GhosttyEmulator

            return GhosttyEmulator.load(body)
        from bg_runner.terminals.emulator_pyte import PyteEmulator

        return PyteEmulator.load(body)
    except (ImportError, OSError) as error:
        raise ValueError("the dump is of an engine that cannot be loaded here") from error


def close_dump(engine: bytes, body: bytes) -> bytes:
    """The file form of an engine's state: header, checksum, `body`."""
    return _HEADER.pack(_MAGIC, _VERSION, engine, zlib.crc32(engine + body)) + body


def check_size(rows: int, cols: int) -> None:
    """Raises: ValueError if a terminal of this size makes no sense or would take too much memory."""
    if not (1 <= rows <= MAX_ROWS and 1 <= cols <= MAX_COLS):
        raise ValueError(f"a terminal of {rows} rows and {cols} columns is not possible")


def inflate(data: bytes, limit: int) -> bytes:
    """Decompress zlib `data` of at most `limit` bytes. Raises: ValueError."""
    inflater = zlib.decompressobj()
    try:
        result = inflater.decompress(data, limit)
    except zlib.error as error:
        raise ValueError("the dump is broken") from error
    if not inflater.eof or inflater.unused_data:
        raise ValueError("the dump is broken")
    return result


def _open_dump(dump: bytes) -> tuple[bytes, bytes]:
    if len(dump) < _HEADER.size:
        raise ValueError("the dump is too short")
    magic, version, engine, checksum = _HEADER.unpack_from(dump)
    body = dump[_HEADER.size :]
    if magic != _MAGIC or version != _VERSION or engine not in (b"g", b"p"):
        raise ValueError("the dump is of another kind or version")
    if zlib.crc32(engine + body) != checksum:
        raise ValueError("the dump is torn")
    return engine, body


def _new_pyte(rows: int, cols: int, scrollback: int) -> Emulator:
    from bg_runner.terminals.emulator_pyte import PyteEmulator

    logger.warning("libghostty-vt cannot be loaded: terminals use the slower, less exact emulator pyte")
    return PyteEmulator(rows, cols, scrollback)
