"""Who may come in, on a real server: credentials, Host, Origin, WebSockets, sizes, and what every answer carries."""

from __future__ import annotations

import http.client
import re
import socket
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
import websockets.exceptions
from websockets.sync.client import connect

from bg_runner.web.operations import operations
from tests.conditions import wait_until
from tests.integration.server import ServerProcess

API = "/api/background_task"
HTML = {"Accept": "text/html"}
ANONYMOUS = {"GET /api/health", "GET /login", "POST /login", "POST /lang", "GET /demo/{path}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path_factory.mktemp("door") / "data", max_body_bytes=65536, log_level="DEBUG")
    made.start()
    yield made
    made.close()


@pytest.fixture
def anybody(server: ServerProcess) -> Iterator[httpx.Client]:
    """A client without a login, from an address of its own, so that the brake on guessing meets nobody else."""
    address = f"127.{uuid.uuid4().int % 250 + 2}.{uuid.uuid4().int % 250}.{uuid.uuid4().int % 250 + 1}"
    transport = httpx.HTTPTransport(local_address=address)
    with httpx.Client(base_url=server.url, transport=transport) as client:
        yield client


@pytest.fixture
def person(server: ServerProcess, anybody: httpx.Client) -> httpx.Client:
    """A browser that logged in by a one-time link."""
    url = server.client.post("/api/link", json={}).json()["url"]
    code = url.partition("code=")[2]
    assert anybody.post("/login", data={"code": code}).status_code == 303
    return anybody


def filled(path: str) -> str:
    return re.sub(r"\{\w+\}", "x", path)


# --- everything is denied but what is listed ------------------------------------------------------------------


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: f"{operation.method} {operation.path}")
def test_no_route_answers_a_stranger(anybody: httpx.Client, operation: object) -> None:
    method, path = operation.method, operation.path  # type: ignore[attr-defined]
    answer = anybody.request(method, filled(path), json={} if method != "GET" else None)
    if f"{method} {path}" in ANONYMOUS:
        # Nobody is let in by these, either: a POST /login without a code is refused for that.
        assert answer.status_code in (200, 303, 404) or (method, path, answer.status_code) == ("POST", "/login", 401)
    else:
        assert answer.status_code == 401
        error = answer.json()["error"]
        assert (error if path.startswith("/api/v1/") else error["code"].lower()) == "unauthorized"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nothing",
        "/static/js/main.js",
        "/static/css/../js/main.js",
        "/api/",
        "//",
        "/demo",
        "/demo/..%2f..%2fmain.py",
        "/static/css/tokens.css/../../js/main.js",
        "/API/HEALTH",
    ],
)
def test_no_other_address_or_method_answers_a_stranger(anybody: httpx.Client, method: str, path: str) -> None:
    answer = anybody.request(method, path)
    if path.startswith("/demo") and method in ("GET", "HEAD"):
        assert answer.status_code in (308, 404)
        assert "import" not in answer.text
    else:
        assert answer.status_code == 401


def test_what_the_login_page_loads_needs_no_login(anybody: httpx.Client) -> None:
    page = anybody.get("/login", params={"code": "x"}, headers=HTML)
    assert page.status_code == 200
    assets = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    assert len(assets) >= 5
    for asset in assets:
        assert anybody.get(asset).status_code == 200, asset
    imports = [line for asset in assets if asset.endswith(".js") for line in anybody.get(asset).text.splitlines()]
    assert not [line for line in imports if line.startswith("import ")]


def test_health_says_little(anybody: httpx.Client) -> None:
    assert set(anybody.get("/api/health").json()["data"]) == {"status", "uptime", "version"}


# --- credentials ----------------------------------------------------------------------------------------------


def test_three_ways_in(server: ServerProcess, person: httpx.Client) -> None:
    assert person.get(f"{API}/runs").status_code == 200
    assert httpx.get(f"{server.url}{API}/runs", params={"token": server.token}).status_code == 200
    assert httpx.get(f"{server.url}{API}/runs", headers={"Authorization": f"bearer {server.token}"}).status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "Bearer  x{token}"],
)
def test_a_wrong_credential_is_none(server: ServerProcess, anybody: httpx.Client, header: str) -> None:
    answer = anybody.get(f"{API}/runs", headers={"Authorization": header.format(token=server.token)})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_the_login_page_is_the_page_for_strangers(anybody: httpx.Client) -> None:
    answer = anybody.get(f"/s/{uuid.uuid4()}?a=1", headers=HTML)
    assert answer.status_code == 401
    assert 'name="token"' in answer.text
    assert re.search(r'name="next" value="/s/[0-9a-f-]+\?a=1"', answer.text)


def test_a_one_time_link_is_shown_often_and_redeemed_once(server: ServerProcess, anybody: httpx.Client) -> None:
    link = server.client.post("/api/link", json={"next": "/docs"}).json()
    assert link["svg"].startswith("<svg")
    assert link["url"].startswith(server.url)
    code = re.search(r"code=([\w-]+)", link["url"])
    assert code is not None
    for _ in range(3):  # previews of a chat
        assert code[1] in anybody.get(link["url"]).text
    answer = anybody.post("/login", data={"code": code[1], "next": "/docs"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/docs")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"auth_token_{urlsplit(server.url).port}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert anybody.get(f"{API}/runs").status_code == 200
    again = httpx.post(f"{server.url}/login", data={"code": code[1]}, headers=HTML)
    assert again.status_code == 401
    assert "This link has been used or is too old." in again.text


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_a_login_leads_nowhere_else(server: ServerProcess, anybody: httpx.Client, target: str) -> None:
    answer = anybody.post("/login", data={"token": server.token, "next": target})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_a_program_may_log_in_with_json(server: ServerProcess, anybody: httpx.Client) -> None:
    assert anybody.post("/login", json={"token": server.token}).json() == {"success": True}
    assert anybody.get(f"{API}/runs").status_code == 200


def test_a_logout_ends_the_login(person: httpx.Client, server: ServerProcess) -> None:
    cookies = dict(person.cookies)
    assert person.post("/logout", headers={"Origin": server.url}).status_code == 303
    assert httpx.get(f"{server.url}{API}/runs", cookies=cookies).status_code == 401


def test_guessing_is_slowed_down(server: ServerProcess, anybody: httpx.Client, person: httpx.Client) -> None:
    cookie = cookie_header(person)
    statuses = [anybody.get(f"{API}/runs", params={"token": f"guess{n}"}).status_code for n in range(3)]
    assert statuses == [200, 200, 200], "a login is not affected by a wrong token beside it"
    anybody.cookies.clear()
    codes = [anybody.post("/login", data={"token": f"guess{n}"}).status_code for n in range(30)]
    assert codes[0] == 401
    assert 429 in codes
    refused = anybody.get(f"{API}/runs", headers={"Authorization": f"Bearer {server.token}"})
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "TOO_MANY"
    assert 1 <= int(refused.headers["Retry-After"]) <= 2
    assert anybody.get(f"{API}/runs", headers=cookie).status_code == 200
    assert server.client.get(f"{API}/runs").status_code == 200, "another address"
    wait_until(lambda: anybody.get(f"{API}/runs", params={"token": server.token}).status_code == 200, interval=0.2)


def test_a_new_token_ends_all_logins(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = ServerProcess(tmp_path_factory.mktemp("token") / "data").start()
    try:
        login = httpx.post(f"{server.url}/login", data={"token": server.token})
        cookies = dict(login.cookies)
        server.terminate()
        server.start()
        assert httpx.get(f"{server.url}{API}/runs", cookies=cookies).status_code == 200, "logins survive a restart"
        server.terminate()
        (server.data_dir / "token").write_text("another-token-of-the-owner\n")
        server.start()
        assert httpx.get(f"{server.url}{API}/runs", cookies=cookies).status_code == 401
    finally:
        server.close()


# --- Host and Origin ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/health", "/login", "/", f"{API}/runs", "/static/css/base.css", "/demo/"])
def test_a_foreign_host_is_refused_everywhere(server: ServerProcess, path: str) -> None:
    answer = server.client.get(path, headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "HOST_REFUSED"


def test_two_hosts_are_refused(server: ServerProcess) -> None:
    parts = urlsplit(server.url)
    request = "GET /api/health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(request.encode())
        assert b" 400 " in connection.makefile("rb").readline()


def test_the_cookie_alone_changes_nothing(server: ServerProcess, person: httpx.Client) -> None:
    port = urlsplit(server.url).port
    for origin in (
        None,
        "null",
        "http://evil.example",
        f"http://localhost:{port}",
        "http://127.0.0.1",
        server.url + "1",
    ):
        headers = {} if origin is None else {"Origin": origin}
        for method, path in (("POST", f"{API}/sessions"), ("PUT", f"{API}/tasks"), ("DELETE", f"{API}/secrets/x")):
            answer = person.request(method, path, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "ORIGIN_REFUSED"), origin
    good = person.post(f"{API}/sessions", json={}, headers={"Origin": server.url})
    assert good.status_code == 201
    form = person.post("/lang", data={"lang": "zh"}, headers={"Origin": "null", "Sec-Fetch-Site": "same-origin"})
    assert form.status_code == 303
    foreign = person.post("/lang", data={"lang": "zh"}, headers={"Origin": "null", "Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403


def test_a_token_needs_no_origin(server: ServerProcess) -> None:
    assert server.client.post(f"{API}/sessions", json={}).status_code == 201


def test_a_foreign_page_cannot_log_anybody_in(server: ServerProcess, anybody: httpx.Client) -> None:
    answer = anybody.post("/login", data={"token": server.token}, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


def test_no_answer_allows_another_origin(server: ServerProcess) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    for answer in (server.client.options(f"{API}/start", headers=headers), server.client.get("/", headers=headers)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


# --- WebSockets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/api/health", "/login", "/demo/", "/static/css/base.css", f"{API}/status"])
def test_no_websocket_opens_for_a_stranger(server: ServerProcess, path: str) -> None:
    assert websocket_status(server, path) == 401


def test_a_websocket_needs_our_origin(server: ServerProcess, person: httpx.Client) -> None:
    cookie = cookie_header(person)
    bearer = {"Authorization": f"Bearer {server.token}"}
    assert websocket_status(server, "/", cookie) == 403
    assert websocket_status(server, "/", {**cookie, "Origin": "http://evil.example"}) == 403
    assert websocket_status(server, "/", {**bearer, "Origin": "http://evil.example"}) == 403
    assert websocket_status(server, "/", {**cookie, "Origin": server.url}) == 404, "let in; there is none there"
    assert websocket_status(server, "/", bearer) == 404
    assert websocket_status(server, f"/?token={server.token}") == 404
    assert websocket_status(server, "/", {**bearer, "Host": "evil.example"}) == 400


def cookie_header(client: httpx.Client) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}


def websocket_status(server: ServerProcess, path: str, headers: dict[str, str] | None = None) -> int:
    """The HTTP status that refuses the WebSocket."""
    url = server.url.replace("http", "ws", 1) + path
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught, connect(url, additional_headers=headers):
        pass
    return int(caught.value.response.status_code)


# --- sizes ----------------------------------------------------------------------------------------------------


def test_a_body_over_the_limit_gets_its_answer_while_it_is_still_sent(server: ServerProcess) -> None:
    big = b'{"tasks": "' + b"x" * 3_000_000 + b'"}'
    chunks = (big[at : at + 65536] for at in range(0, len(big), 65536))
    for content in (big, chunks):
        answer = server.client.put(f"{API}/tasks", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "TOO_LARGE")
    page = server.client.post("/login", content=big, headers={**HTML, "Content-Type": "text/plain"})
    assert page.status_code == 413
    assert "<html" in page.text


def test_a_declared_size_is_enough_to_be_refused(server: ServerProcess) -> None:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    connection.putrequest("PUT", f"{API}/tasks")
    connection.putheader("Authorization", f"Bearer {server.token}")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders(b"{")
    answer = connection.getresponse()
    assert answer.status == 413
    connection.close()


def test_a_chunked_body_within_the_limit_is_read(server: ServerProcess) -> None:
    session = server.session()
    body = iter([b'{"tasks": [{"kind": "shell", ', b'"command": "true"}]}'])
    headers = {"Content-Type": "application/json", "X-Session-ID": session}
    answer = server.client.put(f"{API}/tasks", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["tasks"]) == 1


def test_a_slow_sender_holds_nobody_up(server: ServerProcess) -> None:
    parts = urlsplit(server.url)
    lines = ("Host: localhost", f"Authorization: Bearer {server.token}", "Content-Length: 9", "", "")
    head = f"POST {API}/sessions HTTP/1.1\r\n" + "\r\n".join(lines)
    slow = [socket.create_connection((parts.hostname, parts.port)) for _ in range(20)]
    try:
        for connection in slow:
            connection.sendall(head.encode() + b"{")
        assert server.client.post(f"{API}/sessions", json={}, timeout=5).status_code == 201
    finally:
        for connection in slow:
            connection.close()


# --- what every answer carries --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/login", "/api/health", "/nothing", f"{API}/runs", "/static/css/base.css", "/demo/", "/docs"]
)
def test_security_headers_are_everywhere(server: ServerProcess, path: str) -> None:
    headers = server.client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
    assert ("'unsafe-inline'" in headers["Content-Security-Policy"]) == (path == "/docs")
    assert "'unsafe-eval'" not in headers["Content-Security-Policy"]
    assert re.fullmatch(r"[0-9a-f]{14}", headers["X-Request-ID"])
    assert headers["Cache-Control"]
    assert "Server" not in headers


def test_request_ids_are_unique_and_in_the_log(server: ServerProcess) -> None:
    ids = {server.client.get("/nothing").headers["X-Request-ID"] for _ in range(5)}
    assert len(ids) == 5
    wait_until(lambda: all(f"[{one}]" in server.log for one in ids))


@pytest.mark.parametrize("path", [f"{API}/nothing", "/api/nothing", "/api"])
def test_unknown_addresses_of_the_api_answer_in_json(server: ServerProcess, path: str) -> None:
    answer = server.client.get(path, headers=HTML if path != "/api" else {})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


def test_unknown_pages_are_pages(server: ServerProcess) -> None:
    for path in ("/nothing", f"/s/{uuid.uuid4()}"):
        answer = server.client.get(path, headers=HTML)
        assert answer.status_code == 404
        assert "<html" in answer.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", f"{API}/start", "OPTIONS, POST"),
        ("DELETE", f"{API}/tasks", "GET, HEAD, OPTIONS, PUT"),
        ("POST", f"{API}/status", "GET, HEAD, OPTIONS"),
        ("POST", f"{API}/tasks/x/log", "GET, HEAD, OPTIONS"),
        ("PUT", f"{API}/artifacts/x", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_says_which_are_right(server: ServerProcess, method: str, path: str, allowed: str) -> None:
    answer = server.client.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"] == allowed
    options = server.client.options(path)
    assert options.status_code in (200, 204)
    assert sorted(options.headers["Allow"].split(", ")) == allowed.split(", ")


def test_head_looks_without_making_anything(server: ServerProcess) -> None:
    lists = len(list(server.data_dir.glob("*.tasks.json")))
    answer = server.client.head("/")
    assert (answer.status_code, answer.content) == (200, b"")
    assert len(list(server.data_dir.glob("*.tasks.json"))) == lists
    session = server.session()
    status = server.client.head(f"{API}/status", headers={"X-Session-ID": session})
    assert status.status_code == 200
    assert status.headers["ETag"]


def test_the_page_of_a_workspace(server: ServerProcess, person: httpx.Client) -> None:
    made = person.get("/", headers=HTML)
    assert made.status_code == 303
    page = person.get(made.headers["Location"], headers=HTML)
    assert page.status_code == 200
    session = made.headers["Location"].removeprefix("/s/")
    assert f'data-session="{session}"' in page.text
    assert 'lang="en"' in page.text
    chinese = person.get(made.headers["Location"], headers={**HTML, "Accept-Language": "zh-CN,zh;q=0.9"})
    assert 'lang="zh-CN"' in chinese.text
    person.post("/lang", data={"lang": "zh"}, headers={"Origin": server.url})
    assert 'lang="zh-CN"' in person.get(made.headers["Location"], headers=HTML).text


def test_the_document_and_its_page(server: ServerProcess) -> None:
    document = server.client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["cookie"]["name"] == f"auth_token_{urlsplit(server.url).port}"
    page = server.client.get("/docs", headers=HTML).text
    for asset in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        assert server.client.get(asset).status_code == 200, asset


def test_odd_addresses_are_no_fault_of_the_server(server: ServerProcess) -> None:
    parts = urlsplit(server.url)
    for target in (
        b"/%00",
        b"/%ff%fe",
        b"/s/%F0%9F",
        b"/?\xe4=\xff",
        b"/s/" + b"a" * 8000,
        b"/demo/%2e%2e/%2e%2e/main.py",
        b"/static//etc/passwd",
        b"/api/background_task/tasks/..%2f..%2fx/log",
        b"/?session_id=%ff",
    ):
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.sendall(
                b"GET "
                + target
                + b" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                + server.token.encode()
                + b"\r\nConnection: close\r\n\r\n"
            )
            status = int(connection.makefile("rb").readline().split()[1])
        assert status < 500, target


def test_no_credential_is_ever_logged(server: ServerProcess, person: httpx.Client) -> None:
    link = server.client.post("/api/link", json={}).json()["url"]
    code = link.partition("code=")[2]
    httpx.get(link)
    httpx.get(f"{server.url}/nothing", params={"token": server.token})
    httpx.get(f"{server.url}/nothing", params={"token": "a-wrong-token-of-nobody"})
    websocket_status(server, f"/?token={server.token}")
    marker = server.client.get("/the-end-of-this-test").headers["X-Request-ID"]
    wait_until(lambda: marker in server.log)
    greeting, _, log = server.log.partition("goes on.\n")
    assert "code=" in greeting
    for secret in (server.token, code, "a-wrong-token-of-nobody", *person.cookies.values()):
        assert secret not in log
