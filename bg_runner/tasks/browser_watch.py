"""What happens in a task's context besides its steps: dialogs, tabs, downloads, console errors, crashes, requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Dialog, Download, Frame, Page, Request, WebError
from playwright.async_api import Error as PlaywrightError

CONSOLE_LINES = 20
CONSOLE_LINE_LENGTH = 500
# These stay open as long as the page likes, so that waiting for them would be waiting for nothing.
ENDLESS = frozenset({"eventsource", "websocket", "media"})
# What a tab of a task may show. No page gets to file: and the like, and if one did, its task would fail.
SCHEMES = frozenset({"", "http", "https", "about", "blob", "data", "chrome-error"})


class PageWatch:
    """Watches one context from its first moment. `crashed` and `strayed` are set once, with what happened.

    A dialog is accepted (a prompt with its default text) and noted; a download that no step asked for is refused.
    """

    def __init__(self, context: BrowserContext, note: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        self.context = context
        self.console: deque[str] = deque(maxlen=CONSOLE_LINES)
        self.crashed: asyncio.Future[str] = loop.create_future()
        self.strayed: asyncio.Future[str] = loop.create_future()
        self.failed_documents: deque[str] = deque(maxlen=20)
        self.wanted_download: asyncio.Future[Download] | None = None
        self._note = note
        self._in_flight: set[Request] = set()
        self._changed = asyncio.Event()
        self._work: set[asyncio.Task[None]] = set()
        context.on("page", self._on_page)
        context.on("dialog", self._on_dialog)
        context.on("console", self._on_console)
        context.on("weberror", self._on_web_error)
        context.on("request", self._on_request)
        context.on("requestfinished", self._on_request_end)
        context.on("requestfailed", self._on_request_failed)

    async def settle(self, limit: float) -> None:
        """Wait until the network is quiet, at most `limit` seconds; at once if it is already."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._let_pages_speak()
                while self._in_flight:
                    self._changed.clear()
                    await self._changed.wait()
                    if not self._in_flight:
                        await self._let_pages_speak()

    async def _let_pages_speak(self) -> None:
        """Let each page's pending work run: the requests it makes are then known here."""
        script = "() => new Promise((resolve) => setTimeout(resolve, 0))"
        calls = [page.evaluate(script) for page in self.context.pages]
        await asyncio.gather(*calls, return_exceptions=True)

    def _on_page(self, page: Page) -> None:
        page.on("crash", lambda _: self._set(self.crashed, "The page crashed."))
        page.on("download", self._on_download)
        page.on("framenavigated", self._on_navigated)
        page.on("close", self._on_close)

    def _on_close(self, page: Page) -> None:
        """Nobody tells how the requests of a closed tab ended."""
        self._in_flight -= {request for request in self._in_flight if _page_of(request) in (page, None)}
        self._changed.set()

    def _on_navigated(self, frame: Frame) -> None:
        scheme = urlsplit(frame.url).scheme
        if scheme not in SCHEMES:
            self._set(self.strayed, frame.url)

    def _on_dialog(self, dialog: Dialog) -> None:
        self._note(f"The page asked ({dialog.type}): {dialog.message[:200]}")
        self._run(dialog.accept(dialog.default_value) if dialog.type == "prompt" else dialog.accept())

    def _on_download(self, download: Download) -> None:
        if self.wanted_download is not None and not self.wanted_download.done():
            self.wanted_download.set_result(download)
            return
        self._note(f"The page began a download that no step asked for: {download.suggested_filename[:200]}")
        self._run(download.cancel())

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.console.append(message.text[:CONSOLE_LINE_LENGTH])

    def _on_web_error(self, error: WebError) -> None:
        self.console.append(f"Uncaught {error.error.message}"[:CONSOLE_LINE_LENGTH])

    def _on_request(self, request: Request) -> None:
        if request.resource_type not in ENDLESS:
            self._in_flight.add(request)

    def _on_request_end(self, request: Request) -> None:
        self._in_flight.discard(request)
        self._changed.set()

    def _on_request_failed(self, request: Request) -> None:
        self._on_request_end(request)
        if request.is_navigation_request() and _is_for_tab(request):
            self.failed_documents.append(request.url)

    @staticmethod
    def _set(future: asyncio.Future[str], value: str) -> None:
        if not future.done():
            future.set_result(value)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        async def guarded() -> None:
            with contextlib.suppress(PlaywrightError):
                await work

        task = asyncio.get_running_loop().create_task(guarded())
        self._work.add(task)
        task.add_done_callback(self._work.discard)


def _is_for_tab(request: Request) -> bool:
    """Whether a tab was to show it, not a frame inside one."""
    try:
        return request.frame.parent_frame is None
    except PlaywrightError:
        return True  # A new tab's first document has no frame yet.


def _page_of(request: Request) -> Page | None:
    try:
        return request.frame.page
    except PlaywrightError:
        return None
