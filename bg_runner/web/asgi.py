"""The outermost layer: nothing reaches a page, the API or a WebSocket but through here, and everything is denied first.

Host -> credentials -> Origin -> body -> route (ASGI for what waits or is hot, Flask for the rest)
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, urlencode

from a2wsgi import WSGIMiddleware
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bg_runner.errors import (
    BgRunnerError,
    HostRefused,
    InternalError,
    NotFound,
    ShuttingDown,
    TooLarge,
    TooMany,
    Unauthorized,
)
from bg_runner.terminals.manager import TerminalManager
from bg_runner.web import sockets
from bg_runner.web.access_log import log_request, request_id
from bg_runner.web.answers import error_bytes, error_headers, wants_page
from bg_runner.web.asgi_routes import asgi_routes
from bg_runner.web.auth import Door
from bg_runner.web.body import ClientGone, read_body
from bg_runner.web.caller import (
    ENTRY_KEY,
    NOBODY,
    SCOPE_KEY,
    Caller,
    caller_of,
    is_share_token,
    share_admits,
    share_entry,
    share_named,
)
from bg_runner.web.cors import Cors
from bg_runner.web.flask_app import LOGIN_ASSETS, create_app
from bg_runner.web.headers import RawHeaders, SecurityHeaders
from bg_runner.web.origins import SAFE_METHODS, Origins
from bg_runner.web.services import Services
from bg_runner.web.terminals_api import terminal_routes

log = logging.getLogger(__name__)
WSGI_THREADS = 10
OWNER = "owner"


def create_asgi(services: Services) -> Outer:
    """The whole web application of a server."""
    settings = services.settings
    public_https = (settings.public_url or "").startswith("https://")
    door = Door(
        services.token,
        port=settings.port,
        login_ttl=settings.login_ttl,
        link_ttl=settings.link_ttl,
        secure=public_https or settings.tls_cert is not None,
        shares=services.shares,
    )
    flask = WSGIMiddleware(create_app(services, door).wsgi_app, workers=WSGI_THREADS)  # type: ignore[arg-type]
    routes = [*asgi_routes(services), *terminal_routes(services)]
    router = Router(routes, redirect_slashes=False, default=flask)  # type: ignore[arg-type]
    return Outer(
        router,
        door,
        Origins(settings),
        SecurityHeaders(hsts=public_https),
        Cors(settings),
        services.terminals,
        settings.max_body_bytes,
    )


class _Headers:
    """The request headers that the outer layer looks at, decoded once."""

    WANTED = frozenset(
        {b"host", b"origin", b"cookie", b"authorization", b"accept", b"content-length", b"sec-fetch-site"}
    )

    def __init__(self, scope: Scope) -> None:
        self._values: dict[bytes, str] = {}
        self.repeated_host = False
        for name, value in scope["headers"]:
            if name in self.WANTED:
                self.repeated_host |= name == b"host" and name in self._values
                self._values[name] = value.decode("latin-1")

    def get(self, name: bytes) -> str:
        return self._values.get(name, "")

    def cookies(self) -> Iterator[tuple[str, str]]:
        """Every cookie that the browser sends."""
        for cookie in self.get(b"cookie").split(";"):
            name, _, value = cookie.strip().partition("=")
            yield name, value.strip('"')


class Outer:
    """See the module. `door` and its one-time codes are also what the server prints its link from."""

    def __init__(
        self,
        inner: ASGIApp,
        door: Door,
        origins: Origins,
        security: SecurityHeaders,
        cors: Cors,
        terminals: TerminalManager,
        max_body_bytes: int,
    ) -> None:
        self.door = door
        self._terminals = terminals
        self._inner = inner
        self._origins = origins
        self._security = security
        self._cors = cors
        self._max_body_bytes = max_body_bytes
        self._ids = (f"{prefix}{number:06x}" for prefix in [secrets.token_hex(4)] for number in itertools.count(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await _lifespan(receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        path: str = scope["path"]
        answer = _Answer(send, [*self._security.of(path), *self._cors.headers(scope)], next(self._ids))
        marked = request_id.set(answer.request_id)
        try:
            await self._answer(scope, receive, answer)
        finally:
            address = scope["client"][0] if scope.get("client") else "-"
            log_request(scope["method"], path, answer.status, time.perf_counter() - started, address)
            request_id.reset(marked)

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        headers = _Headers(scope)
        try:
            if (preflight := self._cors.preflight(scope)) is not None:
                await preflight(scope, receive, answer)
                return
            self._admit(scope, headers)
            if (entry := share_entry(scope, self.door)) is not None:
                await entry(scope, receive, answer)
                return
            if scope["method"] in ("GET", "HEAD") and not headers.get(b"content-length"):
                await self._inner(scope, receive, answer)
                return
            body = await read_body(receive, headers.get(b"content-length") or None, self._max_body_bytes)
            scope["headers"] = [*_without_framing(scope["headers"]), (b"content-length", b"%d" % len(body))]
            await self._inner(scope, _once(body, receive), answer)
        except ClientGone:
            return
        except asyncio.CancelledError:  # the time for ending is up
            await self._refuse(ShuttingDown("the server is shutting down"), scope, receive, headers, answer)
        except BgRunnerError as error:
            await self._refuse(error, scope, receive, headers, answer)
        except Exception:
            log.exception("%s %s failed", scope["method"], ascii(scope["path"]))
            await self._refuse(InternalError("the server failed at this request"), scope, receive, headers, answer)

    def _admit(self, scope: Scope, headers: _Headers) -> None:
        """Decide who the caller is and whether the request may pass; everything further in trusts `caller_of`.

        Raises: HostRefused, Unauthorized, TooMany, OriginRefused, ViewOnly.
        """
        host = headers.get(b"host")
        if headers.repeated_host:
            raise HostRefused("the Host header is given twice")
        self._origins.check_host(host)
        caller = scope[SCOPE_KEY] = self._caller(scope, headers)
        is_socket = scope["type"] == "websocket"
        method = "GET" if is_socket else scope["method"]
        if caller.credential == "none" and (is_socket or not is_anonymous(method, scope["path"])):
            raise Unauthorized("this needs a login")
        origin = headers.get(b"origin")
        if is_socket:
            # A browser may open a WebSocket to anywhere: its Origin must be ours, or a named one that has the token.
            checked = caller.credential != "token" or (bool(origin) and not self._cors.allows(scope))
        else:
            # Who has no login yet (POST /login) has nothing that a foreign page could misuse; old browsers say null.
            checked = (
                method not in SAFE_METHODS
                and caller.credential != "token"
                and (caller.credential != "none" or origin not in ("", "null"))
            )
        if checked:
            site = "" if is_socket else headers.get(b"sec-fetch-site")
            self._origins.check_origin(origin, scheme=scope["scheme"], host=host, fetch_site=site)

    def _caller(self, scope: Scope, headers: _Headers) -> Caller:
        """Who it is. The token in a query is taken out of it, so that nobody further in can log it.

        A request that names a share link (its page, or `?share=`) is made in its name, so that the owner, too, sees
        what its holder sees. Raises: TooMany, Unauthorized (a share link that does not reach so far).
        """
        address = scope["client"][0] if scope.get("client") else ""
        tokens = list(self._tokens(scope, headers))
        named = share_named(scope)
        guests: dict[str, Caller] = {}
        slow_down: TooMany | None = None
        try:
            guests = self._guests(headers, tokens, address)
        except TooMany as error:  # A login that is there as well is good all the same.
            slow_down = error
        if named is not None and named in guests:
            scope[ENTRY_KEY] = next((token.split(".", 1)[1] for token in tokens if token.startswith(f"{named}.")), None)
            if not share_admits(guests[named], scope):
                raise Unauthorized("this link opens only the terminal that was shared", hint="Log in to see more.")
            return guests[named]
        try:
            if any(self.door.check_token(token, address) for token in tokens if not is_share_token(token)):
                return Caller("token", OWNER)
        except TooMany as error:
            slow_down = error
        if any(self.door.check_cookie(value) for name, value in headers.cookies() if name == self.door.cookie_name):
            return Caller("cookie", OWNER)
        for guest in guests.values():
            if share_admits(guest, scope):
                return guest
        if slow_down is not None:
            raise slow_down
        return NOBODY

    def _guests(self, headers: _Headers, tokens: list[str], address: str) -> dict[str, Caller]:
        """Whose guest the request may be, by the ids of the share links that it has the secret of. Raises: TooMany."""
        found: dict[str, Caller] = {}
        prefix = self.door.share_cookie_prefix
        for name, value in headers.cookies():
            if name.startswith(prefix):
                share = self.door.check_share(name.removeprefix(prefix), value, address)
                found |= {share.id: Caller("cookie", share.user, share)} if share is not None else {}
        for token in filter(is_share_token, tokens):
            share_id, _, secret = token.partition(".")
            share = self.door.check_share(share_id, secret, address)
            found |= {share.id: Caller("token", share.user, share)} if share is not None else {}
        return found

    @staticmethod
    def _tokens(scope: Scope, headers: _Headers) -> Iterator[str]:
        kind, _, value = headers.get(b"authorization").partition(" ")
        if kind.lower() == "bearer" and value.strip():
            yield value.strip()
        query: bytes = scope["query_string"]
        if not query.isascii():
            query = scope["query_string"] = quote(query, safe="%&=+;/?:@!$'()*,-._~").encode("ascii")
        if b"token=" in query:
            pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True)
            scope["query_string"] = urlencode([pair for pair in pairs if pair[0] != "token"]).encode("ascii")
            yield from (value for name, value in pairs if name == "token" and value)

    async def _refuse(
        self, error: BgRunnerError, scope: Scope, receive: Receive, headers: _Headers, answer: _Answer
    ) -> None:
        if answer.status:
            log.warning("the answer to %s broke off: %s", ascii(scope["path"]), error.message)
            return
        if wants_page(scope["path"], headers.get(b"accept")) and not isinstance(error, ShuttingDown):
            page = {**scope, "method": "GET", "headers": _without_framing(scope["headers"]), "bg_runner.error": error}
            await self._inner(page, _once(b"", receive), answer)
            return
        body = error_bytes(error, scope["path"])
        extra = [(name.encode("ascii"), value.encode("latin-1")) for name, value in error_headers(error)]
        if isinstance(error, TooLarge):
            extra.append((b"connection", b"close"))
        raw = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *extra]
        await answer({"type": "http.response.start", "status": error.status, "headers": raw})
        await answer({"type": "http.response.body", "body": body})

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _Headers(scope)
        await receive()
        try:
            self._admit(scope, headers)
            if not scope["path"].startswith(sockets.PREFIX):
                raise NotFound("there is no WebSocket at this address")
            query = dict(parse_qsl(scope["query_string"].decode("ascii")))
            await sockets.serve_terminal(
                scope, receive, send, manager=self._terminals, caller=caller_of(scope), query=query
            )
        except BgRunnerError as error:
            await _deny_websocket(error, scope, send)


class _Answer:
    """`send` with the headers that every answer gets; remembers the status (0: not answered yet)."""

    def __init__(self, send: Send, security: RawHeaders, request_id: str) -> None:
        self.status = 0
        self.request_id = request_id
        self._send = send
        self._security = security

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), *self._security, (b"x-request-id", self.request_id.encode())]
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message["headers"] = headers
        await self._send(message)


def is_anonymous(method: str, path: str) -> bool:
    """Whether a request needs no login. The language switch belongs to the login page."""
    if method in ("GET", "HEAD"):
        return path in ("/api/health", "/login", "/demo") or path.startswith("/demo/") or path in LOGIN_ASSETS
    return method == "POST" and path in ("/login", "/lang")


def _without_framing(headers: RawHeaders) -> RawHeaders:
    return [pair for pair in headers if pair[0] not in (b"content-length", b"transfer-encoding")]


def _once(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands over a body that has been read already, then waits for the client to leave."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


async def _deny_websocket(error: BgRunnerError, scope: Scope, send: Send) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": error.code})
        return
    body = error_bytes(error, scope["path"])
    raw = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": raw})
    await send({"type": "websocket.http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
