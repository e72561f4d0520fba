"""What the holder of a share link can do, and all that they cannot, against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from bg_runner.web.operations import operations
from tests.integration.server import ServerProcess
from tests.integration.terminal_calls import Terminal
from tests.integration.terminal_socket import TerminalSocket

KICKED = 4403
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    yield from serving(tmp_path_factory.mktemp("shares") / "data")


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """For tests after which this address is slowed down."""
    yield from serving(tmp_path / "data")


def serving(data_dir: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(data_dir, stop_grace=1, shell="/bin/sh")
    data_dir.mkdir()
    try:
        yield process.start()
    finally:
        process.close()


@pytest.fixture
def terminal(server: ServerProcess) -> Terminal:
    return Terminal(server, command="stty -echo; echo ready; exec cat", rows=24, cols=80)


class Guest:
    """The holder of a new link: `token` is what is in its address, `cookie` what opening it gives."""

    def __init__(self, terminal: Terminal, mode: str, **fields: object) -> None:
        self.terminal = terminal
        self.share = terminal.call("POST", "/shares", {"mode": mode, **fields})
        (self.token,) = parse_qs(urlsplit(self.share["url"]).query)["token"]
        self.secret = self.token.partition(".")[2]
        self.page = urlsplit(self.share["url"]).path

    def attach(self, *, binary: bool = True, **query: str) -> TerminalSocket:
        return TerminalSocket(self.terminal.server, self.terminal.id, binary=binary, token=self.token, **query)  # type: ignore[arg-type]

    @contextmanager
    def open_link(self) -> Iterator[httpx.Client]:
        """A browser, so to speak, that has opened the link."""
        with httpx.Client(base_url=self.terminal.server.url, headers={"Accept": "application/json"}) as browser:
            browser.timeout = httpx.Timeout(30)
            self.entry = browser.get(self.page, params={"token": self.token})
            yield browser


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_a_viewer_can_only_look(terminal: Terminal, binary: bool) -> None:
    guest = Guest(terminal, "view", label="Ann")
    terminal.wait_for("ready")
    attempts: list[str | bytes] = [
        '{"type":"input","data":"typed"}',
        '{"type":"input","data":""}',
        '{"type":"resize","rows":10,"cols":40}',
        '{"type":"resize","rows":10,"cols":40,"take":true}',
        '{"type":"close"}',
        b"typed\n",
        b"\x03",
        b"\x01" + bytes(8) + b"typed\n",
        b"",
    ]
    with guest.attach(binary=binary, mode="control", rows="10", cols="40") as client:
        status = client.wait_for("status")
        assert status["mode"] == "view"
        assert status["clients"][0]["name"] == "Ann"
        for attempt in attempts:
            client.connection.send(attempt)
            assert client.wait_for("error")["code"] == "VIEW_ONLY", attempt
        for nonsense in ('{"type":"input","data":"typed","mode":"control"}', '{"type":"kill"}', "[]"):
            client.connection.send(nonsense)
            assert client.wait_for("error")["code"] == "INVALID_FIELD"
        client.send(type="snapshot")
        terminal.type("from the owner")
        client.wait_output(b"from the owner")
    state = terminal.state()
    assert (state["status"], state["rows"], state["cols"]) == ("running", 24, 80)
    assert "typed" not in terminal.read()["output"]


def test_a_guest_with_control_types_and_resizes(terminal: Terminal) -> None:
    with Guest(terminal, "control").attach(rows="30", cols="90") as client:
        client.wait_for("status", mode="control", rows=30, cols=90)
        client.type_in("by a guest\n")
        client.wait_output(b"by a guest\r\n")
        client.send(type="close")
        client.wait_for("exit")
    assert terminal.state()["status"] == "exited"


def test_the_end_of_a_link_disconnects_its_holders(terminal: Terminal) -> None:
    revoked, kept, expiring = (Guest(terminal, mode) for mode in ("control", "view", "view"))
    with revoked.attach() as one, kept.attach() as other, TerminalSocket(terminal.server, terminal.id) as owner:
        owner.wait_for("status", connected_clients=3)
        clients = {share["id"]: share["clients"] for share in terminal.call("GET", "/shares")["shares"]}
        assert clients == {revoked.share["id"]: 1, kept.share["id"]: 1, expiring.share["id"]: 0}
        terminal.call("DELETE", f"/shares/{revoked.share['id']}")
        assert closed_with(one) == KICKED
        owner.wait_for("status", connected_clients=2)
        terminal.type("the others stay")
        other.wait_output(b"the others stay")
    with pytest.raises(InvalidStatus) as refused:
        revoked.attach()
    assert refused.value.response.status_code == HTTPStatus.UNAUTHORIZED


def test_a_link_expires(terminal: Terminal) -> None:
    guest = Guest(terminal, "control", expires_in=2)
    with guest.attach() as client, guest.open_link() as browser:
        assert browser.get(f"/api/terminals/{terminal.id}").status_code == HTTPStatus.OK
        assert closed_with(client) == KICKED
        refused = browser.get(f"/api/terminals/{terminal.id}")
        assert refused.status_code == HTTPStatus.UNAUTHORIZED
    assert guest.share["id"] not in [share["id"] for share in terminal.call("GET", "/shares")["shares"]]


def closed_with(client: TerminalSocket) -> int:
    """The code that the server closes the connection with."""
    with pytest.raises(ConnectionClosed) as closed:
        client.wait_for("nothing of this kind", timeout=30)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def test_opening_a_link_puts_a_cookie_in_place_of_the_secret(terminal: Terminal) -> None:
    guest = Guest(terminal, "view")
    with guest.open_link() as browser:
        assert guest.entry.status_code == HTTPStatus.SEE_OTHER
        assert guest.entry.headers["location"] == guest.page
        cookie = guest.entry.headers["set-cookie"]
        assert "httponly" in cookie.lower()
        assert "samesite=lax" in cookie.lower()
        browser.headers["Accept"] = "text/html"
        for page in (guest.page, f"{guest.page}/frame"):
            shown = browser.get(page)
            assert shown.status_code == HTTPStatus.OK
            assert guest.secret not in shown.text
            assert terminal.server.token not in shown.text
        assert browser.get(f"/api/terminals/{terminal.id}").json()["data"]["terminalId"] == terminal.id
        wrong = browser.get(guest.page, params={"token": f"{guest.share['id']}.{'x' * 32}"})
        assert guest.secret not in wrong.text


def test_a_link_admits_to_nothing_else(server: ServerProcess, terminal: Terminal) -> None:
    other = Terminal(server, command="exec cat")
    guest, foreign = Guest(terminal, "control"), Guest(other, "control")
    own = {f"/api/terminals/{terminal.id}", guest.page, f"{guest.page}/frame", "/favicon.ico"}
    tried = 0
    with guest.open_link() as browser, httpx.Client(base_url=server.url, headers=browser.headers, timeout=30) as bare:
        for method, path in sorted(requests_of(terminal.id, other.id, guest.share["id"], foreign.share["id"])):
            if method in ("GET", "HEAD") and path in own:
                continue
            for client, query in ((browser, {}), (bare, {"token": guest.token})):
                body: object = {} if method in ("POST", "PUT", "PATCH", "DELETE") else None
                answer = client.request(method, path, params=query, headers={"Origin": server.url}, json=body)
                assert answer.status_code == HTTPStatus.UNAUTHORIZED, (method, path, answer.text)
                tried += 1
        assert server.client.get("/api/terminals").json()["data"]["total"] >= 2
    assert tried > 400
    for path in (f"/api/v1/terminal/ws/{other.id}", "/api/v1/terminal/ws/", "/ws", f"/api/terminals/{terminal.id}"):
        with pytest.raises(InvalidStatus) as refused:
            web_socket(server, path, f"token={guest.token}")
        assert refused.value.response.status_code == HTTPStatus.UNAUTHORIZED, path
    assert terminal.state()["status"] == other.state()["status"] == "running"
    assert guest.secret not in server.log
    assert foreign.secret not in server.log
    assert server.token not in server.log


def requests_of(terminal: str, other: str, share: str, foreign: str) -> set[tuple[str, str]]:
    """Every address that needs a login, by every method, about both terminals."""
    return {
        (method, operation.path.format(id=id_, share_id=share_id, name="NAME", path="x"))
        for operation in operations()
        for id_, share_id in ((terminal, share), (other, foreign), (share, share), (foreign, foreign))
        for method in METHODS
        if not operation.anonymous and not operation.path.startswith("/static/")
        if id_ in (terminal, other) or operation.path.startswith("/share/")
    }


def web_socket(server: ServerProcess, path: str, query: str, **headers: str) -> ClientConnection:
    url = f"ws{server.url.removeprefix('http')}{path}?{query}"
    return connect(url, compression=None, additional_headers=headers)


def test_the_owner_on_a_shared_page_acts_as_its_guest(server: ServerProcess, terminal: Terminal) -> None:
    guest = Guest(terminal, "view")
    with guest.open_link() as browser:
        login = browser.post("/login", data={"token": server.token}, headers={"Origin": server.url})
        assert login.status_code == HTTPStatus.SEE_OTHER, login.text
        assert browser.get("/api/terminals").status_code == HTTPStatus.OK
        as_guest = {"share": guest.share["id"]}
        assert browser.get("/api/terminals", params=as_guest).status_code == HTTPStatus.UNAUTHORIZED
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    path = f"/api/v1/terminal/ws/{terminal.id}"
    headers = {"Cookie": cookies, "Origin": server.url}
    for query, mode in ((f"share={guest.share['id']}", "view"), ("", "control")):
        with web_socket(server, path, query, **headers) as socket:
            status: Any = json.loads(socket.recv(20))
            assert status["mode"] == mode
    with pytest.raises(InvalidStatus):
        web_socket(server, path, "", Cookie=cookies, Origin="http://evil.example")


def test_guessing_is_slowed_down(own_server: ServerProcess) -> None:
    terminal = Terminal(own_server, command="exec cat")
    guest = Guest(terminal, "view")
    with httpx.Client(base_url=own_server.url, timeout=30) as stranger, guest.open_link() as browser:
        login = browser.post("/login", data={"token": own_server.token}, headers={"Origin": own_server.url})
        assert login.status_code == HTTPStatus.SEE_OTHER, login.text

        def guess() -> httpx.Response:
            return stranger.get(f"/api/terminals/{terminal.id}", params={"token": f"{guest.share['id']}.{'x' * 32}"})

        assert guess().status_code == HTTPStatus.UNAUTHORIZED
        refused = guess()
        while refused.status_code == HTTPStatus.UNAUTHORIZED:
            refused = guess()
        assert refused.status_code == HTTPStatus.TOO_MANY_REQUESTS
        assert int(refused.headers["retry-after"]) >= 1
        # The owner is not locked out by it, whatever cookies of links are there as well.
        assert browser.get("/api/terminals").status_code == HTTPStatus.OK
