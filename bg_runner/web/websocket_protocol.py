"""uvicorn's WebSocket protocol with a short way past ASGI, for terminals: `Shortcut`, in the scope's extensions.

By ASGI a message that comes in passes a queue and wakes a task, and one that goes out is copied into a frame of its
own. A key and its echo spend more time so than in everything else, and a hundred clients of one terminal need one frame
instead of a hundred. Without the extension (another server in front of the application) everything works as well.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from websockets.frames import Frame
    from websockets.http11 import Request

EXTENSION: Final = "bg-runner.shortcut"
_FINAL_BINARY = 0x82


def binary_frame(*parts: bytes) -> bytes:
    """A whole message of these parts as the one frame that a server sends (RFC 6455, 5.2: without a mask)."""
    size = sum(map(len, parts))
    if size < 126:
        head = struct.pack("!BB", _FINAL_BINARY, size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", _FINAL_BINARY, 126, size)
    else:
        head = struct.pack("!BBQ", _FINAL_BINARY, 127, size)
    return b"".join((head, *parts))


class Shortcut:
    """Of one accepted connection. `on_binary` and `on_text` are offered every whole message that nothing comes before;
    one that they return True for is done with, any other goes by ASGI. They may not raise.
    """

    def __init__(self, protocol: ShortcutProtocol) -> None:
        self._protocol = protocol
        self.on_binary: Callable[[bytes], bool] | None = None
        self.on_text: Callable[[bytes], bool] | None = None

    def write_now(self, frame: bytes) -> bool:
        """Send a frame (`binary_frame`); False, and nothing is sent, if the client takes no more or has left."""
        protocol = self._protocol
        if protocol.disconnected or protocol.close_sent or not protocol.writable.is_set():
            return False
        protocol.transport.write(frame)
        return True

    async def write(self, frame: bytes) -> None:
        """Send a frame as soon as the client takes more. Raises: ClientDisconnected."""
        while not self.write_now(frame):
            if self._protocol.disconnected or self._protocol.close_sent:
                raise ClientDisconnected
            await self._protocol.writable.wait()


class ShortcutProtocol(WebSocketsSansIOProtocol):
    """For uvicorn's setting `ws`."""

    _shortcut: Shortcut | None = None

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self._shortcut = Shortcut(self)
            # The application's task was made just now and has not begun.
            cast("dict[str, object]", self.scope["extensions"])[EXTENSION] = self._shortcut

    def handle_bytes(self, event: Frame) -> None:
        hear = self._shortcut.on_binary if self._shortcut is not None else None
        if hear is None or not self._is_next(event) or not hear(bytes(event.data)):
            super().handle_bytes(event)

    def handle_text(self, event: Frame) -> None:
        hear = self._shortcut.on_text if self._shortcut is not None else None
        if hear is None or not self._is_next(event) or not hear(bytes(event.data)):
            super().handle_text(event)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._shortcut is not None:
            self._shortcut.on_binary = self._shortcut.on_text = None  # They hold what holds this.
        super().connection_lost(exc)

    def _is_next(self, event: Frame) -> bool:
        """Whether this is a whole message, and no earlier one waits."""
        return event.fin and self.queue.empty() and not self.close_sent
