"""A small site for tests with a real browser, served on a free port; it remembers what it was asked for and sent."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

HERE = Path(__file__).parent
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".bin": "application/octet-stream"}


@dataclass
class Site:
    """`url` has no slash at its end. `seen` are the paths asked for; `posted` bodies by path and query."""

    url: str
    pages: dict[str, str]
    seen: list[str] = field(default_factory=list)
    posted: dict[str, Any] = field(default_factory=dict)
    hold: threading.Event = field(default_factory=threading.Event)

    def page(self, path: str, html: str) -> str:
        """Add a page; return its address."""
        self.pages[path] = html
        return self.url + path


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.site.seen.append(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        special: Callable[[dict[str, str]], None] | None = getattr(self, f"_get_{parts.path.strip('/')}", None)
        if special is not None:
            special(query)
        elif parts.path in self.site.pages:
            self._send(200, self.site.pages[parts.path].encode(), TYPES[".html"])
        else:
            self._send_file(HERE / parts.path.lstrip("/"))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.site.seen.append(self.path)
        self.site.posted[self.path] = json.loads(body) if body[:1] in b"{[" else body.decode()
        self._send(200, b"ok", "text/plain")

    def _get_redirect(self, query: dict[str, str]) -> None:
        self._send(302, b"", "text/plain", {"Location": query["to"]})

    def _get_slow(self, query: dict[str, str]) -> None:
        """Answers after `ms` milliseconds, or when the site ends."""
        self.site.hold.wait(int(query["ms"]) / 1000)
        self._send(200, b"slow", "text/plain")

    def _get_file(self, query: dict[str, str]) -> None:
        """A download of `bytes` bytes under `name`."""
        headers = {"Content-Disposition": f'attachment; filename="{query["name"]}"'}
        self._send(200, b"x" * int(query["bytes"]), TYPES[".bin"], headers)

    def _get_endless(self, query: dict[str, str]) -> None:
        """A download that goes on until the other side has had enough."""
        self.send_response(200)
        self.send_header("Content-Type", TYPES[".bin"])
        self.send_header("Content-Disposition", 'attachment; filename="endless.bin"')
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and not self.site.hold.is_set():
                self.wfile.write(b"x" * 65536)
        except OSError:
            pass
        self.close_connection = True

    def _send_file(self, path: Path) -> None:
        if path.name == "favicon.ico":
            self._send(204, b"", "image/x-icon")  # A 404 would be an error in the page's console.
        elif path.is_file() and path.parent == HERE and path.suffix in TYPES:
            self._send(200, path.read_bytes(), TYPES[path.suffix])
        else:
            self._send(404, b"no such page", "text/plain")

    def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def serve() -> Iterator[Site]:
    """The site, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    site = Site(f"http://127.0.0.1:{server.server_port}", {})
    server.RequestHandlerClass = type("_SiteHandler", (_Handler,), {"site": site})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
