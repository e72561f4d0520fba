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
from bg_runner.terminals.log_index import read_index
from bg_runner.terminals.models import Exit, TerminalInfo
from bg_runner.terminals.osc import OscEvent
from bg_runner.terminals.output import LogReader
from bg_runner.terminals.pty_input import TerminalInput
from bg_runner.terminals.record import Ended, TerminalRecord
from bg_runner.terminals.screen_keeper import Fed, ScreenKeeper, Snapshot
from bg_runner.terminals.shared_reader import SharedReader
from bg_runner.terminals.sizing import Sizing
from bg_runner.terminals.snapshots import Snapshots

State = Literal["running", "exited", "lost"]
SNAPSHOT_LAG = 1 << 20
T = TypeVar("T")


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
        self._shared = SharedReader(directory)
        self._resizing = False
        self._bell_meanwhile: WatchEvent | None = None
        self._wanted_size: tuple[int, int] | None = None
        self._watch: Watch | None = None
        self._input = TerminalInput(self._attach)
        self._grown = asyncio.Event()
        self._keeper = ScreenKeeper(
            directory,
            (self.size.rows, self.size.cols),
            services.buffer_lines,
            services.executor,
            self._on_fed,
            live_from=end,
        )
        self._snapshots = Snapshots(self._keeper)

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
        """See `SharedReader.read`."""
        return self._shared.read(cursor, size)

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
        self._input.close()
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
        lag = SNAPSHOT_LAG if self.clients.is_crowd else 0
        screen, whole = await self._snapshots.get(self.end, self.size.count, lag)
        return (screen, whole) if scrollback else (None, screen)

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
        await self._input.write(data)

    async def _attach(self) -> int:
        try:
            return await self._in_thread(partial(self._services.host.attach, self.id))
        except NotFound:
            raise TerminalEnded(f"the terminal {self.id} has ended") from None

    async def type(self, client: TerminalClient, data: bytes) -> None:
        """Input of a client; what a person types makes it the owner of the size. Raises: as `write`."""
        if not self.type_now(client, data):
            await self.write(data)

    def type_now(self, client: TerminalClient, data: bytes) -> bool:
        """The same without waiting; False, and nothing is typed, if that is not possible. Raises: WriteFailed."""
        if client.id != self.size_owner and client.viewport is not None and is_typing(data):
            self._own_size(client)
        if not self.is_running:
            return False
        self.last_activity = time.time()
        return self._input.write_now(data)

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
        self._shared.close()
        self._input.rest()

    async def close(self) -> None:
        """Let go of everything; the terminal itself goes on."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        self.clients.close()
        with contextlib.suppress(OSError):
            await self._keeper.park()
        await self._keeper.close()
        self._shared.close()
        self._input.close()

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
