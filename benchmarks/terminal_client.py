"""A WebSocket client that costs less than any server: one blocking socket, frames looked at where they were received.

The same for both sides; `Ours` and `Terminado` differ only in what a message looks like. Used by the programs that the
terminal parts start as processes of their own.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from collections.abc import Iterator
from urllib.parse import urlsplit

from bg_runner.web.sockets import OUTPUT, SCREEN, SUBPROTOCOL, WHOLE

BUFFER = 1 << 20
TEXT, BINARY, CLOSE = 1, 2, 8
ACK_BYTES = 128 * 1024
TAIL = 1024
_HEADER = struct.Struct(">BQ")
SECONDS = 120.0


class Socket:
    """An open WebSocket. Raises everywhere: OSError, EOFError when the server closes."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        self.raw = socket.create_connection((parts.hostname or "", parts.port or 80), SECONDS)
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = {
            "Host": parts.netloc,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            **headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        self.raw.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\n{lines}\r\n".encode())
        self._buffer = bytearray(BUFFER)
        self._begin = self._end = 0
        self._take_answer()

    def _take_answer(self) -> None:
        while (at := self._buffer.find(b"\r\n\r\n", 0, self._end)) < 0:
            self._receive()
        if not self._buffer.startswith(b"HTTP/1.1 101"):
            raise OSError(bytes(self._buffer[: self._end]).decode(errors="replace")[:500])
        self._begin = at + 4

    def _receive(self) -> None:
        if self._begin == self._end:
            self._begin = self._end = 0
        elif len(self._buffer) - self._end < BUFFER // 4:
            self._buffer[: self._end - self._begin] = self._buffer[self._begin : self._end]
            self._begin, self._end = 0, self._end - self._begin
        if self._end == len(self._buffer):
            self._buffer.extend(bytes(len(self._buffer)))
        with memoryview(self._buffer) as view, view[self._end :] as free:
            received = self.raw.recv_into(free)
        if not received:
            raise EOFError("the server closed the connection")
        self._end += received

    def frame(self) -> tuple[int, memoryview]:
        """The next frame: its opcode and its payload, which holds until the next call. Release it before that."""
        while True:
            have = self._end - self._begin
            if have >= 2:
                head = 2
                size = self._buffer[self._begin + 1] & 127
                if size == 126 and have >= 4:
                    head, size = 4, int.from_bytes(self._buffer[self._begin + 2 : self._begin + 4], "big")
                elif size == 127 and have >= 10:
                    head, size = 10, int.from_bytes(self._buffer[self._begin + 2 : self._begin + 10], "big")
                elif size >= 126:
                    head = BUFFER
                if have >= head + size:
                    break
            self._receive()
        opcode, at = self._buffer[self._begin] & 15, self._begin + head
        self._begin = at + size
        if opcode == CLOSE:
            raise EOFError("the server closed the WebSocket")
        return opcode, memoryview(self._buffer)[at : at + size]

    def send(self, opcode: int, payload: bytes) -> None:
        """A mask of zeros is a mask."""
        size = len(payload)
        length = bytes([128 | size]) if size < 126 else struct.pack(">BH", 128 | 126, size)
        self.raw.sendall(bytes([128 | opcode]) + length + bytes(4) + payload)


class Ours:
    """A terminal of ours by the binary subprotocol, with acknowledgements."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}", "Sec-WebSocket-Protocol": SUBPROTOCOL}
        self.socket = Socket(url, headers)
        self.snapshots = 0
        self.whole_snapshots = 0
        self.snapshot_bytes = 0
        self.cursor = 0
        self._acknowledged = 0

    def type(self, data: bytes) -> None:
        self.socket.send(BINARY, data)

    def output(self) -> Iterator[tuple[int, bytes]]:
        """Of every frame with output: how many bytes the terminal wrote, and the last of them."""
        while True:
            opcode, payload = self.socket.frame()
            with payload:
                if opcode != BINARY:
                    continue
                kind, cursor = _HEADER.unpack_from(payload)
                size, tail = len(payload) - _HEADER.size, bytes(payload[_HEADER.size :][-TAIL:])
            if kind != OUTPUT:
                self.snapshots += kind == SCREEN
                self.whole_snapshots += kind == WHOLE
                self.snapshot_bytes += size
                self.cursor = self._acknowledged = cursor
                yield 0, tail
                continue
            self.cursor = cursor + size
            if self.cursor - self._acknowledged >= ACK_BYTES:
                self._acknowledged = self.cursor
                self.socket.send(TEXT, b'{"type":"ack","cursor":%d}' % self.cursor)
            yield size, tail

    def ready(self) -> None:
        """Wait for the snapshot that every connection begins with."""
        for _ in self.output():
            if self.whole_snapshots:
                return


class Terminado:
    """A terminal of terminado, which sends JSON lists of two."""

    def __init__(self, url: str, token: str = "") -> None:  # noqa: ARG002 - the same call as for ours
        self.socket = Socket(url, {})
        self.snapshots = 0

    def type(self, data: bytes) -> None:
        self.socket.send(TEXT, json.dumps(["stdin", data.decode()]).encode())

    def output(self) -> Iterator[tuple[int, bytes]]:
        """Sizes are those of the JSON text here: taking that apart would cost more than the server's part."""
        while True:
            _, payload = self.socket.frame()
            with payload:
                size, head, tail = len(payload), bytes(payload[:12]), bytes(payload[-TAIL - 2 :])
            if head == b'["stdout", "':
                yield size, (tail if size > TAIL + 14 else tail[12 - max(size - TAIL - 2, 0) :])[:-2]

    def ready(self) -> None:
        """Wait for the message that every connection begins with."""
        self.socket.frame()[1].release()


SIDES = {"ours": Ours, "terminado": Terminado}


def wait_for(terminal: Ours | Terminado, marker: bytes) -> int:
    """Read until the terminal has written `marker`; the bytes until then."""
    total, tail = 0, b""
    for size, last in terminal.output():
        total += size
        tail = (tail + last)[-TAIL:]
        if marker in tail:
            return total
    raise EOFError


def shell_line(text: str, marker: str) -> bytes:
    """What to type: the command's echo does not hold the marker that the command ends with."""
    return f"{text}; echo {marker[:2]}''{marker[2:]}\r".encode()
