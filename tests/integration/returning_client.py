"""A client that loses its connection and comes back with its cursor, and what it makes of all it was given."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed, WebSocketException

from bg_runner.terminals.emulator import Emulator, Screen, new_emulator
from bg_runner.terminals.log_index import read_index
from bg_runner.terminals.output import LogReader
from tests.integration.server import ServerProcess
from tests.integration.terminal_socket import HEADER, OUTPUT, WHOLE, TerminalSocket

Size = tuple[int, int]
START: Size = (24, 80)
SCROLLBACK = 500  # lines: the server's setting must be the same
COMPARED = 20_000  # bytes of the scrollback's end: its beginning is bounded, not cut at an exact line


class ReturningClient:
    """`cursor` is None until it has a whole state. `pieces` are all bytes of output that it was given, with cursors."""

    def __init__(
        self, server: ServerProcess, terminal_id: str, *, binary: bool, through: tuple[str, int] | None = None
    ) -> None:
        self._server = server
        self._id = terminal_id
        self._binary = binary
        self._through = through
        self._socket: TerminalSocket | None = None
        self._size = START
        self.emulator = new_emulator(*START, SCROLLBACK)
        self.cursor: int | None = None
        self.pieces: list[tuple[int, bytes]] = []
        self.cuts = self.resumed = self.snapshots = 0
        self.ended = False

    def come(self) -> bool:
        """Whether that went well; the line may break amid the handshake."""
        query: dict[str, Any] = {} if self.cursor is None else {"cursor": self.cursor}
        try:
            self._socket = TerminalSocket(
                self._server, self._id, binary=self._binary, through=self._through, reconnect="true", **query
            )
        except (OSError, EOFError, WebSocketException):
            self.cuts += 1
            return False
        self._came = self.cursor
        return True

    @property
    def is_there(self) -> bool:
        return self._socket is not None

    def take(self, timeout: float = 30) -> bool:
        """Take one message in; False if the connection was lost. Raises: TimeoutError if none comes in time."""
        assert self._socket is not None
        try:
            message = self._socket.connection.recv(timeout)
        except ConnectionClosed:
            self.leave()
            self.cuts += 1
            return False
        if isinstance(message, bytes):
            kind, cursor = HEADER.unpack_from(message)
            if kind == OUTPUT:
                self._output(cursor, message[HEADER.size :])
            else:
                self._snapshot(message[HEADER.size :], cursor if kind == WHOLE else None)
            return True
        told = json.loads(message)
        if told["type"] == "output":
            data = told["data"].encode()
            self._output(told["cursor"] - len(data), data)
        elif told["type"] == "reconnect":
            self._snapshot(told["data"].encode(), told["cursor"])
        elif told["type"] == "resize":
            self._resize(told)
        elif told["type"] == "exit":
            assert told["cursor"] == self.cursor
            self.ended = True
        return True

    def leave(self) -> None:
        if self._socket is not None:
            self._socket.cut()
            self._socket.close()
            self._socket = None

    def _output(self, begin: int, data: bytes) -> None:
        assert begin == self.cursor, f"wants {self.cursor}, got {begin}"
        if self._came is not None:
            self.resumed += 1
            self._came = None
        self.emulator.feed(data)
        self.pieces.append((begin, data))
        self.cursor = begin + len(data)
        if self._binary and self._socket is not None:
            with contextlib.suppress(ConnectionClosed):  # The next `take` finds out.
                self._socket.send(type="ack", cursor=self.cursor)

    def _snapshot(self, data: bytes, cursor: int | None) -> None:
        self._came = None
        self.snapshots += 1
        self.emulator.close()
        self.emulator = new_emulator(*self._size, SCROLLBACK)
        assert self.emulator.feed(data) == b"", "a snapshot asks nothing"
        self.cursor = cursor  # Of the screen alone one does not go on: the scrollback is about to come.

    def _resize(self, told: dict[str, int]) -> None:
        """It comes in order: before a snapshot, or where the output has reached its cursor."""
        self._size = told["rows"], told["cols"]
        if self.cursor == told["cursor"]:
            self.emulator.resize(*self._size)


def shown(emulator: Emulator) -> tuple[Screen, bytes, bytes]:
    """Equal for terminals that show the same: screen, state, and the end of the scrollback without colours."""
    scrollback = re.sub(rb"(?:\x1b\[[0-9;:]*m)+", b"", emulator.snapshot(True))
    return emulator.screen(), emulator.snapshot(False), scrollback[-COMPARED:]


def direct_feed(directory: Path, end: int) -> Emulator:
    """A terminal that was shown the whole log up to `end`, in the sizes that its index tells of."""
    log, emulator, at = LogReader(directory), new_emulator(*START, SCROLLBACK), 0
    for mark in [mark for mark in read_index(directory) if mark.kind == "r" and mark.cursor <= end]:
        emulator.feed(log.read(at, mark.cursor - at).data)
        at = mark.cursor
        cols, rows = mark.values[:2]
        emulator.resize(rows or 1, cols or 1)
    emulator.feed(log.read(at, end - at).data)
    return emulator


def check(client: ReturningClient, directory: Path) -> None:
    """Every byte that it was given is the log's byte at that cursor, and it shows what the whole log shows."""
    log = LogReader(directory)
    for begin, data in client.pieces:
        assert log.read(begin, len(data)).data == data, begin
    assert client.cursor is not None
    direct = direct_feed(directory, client.cursor)
    assert shown(client.emulator) == shown(direct)
    direct.close()
