"""The forward proxy between a browser task and the network: it refuses addresses, whatever led to them.

Chromium is told to send everything through it, so that redirects, sub-resources, WebSockets and names that resolve
differently the second time are all seen here: a name is resolved once, its addresses are checked, and the connection
goes to the very address that was checked.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit

from bg_runner.tasks.addresses import Policy, blocked_address, blocked_name

MAX_HEAD = 64 * 1024
CHUNK = 64 * 1024
CONNECT_TIMEOUT = 20.0
HOP_HEADERS = (b"proxy-", b"connection:", b"keep-alive:")
LOOPBACK_BYPASS = "<-loopback>,127.0.0.1/8,localhost,*.localhost,[::1]"


@dataclass(frozen=True)
class Refusal:
    """A connection that was not made: to `host` and `port`, because of `reason`; `blocked` if the policy said so."""

    host: str
    port: int
    reason: str
    blocked: bool


class _RefusedError(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class GuardProxy:
    """A proxy for one browser task, on a free port of the loopback interface. Lives in one event loop."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.refusals: deque[Refusal] = deque(maxlen=200)
        self.refused = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=MAX_HEAD)

    @property
    def url(self) -> str:
        assert self._server is not None, "start it first"
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def bypass(self) -> str:
        """What Chromium may reach directly: the machine itself, for speed, unless that is blocked too."""
        return "<-loopback>" if self._policy == "private" else LOOPBACK_BYPASS

    def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()

    def refusal_of(self, url: str) -> Refusal | None:
        """The latest refusal to connect where `url` points."""
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
        for refusal in reversed(self.refusals):
            if (refusal.host, refusal.port) == ((parts.hostname or "").lower(), port):
                return refusal
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # The page went away, or it was not HTTP: closing is the answer.
        except asyncio.CancelledError:
            pass  # `close` ends the connection; nobody waits for this task.
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, version = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        try:
            if method == "CONNECT":
                parts = urlsplit(f"//{target}")
                upstream = await self._connect(parts.hostname or "", parts.port or 443)
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                parts = urlsplit(target)
                upstream = await self._connect(parts.hostname or "", parts.port or 80)
                path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
                upstream[1].write(_origin_form(head, method, path, version))
        except _RefusedError as error:
            self.refused += 1
            self.refusals.append(error.refusal)
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
            # A plain request gets no answer at all, so that no page can mistake a refusal for content.
            return
        await _tunnel(reader, writer, *upstream)

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host = host.lower()
        last = "no address"
        for address in await self._resolve(host, port):
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    return await asyncio.open_connection(address, port)
            except (OSError, TimeoutError) as error:
                last = getattr(error, "strerror", None) or "no answer"
        raise _RefusedError(Refusal(host, port, f"no connection to {host}:{port}: {last}", blocked=False))

    async def _resolve(self, host: str, port: int) -> list[str]:
        if blocked_name(host, self._policy):
            raise _RefusedError(Refusal(host, port, f"{host} is a cloud's metadata service", blocked=True))
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise _RefusedError(Refusal(host, port, f"the name {host} cannot be resolved", blocked=False)) from error
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        # One bad address among good ones is how rebinding is tried: refuse them all.
        for address in addresses:
            if blocked_address(address, self._policy):
                where = address if address == host else f"{host} ({address})"
                raise _RefusedError(Refusal(host, port, f"{where} is a blocked address", blocked=True))
        return addresses


def _origin_form(head: bytes, method: str, path: str, version: str) -> bytes:
    """The request as the server itself expects it, one a connection."""
    lines = head[:-4].split(b"\r\n")[1:]
    kept = [line for line in lines if not line.lower().startswith(HOP_HEADERS)]
    first = f"{method} {path} {version}".encode("latin-1")
    return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


async def _tunnel(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    upstream_reader: asyncio.StreamReader,
    upstream_writer: asyncio.StreamWriter,
) -> None:
    try:
        await asyncio.gather(_pump(reader, upstream_writer), _pump(upstream_reader, writer))
    finally:
        upstream_writer.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copy until the source ends, then say so to the sink."""
    with contextlib.suppress(ConnectionError):
        while data := await source.read(CHUNK):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
