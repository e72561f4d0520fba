"""One attached viewer: a cursor into the terminal's log, and how much of it has not been acknowledged.

There is no queue. What a client has not got yet lies in the log; one that is far behind gets a snapshot instead. So a
stalled client costs nothing, and neither the program nor any other client ever waits for it.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bg_runner.terminals.log_follower import Overtaken
from bg_runner.terminals.screen_keeper import Snapshot

if TYPE_CHECKING:
    from bg_runner.terminals.session import TerminalSession

Mode = Literal["control", "view"]
Message = dict[str, Any]
PIECE = 256 * 1024  # bytes of output in one frame at most
WINDOW = 1 << 20  # unacknowledged bytes at which a client that acknowledges gets no more
NEAR = 1 << 20  # a returning client that misses so little gets the missing bytes
FAR = 4 << 20  # a client that is further behind gets a snapshot
# What a terminal sends by itself: mouse reports, focus, answers. It moves no ownership.
_REPORT = re.compile(rb"(?:\x1b\[(?:[IO]|<[\d;]+[Mm]|M...|\??[\d;]*[cRn]))+", re.DOTALL)


class Wire(Protocol):
    """How a client's connection writes; each call returns when the connection takes more."""

    def message(self, message: Message) -> Awaitable[None]: ...
    def text(self, text: str) -> Awaitable[None]:
        """Send a message that is JSON already."""
        ...

    def output(self, data: bytes, start: int, *, more: bool) -> Awaitable[int]:
        """Send output that begins at `start`; returns how many bytes went (a cut character may stay behind)."""
        ...

    def output_now(self, data: bytes, start: int) -> bool:
        """Send output without waiting; False, and nothing is sent, if that is not possible."""
        ...

    def snapshots(self, screen: Snapshot | None, whole: Snapshot) -> Awaitable[None]: ...


@dataclass(frozen=True)
class Attach:
    """What a client asks for: `cursor` None means a snapshot, `history` False only what comes from now on."""

    name: str = ""
    mode: Mode = "control"
    share_id: str | None = None
    cursor: int | None = None
    history: bool = True
    scrollback: bool = True
    acknowledges: bool = False


class TerminalClient:
    """`cursor` is the next byte to send, `acknowledged` what the client has drawn. Belongs to the event loop."""

    def __init__(self, session: TerminalSession, wire: Wire, attach: Attach) -> None:
        self.id = secrets.token_hex(6)
        self.attach = attach
        self.name = attach.name
        self.since = time.time()
        self.viewport: tuple[int, int] | None = None
        self.cursor = 0
        self.acknowledged = 0
        self.kicked = asyncio.Event()
        self._session = session
        self._wire = wire
        self._wake = asyncio.Event()
        self._waits = False  # The pump has nothing to do until it is woken.
        self._messages: deque[Message] = deque()
        self._status_due = True
        self._farewell: Message | None = None
        self._wants_snapshot = False
        self._resizes_seen = 0

    @property
    def can_control(self) -> bool:
        return self.attach.mode == "control"

    def describe(self) -> Message:
        return {"id": self.id, "name": self.name, "mode": self.attach.mode, "since": round(self.since, 3)}

    def wake(self) -> None:
        """There may be more to send. What can go at once goes before this returns: somebody may wait for an echo."""
        if not (self._waits and not self._wake.is_set() and self._send_now()):
            self._wake.set()

    def tell(self, message: Message) -> None:
        """Send `message` as soon as possible, before further output."""
        if len(self._messages) < 1000:  # A client that takes nothing for long misses notices, never output.
            self._messages.append(message)
            self._wake.set()

    def tell_end(self) -> None:
        """If the terminal has ended: say how, after its output."""
        self._farewell = self._session.farewell()
        self._wake.set()

    def status_changed(self) -> None:
        self._status_due = True
        self._wake.set()

    def ask_snapshot(self) -> None:
        self._wants_snapshot = True
        self._wake.set()

    def acknowledge(self, cursor: int) -> None:
        """The client has drawn everything before `cursor` (bytes)."""
        if self.acknowledged < cursor <= self.cursor:
            was_full = self._window() <= 0
            self.acknowledged = cursor
            if was_full:
                self.wake()

    async def pump(self) -> None:
        """Send until cancelled, or until the terminal has ended and everything is sent."""
        await self._begin()
        while True:
            self._wake.clear()
            await self._send_messages()
            if self._wants_snapshot or self._is_far_behind():
                await self._send_snapshot()
            elif not await self._send_output():
                await self._say_farewell()
                self._waits = True
                await self._wake.wait()
                self._waits = False

    async def _begin(self) -> None:
        session, asked = self._session, self.attach.cursor
        await self._send_messages()
        resumes = asked is not None and self._is_near(asked) and not await session.resized_since(asked)
        self._resizes_seen = session.size.count
        if not self.attach.history:
            self._jump(session.end)
        elif asked is not None and resumes:
            self._jump(asked)
            await self._wire.message(session.size.message(session.rows, session.cols, asked))
        else:
            await self._send_snapshot()
        self.tell_end()

    def _is_near(self, cursor: int) -> bool:
        session = self._session
        return session.oldest() <= cursor <= session.end and session.end - cursor <= NEAR

    async def _say_farewell(self) -> None:
        if self._farewell is not None and self.cursor >= self._session.end:
            message, self._farewell = self._farewell, None
            await self._wire.message(message)

    def _jump(self, cursor: int) -> None:
        self.cursor = self.acknowledged = cursor

    def _is_far_behind(self) -> bool:
        return self._session.end - self.cursor > FAR and self._window() > 0

    def _window(self) -> int:
        """Bytes that may be sent now."""
        return WINDOW - (self.cursor - self.acknowledged) if self.attach.acknowledges else WINDOW

    async def _send_messages(self) -> None:
        if self._status_due:
            self._status_due = False
            await self._wire.text(self._session.status_for(self))
        while self._messages:
            await self._wire.message(self._messages.popleft())

    async def _send_snapshot(self) -> None:
        self._wants_snapshot = False
        seen = self._session.size.count  # One that comes while the snapshot is made is told after it.
        screen, whole = await self._session.snapshots(scrollback=self.attach.scrollback)
        self._resizes_seen = seen
        await self._wire.message(self._session.size.message(whole.rows, whole.cols, whole.cursor))
        await self._wire.snapshots(screen, whole)
        self._jump(whole.cursor)

    async def _send_output(self) -> bool:
        """Send what the client may get; False if that was nothing."""
        session = self._session
        resize = session.size.after(self._resizes_seen)
        if resize is not None and resize.cursor <= self.cursor:
            self._resizes_seen += 1
            await self._wire.message(session.size.message(resize.rows, resize.cols, resize.cursor))
            return True
        end = min(session.end, resize.cursor) if resize is not None else session.end
        size = self._sendable(end)
        if size <= 0:
            return False
        try:
            data = session.read(self.cursor, size)
        except Overtaken:  # The oldest part of the log was deleted meanwhile.
            self._wants_snapshot = True
            return True
        if not data:
            return False
        # A character that the program has not finished stays until it does, or has ended.
        more = session.is_running or self.cursor + len(data) < session.end
        sent = await self._wire.output(data, self.cursor, more=more)
        if sent == 0 and resize is not None and self.cursor + len(data) >= resize.cursor:
            # The size changed amid a character, which shows only when it is whole.
            self._resizes_seen += 1
            await self._wire.message(session.size.message(resize.rows, resize.cols, self.cursor))
            return True
        self._sent(sent)
        return sent > 0

    def _send_now(self) -> bool:
        """Send all there is without waiting, if it is output and little; False if something is left for the pump."""
        session = self._session
        if self._farewell is not None or session.size.after(self._resizes_seen) is not None:
            return False
        size = self._sendable(session.end)
        try:
            data = session.read(self.cursor, size) if size > 0 else b""
        except (Overtaken, OSError):
            return False
        if not data or not self._wire.output_now(data, self.cursor):
            return False
        self._sent(len(data))
        return self.cursor >= session.end

    def _sendable(self, end: int) -> int:
        """Bytes up to `end` that may go now. Never a part of a piece: the next one would begin where no other does."""
        return min(end - self.cursor, PIECE) if self._window() > 0 else 0

    def _sent(self, size: int) -> None:
        self.cursor += size
        if not self.attach.acknowledges:
            self.acknowledged = self.cursor


def is_typing(data: bytes) -> bool:
    """Whether a person typed this, as opposed to what a terminal reports by itself."""
    return not _REPORT.fullmatch(data)
