"""Snapshots for clients: one is made at a time, and serves everybody who waited for it."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from bg_runner.terminals.screen_keeper import ScreenKeeper, Snapshot

LONGEST_LIFE = 2.0


class _Made(NamedTuple):
    at: float
    size_count: int
    screen: Snapshot
    whole: Snapshot


class Snapshots:
    """Belongs to the event loop."""

    def __init__(self, keeper: ScreenKeeper) -> None:
        self._keeper = keeper
        self._lock = asyncio.Lock()
        self._made: _Made | None = None

    async def get(self, end: int, size_count: int, lag: int) -> tuple[Snapshot, Snapshot]:
        """The screen alone and with its scrollback, at one cursor. Raises: OSError.

        `end` is that of the log, `size_count` how often the size has changed. One that is a moment old will do if it
        lacks no more than `lag` bytes: the output since then follows it.
        """
        loop = asyncio.get_running_loop()
        async with self._lock:  # Whoever waits for it finds what the one before made.
            made = self._made
            if (
                made is None
                or loop.time() - made.at > LONGEST_LIFE
                or made.size_count != size_count
                or end - made.whole.cursor > lag
            ):
                self._keeper.grow(end)
                made = self._made = _Made(loop.time(), size_count, *await self._keeper.both_snapshots())
                loop.call_later(LONGEST_LIFE, self._forget, made)
        return made.screen, made.whole

    def _forget(self, made: _Made) -> None:
        if self._made is made:
            self._made = None
