"""One persistent terminal as the server sees it: its log is followed, its clients are fed, its size has one owner.

The seed's names (000): `add_client`, `remove_client`, `has_clients`. Everything here belongs to the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from bg_runner.errors import HostGone, NotFound, TerminalEnded
from bg_runner.terminals.audience import Audience
from bg_runner.terminals.clients import Attach, Message, TerminalClient, Wire, is_typing
from bg_runner.terminals.emulator import Screen
from bg_runner.terminals.host_bells import HostBells
from bg_runner.terminals.host_client import HostClient, Watch, WatchEvent
from bg_runner.terminals.lines import Lines
from bg_runner.terminals.log_follower import LogFollower
from bg_runner.terminals.log_index import read_index
from bg_runner.terminals.models import Exit, TerminalInfo
from bg_runner.terminals.osc import OscEvent
from bg_runner.terminals.output import LogReader
from bg_runner.terminals.pty_input import PtyInput
from bg_runner.terminals.record import Ended, TerminalRecord
from bg_runner.terminals.screen_keeper import Fed, ScreenKeeper, Snapshot
from bg_runner.terminals.sizing import Sizing

State = Literal["running", "exited", "lost"]
KEPT_PIECES = 16
SHORT_PIECE = 16 * 1024
LONGEST_CHARACTER = 4  # bytes in UTF-8
T = TypeVar("T")
SNAPSHOT_AGE = 2.0
SNAPSHOT_LAG = 1 << 20


@dataclass(frozen=True)
class Services:
    """What every session needs of its manager, which is told when a terminal ended, and when the host was lost."""

    host: HostClient
    bells: HostBells
    executor: Executor
    buffer_lines: int
    on_ended: Callable[[TerminalSession, Ended], None]
    on_gone: Callable[[TerminalSession], None]


class TerminalSession:
    """`cursor`s are bytes of the log; `rows` and `cols` are the size in force; times are s since the epoch."""

    def __init__(self, record: TerminalRecord, directory: Path, services: Services, *, end: int, active: float) -> None:
        self.record = record
        self.id = record.id
        self.user = record.user
        self.directory = directory
        self.created = record.created
        self.size = Sizing(record.request.rows, record.request.cols)
        self.title = ""
        self._reported_cwd = ""
        self.progress: Message | None = None
        self.info: TerminalInfo | None = None
        self.last_activity = active
        self.clients = Audience()
        self.end = self._found_at = end
        self.lines = Lines(directory, services.buffer_lines)
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._reader = LogReader(directory)
        self._follower = LogFollower(directory)
        self._pieces: dict[int, bytes] = {}
        self._resizing = False
        self._bell_meanwhile: WatchEvent | None = None
        self._wanted_size: tuple[int, int] | None = None
        self._watch: Watch | None = None
        self._input: PtyInput | None = None
        self._input_lock = asyncio.Lock()
        self._grown = asyncio.Event()
        self._snapshot_lock = asyncio.Lock()
        self._snapshots: tuple[float, int, tuple[Snapshot, Snapshot]] | None = None
        self._keeper = ScreenKeeper(
            directory,
            (self.size.rows, self.size.cols),
            services.buffer_lines,
            services.executor,
            self._on_fed,
            live_from=end,
        )

    # State

    @property
    def state(self) -> State:
        return self.record.ended.state if self.record.ended else "running"

    @property
    def is_running(self) -> bool:
        return self.record.ended is None

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def group(self) -> str:
        return self.record.group

    @property
    def cursor(self) -> int:
        """The end of the log (bytes)."""
        return self.end

    @property
    def rows(self) -> int:
        return self.size.rows

    @property
    def cols(self) -> int:
        return self.size.cols

    @property
    def size_owner(self) -> str | None:
        """The client whose window the size follows."""
        return self.size.owner

    @property
    def cwd(self) -> str:
        """Where it is: as its shell says (OSC 7), else as the kernel says of its main process, else where it began."""
        if self._reported_cwd:
            return self._reported_cwd
        if self.is_running and self.pid:
            with contextlib.suppress(OSError):
                return os.readlink(f"/proc/{self.pid}/cwd")  # noqa: PTH115 - the text, not a resolved path
        return self.record.cwd

    @property
    def pid(self) -> int | None:
        return self.info.pid if self.info is not None else None

    @property
    def running_in_background(self) -> bool:
        """Running, and nobody looks (seed 000)."""
        return self.is_running and not self.has_clients()

    def oldest(self) -> int:
        """The oldest byte that the log still has."""
        return self._reader.read(0, 0).oldest

    async def resized_since(self, cursor: int) -> bool:
        """Whether output behind `cursor` was made for other sizes than the present one. Raises: OSError."""
        if cursor < self._found_at:  # The resizes of earlier servers are only in the index.
            marks = await self._in_thread(partial(read_index, self.directory))
            if any(mark.kind == "r" and mark.cursor > cursor for mark in marks):
                return True
        return self.size.changed_since(cursor)

    # Following the log

    def follow(self, info: TerminalInfo) -> None:
        """Begin to follow a terminal that the host knows. Raises: HostGone."""
        self.info = info
        self.size.rows, self.size.cols = info.rows, info.cols
        self.end = max(self.end, info.cursor)
        self._watch = self._services.bells.watch(self.id, self._on_bell, cursor=self.end)

    def _on_bell(self, event: WatchEvent) -> None:
        if self._resizing and event.kind == "output":
            self._bell_meanwhile = event  # Nobody may pass the resize's cursor before it is known.
            return
        if event.kind == "gone":
            self._watch = None
            self._services.on_gone(self)
            return
        self._grow(event.cursor)
        if event.kind == "exit" and event.exit is not None:
            self._services.on_ended(self, exited(event.exit))
        elif self._watch is not None:
            self._watch.rearm(self.end)

    def _grow(self, end: int) -> None:
        if end <= self.end:
            return
        self.end = end
        self.last_activity = time.time()
        self._keeper.grow(end)
        self._grown.set()
        self._grown = asyncio.Event()
        self.clients.wake()

    def read(self, cursor: int, size: int) -> bytes:
        """Up to `size` bytes of output at `cursor`, empty at the end. Raises: Overtaken if they are deleted; OSError.

        Clients that are equally far get the same object, read once. Of a character that is all there never only a part
        is returned, unless `size` says so.
        """
        piece = self._pieces.get(cursor, b"")
        # A piece that was the end of the log is read again when there is more, if it is short.
        if len(piece) < min(size, SHORT_PIECE):
            piece = self._follower.read(cursor, size)
            if len(piece) < min(size, LONGEST_CHARACTER):  # A segment of the log ends amid a character.
                piece += self._follower.read(cursor + len(piece), size - len(piece))
            self._pieces.pop(cursor, None)
            self._pieces[cursor] = piece
            if len(self._pieces) > KEPT_PIECES:
                del self._pieces[next(iter(self._pieces))]
        return piece if len(piece) <= size else piece[:size]

    async def wait_output(self, cursor: int, timeout: float) -> bool:
        """Wait up to `timeout` s for output beyond `cursor`; False if there is none by then or the terminal ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self.end <= cursor and self.is_running:
                    await self._grown.wait()
        return self.end > cursor

    def ended(self, ended: Ended) -> None:
        """The manager has written down how it ended."""
        self.record = self.record.model_copy(update={"ended": ended})
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        if self._input is not None:
            self._input.close()
            self._input = None
        self.progress = None
        self._grown.set()
        for client in self.clients:
            client.tell_end()
        self.clients.status_changed()

    def farewell(self) -> Message | None:
        """How it ended, for its clients; None while it runs."""
        ended = self.record.ended
        if ended is None:
            return None
        if ended.state == "lost":
            return {"type": "lost", "reason": ended.reason}
        return {"type": "exit", "code": ended.code, "signal": ended.signal, "cursor": self.end}

    # Screen

    async def screen(self) -> Screen:
        """The screen as text. Raises: OSError."""
        self._keeper.grow(self.end)
        return (await self._keeper.screen())[0]

    async def snapshot(self, *, scrollback: bool) -> Snapshot:
        """Raises: OSError."""
        screen, whole = await self.snapshots(scrollback=True)
        return whole if scrollback or screen is None else screen

    async def snapshots(self, *, scrollback: bool) -> tuple[Snapshot | None, Snapshot]:
        """The screen alone (None without `scrollback`) and the whole, at one cursor. Raises: OSError.

        One that is a moment old serves a crowd that comes at once: the output since then follows it.
        """
        async with self._snapshot_lock:  # Whoever waits for it finds what the one before made.
            cached = self._snapshots
            if (
                cached is None
                or self._loop.time() - cached[0] > SNAPSHOT_AGE
                or cached[1] != self.size.count
                or self.end - cached[2][1].cursor > (SNAPSHOT_LAG if self.clients.is_crowd else 0)
            ):
                self._keeper.grow(self.end)
                count = self.size.count  # before: a resize meanwhile makes this one old
                both = await self._keeper.both_snapshots()
                cached = self._snapshots = (self._loop.time(), count, both)
                self._loop.call_later(SNAPSHOT_AGE, self._forget_snapshots)
        screen, whole = cached[2]
        return (screen, whole) if scrollback else (None, screen)

    def _forget_snapshots(self) -> None:
        if self._snapshots is not None and self._loop.time() - self._snapshots[0] >= SNAPSHOT_AGE:
            self._snapshots = None

    def _on_fed(self, fed: Fed) -> None:
        if fed.answers and self.is_running:
            self._loop.create_task(self._answer(fed.answers)).add_done_callback(_ignore)
        for event in fed.events:
            self._on_osc(event)

    async def _answer(self, answers: bytes) -> None:
        with contextlib.suppress(TerminalEnded, HostGone):
            await self.write(answers, is_answer=True)

    def _on_osc(self, event: OscEvent) -> None:
        if event.kind == "title":
            self.title = event.text
        elif event.kind == "cwd":
            self._reported_cwd = event.text
        elif event.kind == "progress":
            self.progress = _progress(event)
        else:
            self.clients.tell({"type": "command", "event": event.kind, "code": event.code, "cursor": event.offset})
            return
        self.clients.status_changed()

    # Input and size

    async def write(self, data: bytes, *, is_answer: bool = False) -> None:
        """Type `data`, whole and in order. Raises: TerminalEnded, WriteFailed (it is not read), HostGone."""
        if not self.is_running or self.info is None:
            raise TerminalEnded(f"the terminal {self.id} has ended")
        if not is_answer:
            self.last_activity = time.time()
        if self._input is not None and not self._input_lock.locked():
            self._input.write(data)
        else:
            # A client that leaves while it types must not leave a descriptor behind.
            await asyncio.shield(self._attach_and_write(data))

    async def _attach_and_write(self, data: bytes) -> None:
        async with self._input_lock:
            if self._input is None:
                try:
                    descriptor = await self._in_thread(partial(self._services.host.attach, self.id))
                except NotFound:
                    raise TerminalEnded(f"the terminal {self.id} has ended") from None
                self._input = PtyInput(descriptor)
            self._input.write(data)

    async def type(self, client: TerminalClient, data: bytes) -> None:
        """Input of a client; what a person types makes it the owner of the size. Raises: as `write`."""
        if not self.type_now(client, data):
            await self.write(data)

    def type_now(self, client: TerminalClient, data: bytes) -> bool:
        """The same without waiting; False, and nothing is typed, if that is not possible. Raises: WriteFailed."""
        if client.id != self.size_owner and client.viewport is not None and is_typing(data):
            self._own_size(client)
        if self._input is None or not self.is_running or self._input_lock.locked():
            return False
        self.last_activity = time.time()
        self._input.write(data)
        return True

    def set_viewport(self, client: TerminalClient, rows: int, cols: int, *, take: bool) -> None:
        """A client's window has this size; it counts if the client owns the size, takes it, or nobody does."""
        client.viewport = (rows, cols)
        if take or self.size_owner in (None, client.id):
            self._own_size(client)

    def _own_size(self, client: TerminalClient) -> None:
        if self.size.set_owner(client.id):
            self.clients.status_changed()
        if client.viewport is not None and client.viewport != (self.rows, self.cols):
            self._wanted_size = client.viewport
            if not self._resizing and self.is_running:
                self._loop.create_task(self._apply_size()).add_done_callback(_ignore)

    async def resize(self, rows: int, cols: int) -> None:
        """Set the size, whoever owns it. Raises: TerminalEnded, HostGone."""
        if not self.is_running:
            raise TerminalEnded(f"the terminal {self.id} has ended")
        self._wanted_size = (rows, cols)
        if not self._resizing:
            await self._apply_size()

    async def _apply_size(self) -> None:
        self._resizing = True
        try:
            while self._wanted_size is not None and self.is_running:
                (rows, cols), self._wanted_size = self._wanted_size, None
                if (rows, cols) == (self.rows, self.cols):
                    continue
                try:
                    cursor = await self._in_thread(partial(self._services.host.resize, self.id, rows, cols))
                except NotFound:
                    return
                self._resized(self.end if cursor is None else cursor, rows, cols)
        finally:
            self._resizing = False
            event, self._bell_meanwhile = self._bell_meanwhile, None
            if event is not None:
                self._on_bell(event)

    def _resized(self, cursor: int, rows: int, cols: int) -> None:
        self._grow(cursor)
        self._keeper.resized(self.size.resized(cursor, rows, cols))
        self.clients.wake()
        self.clients.status_changed()

    # Clients

    def add_client(self, wire: Wire, attach: Attach) -> TerminalClient:
        """Attach a viewer; whoever calls runs its `pump` and calls `remove_client` at the end."""
        client = TerminalClient(self, wire, attach)
        self.clients.add(client)
        self.last_activity = time.time()
        self._keeper.grow(self.end)
        self.clients.status_changed()
        return client

    def remove_client(self, client_id: str) -> None:
        """Detach a viewer; the terminal goes on. Twice is fine."""
        if not self.clients.remove(client_id):
            return
        self.last_activity = time.time()
        if self.size.owner == client_id:
            self.size.set_owner(None)
        if self.size.owner is None and len(self.clients) == 1:
            (last,) = self.clients
            if last.can_control and last.viewport is not None:
                self._own_size(last)
        self.clients.status_changed()

    def has_clients(self) -> bool:
        return len(self.clients) > 0

    def kick(self, share_id: str) -> None:
        """Disconnect everybody who came by this share link."""
        for client in self.clients:
            if client.attach.share_id == share_id:
                client.kicked.set()

    def status_for(self, client: TerminalClient) -> str:
        """The message `status` for one client, as JSON. What is the same for all is made once for each change."""
        if self.clients.status is None:
            self.clients.status = json.dumps(self._common_status(), ensure_ascii=False)
        own = {"type": "status", "client_id": client.id, "mode": client.attach.mode}
        return f"{json.dumps(own)[:-1]}, {self.clients.status[1:]}"

    def _common_status(self) -> Message:
        return {
            **self.clients.describe(),
            "size_owner": self.size.owner,
            "epoch": self.size.epoch,
            "rows": self.rows,
            "cols": self.cols,
            "running": self.is_running,
            "state": self.state,
            "name": self.name,
            "title": self.title,
            "cwd": self.cwd,
            "progress": self.progress,
        }

    def renamed(self, record: TerminalRecord) -> None:
        self.record = record
        self.clients.status_changed()

    # Idle and end

    async def rest(self) -> None:
        """Called now and then: save what a crash would cost time to make again, and free what an idle one needs not."""
        if self.has_clients() or time.time() - self.last_activity < 30:
            await self._keeper.checkpoint()
            return
        await self._keeper.park()
        self._follower.close()
        self._pieces.clear()
        if self._input is not None and self._input.is_empty:
            self._input.close()
            self._input = None

    async def close(self) -> None:
        """Let go of everything; the terminal itself goes on."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        self.clients.close()
        with contextlib.suppress(OSError):
            await self._keeper.park()
        await self._keeper.close()
        self._follower.close()
        if self._input is not None:
            self._input.close()
            self._input = None

    async def _in_thread(self, action: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._services.executor, action)


def exited(ended: Exit) -> Ended:
    return Ended(state="exited", at=ended.at, code=ended.code, signal=ended.signal)


def _progress(event: OscEvent) -> Message | None:
    """OSC 9;4: state 0 removes it, 3 is busy without a percentage."""
    if event.text in ("", "0"):
        return None
    names = {"1": "normal", "2": "error", "3": "busy", "4": "paused"}
    return {"state": names.get(event.text, "normal"), "percent": event.code if event.text != "3" else None}


def _ignore(task: asyncio.Task[None]) -> None:
    """A failed answer or resize is not worth more than a line in the log, which asyncio writes for what is unread."""
    if not task.cancelled() and isinstance(task.exception(), (HostGone, TerminalEnded)):
        return


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
