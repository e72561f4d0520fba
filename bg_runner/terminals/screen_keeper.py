"""Keeps the exact screen of one terminal: an emulator fed from the log, off the event loop, parked when idle.

Feeding happens late by a few milliseconds: much of it in worker threads in large pieces (the emulator releases the
GIL), the little that typing makes on the loop, where it costs less than handing it over.
A terminal that is idle and unwatched has no emulator: what it knew lies in `screen.bin` beside the log, and the next
byte or client brings it back. After a crash of the server the file is older than the log; the log makes up for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import struct
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from bg_runner.terminals.emulator import Emulator, Screen, load_emulator, new_emulator
from bg_runner.terminals.log_follower import LogFollower, Overtaken
from bg_runner.terminals.log_index import read_index
from bg_runner.terminals.osc import OscEvent, OscScanner

log = logging.getLogger(__name__)
SCREEN_NAME = "screen.bin"
FEED_DELAY = 0.01
FEED_BYTES = 1 << 20
FLOOD_DELAY = 0.03  # Between two turns while output keeps coming: fewer and larger ones leave more to its clients.
LITTLE = 2048  # bytes that are fed on the loop
CHECKPOINT_BYTES = 8 << 20
_HEADER = struct.Struct(">8sQ")
_MAGIC = b"BGRSCR1\n"
T = TypeVar("T")


class Resize(NamedTuple):
    """From `cursor` on (bytes) the program writes for this size."""

    cursor: int
    rows: int
    cols: int


class Snapshot(NamedTuple):
    """`data` gives a freshly reset terminal of `rows` x `cols` the state that the output up to `cursor` made."""

    data: bytes
    cursor: int
    rows: int
    cols: int


class Fed(NamedTuple):
    """What a turn of feeding found: answers to queries (bytes for the PTY) and OSC events with their log cursors."""

    answers: bytes
    events: list[OscEvent]


class ScreenKeeper:
    """Its methods belong to the event loop. `end` is how far the log is known to reach; `on_fed` hears of news.

    `size` is that of the terminal's start, for a log that is fed from its beginning.
    """

    def __init__(
        self,
        directory: Path,
        size: tuple[int, int],
        scrollback: int,
        executor: Executor,
        on_fed: Callable[[Fed], None],
        live_from: int,
    ) -> None:
        self._directory = directory
        self._size = size
        self._scrollback = scrollback
        self._executor = executor
        self._on_fed = on_fed
        self._live_from = live_from  # Queries before it are old: whoever asked them waits no more.
        self._lock = asyncio.Lock()
        self._resizes: deque[Resize] = deque()
        self._end = 0
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        # The following belong to whoever holds the lock, in its worker thread.
        self._follower = LogFollower(directory)
        self._emulator: Emulator | None = None
        self._scanner = OscScanner()
        self._scanner_base = 0
        self._fed = 0
        self._saved = -1

    @property
    def is_awake(self) -> bool:
        return self._emulator is not None

    def grow(self, end: int) -> None:
        """The log reaches to `end` now: feed that soon."""
        self._end = max(self._end, end)
        if self._timer is None and self._task is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(FEED_DELAY, self._start)

    def resized(self, resize: Resize) -> None:
        """The size of the terminal changes at a cursor that has not been passed to `grow` before."""
        self._resizes.append(resize)
        self.grow(resize.cursor)

    async def snapshot(self, *, scrollback: bool) -> Snapshot:
        """The state at the end of the log. Raises: OSError if the log cannot be read."""
        return await self._work(partial(self._snapshot, scrollback))

    async def both_snapshots(self) -> tuple[Snapshot, Snapshot]:
        """The screen alone and the screen with scrollback, at the same cursor. Raises: OSError."""
        return await self._work(lambda: (self._snapshot(False), self._snapshot(True)))

    async def screen(self) -> tuple[Screen, int]:
        """The screen as text and its cursor in the log. Raises: OSError."""
        return await self._work(lambda: (self._awake().screen(), self._fed))

    async def checkpoint(self) -> None:
        """Save the state if much was fed since it was saved last."""
        if self._emulator is not None and self._fed - self._saved > CHECKPOINT_BYTES:
            await self._in_thread(self._save)

    async def park(self) -> None:
        """Save the state and let the emulator go."""
        if self._emulator is not None:
            await self._in_thread(self._park)

    async def close(self) -> None:
        """Nothing is fed from now on."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        async with self._lock:
            self._follower.close()
            if self._emulator is not None:
                self._emulator.close()
                self._emulator = None

    # On the loop

    def _start(self) -> None:
        self._timer = None
        if self._emulator is None or self._resizes or self._end - self._fed > LITTLE or self._lock.locked():
            self._task = asyncio.get_running_loop().create_task(self._follow())
        else:
            self._feed_here()

    def _feed_here(self) -> None:
        found: list[Fed] = []
        try:
            self._collect(partial(self._feed, self._end), found)
        except OSError as error:
            log.error("the screen of %s cannot be followed: %s", self._directory.name, error)
        for fed in found:
            self._on_fed(fed)

    async def _follow(self) -> None:
        try:
            while (self._fed < self._end or self._resizes) and not self._closed:
                before = self._fed, len(self._resizes)
                await self._work(lambda: None)
                if before == (self._fed, len(self._resizes)):
                    break  # The log is shorter than it was said to be: the next bell tells more.
                if self._end - self._fed < FEED_BYTES and (self._fed < self._end or self._resizes):
                    await asyncio.sleep(FLOOD_DELAY)
        except OSError as error:
            log.error("the screen of %s cannot be followed: %s", self._directory.name, error)
        finally:
            self._task = None

    async def _work(self, action: Callable[[], T]) -> T:
        """Bring the emulator to the end of the log, then do `action` in the same thread."""
        return await self._in_thread(partial(self._feed_then, action))

    async def _in_thread(self, action: Callable[[], T]) -> T:
        # Whoever asks may be cancelled, because a client has left; the thread then still holds the emulator.
        return await asyncio.shield(self._locked(action))

    async def _locked(self, action: Callable[[], T]) -> T:
        async with self._lock:
            loop = asyncio.get_running_loop()
            found: list[Fed] = []
            result = await loop.run_in_executor(self._executor, partial(self._collect, action, found))
        for fed in found:
            self._on_fed(fed)
        return result

    # In a worker thread, under the lock

    def _collect(self, action: Callable[[], T], found: list[Fed]) -> T:
        self._found = found
        return action()

    def _feed_then(self, action: Callable[[], T]) -> T:
        self._feed(self._end)
        return action()

    def _feed(self, end: int) -> None:
        emulator = self._awake()
        while True:
            while self._resizes and self._resizes[0].cursor <= self._fed:
                resize = self._resizes.popleft()
                report = emulator.resize(resize.rows, resize.cols)
                if report and resize.cursor >= self._live_from:
                    self._found.append(Fed(report, []))
            target = self._resizes[0].cursor if self._resizes else end
            if self._fed >= target:
                return
            try:
                data = self._follower.read(self._fed, min(FEED_BYTES, target - self._fed))
            except Overtaken as overtaken:  # What lies between was deleted: the log is bounded.
                self._fed = overtaken.cursor
                self._rescan()
                continue
            if not data:
                return
            self._feed_chunk(emulator, data)

    def _feed_chunk(self, emulator: Emulator, data: bytes) -> None:
        old = min(max(self._live_from - self._fed, 0), len(data))
        if old:
            emulator.feed(data[:old])
            data_events = self._scan(data[:old])
            self._found.append(Fed(b"", [event for event in data_events if event.kind in ("title", "cwd", "progress")]))
            self._fed += old
        if old < len(data):
            live = data[old:] if old else data
            answers = emulator.feed(live)
            events = self._scan(live)
            self._fed += len(live)
            if answers or events:
                self._found.append(Fed(answers, events))

    def _scan(self, data: bytes) -> list[OscEvent]:
        return [event._replace(offset=self._scanner_base + event.offset) for event in self._scanner.feed(data)]

    def _rescan(self) -> None:
        self._scanner, self._scanner_base = OscScanner(), self._fed

    def _snapshot(self, scrollback: bool) -> Snapshot:
        emulator = self._awake()
        return Snapshot(emulator.snapshot(scrollback), self._fed, emulator.rows, emulator.cols)

    def _awake(self) -> Emulator:
        """The emulator, brought back from where it was parked or begun anew at the log's beginning."""
        if self._emulator is None:
            self._emulator, self._fed = self._load() or self._begin()
            self._saved = self._fed
            self._rescan()
            self._take_earlier_resizes()
        return self._emulator

    def _load(self) -> tuple[Emulator, int] | None:
        try:
            data = (self._directory / SCREEN_NAME).read_bytes()
            magic, fed = _HEADER.unpack_from(data)
            if magic != _MAGIC:
                raise ValueError("not a parked screen")
            return load_emulator(data[_HEADER.size :]), fed
        except FileNotFoundError:
            return None
        except (OSError, ValueError, struct.error) as error:
            log.warning("the parked screen of %s cannot be used: %s", self._directory.name, error)
            return None

    def _begin(self) -> tuple[Emulator, int]:
        return new_emulator(*self._size, self._scrollback), 0

    def _take_earlier_resizes(self) -> None:
        """Those that an earlier server made after the state was saved; the loop knows of its own."""
        known = {resize.cursor for resize in self._resizes}
        limit = min(known, default=None)
        earlier = [
            Resize(mark.cursor, mark.values[1] or 1, mark.values[0] or 1)
            for mark in read_index(self._directory)
            if mark.kind == "r" and mark.cursor >= self._fed and (limit is None or mark.cursor < limit)
        ]
        self._resizes.extendleft(reversed(earlier))

    def _save(self) -> None:
        emulator = self._awake()
        path = self._directory / SCREEN_NAME
        new = path.with_suffix(".new")
        try:
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(_HEADER.pack(_MAGIC, self._fed) + emulator.dump())
            new.replace(path)
            self._saved = self._fed
        except OSError as error:  # A full disk: the log has it all, only slower.
            log.warning("the screen of %s cannot be saved: %s", self._directory.name, error)
            with contextlib.suppress(OSError):
                new.unlink()

    def _park(self) -> None:
        if self._emulator is None:
            return
        if self._saved != self._fed or self._saved == 0:
            self._save()
        self._follower.close()
        self._emulator.close()
        self._emulator = None
