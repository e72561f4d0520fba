"""Bad input to the terminal API, on a real server: each its own code, hint and status, and nothing half done."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from bg_runner.errors import every_error
from tests.conditions import wait_until
from tests.integration.server import ServerProcess
from tests.integration.terminal_calls import Terminal

JSON = {"Content-Type": "application/json"}
STRANGER = str(uuid.uuid4())
ORIGIN = "https://pages.example"
MAX_INPUT = 2048


@dataclass
class Bad:
    """One bad request below /api/terminals; `LIVE` and `DEAD` in the path stand for the terminals of the test."""

    code: str
    method: str
    path: str
    body: Any = None
    message: str = ""

    def __str__(self) -> str:
        return f"{self.code} {self.method} {self.path} {str(self.body)[:60]}"


def create(code: str, message: str = "", **fields: object) -> Bad:
    return Bad(code, "POST", "", fields, message)


def read(code: str, query: str, message: str = "") -> Bad:
    return Bad(code, "GET", f"/LIVE/output?{query}", None, message)


EVERY = [
    ("GET", "", None),
    ("PATCH", "", {"name": "x"}),
    ("DELETE", "", None),
    ("POST", "/input", {"input": "x"}),
    ("GET", "/output", None),
    ("GET", "/stats", None),
    ("GET", "/screen", None),
    ("GET", "/usage", None),
    ("POST", "/resize", {"rows": 1, "cols": 1}),
    ("POST", "/kill", {}),
    ("POST", "/run-again", {}),
    ("GET", "/recording", None),
    ("GET", "/shares", None),
    ("POST", "/shares", {"mode": "view"}),
    ("DELETE", "/shares/x", None),
]
WRONG_IDS = ["x", STRANGER.upper(), f"{STRANGER}0", "..%2e", "%00", "%ff", "LIVE%0a", "LIVE%20", "task-x"]

CASES = [
    # which terminal: malformed and unknown are the same
    *[Bad("TERMINAL_NOT_FOUND", method, f"/{STRANGER}{rest}", body) for method, rest, body in EVERY],
    *[Bad("TERMINAL_NOT_FOUND", "GET", f"/{wrong}/output") for wrong in WRONG_IDS],
    Bad("NOT_FOUND", "GET", "/..%2f..%2ftoken/output"),
    Bad("NOT_FOUND", "GET", "/LIVE/nothing"),
    Bad("METHOD_NOT_ALLOWED", "PUT", "/LIVE"),
    Bad("METHOD_NOT_ALLOWED", "GET", "/LIVE/input"),
    Bad("METHOD_NOT_ALLOWED", "POST", "/LIVE/output", {}),
    # a terminal that has ended
    Bad("TERMINAL_ENDED", "POST", "/DEAD/input", {"input": "x"}),
    Bad("TERMINAL_ENDED", "POST", "/DEAD/resize", {"rows": 10, "cols": 10}),
    # the body
    Bad("MALFORMED_JSON", "POST", "", b"{"),
    Bad("MALFORMED_JSON", "POST", "", b"[]"),
    Bad("MALFORMED_JSON", "POST", "/LIVE/input", b'{"input": "\xff"}'),
    Bad("MALFORMED_JSON", "POST", "/LIVE/input", b'{"input": "\\ud800"}'),
    Bad("MALFORMED_JSON", "POST", "/LIVE/input", b'{"input": "a", "input": "b"}'),
    Bad("TOO_LARGE", "POST", "/LIVE/input", {"input": "x" * 9_000_000}),
    create("INVALID_FIELD", "comand", comand="x"),
    # sizes
    *[create("INVALID_FIELD", "rows", rows=rows) for rows in (0, -1, 1001, 10**30, 1.5, "24", True, None)],
    *[create("INVALID_FIELD", "cols", cols=cols) for cols in (0, -1, 1001)],
    *[Bad("INVALID_FIELD", "POST", "/LIVE/resize", {"rows": 24, "cols": cols}, "cols") for cols in (0, -80, 10**9)],
    Bad("INVALID_FIELD", "POST", "/LIVE/resize", {"rows": 24}, "cols"),
    # what is started, where
    create("INVALID_FIELD", "command", command=""),
    create("INVALID_FIELD", "command", command="a\0b"),
    create("INVALID_FIELD", "command", command="x" * 101),
    create("INVALID_FIELD", "env", env={"A=B": "x"}),
    create("INVALID_FIELD", "env", env={"A": "\0"}),
    create("INVALID_FIELD", "env", env={"A": "x" * 1100}),
    create("INVALID_FIELD", "env", env={"A": 1}),
    create("INVALID_FIELD", "name", name="x" * 101),
    create("INVALID_FIELD", "name", name="a\0b"),
    create("INVALID_FIELD", "group", group="a\x1b[31m"),
    create("SHELL_MISSING", "no-such-shell", shell="/bin/no-such-shell"),
    create("SHELL_MISSING", "", shell="/etc/passwd"),
    create("INVALID_FIELD", "shell", shell="/bin/sh\0"),
    create("CWD_MISSING", "", cwd="ROOT/nowhere"),
    create("CWD_MISSING", "", cwd="ROOT/file"),
    create("INVALID_FIELD", "cwd", cwd="ROOT\0"),
    create("CWD_REFUSED", "", cwd="/"),
    create("CWD_REFUSED", "", cwd="/no/such/directory"),
    create("CWD_REFUSED", "", cwd="ROOT/.."),
    create("CWD_REFUSED", "", cwd="ROOT/inside/../../outside"),
    create("CWD_REFUSED", "", cwd="ROOT/link"),
    create("CWD_REFUSED", "", cwd="ROOT-not"),
    create("CWD_REFUSED", "", cwd=".."),
    create("CWD_REFUSED", "", cwd="~"),
    # input
    *[Bad("INVALID_INPUT", "POST", "/LIVE/input", body) for body in ({}, {"input": ""}, {"input": None}, None)],
    Bad("INVALID_INPUT", "POST", "/LIVE/input", {"input": "a\0b"}, "NUL"),
    Bad("INVALID_FIELD", "POST", "/LIVE/input", {"input": 7}, "input"),
    Bad("INVALID_FIELD", "POST", "/LIVE/input", {"input": "x", "raw": "yes"}, "raw"),
    Bad("TOO_LARGE", "POST", "/LIVE/input", {"input": "x" * MAX_INPUT}),
    Bad("TOO_LARGE", "POST", "/LIVE/input", {"input": "中" * (MAX_INPUT // 3 + 1), "raw": True}),
    # reading
    *[read("INVALID_FIELD", f"since={since}", "since") for since in ("abc", "-1", "1.5", "NaN", "9" * 30, "%00")],
    read("INVALID_FIELD", "since=100000", "lines so far"),
    read("INVALID_FIELD", "since=100000&wait_for=x", "lines so far"),
    read("INVALID_FIELD", "mode=everything", "mode"),
    read("INVALID_FIELD", "headLines=-5", "headLines"),
    read("INVALID_FIELD", "tailLines=99999999999", "tailLines"),
    read("INVALID_FIELD", "maxLines=0", "maxLines"),
    read("INVALID_FIELD", "ansi=perhaps", "ansi"),
    read("INVALID_FIELD", "timeout=5", "wait_for"),
    *[read("INVALID_FIELD", f"wait_for=x&timeout={wrong}", "timeout") for wrong in ("abc", "-1", "nan", "inf")],
    *[read("INVALID_PATTERN", f"wait_for={wrong}") for wrong in ("(", "*", "(?=x)", "(a)%5C1", "a{5000}", "%5Cp{X}")],
    read("INVALID_PATTERN", "wait_for=" + "x" * 1001),
    Bad("INVALID_FIELD", "GET", "/LIVE/recording?inline=perhaps", None, "inline"),
    # ending
    *[Bad("INVALID_FIELD", "POST", "/LIVE/kill", {"signal": wrong}, "signal") for wrong in ("SIGNONE", 0, -9, 10**9)],
    Bad("INVALID_FIELD", "POST", "/LIVE/kill", {"signal": "9" * 5000}, "signal"),
    Bad("INVALID_FIELD", "DELETE", "/LIVE?signal=SIGNONE", None, "signal"),
    Bad("INVALID_FIELD", "DELETE", "/LIVE?signal=SIGTERM", {"signal": "SIGKILL"}, "disagree"),
    # shares
    Bad("INVALID_FIELD", "POST", "/LIVE/shares", {}, "mode"),
    Bad("INVALID_FIELD", "POST", "/LIVE/shares", {"mode": "own"}, "mode"),
    Bad("INVALID_FIELD", "POST", "/LIVE/shares", {"mode": "view", "expires_in": 0}, "expires_in"),
    Bad("INVALID_FIELD", "POST", "/LIVE/shares", {"mode": "view", "expires_in": 10**12}, "expires_in"),
    Bad("SHARE_UNKNOWN", "DELETE", "/LIVE/shares/nothing"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The only directory where terminals may start, with ways out of it."""
    base = tmp_path_factory.mktemp("places")
    for name in ("root", "root/inside", "root-not", "outside"):
        (base / name).mkdir()
    (base / "root" / "file").touch()
    (base / "root" / "link").symlink_to(base / "outside")
    return base / "root"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[ServerProcess]:
    made = ServerProcess(
        tmp_path_factory.mktemp("bad") / "data",
        shell="/bin/sh",
        terminal_roots=json.dumps([str(root)]),
        max_input_bytes=MAX_INPUT,
        max_command_length=100,
        max_env_bytes=1024,
        max_terminals=4,
        max_terminals_per_user=3,
        cors_origin=ORIGIN,
        terminal_rate=1000,
    )
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def live(server: ServerProcess) -> Terminal:
    return Terminal(server, command="exec cat", cwd=None)


@pytest.fixture(scope="module")
def dead(server: ServerProcess) -> Terminal:
    terminal = Terminal(server, command="true")
    terminal.ended()
    return terminal


@pytest.mark.parametrize("bad", CASES, ids=str)
def test_bad_input_has_its_own_answer(
    server: ServerProcess, root: Path, live: Terminal, dead: Terminal, bad: Bad
) -> None:
    before = state(server, live)
    path = bad.path.replace("LIVE", live.id).replace("DEAD", dead.id)
    content = bad.body if isinstance(bad.body, bytes | None) else json.dumps(bad.body).encode()
    content = content.replace(b"ROOT", str(root).encode()) if content and len(content) < 1000 else content
    answer = server.client.request(
        bad.method, f"/api/terminals{path}", content=content, headers=JSON if content is not None else None
    )
    error = answer.json()["error"]
    assert (error["code"], answer.status_code) == (bad.code, every_error()[bad.code].status), error["message"]
    assert answer.json()["success"] is False
    assert bad.message in error["message"]
    assert error["hint"]
    assert state(server, live) == before


def state(server: ServerProcess, live: Terminal) -> Any:
    """All that a refused request may not have changed."""
    listed = server.client.get("/api/terminals").json()["data"]
    kept = [{**terminal, "lastActivity": None} for terminal in listed["terminals"]]
    return kept, live.call("GET", "/shares"), sorted(path.name for path in (server.data_dir / "terminals").iterdir())


def test_inside_the_roots_is_allowed(server: ServerProcess, root: Path, live: Terminal) -> None:
    assert live.created["cwd"] == str(root)
    terminal = Terminal(server, command="exec cat", cwd=str(root / "inside" / ".." / "inside"))
    assert terminal.created["cwd"] == str(root / "inside")
    terminal.call("DELETE")


def test_the_end_is_not_the_future(live: Terminal) -> None:
    end = live.call("GET", "/stats")["totalLines"]
    assert live.read(since=end)["output"] == ""


def test_too_many_terminals(server: ServerProcess, live: Terminal, dead: Terminal) -> None:
    third = Terminal(server, command="exec cat")
    answer = server.client.post("/api/terminals", json={"command": "exec cat"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "TOO_MANY_TERMINALS")
    assert answer.json()["error"]["hint"]
    assert int(answer.headers["retry-after"]) >= 1
    again = server.client.post(f"{dead.url}/run-again", json={})
    assert again.json()["error"]["code"] == "TOO_MANY_TERMINALS"
    third.call("DELETE")
    Terminal(server, command="exec cat").call("DELETE")


def test_a_program_that_reads_nothing(server: ServerProcess) -> None:
    """The terminal takes so much, the server a little more, and then it says so instead of keeping it in memory."""
    terminal = Terminal(server, command="stty raw -echo; echo ready; exec sleep 1000")
    terminal.wait_for("ready")

    def refused() -> bool:
        answer = server.client.post(f"{terminal.url}/input", json={"input": "x" * MAX_INPUT, "raw": True})
        if answer.status_code == 200:
            return False
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "WRITE_FAILED")
        return True

    wait_until(refused, 60, 0)
    terminal.call("DELETE")


# --- the errors of /api/v1/terminal ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"session/{STRANGER}/status", 404, "terminal_not_found"),
        ("GET", "session/../status", 404, "not_found"),
        ("GET", "session/x/status", 404, "terminal_not_found"),
        ("GET", "nothing", 404, "not_found"),
        ("DELETE", "sessions", 405, "method_not_allowed"),
    ],
)
def test_seed_002s_shape_of_errors(server: ServerProcess, method: str, path: str, status: int, code: str) -> None:
    answer = server.client.request(method, f"/api/v1/terminal/{path}")
    assert answer.status_code == status
    error = answer.json()
    assert set(error) == {"error", "message", "code", "timestamp"}
    assert (error["error"], error["code"]) == (code, status)
    assert error["message"]


def test_a_stranger_gets_it_too(server: ServerProcess) -> None:
    answer = httpx.get(f"{server.url}/api/v1/terminal/sessions")
    assert answer.status_code == 401
    assert (answer.json()["error"], answer.json()["code"]) == ("unauthorized", 401)


# --- the rate -------------------------------------------------------------------------------------------------


def test_the_rate_limit(tmp_path: Path) -> None:
    slow = ServerProcess(tmp_path / "data", terminal_rate=0.001)
    try:
        slow.start()
        assert slow.client.get("/api/terminals").status_code == 200
        for path in ("/api/terminals", "/api/v1/terminal/sessions"):
            answer = slow.client.get(path)
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) > 1
        assert slow.client.get("/api/terminals").json()["error"]["code"] == "TOO_MANY"
        assert slow.client.get("/api/background_task/runs").status_code == 200
        elsewhere = httpx.HTTPTransport(local_address="127.0.0.77")
        with httpx.Client(base_url=slow.url, transport=elsewhere, params={"token": slow.token}) as other:
            assert other.get("/api/terminals").status_code == 200
    finally:
        slow.close()


# --- pages of other sites -------------------------------------------------------------------------------------


def test_a_named_origin_may_use_a_token(server: ServerProcess) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    preflight = httpx.options(f"{server.url}/api/terminals", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    answer = server.client.patch(f"/api/terminals/{STRANGER}", json={"name": "x"}, headers={"Origin": ORIGIN})
    assert answer.json()["error"]["code"] == "TERMINAL_NOT_FOUND"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    refused = httpx.get(f"{server.url}/api/terminals", headers={"Origin": ORIGIN})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN)


def test_nobody_else_may(server: ServerProcess) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for url, origin in (("/api/terminals", "https://evil.example"), ("/api/background_task/runs", ORIGIN)):
        preflight = httpx.options(f"{server.url}{url}", headers={**asked, "Origin": origin})
        assert preflight.status_code == 401
        assert "access-control-allow-origin" not in preflight.headers
        assert "access-control-allow-origin" not in server.client.get(url, headers={"Origin": origin}).headers


def test_a_login_is_not_lent_to_a_named_origin(server: ServerProcess) -> None:
    code = server.client.post("/api/link", json={}).json()["url"].partition("code=")[2]
    with httpx.Client(base_url=server.url) as person:
        assert person.post("/login", data={"code": code}).status_code == 303
        answer = person.post("/api/terminals", json={}, headers={"Origin": ORIGIN})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "ORIGIN_REFUSED")
        read = person.get("/api/terminals", headers={"Origin": ORIGIN})
        assert "access-control-allow-credentials" not in read.headers


def test_a_page_of_a_named_origin_may_open_the_websocket(server: ServerProcess, live: Terminal) -> None:
    url = f"{server.url.replace('http', 'ws', 1)}/api/v1/terminal/ws/{live.id}?token={server.token}"
    with connect(url, origin=Origin(ORIGIN)) as socket:
        assert json.loads(socket.recv())["type"] == "status"
    with pytest.raises(InvalidStatus) as refused, connect(url, origin=Origin("https://evil.example")):
        pass
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body)["error"] == "origin_refused"
