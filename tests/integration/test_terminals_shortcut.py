"""What goes past ASGI's queue (keys, acknowledgements, output) keeps its order with what does not, on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.server import ServerProcess
from tests.integration.terminal_socket import WHOLE, TerminalSocket

RAW = "stty raw -echo; echo ready; exec cat"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("shortcut") / "data", stop_grace=1, shell="/bin/sh")
    process.data_dir.mkdir()
    try:
        yield process.start()
    finally:
        process.close()


def open_terminal(server: ServerProcess, command: str) -> str:
    answer = server.client.post("/api/terminals", json={"command": command})
    return str(answer.json()["data"]["terminalId"])


def wait_ready(client: TerminalSocket) -> None:
    """The word may be in the snapshot, or come after it."""
    while not any(kind == WHOLE for kind, *_ in client.snapshots):
        client.receive()
    if b"ready" not in client.snapshots[-1][2]:
        client.wait_output(b"ready")


def test_binary_and_json_input_arrive_as_they_were_sent(server: ServerProcess) -> None:
    with TerminalSocket(server, open_terminal(server, RAW)) as client:
        wait_ready(client)
        sent = b""
        for number in range(300):
            key = b"<%d>" % number
            sent += key
            if number % 3 == 0:  # The others go the short way, unless this one is still on the long one.
                client.send(type="input", data=key.decode())
            elif number % 3 == 1:
                client.connection.send(key)
            else:
                client.connection.send([key[:1], key[1:]])  # in fragments
        client.wait_output(b"<299>")
        assert sent in client.output


def test_a_crowd_gets_the_same_bytes(server: ServerProcess) -> None:
    terminal = open_terminal(server, "stty -echo; echo ready; read go; seq -f n%.0f 1 40000; echo over; exec cat")
    clients = [TerminalSocket(server, terminal) for _ in range(8)]
    try:
        for client in clients:
            wait_ready(client)
        clients[0].connection.send(b"\n")
        for client in clients:
            client.wait_output(b"over")
        expected = b"".join(b"n%d\r\n" % number for number in range(1, 40_001)) + b"over"
        assert all(expected in client.output for client in clients)
    finally:
        for client in clients:
            client.cut()


def test_a_viewer_types_nothing_by_the_short_way(server: ServerProcess) -> None:
    terminal = open_terminal(server, RAW)
    with TerminalSocket(server, terminal) as owner, TerminalSocket(server, terminal, mode="view") as viewer:
        wait_ready(owner)
        owner.connection.send(b"first")  # From now on the input is open, and the short way is.
        owner.wait_output(b"first")
        viewer.connection.send(b"intruder")
        assert viewer.wait_for("error")["code"] == "VIEW_ONLY"
        owner.connection.send(b"last")
        owner.wait_output(b"last")
        assert b"intruder" not in owner.output


def test_too_long_an_input_is_refused(server: ServerProcess) -> None:
    with TerminalSocket(server, open_terminal(server, RAW)) as client:
        wait_ready(client)
        client.connection.send(b"x")
        client.wait_output(b"x")
        client.connection.send(b"y" * (256 * 1024 + 1))
        assert client.wait_for("error")["code"] == "INVALID_INPUT"
