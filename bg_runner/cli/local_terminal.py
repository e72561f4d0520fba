"""The real terminal that `attach` runs in: raw while attached, and as it was before in every case afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
import sys
import termios
import tty
from collections.abc import Iterator

FAREWELL_SECONDS = 1.0

# What a program may have switched on and a plain terminal has off: mouse, focus, paste and key modes, insert mode,
# origin mode, reverse screen, synchronized output; and what it may have switched off: wrapping, the cursor.
_MODES_OFF = (
    b"\x1b[?9;1000;1001;1002;1003;1004;1005;1006;1015;1016;2004;2026;2031;2048l\x1b[?1;5;6;66l\x1b[4;20l"
    b"\x1b[>4;0m\x1b[=0;1u\x1b[?7;25h\x1b>\x1b[0 q"
)
_PLAIN = b"\x1b[m\x0f\x1b(B"
RESET = b"\x1b[?1049l" + _MODES_OFF + _PLAIN + b"\x1b[r\x1b[H\x1b[2J"
"""Brings a terminal near to a fresh one and clears its screen, not its history: a snapshot is drawn on it."""
# CAN ends a sequence that was cut. The cursor is saved and restored, because leaving the other screen and resetting
# the margins move it.
_LEAVE = b"\x18\x1b7\x1b[?1049l\x1b7" + _MODES_OFF + b"\x1b[r\x1b8" + _PLAIN

_UNFINISHED = re.compile(
    rb"(?:\x1b(?:\[[0-?]*[ -/]*|[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?)?"
    rb"|[\xc0-\xff]|[\xe0-\xff][\x80-\xbf]|[\xf0-\xff][\x80-\xbf]{2})\Z"
)
_LOOK_BACK = 4096


class LocalTerminal:
    """Standard input and output, which must be a terminal. Use it inside `raw()`."""

    def __init__(self) -> None:
        self.input = sys.stdin.fileno()
        self._output = sys.stdout.fileno()
        self._tail = b""
        self._drawn = False

    @property
    def size(self) -> tuple[int, int]:
        """(rows, cols)."""
        found = os.get_terminal_size(self._output)
        return min(max(found.lines, 1), 1000), min(max(found.columns, 1), 1000)

    @contextlib.contextmanager
    def raw(self) -> Iterator[None]:
        """Every key goes to us. At the end the modes are as before, the screen too if something was drawn on it."""
        before = termios.tcgetattr(self.input)
        output = self._output
        with contextlib.suppress(OSError):
            # Opened anew, it can be non-blocking without the shell's own descriptor becoming so.
            output = os.open(os.ttyname(self._output), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        kept, self._output = self._output, output
        try:
            self.make_raw()
            yield
        finally:
            if self._drawn:
                self._write_last(_LEAVE)
            # Not TCSADRAIN: it would wait for a terminal that takes nothing any more.
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self.input, termios.TCSANOW, before)
                termios.tcflush(self.input, termios.TCIFLUSH)
            self._output = kept
            if output != kept:
                os.close(output)

    def make_raw(self) -> None:
        """Again after the process was stopped and a shell had the terminal meanwhile."""
        tty.setraw(self.input, termios.TCSANOW)

    def read(self) -> bytes:
        """What was typed, once the terminal has something; empty when it is gone."""
        try:
            return os.read(self.input, 65536)
        except OSError:
            return b""

    async def draw(self, snapshot: bytes) -> None:
        """Clear the screen and show `snapshot`; what stood there before we came stays in the history."""
        if not self._drawn:
            await self.write(b"\r\n" * self.size[0])
        await self.write(b"\x18" + RESET + snapshot)

    async def write(self, data: bytes | memoryview) -> None:
        """Returns when everything is written. Raises: OSError if the terminal is gone."""
        if not data:
            return
        self._drawn = True
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._output, view) :]
            except BlockingIOError:
                await self._writable()
        self._tail = (self._tail + bytes(memoryview(data)[-_LOOK_BACK:]))[-_LOOK_BACK:]

    async def set_title(self, title: str) -> None:
        """Unless the output stopped in the middle of a sequence or character, which a title would break."""
        clean = "".join(letter for letter in title if letter.isprintable())[:200]
        if not _UNFINISHED.search(self._tail):
            await self.write(f"\x1b]2;{clean}\x07".encode())

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_writer(self._output, _set, ready)
        try:
            await ready
        finally:
            loop.remove_writer(self._output)

    def _write_last(self, data: bytes) -> None:
        """Without the event loop, and not for ever."""
        with contextlib.suppress(OSError):
            while data and select.select([], [self._output], [], FAREWELL_SECONDS)[1]:
                data = data[os.write(self._output, data) :]


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
