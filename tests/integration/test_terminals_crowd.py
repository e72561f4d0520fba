"""Many clients on one terminal, and one that is hopelessly slow: nobody waits for anybody."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import threading
from collections.abc import Iterator

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect

from bg_runner.terminals.output import LogReader
from tests.conditions import wait_until
from tests.integration.server import ServerProcess
from tests.integration.terminal_calls import Terminal
from tests.integration.terminal_socket import BINARY, HEADER, OUTPUT, SCREEN, WHOLE, TerminalSocket

BURST = 1 << 20  # bytes; the next one comes when the fast clients have it
BURSTS = 32
MEMORY = 160 << 20  # bytes that a server may grow by meanwhile; the flood for each of ten clients would be twice that
FAST = 9
CROWD = 500


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("crowd") / "data", stop_grace=1, shell="/bin/sh")
    process.data_dir.mkdir()
    try:
        yield process.start()
    finally:
        process.close()


class Reader(threading.Thread):
    """A fast client: takes everything at once, notes how much it was and its hash."""

    def __init__(self, server: ServerProcess, terminal_id: str) -> None:
        super().__init__(name="reader")
        self.socket = TerminalSocket(server, terminal_id)
        self.socket.wait_for("resize")
        while len(self.socket.snapshots) < 2:
            self.socket.receive()
        self.begin = self.end = self.socket.cursor
        self.digest = hashlib.sha256()
        self.start()

    def run(self) -> None:
        acknowledged = self.begin
        with self.socket:
            for message in self.socket.connection:
                if isinstance(message, str):
                    if json.loads(message)["type"] == "exit":
                        return
                    continue
                kind, cursor = HEADER.unpack_from(message)
                if kind != OUTPUT or cursor != self.end:
                    return  # The test sees that it has not got everything.
                self.digest.update(memoryview(message)[HEADER.size :])
                self.end += len(message) - HEADER.size
                if self.end - acknowledged >= 128 * 1024:
                    self.socket.send(type="ack", cursor=self.end)
                    acknowledged = self.end


def slow_socket(server: ServerProcess, terminal: Terminal) -> socket.socket:
    """A WebSocket of the JSON form whose client has hardly any room and reads nothing by itself."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    raw.settimeout(30)
    raw.connect((host, int(port)))
    raw.sendall(
        f"GET /api/v1/terminal/ws/{terminal.id}?token={server.token}&reconnect=true&name=slow HTTP/1.1\r\n"
        f"Host: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
    )
    return raw


@pytest.mark.slow
def test_a_byte_a_second_beside_nine_fast_ones(server: ServerProcess) -> None:
    assert server.process is not None
    line = "0123456789abcdef" * 8
    burst = f"yes {line} | head -c {BURST}"
    terminal = Terminal(
        server,
        command=f"stty -echo -onlcr; for i in $(seq {BURSTS}); do read go; {burst}; done; read go; echo '<live>'",
    )
    memory = psutil.Process(server.process.pid)
    readers = [Reader(server, terminal.id) for _ in range(FAST)]
    slow = slow_socket(server, terminal)
    over = threading.Event()

    def sip() -> None:
        while not over.wait(1):
            slow.recv(1)

    sipping = threading.Thread(target=sip)
    sipping.start()
    try:
        wait_until(lambda: terminal.state()["connectedClients"] == FAST + 1)
        before = most = memory.memory_info().rss
        for sent in range(1, BURSTS + 1):
            terminal.type("\n")
            wait_until(lambda end=sent * BURST: all(reader.end >= end for reader in readers), 60)  # type: ignore[misc]
            most = max(most, memory.memory_info().rss)
        assert most - before < MEMORY, f"{(most - before) >> 20} MB"
    finally:
        over.set()
        sipping.join()
    skipped, shown = wake_up(slow, terminal)
    assert skipped, "it was given the screen instead of the flood"
    assert "<live>" in shown
    log = LogReader(server.data_dir / "terminals" / terminal.id)
    for reader in readers:
        reader.join(60)
        assert reader.end == terminal.state()["cursor"]
        assert reader.digest.digest() == hashlib.sha256(log.read(reader.begin, 1 << 30).data).digest()


def wake_up(slow: socket.socket, terminal: Terminal) -> tuple[bool, str]:
    """Read all that comes now; whether a state came in place of output, and what came after it."""
    stream = slow.makefile("rb")
    while stream.readline() != b"\r\n":
        pass
    with slow, stream:
        states, shown, told = 0, "", False
        while True:
            head = stream.read(2)
            size = head[1] if head[1] < 126 else int.from_bytes(stream.read(2 if head[1] == 126 else 8), "big")
            if head[0] & 15 == 9:
                stream.read(size)
                continue
            message = json.loads(stream.read(size))
            if message["type"] == "reconnect":
                states, shown = states + 1, ""
            if message["type"] in ("reconnect", "output"):
                shown = (shown + message["data"])[-1000:]
            if states > 1 and not told:
                terminal.type("\n")
                told = True
            if message["type"] == "exit":
                return states > 1, shown


async def visit(server: ServerProcess, terminal: Terminal, cursor: int, start: asyncio.Event) -> tuple[int, int]:
    """Come, see, stay for a moment; the number of statuses and of whole states that were got."""
    url = f"ws{server.url.removeprefix('http')}/api/v1/terminal/ws/{terminal.id}?token={server.token}"
    await start.wait()
    statuses, kinds = 0, []
    async with connect(
        url, subprotocols=[BINARY], compression=None, max_size=None, open_timeout=90, ping_interval=None, proxy=None
    ) as connection:
        async for message in connection:
            if isinstance(message, str):
                statuses += json.loads(message)["type"] == "status"
                continue
            kind, at = HEADER.unpack_from(message)
            kinds.append(kind)
            assert at >= cursor
            if kind == WHOLE:
                assert kinds == [SCREEN, WHOLE]
                assert b"last line" in message
                break
    return statuses, kinds.count(WHOLE)


@pytest.mark.slow
def test_five_hundred_come_back_within_a_second(server: ServerProcess) -> None:
    terminal = Terminal(server, command="stty -echo; seq 1 10000; echo last line; exec cat")
    terminal.wait_for("last line")
    cursor = terminal.state()["cursor"]

    async def crowd() -> tuple[list[tuple[int, int]], int]:
        start, over = asyncio.Event(), asyncio.Event()
        visitors = [asyncio.create_task(visit(server, terminal, cursor, start)) for _ in range(CROWD)]

        async def ask_health() -> int:
            asked = 0
            async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
                while not over.is_set():
                    assert (await client.get("/api/health")).status_code == 200
                    asked += 1
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(over.wait(), 0.1)
            return asked

        health = asyncio.create_task(ask_health())
        start.set()
        got = await asyncio.gather(*visitors)
        over.set()
        return got, await health

    for _ in range(2):
        got, asked = asyncio.run(crowd())
        assert len(got) == CROWD
        assert all(statuses >= 1 and states == 1 for statuses, states in got)
        assert asked > 0
    wait_until(lambda: terminal.state()["connectedClients"] == 0, 30)
    assert terminal.state()["status"] == "running"
