"""A page of modest size on a local address, and the browser that both sides of a comparison drive."""

from __future__ import annotations

import contextlib
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from bg_runner.settings import Settings
from bg_runner.tasks.browser_launch import BrowserReport, find_browser

ROWS = "".join(f"<tr><td>{number}<td>Row {number}<td>{number**2}</tr>" for number in range(200))
PAGE = f"""<!doctype html><title>A page</title><h1>Hello</h1><table>{ROWS}</table>
<script>for (const row of document.querySelectorAll('tr')) row.dataset.seen = 'yes'; window.released = false</script>
""".encode()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the name is http.server's)
        """Says nothing: this is a benchmark."""


@contextlib.contextmanager
def local_page() -> Iterator[str]:
    """Serve the page from a thread; its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()


def browser_for_both() -> BrowserReport:
    """The browser that a server would take by itself."""
    chosen = os.environ.get("BG_RUNNER_CHROMIUM")
    return find_browser(Settings(chromium=Path(chosen) if chosen else None))
