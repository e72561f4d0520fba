"""A client that loses its connection and comes back with its cursor, and what it makes of all it was given."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from pyghostty import lib
from websockets.exceptions import ConnectionClosed, WebSocketException

from bg_runner.terminals.emulator import Emulator, Screen, load_emulator, new_emulator
from bg_runner.terminals.emulator_cells import GhosttyCells, terminal_get
from bg_runner.terminals.emulator_ghostty import GhosttyEmulator
from bg_runner.terminals.log_index import read_index
from bg_runner.terminals.output import LogReader
from tests.integration.server import ServerProcess
from tests.integration.terminal_socket import HEADER, OUTPUT, WHOLE, TerminalSocket

Size = tuple[int, int]
START: Size = (24, 80)
SCROLLBACK = 500  # lines, at least that many are kept; the server's setting must be the same
COMPARED = 5000  # characters of the scrollback's end: its beginning is bounded, not cut at an exact line
TORN = 3  # bytes at most of a character that the JSON form holds back, while the resize behind them is told


class Given(NamedTuple):
    """A snapshot that the client was given: the state in a terminal of this size at `cursor`."""

    data: bytes
    cursor: int
    size: Size


class ReturningClient:
    """`cursor` is None until it has a whole state. `pieces` are all bytes of output that it was given, with cursors.

    `states` are the snapshots with scrollback, `resizes` what it was told and did after the last of them.
    """

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
        self.states: list[Given] = []
        self.resizes: list[tuple[int, Size]] = []
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
        if cursor is not None:
            self.states.append(Given(data, cursor, self._size))
            self.resizes.clear()

    def _resize(self, told: dict[str, int]) -> None:
        """It comes in order: before a snapshot, or where the output has reached its cursor."""
        self._size = told["rows"], told["cols"]
        if self.cursor == told["cursor"] and (self.emulator.rows, self.emulator.cols) != self._size:
            self.emulator.resize(*self._size)
            self.resizes.append((self.cursor, self._size))


def shown(emulator: Emulator) -> tuple[Screen, bytes, str]:
    """Equal for terminals that show the same: screen, state besides its cells, the end of the scrollback's text."""
    return emulator.screen(), state(emulator), scrollback(emulator)


def state(emulator: Emulator) -> bytes:
    """Modes, cursor, margins... A saved cursor behind a blank makes a written blank of it, so cells are left out."""
    copy = load_emulator(emulator.dump())
    copy.feed(b"\x18\x1b[2J")
    left = copy.snapshot(False)
    copy.close()
    return left


def scrollback(emulator: Emulator) -> str:
    """The last text above the primary screen, without blanks: rows that were erased in part may lose some."""
    copy = load_emulator(emulator.dump())
    assert isinstance(copy, GhosttyEmulator)
    copy.feed(b"\x18\x1b[?47l")
    count = terminal_get(copy._terminal, lib.GHOSTTY_TERMINAL_DATA_SCROLLBACK_ROWS, "size_t")
    lines = GhosttyCells(copy._terminal, count, copy.cols, lib.GHOSTTY_POINT_TAG_SCREEN).lines() if count else ()
    copy.close()
    return "".join("".join(lines).split())[-COMPARED:]


def direct_feed(directory: Path, end: int, resizes: int | None = None) -> Emulator:
    """A terminal that was shown the whole log up to `end`, in the sizes of its index (or the first few of them)."""
    log, emulator, at = LogReader(directory), new_emulator(*START, SCROLLBACK), 0
    told = sizes(directory)
    for cursor, size in told[:resizes] if resizes is not None else [one for one in told if one[0] <= end]:
        emulator.feed(log.read(at, min(cursor, end) - at).data)
        at = min(cursor, end)
        emulator.resize(*size)
    emulator.feed(log.read(at, end - at).data)
    return emulator


def sizes(directory: Path) -> list[tuple[int, Size]]:
    """Every resize in the index: cursor, (rows, columns)."""
    marks = [mark for mark in read_index(directory) if mark.kind == "r"]
    return [(mark.cursor, (mark.values[1] or 1, mark.values[0] or 1)) for mark in marks]


def check(client: ReturningClient, directory: Path) -> None:
    """Every byte that it was given is the log's byte at that cursor, and it shows what the whole log shows.

    That is exact for every snapshot when it comes, and afterwards until the size changes. Then a terminal that was
    given a snapshot wraps its lines otherwise than one that saw everything: cells that were never written and blanks
    look the same, and of several resizes at one cursor whoever was away is told only the last.
    """
    log = LogReader(directory)
    for begin, data in client.pieces:
        assert log.read(begin, len(data)).data == data, begin
    assert client.cursor is not None
    made = [check_state(state, directory) for state in client.states][-1]
    after = [told for told in sizes(directory)[made:] if told[0] <= client.cursor]
    direct = direct_feed(directory, client.cursor)
    if not after and not client.resizes:
        assert shown(client.emulator) == shown(direct)
    else:
        for cursor, size in client.resizes:
            assert any(0 <= other - cursor <= TORN and size == told for other, told in after), (cursor, size)
        assert (client.emulator.rows, client.emulator.cols) == (direct.rows, direct.cols)
        assert client.emulator.screen()[3:] == direct.screen()[3:]
    direct.close()


def check_state(given: Given, directory: Path) -> int:
    """How many resizes there had been when the snapshot was made, which is what the log shows then."""
    told = sizes(directory)
    earlier = sum(cursor < given.cursor for cursor, _ in told)
    latest = sum(cursor <= given.cursor + TORN for cursor, _ in told)
    copy = new_emulator(*given.size, SCROLLBACK)
    copy.feed(given.data)
    found = shown(copy)
    copy.close()
    expected = []
    for count in range(earlier, latest + 1):
        if (told[count - 1][1] if count else START) != given.size:
            continue
        direct = direct_feed(directory, given.cursor, count)
        expected.append(shown(direct))
        direct.close()
        if expected[-1] == found:
            return count
    assert [found] == expected, given.cursor
    return latest
