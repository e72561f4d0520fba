"""A client whose connection breaks anywhere comes back with its cursor: never a gap, never a byte twice."""

from __future__ import annotations

import random
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bg_runner.terminals.output import LogReader
from tests.conditions import wait_until
from tests.integration import noisy_program
from tests.integration.cutting_proxy import CuttingProxy
from tests.integration.returning_client import SCROLLBACK, ReturningClient, check
from tests.integration.server import ServerProcess
from tests.integration.terminal_calls import Terminal
from tests.integration.terminal_socket import TerminalSocket

SECTIONS = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    yield from serving(tmp_path_factory.mktemp("resume") / "data")


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server to be killed."""
    yield from serving(tmp_path / "data")


def serving(data_dir: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(data_dir, stop_grace=1, shell="/bin/sh", buffer_size=SCROLLBACK)
    data_dir.mkdir()
    try:
        yield process.start()
    finally:
        process.close()


def noise(server: ServerProcess, seed: int) -> Terminal:
    program = shlex.join([sys.executable, "-S", noisy_program.__file__, str(seed), str(SECTIONS)])
    return Terminal(server, command=f"stty -echo -onlcr; exec {program}")


def directory_of(terminal: Terminal) -> Path:
    return terminal.server.data_dir / "terminals" / terminal.id


def proxy_to(server: ServerProcess) -> CuttingProxy:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return CuttingProxy((host, int(port)))


def come_and_go(client: ReturningClient, proxy: CuttingProxy, directory: Path, rng: random.Random) -> None:
    """Be there for a while, lose the line anywhere, stay away or not."""
    for _ in range(rng.randrange(1, 4)):
        if not client.is_there:
            proxy.cut_after = int(10 ** rng.uniform(2, 6))
            proxy.with_reset = rng.random() < 0.5
            if not client.come():
                continue
        for _ in range(rng.randrange(1, 60)):
            has_all = client.cursor is not None and client.cursor >= end_of(directory)
            if has_all or not client.take():
                break
    if rng.random() < 0.3:
        client.leave()


def end_of(directory: Path) -> int:
    return LogReader(directory).read(0, 0).end


def stay_to_the_end(clients: list[ReturningClient], proxy: CuttingProxy) -> None:
    proxy.cut_after = None
    for client in clients:
        client.leave()
        assert client.come()
        while not client.ended:
            assert client.take()
        client.leave()


def both_forms(server: ServerProcess, terminal: Terminal, proxy: CuttingProxy | None = None) -> list[ReturningClient]:
    through = proxy.address if proxy is not None else None
    return [ReturningClient(server, terminal.id, binary=binary, through=through) for binary in (True, False)]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_line_breaks_anywhere(server: ServerProcess, seed: int) -> None:
    rng = random.Random(seed)
    terminal = noise(server, seed)
    with proxy_to(server) as proxy:
        clients = both_forms(server, terminal, proxy)
        for _ in range(SECTIONS):
            terminal.type("\n")
            for client in clients:
                come_and_go(client, proxy, directory_of(terminal), rng)
        stay_to_the_end(clients, proxy)
    for client in clients:
        check(client, directory_of(terminal))
        assert client.cuts > 0
        assert client.resumed > 0
        assert any("THE END" in line for line in client.emulator.screen().lines)


def test_others_resize_meanwhile(server: ServerProcess) -> None:
    rng = random.Random(3)
    terminal = noise(server, 3)
    with proxy_to(server) as proxy, TerminalSocket(server, terminal.id, binary=False, reconnect="false") as other:
        clients = both_forms(server, terminal, proxy)
        for section in range(SECTIONS):
            terminal.type("\n")
            rows, cols = rng.randrange(5, 40), rng.randrange(20, 130)
            if section % 3 == 0:
                other.send(type="resize", rows=rows, cols=cols, take=True)
            for client in clients:
                come_and_go(client, proxy, directory_of(terminal), rng)
        stay_to_the_end(clients, proxy)
    for client in clients:
        check(client, directory_of(terminal))
        assert client.resumed > 0


def test_the_server_is_killed_twice(mortal: ServerProcess, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    counter = f"i=0; until [ -e {stop} ]; do i=$((i + 1)); echo n$i; sleep 0.01; done; echo last"
    terminal = Terminal(mortal, command=counter)
    clients = both_forms(mortal, terminal)
    for _ in range(2):
        for client in clients:
            assert client.come()
            given = len(client.pieces)
            while len(client.pieces) < given + 3:
                assert client.take()
        mortal.kill()
        before = end_of(directory_of(terminal))
        for client in clients:
            while client.take():
                pass
        wait_until(lambda end=before: end_of(directory_of(terminal)) > end + 50)  # type: ignore[misc]
        mortal.start()
        (found,) = mortal.client.get("/api/terminals").json()["data"]["terminals"]
        assert (found["terminalId"], found["pid"]) == (terminal.id, terminal.created["pid"])
        assert found["cursor"] > before
    for client in clients:
        assert client.come()
    stop.touch()
    log = b""
    for client, states in zip(clients, (2, 1), strict=True):
        while not client.ended:
            assert client.take()
        client.leave()
        check(client, directory_of(terminal))
        assert client.snapshots == states, "one at first, then only what was missing"
        log = LogReader(directory_of(terminal)).read(0).data
        assert log[client.pieces[0][0] :] == b"".join(data for _, data in client.pieces)
    numbers = [int(word[1:]) for word in log.split() if word.startswith(b"n")]
    assert numbers == list(range(1, numbers[-1] + 1))


def test_a_resize_by_an_earlier_server_is_not_forgotten(mortal: ServerProcess) -> None:
    terminal = Terminal(mortal, command="stty -echo; echo ready; exec cat")
    clients = both_forms(mortal, terminal)
    terminal.wait_for("ready")
    for client in clients:
        assert client.come()
        while client.cursor is None:
            assert client.take()
        client.leave()
    terminal.type("w" * 100)
    terminal.wait_for("www")
    terminal.call("POST", "/resize", {"rows": 10, "cols": 30})
    terminal.type("narrow " * 20)
    terminal.wait_for("narrow")
    mortal.kill()
    mortal.start()
    terminal.type("more")
    for client in clients:
        assert client.come()
        while client.cursor is None or not any("more" in line for line in client.emulator.screen().lines):
            assert client.take()
        client.leave()
        check(client, directory_of(terminal))


def test_a_character_in_two_writes(server: ServerProcess) -> None:
    """The JSON form sends whole characters only: half of one waits for the other half, also across a resize."""
    terminal = Terminal(
        server,
        command=r"stty -echo; for i in 1 2; do printf '\344'; read x; printf '\270'; read x; printf '\255'; done; cat",
    )
    with TerminalSocket(server, terminal.id, binary=False, reconnect="true") as client:
        client.wait_for("reconnect")
        for resizes in (False, True):
            begin = terminal.state()["cursor"]
            for part in (1, 2):
                if resizes:
                    client.send(type="resize", rows=20 + part, cols=70 + part, take=True)
                    client.wait_for("resize", rows=20 + part)
                client.type_in("\n")
                wait_until(lambda end=begin + part: terminal.state()["cursor"] >= end)  # type: ignore[misc]
            client.wait_output("中".encode())
            client.output = b""
