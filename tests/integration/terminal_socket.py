"""A client of a terminal's WebSocket as tests need it: it keeps what it was told, and may be cut anywhere."""

from __future__ import annotations

import json
import socket
import struct
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.integration.server import ServerProcess

BINARY = Subprotocol("bg-runner.binary.v1")
OUTPUT, SCREEN, WHOLE = 1, 2, 3
HEADER = struct.Struct(">BQ")
Message = dict[str, Any]


class TerminalSocket:
    """`cursor` is the end of the output so far (bytes), `output` all of it since connecting, snapshots apart.

    `through` is the address of a proxy to the server.
    """

    def __init__(
        self,
        server: ServerProcess,
        terminal_id: str,
        *,
        binary: bool = True,
        token: str | None = None,
        through: tuple[str, int] | None = None,
        **query: object,
    ) -> None:
        fields = {"token": token or server.token, **query}
        path = terminal_id if "?" in terminal_id else f"{terminal_id}?"
        url = server.url.replace("http", "ws", 1) + f"/api/v1/terminal/ws/{path}"
        self.binary = binary
        self._stack = ExitStack()
        opening = connect(
            url + "&".join(f"{name}={value}" for name, value in fields.items()),
            subprotocols=[BINARY] if binary else None,
            max_size=None,
            compression=None,
            sock=socket.create_connection(through) if through is not None else None,
        )
        self.connection: ClientConnection = self._stack.enter_context(opening)
        self.cursor = 0
        self.output = b""
        self.snapshots: list[tuple[int, int, bytes]] = []
        self.messages: list[Message] = []

    def receive(self, timeout: float = 20) -> Message | tuple[int, int, bytes]:
        """One message or frame, noted. Raises: TimeoutError, websockets.ConnectionClosed."""
        got = self.connection.recv(timeout)
        if isinstance(got, bytes):
            kind, cursor = HEADER.unpack_from(got)
            data = got[HEADER.size :]
            if kind == OUTPUT:
                assert not self.cursor or cursor == self.cursor, f"expected output at {self.cursor}, got {cursor}"
                self.output += data
                self.cursor = cursor + len(data)
                self.send(type="ack", cursor=self.cursor)
            else:
                self.snapshots.append((kind, cursor, data))
                self.cursor = cursor
            return kind, cursor, data
        message: Message = json.loads(got)
        self.messages.append(message)
        if message["type"] in ("output", "reconnect"):
            self.output += message["data"].encode()
            self.cursor = message["cursor"]
        return message

    def wait_for(self, kind: str, timeout: float = 20, **fields: object) -> Message:
        """The next message of this kind with these fields."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            got = self.receive(max(0.01, deadline - time.monotonic()))
            if isinstance(got, dict) and got["type"] == kind and all(got.get(k) == v for k, v in fields.items()):
                return got
        raise TimeoutError(kind)

    def wait_output(self, text: bytes, timeout: float = 20) -> bytes:
        """Read until the output holds `text`."""
        deadline = time.monotonic() + timeout
        while text not in self.output:
            self.receive(max(0.01, deadline - time.monotonic()))
        return self.output

    def send(self, **message: object) -> None:
        self.connection.send(json.dumps(message))

    def type_in(self, text: str) -> None:
        if self.binary:
            self.connection.send(text.encode())
        else:
            self.send(type="input", data=text)

    def cut(self) -> None:
        """Lose the connection without a word."""
        self.connection.socket.close()

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
