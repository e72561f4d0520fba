"""The WebSocket of a terminal against a real server: seed 000's messages, many clients, sizes, queries, the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.conditions import wait_until
from tests.integration.server import ServerProcess
from tests.integration.terminal_socket import SCREEN, WHOLE, TerminalSocket


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("sockets") / "data", stop_grace=1, shell="/bin/sh")
    process.data_dir.mkdir()
    try:
        yield process.start()
    finally:
        process.close()


def open_terminal(server: ServerProcess, **fields: object) -> str:
    answer = server.client.post("/api/terminals", json=fields)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["terminalId"])


def describe(server: ServerProcess, terminal_id: str) -> Any:
    return server.client.get(f"/api/terminals/{terminal_id}").json()["data"]


def test_the_messages_of_seed_000(server: ServerProcess) -> None:
    terminal = open_terminal(server, command="stty -echo; echo ready; exec cat")
    with TerminalSocket(server, terminal, binary=False, reconnect="true", rows=30, cols=100) as first:
        assert first.wait_for("status")["connected_clients"] == 1
        first.wait_output(b"ready")
        first.type_in("hello\n")
        first.wait_output(b"hello\r\n")
        first.send(type="resize", rows=31, cols=101)
        assert first.wait_for("resize", rows=31)["cols"] == 101
    with TerminalSocket(server, terminal, binary=False, reconnect="true") as again:
        back = again.wait_for("reconnect")
        assert "ready" in back["data"]
        assert "hello" in back["data"]
        assert (back["rows"], back["cols"]) == (31, 101)
        again.send(type="close")
        ended = again.wait_for("exit")
        assert ended["signal"] or ended["code"] is not None
    assert describe(server, terminal)["status"] == "exited"


def test_leaving_never_ends_a_terminal(server: ServerProcess) -> None:
    terminal = open_terminal(server, command="cat")
    TerminalSocket(server, terminal).cut()
    with TerminalSocket(server, terminal) as client:
        client.wait_for("status")
    wait_until(lambda: describe(server, terminal)["connectedClients"] == 0)
    described = describe(server, terminal)
    assert described["status"] == "running"
    assert described["runningInBackground"] is True


def test_everybody_sees_what_anybody_types(server: ServerProcess) -> None:
    terminal = open_terminal(server, command="stty -echo; echo ready; exec cat")
    with TerminalSocket(server, terminal) as one, TerminalSocket(server, terminal, binary=False) as two:
        two.wait_for("status", connected_clients=2)
        one.type_in("from one\n")
        two.wait_output(b"from one\r\n")
        two.type_in("von zwei\n")
        one.wait_output(b"von zwei\r\n")
        status = [message for message in two.messages if message["type"] == "status"][-1]
        assert [client["mode"] for client in status["clients"]] == ["control", "control"]


def test_whole_messages_arrive_in_order(server: ServerProcess) -> None:
    terminal = open_terminal(server, command="stty -echo -icanon; echo ready; exec cat")
    with TerminalSocket(server, terminal) as one, TerminalSocket(server, terminal) as two:
        one.wait_for("status", connected_clients=2)
        for number in range(200):
            (one if number % 2 else two).type_in(f"<{number}:{'x' * 50}>\n")
        one.wait_output(b"<199:")
        one.wait_output(b"<198:")
        lines = re.findall(rb"<(\d+):x{50}>\r\n", one.output)
        for parity in (0, 1):
            mine = [int(line) for line in lines if int(line) % 2 == parity]
            assert mine == sorted(mine)
        assert len(lines) == 200


def test_one_client_owns_the_size(server: ServerProcess) -> None:
    terminal = open_terminal(server, command="cat")
    with TerminalSocket(server, terminal, rows=20, cols=90) as one:
        first = one.wait_for("status")["client_id"]
        one.wait_for("status", rows=20, cols=90, size_owner=first)
        with TerminalSocket(server, terminal, rows=40, cols=140) as two:
            second = two.wait_for("status", size_owner=first)["client_id"]
            two.send(type="resize", rows=41, cols=141)  # Remembered, not applied.
            two.type_in("\x1b[I\x1b[<0;5;5M")  # Reports of a terminal are no typing.
            two.type_in("typed\n")
            status = one.wait_for("status", size_owner=second, rows=41)
            assert status["cols"] == 141
            one.send(type="resize", rows=20, cols=90, take=True)
            two.wait_for("status", size_owner=first, rows=20)
            assert describe(server, terminal)["sizeOwner"] == first
        one.close()
    wait_until(lambda: describe(server, terminal)["sizeOwner"] is None)


def test_the_last_client_inherits_the_size(server: ServerProcess) -> None:
    terminal = open_terminal(server, command="cat")
    with TerminalSocket(server, terminal, rows=20, cols=90) as one:
        one.wait_for("status", rows=20)
        with TerminalSocket(server, terminal, rows=40, cols=140) as two:
            two.wait_for("status")
            one.close()
            two.wait_for("status", connected_clients=1, rows=40, cols=140)


def test_a_snapshot_comes_first_and_output_follows_it(server: ServerProcess) -> None:
    terminal = open_terminal(server, command="seq 1 500; stty -echo; exec cat")
    with TerminalSocket(server, terminal) as first:
        first.wait_for("status")
        first.type_in("go\n")
        wait_until(lambda: describe(server, terminal)["cursor"] > 2300)
    with TerminalSocket(server, terminal) as client:
        client.wait_for("resize")
        while len(client.snapshots) < 2:
            client.receive()
        (kind, at, screen), (second, also, whole) = client.snapshots
        assert (kind, second) == (SCREEN, WHOLE)
        assert at == also
        assert b"500" in screen
        assert b"\n17\r" not in screen
        assert b"\n17\r" in whole
        client.type_in("more\n")
        client.wait_output(b"more\r\n")


def test_a_returning_client_gets_what_it_missed(server: ServerProcess) -> None:
    terminal = open_terminal(server, command="stty -echo; echo ready; exec cat")
    with TerminalSocket(server, terminal) as client:
        client.type_in("one\n")
        client.wait_output(b"one\r\n") if client.snapshots == [] else None
        cursor = wait_for_cursor(server, terminal, b"one")
    with TerminalSocket(server, terminal) as other:
        other.type_in("two\n")
        wait_until(lambda: describe(server, terminal)["cursor"] > cursor)
    with TerminalSocket(server, terminal, cursor=cursor) as back:
        back.cursor = cursor
        back.wait_output(b"two\r\n")
        assert back.output == b"two\r\n"
        assert back.snapshots == []
    with TerminalSocket(server, terminal, cursor=10**9) as strange:
        while not strange.snapshots:
            strange.receive()


def wait_for_cursor(server: ServerProcess, terminal: str, text: bytes) -> int:
    """The end of the log once it holds `text`."""
    url = f"/api/terminals/{terminal}/output"
    wait_until(lambda: text.decode() in server.client.get(url).json()["data"]["output"])
    return int(describe(server, terminal)["cursor"])


@pytest.mark.parametrize("clients", [0, 2])
def test_a_query_is_answered_exactly_once(server: ServerProcess, clients: int) -> None:
    terminal = open_terminal(
        server, command=r"stty raw -echo; printf '\033[c'; dd bs=1 count=4 2>/dev/null | od -c; exec cat -v"
    )
    watching = [TerminalSocket(server, terminal) for _ in range(clients)]
    url = f"/api/terminals/{terminal}/output"
    wait_until(lambda: "033   [   ?" in server.client.get(url).json()["data"]["output"])
    with TerminalSocket(server, terminal) as probe:
        probe.type_in("end")
        wait_until(lambda: "end" in server.client.get(url).json()["data"]["output"])
    assert server.client.get(url).json()["data"]["output"].count("^[[") == 0
    for client in watching:
        client.close()


def test_old_queries_are_not_answered_after_a_restart(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", shell="/bin/sh")
    server.data_dir.mkdir()
    try:
        server.start()
        go = tmp_path / "go"
        terminal = open_terminal(
            server,
            command=f"stty raw -echo; until [ -e {go} ]; do sleep 0.1; done; printf '\\033[c'; echo askd; exec cat -v",
        )
        server.kill()
        go.touch()
        log = server.data_dir / "terminals" / terminal / f"{0:020d}.log"
        wait_until(lambda: log.is_file() and b"askd" in log.read_bytes())
        server.start()
        with TerminalSocket(server, terminal) as client:
            client.wait_for("status")
            client.type_in("end")
            client.wait_output(b"end") if not client.snapshots else None
            wait_until(lambda: b"end" in log.read_bytes())
        assert b"^[[" not in log.read_bytes()
    finally:
        server.close()


def test_bad_messages_are_answered_and_nothing_else(server: ServerProcess) -> None:
    terminal = open_terminal(server, command="cat")
    with TerminalSocket(server, terminal, binary=False) as client:
        client.wait_for("status")
        for text in (
            "",
            "{",
            "[]",
            '"input"',
            '{"type":"nonsense"}',
            '{"type":"input"}',
            '{"type":"input","data":5}',
            '{"type":"input","data":"x","more":1}',
            '{"type":"resize","rows":0,"cols":80}',
            '{"type":"resize","rows":24,"cols":100000}',
            '{"type":"resize","rows":"24","cols":80}',
            '{"type":"ack","cursor":-1}',
        ):
            client.connection.send(text)
            assert client.wait_for("error")["code"] == "INVALID_FIELD", text
        client.connection.send('{"type":"input","data":"\\ud800"}')
        assert client.wait_for("error")["code"] in ("INVALID_INPUT", "INVALID_FIELD")
        client.send(type="input", data="x" * 300_000)
        assert client.wait_for("error")["code"] == "INVALID_INPUT"
        client.send(type="ping")
        client.type_in("still here\n")
        client.wait_output(b"still here")


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("unknown", "", 404),
        ("..%2f..", "", 404),
        ("", "", 404),
        ("{id}", "?cursor=-1&", 422),
        ("{id}", "?rows=0&cols=5&", 422),
    ],
)
def test_a_handshake_that_cannot_be(server: ServerProcess, path: str, query: str, status: int) -> None:
    terminal = open_terminal(server, command="cat")
    with pytest.raises(InvalidStatus) as refused:
        TerminalSocket(server, path.format(id=terminal) + query)
    assert refused.value.response.status_code == status
    assert b'"code"' in refused.value.response.body if refused.value.response.body else True


def test_a_wrong_token_is_refused(server: ServerProcess) -> None:
    terminal = open_terminal(server, command="cat")
    with pytest.raises(InvalidStatus) as refused:
        TerminalSocket(server, terminal, token="wrong")
    assert refused.value.response.status_code == 401


def test_the_end_comes_after_the_last_output(server: ServerProcess) -> None:
    terminal = open_terminal(server, command="read line; seq 1 20000; exit 7")
    with TerminalSocket(server, terminal) as client:
        client.wait_for("resize")
        client.type_in("\n")
        ended = client.wait_for("exit")
        assert (ended["code"], ended["cursor"]) == (7, client.cursor)
        assert client.output.endswith(b"19999\r\n20000\r\n")
        assert client.wait_for("status", running=False)["state"] == "exited"
        assert client.cursor == ended["cursor"]
    with TerminalSocket(server, terminal) as late:
        assert late.wait_for("exit")["code"] == 7
        assert any(b"20000" in data for _, _, data in late.snapshots)
        late.type_in("anybody?\n")
        assert late.wait_for("error")["code"] == "TERMINAL_ENDED"


def test_a_server_that_ends_says_so(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", shell="/bin/sh")
    server.data_dir.mkdir()
    try:
        server.start()
        terminal = open_terminal(server, command="cat")
        with TerminalSocket(server, terminal) as client:
            client.wait_for("status")
            server.terminate()
            with pytest.raises(ConnectionClosed) as closed:
                client.wait_for("nothing of this kind")
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
        server.start()
        assert describe(server, terminal)["status"] == "running"
    finally:
        server.close()
