"""Typing into a PTY through a duplicate of its master, without ever waiting for the program that should read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from bg_runner.errors import WriteFailed

MAX_WAITING = 1 << 20


class TerminalInput:
    """What is typed into one terminal, in whole messages and in order. `attach` gives a descriptor to write to; it is
    asked for when somebody types, and given back when nobody does. Belongs to the event loop.
    """

    def __init__(self, attach: Callable[[], Awaitable[int]]) -> None:
        self._attach = attach
        self._lock = asyncio.Lock()
        self._pty: PtyInput | None = None

    def write_now(self, data: bytes) -> bool:
        """Type `data`; False, and nothing is typed, if that means waiting. Raises: WriteFailed (it is not read)."""
        if self._pty is None or self._lock.locked():
            return False
        self._pty.write(data)
        return True

    async def write(self, data: bytes) -> None:
        """Type `data`. Raises: WriteFailed, and what `attach` raises."""
        if not self.write_now(data):
            # Whoever leaves while typing must not leave a descriptor behind.
            await asyncio.shield(self._attach_and_write(data))

    async def _attach_and_write(self, data: bytes) -> None:
        async with self._lock:
            if self._pty is None:
                self._pty = PtyInput(await self._attach())
            self._pty.write(data)

    def rest(self) -> None:
        """Give the descriptor back unless something waits to be read."""
        if self._pty is not None and self._pty.is_empty:
            self.close()

    def close(self) -> None:
        """Forget what was not read yet."""
        if self._pty is not None:
            self._pty.close()
            self._pty = None


class PtyInput:
    """Owns `descriptor`, which is non-blocking. Belongs to the event loop."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting = bytearray()
        self._loop = asyncio.get_running_loop()

    @property
    def is_empty(self) -> bool:
        return not self._waiting

    def write(self, data: bytes) -> None:
        """Type `data` after all that came before, in one piece. Raises: WriteFailed if too much waits already."""
        if self._descriptor < 0:
            return
        if not self._waiting:
            data = data[self._write(data) :]
        if not data:
            return
        if len(self._waiting) + len(data) > MAX_WAITING:
            raise WriteFailed("the program does not read its input, and 1 MB of it waits already")
        if not self._waiting:
            self._loop.add_writer(self._descriptor, self._pump)
        self._waiting += data

    def close(self) -> None:
        if self._descriptor >= 0:
            self._stop_waiting()
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # Nobody is there to read it any more.

    def _pump(self) -> None:
        del self._waiting[: self._write(self._waiting)]
        if not self._waiting:
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting.clear()
        self._loop.remove_writer(self._descriptor)
