"""One non-blocking socket of the PTY host: to a client or to a supervisor. Nothing here ever waits."""

from __future__ import annotations

import os
import selectors
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from bg_runner.terminals.protocol import FrameDecoder, Message, ProtocolError, encode

MAX_QUEUED = 8 * 1024 * 1024
RECEIVE = 65536
CLOEXEC_FLAG = getattr(socket, "MSG_CMSG_CLOEXEC", 0)

Owner = TypeVar("Owner")


class Channel(Generic[Owner]):
    """Sends and receives messages; calls `on_message` for each one and `on_close` once, when it ended however it ended.

    Descriptors that came with a message's bytes wait in `descriptors` for whoever expects them; with
    `takes_descriptors` False the system drops them. A peer that does not read has at most 8 MB queued for it; beyond
    that it is cut off.
    """

    def __init__(
        self,
        connection: socket.socket,
        selector: selectors.BaseSelector,
        on_message: Callable[[Channel[Owner], Message], None],
        on_close: Callable[[Channel[Owner]], None],
        *,
        takes_descriptors: bool = True,
    ) -> None:
        connection.setblocking(False)
        self.owner: Owner | None = None
        self.descriptors: deque[int] = deque()
        self.closed = False
        self._deaf = False
        self._socket = connection
        self._selector = selector
        self._on_message = on_message
        self._on_close = on_close
        self._takes_descriptors = takes_descriptors
        self._decoder = FrameDecoder()
        self._queue: deque[tuple[memoryview, Sequence[int]]] = deque()
        self._queued = 0
        self._events = selectors.EVENT_READ
        selector.register(connection, self._events, self._ready)

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send now or later. `descriptors` are duplicated: the caller keeps its own."""
        self.send_frame(encode(message), descriptors)

    def send_frame(self, frame: bytes, descriptors: Sequence[int] = ()) -> None:
        """Like `send`, of a message that is encoded already."""
        if self.closed or self._deaf:
            return
        if not self._queue and not descriptors:
            frame = self._send_now(frame)
            if not frame:
                return
        copies = [os.dup(descriptor) for descriptor in descriptors]
        self._queue.append((memoryview(frame), copies))
        self._queued += len(frame)
        self._send_queued()
        if self._queued > MAX_QUEUED:
            self.close()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._selector.unregister(self._socket)
        self._socket.close()
        while self.descriptors:
            os.close(self.descriptors.popleft())
        self._drop_queue()
        self._on_close(self)

    def finish(self) -> None:
        """The peer's process ended: take what it still said, then close. (Its children may hold the socket open.)"""
        while not self.closed and self._receive():
            pass
        self.close()

    def _drop_queue(self) -> None:
        for _, copies in self._queue:
            for copy in copies:
                os.close(copy)
        self._queue.clear()
        self._queued = 0

    def _ready(self, events: int) -> None:
        if not self.closed and events & selectors.EVENT_WRITE:
            self._send_queued()
        if not self.closed and events & selectors.EVENT_READ:
            self._receive()

    def _send_now(self, frame: bytes) -> bytes:
        """What could not be sent at once: usually nothing."""
        try:
            return frame[self._socket.send(frame) :]
        except OSError:
            return frame  # Full or broken: `_send_queued` finds out.

    def _send_queued(self) -> None:
        try:
            while self._queue:
                data, copies = self._queue[0]
                sent = socket.send_fds(self._socket, [data], list(copies)) if copies else self._socket.send(data)
                for copy in copies:
                    os.close(copy)
                self._queued -= sent
                if sent < len(data):
                    self._queue[0] = (data[sent:], ())
                else:
                    self._queue.popleft()
        except BlockingIOError:
            pass
        except OSError:
            # EPIPE, ECONNRESET: the peer has left. What it said before is still to be read, and then the end.
            self._drop_queue()
            self._deaf = True
        self._listen_for(selectors.EVENT_READ | (selectors.EVENT_WRITE if self._queue else 0))

    def _listen_for(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self._selector.modify(self._socket, events, self._ready)

    def _receive(self) -> bool:
        """False if there was nothing to receive."""
        try:
            data = self._receive_all() if self._takes_descriptors else self._socket.recv(RECEIVE)
        except BlockingIOError:
            return False
        except OSError:
            self.close()
            return False
        if not data:
            self.close()
            return False
        try:
            for message in self._messages(data):
                self._on_message(self, message)
        except ProtocolError:
            self.close()
        return True

    def _receive_all(self) -> bytes:
        data, descriptors, _, _ = socket.recv_fds(self._socket, RECEIVE, 4, CLOEXEC_FLAG)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self.descriptors.extend(descriptors)
        return data

    def _messages(self, data: bytes) -> Iterator[Message]:
        for message in self._decoder.feed(data):
            if self.closed:
                return
            yield message
