"""Bells of the PTY host on an asyncio loop: `HostBells`, a connection of its own, without a thread between.

`HostClient` asks and waits, in any thread; this one only listens. What a terminal printed is at its clients one turn of
the loop after the host rang.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from pathlib import Path

from bg_runner.errors import HostGone
from bg_runner.terminals.host_client import Watch, WatchEvent
from bg_runner.terminals.host_connection import Bell, Greeted, greeted_socket, ring
from bg_runner.terminals.protocol import VERSIONS, FrameDecoder, Message, ProtocolError, Versions, encode

RECEIVE = 65536
MAX_QUEUED = 8 * 1024 * 1024


class HostBells:
    """Watches on terminals of `data_dir`'s host. Everything here is called on one loop, and calls back on it.

    `on_lost` is called once when the connection was lost, after every watch has heard "gone". Then, or before the
    first use, `connect`.
    """

    def __init__(self, data_dir: Path, on_lost: Callable[[], None], *, versions: Versions = VERSIONS) -> None:
        self.data_dir = data_dir.resolve()
        self.bells: dict[int, Bell] = {}
        self._on_lost = on_lost
        self._versions = versions
        self._numbers = itertools.count(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._socket: socket.socket | None = None
        self._instance = ""
        self._decoder = FrameDecoder()
        self._unsent = bytearray()
        self._closed = False

    async def connect(self) -> None:
        """Connect to the living host; nothing happens if connected. `HostClient.ensure` is what starts one.

        Raises: HostGone if there is none, or none that can be spoken with.
        """
        if self._socket is not None:
            return
        loop = asyncio.get_running_loop()
        # In a thread, because a host that is busy may not answer hello at once.
        greeting = loop.run_in_executor(None, greeted_socket, self.data_dir, self._versions)
        try:
            greeted = await asyncio.shield(greeting)
        except asyncio.CancelledError:
            greeting.add_done_callback(_drop)
            raise
        if greeted is None:
            raise HostGone("no PTY host is running")
        if self._closed or self._socket is not None:
            greeted.socket.close()  # Another call was quicker.
            return
        self._loop, self._socket, self._instance = loop, greeted.socket, greeted.instance
        self._decoder, self._unsent = FrameDecoder(), bytearray()
        self._socket.setblocking(False)
        loop.add_reader(self._socket, self._receive)

    @property
    def instance(self) -> str:
        """Which host process this is, as `HostClient.instance` says it. Raises: HostGone."""
        if self._socket is None:
            raise HostGone("not connected to the PTY host")
        return self._instance

    def watch(self, terminal_id: str, callback: Callable[[WatchEvent], None], *, cursor: int | None = 0) -> Watch:
        """Call `callback` when the log's end is beyond `cursor` (None: only at the exit), as `HostClient.watch` does.

        It is never called before this returns. Raises: HostGone if not connected.
        """
        if self._socket is None:
            raise HostGone("not connected to the PTY host")
        number = next(self._numbers)
        watch = Watch(self, number, terminal_id, callback)
        self.bells[number] = watch.ring
        watch.rearm(cursor)
        return watch

    def tell(self, message: Message) -> None:
        """Send a request whose answer nobody needs. Bells ring "gone" if the connection is lost."""
        if self._socket is None:
            return
        self._unsent += encode(message)
        if len(self._unsent) > MAX_QUEUED:
            self._lose_soon()
        else:
            self._send()

    def close(self) -> None:
        """Disconnect for good and in silence: no callback is called any more. Terminals run on. Twice is fine."""
        self._closed = True
        self._disconnect()
        self.bells.clear()

    def _send(self) -> None:
        """Write what waits, and let the loop write what the host does not take now."""
        if self._socket is None or self._loop is None:
            return
        try:
            del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._lose_soon()
            return
        if self._unsent:
            self._loop.add_writer(self._socket, self._send)
        else:
            self._loop.remove_writer(self._socket)

    def _receive(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose()
            return
        try:
            for message in self._decoder.feed(data):
                bell = self.bells.get(message.get("bell"))  # type: ignore[call-overload]  # Any key may be asked for.
                if bell is not None:
                    ring(bell, message)
        except ProtocolError:
            self._lose()

    def _lose_soon(self) -> None:
        """Not at once: who is just arming a watch does not expect to hear "gone" before that call has returned."""
        if self._loop is not None:
            self._disconnect()
            self._loop.call_soon(self._lose)

    def _lose(self) -> None:
        self._disconnect()
        for bell in list(self.bells.values()):
            ring(bell, None)
        self.bells.clear()
        if not self._closed:
            self._on_lost()

    def _disconnect(self) -> None:
        if self._socket is not None and self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
            self._socket = None


def _drop(greeting: asyncio.Future[Greeted | None]) -> None:
    """Nobody wants this connection any more."""
    if not greeting.cancelled() and greeting.exception() is None and (greeted := greeting.result()) is not None:
        greeted.socket.close()
