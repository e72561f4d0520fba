"""The one shared Chromium, in one daemon thread with its own event loop; run threads hand it coroutines.

A browser serves many tasks, each in a context of its own. It is replaced after a number of tasks or above a bound of
memory; tasks that still run in the old one end there undisturbed, then it is closed.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psutil
from playwright.async_api import Browser

from bg_runner.errors import ShuttingDown
from bg_runner.settings import Settings
from bg_runner.tasks.browser_launch import BrowserReport, Candidate, Launched, find_browser, launch

__all__ = ["BrowserProcess", "BrowserReport", "Browsers", "find_browser", "is_running"]

log = logging.getLogger(__name__)
T = TypeVar("T")
CLOSE_TIMEOUT = 3.0
LAST_WORDS = 0.5
WEIGH_INTERVAL = 5.0


def is_running(pid: int) -> bool:
    """Whether a process has this pid and has not ended; one that is only waited for no longer runs."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@dataclass
class BrowserProcess:
    """A running browser with its driver. Used in the browser thread only.

    `gone` is set when it died or was killed; `killed_by` then holds what asked for the kill (None: it crashed).
    """

    launched: Launched
    started: int = 0
    active: int = 0
    retired: bool = False
    weighed: float = float("-inf")
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    killed_by: object = None

    @property
    def browser(self) -> Browser:
        return self.launched.browser

    @property
    def usable(self) -> bool:
        """Whether another task may begin in it."""
        return not self.retired and self.lives()

    def lives(self) -> bool:
        """Whether browser and driver still run; the news of a death may come later than the death."""
        if self.gone.is_set():
            return False
        if self.browser.is_connected() and all(is_running(pid) for pid in self.launched.pids):
            return True
        self.gone.set()
        return False

    def processes(self) -> list[psutil.Process]:
        """The driver, Chromium and all that they started, as far as they live."""
        found: dict[int, psutil.Process] = {}
        for pid in self.launched.pids:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                found[pid] = process
                found.update((child.pid, child) for child in process.children(recursive=True))
        return list(found.values())

    def memory(self) -> int:
        """Bytes of its processes, what they share counted once for each and taken off."""
        total = 0
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                info = process.memory_info()
                total += info.rss - getattr(info, "shared", 0)
        return total

    def kill(self, why: object = None) -> list[int]:
        """End it at once; return the pids that were signalled."""
        self.retired = True
        if not self.gone.is_set():
            self.killed_by = why
        processes = self.processes()
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        self.gone.set()
        return [process.pid for process in processes]


class Browsers:
    """Starts the shared browser when it is first needed. Safe from any thread; `close` ends it for good.

    Starting the server never waits for a browser: `warm` begins to start one and returns.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._directory = settings.data_dir / "browser"
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._current: BrowserProcess | None = None
        self._all: list[BrowserProcess] = []
        self._launching: asyncio.Lock | None = None
        self._known: Candidate | None = None
        self._numbers = itertools.count(1)
        self._background: set[asyncio.Task[None]] = set()
        self._shutting_down = False
        self._closed = False

    # -- From any thread ---------------------------------------------------------------------------------------

    def submit(self, make: Callable[[], Coroutine[Any, Any, T]]) -> concurrent.futures.Future[T]:
        """Run a coroutine in the browser thread. Raises: ShuttingDown after `close`."""
        loop = self._start()
        return asyncio.run_coroutine_threadsafe(make(), loop)

    def warm(self) -> None:
        """Begin to start the browser; a failure shows when a task needs it."""

        async def start() -> None:
            with contextlib.suppress(Exception):
                async with self.lease():
                    pass

        self.submit(start)

    def report(self) -> BrowserReport:
        """What is known of the running browser, or of the one that can be found. May take some seconds."""
        current = self._current
        if current is not None and current.usable:
            return current.launched.report
        return find_browser(self._settings)

    def processes(self) -> list[int]:
        """Pids of every driver and browser process that lives now."""
        return [process.pid for browser in list(self._all) for process in browser.processes()]

    @property
    def shutting_down(self) -> bool:
        return self._shutting_down

    def begin_shutdown(self) -> None:
        """What browsers report from now on is no failure of a task."""
        self._shutting_down = True

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """End every browser within about `timeout` seconds. Twice is harmless."""
        self.begin_shutdown()
        with self._start_lock:
            self._closed = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None or not thread.is_alive():
            return
        ending = asyncio.run_coroutine_threadsafe(self._close_all(timeout - 2 * LAST_WORDS), loop)
        with contextlib.suppress(concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
            ending.result(timeout)
        for browser in self._all:
            browser.kill()
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.stop)
        thread.join(1.0)
        self._kill_strays()
        self._remove_directories()

    # -- In the browser thread ---------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def lease(self) -> AsyncIterator[BrowserProcess]:
        """A browser for one task. Raises: NoBrowser, ShuttingDown."""
        process = await self._get()
        process.started += 1
        process.active += 1
        try:
            yield process
        finally:
            process.active -= 1
            self._in_background(self._review(process))

    async def _get(self) -> BrowserProcess:
        assert self._launching is not None
        async with self._launching:
            if self._shutting_down:
                raise ShuttingDown("The server is going down.")
            if self._current is None or not self._current.usable:
                self._current = await self._launch()
            process = self._current
            if process.started + 1 >= self._settings.browser_tasks_per_process:
                process.retired = True
            return process

    async def _launch(self) -> BrowserProcess:
        began = time.monotonic()
        directory = self._directory / f"{os.getpid()}-{next(self._numbers)}-{id(self):x}"
        launched = await launch(self._settings, self._known, directory)
        self._known = launched.candidate
        process = BrowserProcess(launched)
        launched.browser.on("disconnected", lambda _: self._on_gone(process))
        self._all.append(process)
        took = time.monotonic() - began
        log.info("Browser %s started in %.1f s: %s", launched.report.version, took, launched.report.path)
        return process

    def _on_gone(self, process: BrowserProcess) -> None:
        if not (process.retired or self._shutting_down or process.gone.is_set()):
            log.warning("The browser ended unexpectedly; the next task gets a new one.")
        process.gone.set()
        if process.active == 0:
            self._in_background(self._review(process))

    async def _review(self, process: BrowserProcess) -> None:
        """After a task: retire a browser that grew too large, end one that nobody uses any more."""
        now = time.monotonic()
        if process.usable and now - process.weighed >= WEIGH_INTERVAL:
            process.weighed = now
            memory = await asyncio.to_thread(process.memory)
            if memory > self._settings.browser_memory_bytes:
                log.info("The browser holds %d MB and is replaced.", memory // 2**20)
                process.retired = True
        if process.active == 0 and not process.usable:
            await self._end(process, CLOSE_TIMEOUT)

    async def _end(self, process: BrowserProcess, timeout: float) -> None:
        if process not in self._all:
            return
        self._all.remove(process)
        process.retired = True
        with contextlib.suppress(Exception):
            async with asyncio.timeout(timeout):
                if not process.gone.is_set():
                    await process.browser.close()
                await process.launched.playwright.stop()
        process.kill()
        await asyncio.to_thread(shutil.rmtree, process.launched.directory, ignore_errors=True)

    async def _close_all(self, timeout: float) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*(self._end(process, timeout) for process in list(self._all)))
        await asyncio.to_thread(self._kill_strays)
        # Whoever still waits for a coroutine here must not wait for ever.
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if rest:
            await asyncio.wait(rest, timeout=LAST_WORDS)
        for task in rest:
            task.cancel()
        await asyncio.sleep(LAST_WORDS / 10)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # -- The thread --------------------------------------------------------------------------------------------

    def _start(self) -> asyncio.AbstractEventLoop:
        with self._start_lock:
            if self._closed:
                raise ShuttingDown("The server is going down.")
            if self._loop is None:
                self._remove_directories()
                # Playwright starts its driver as a child of this loop; the plain one can do so in any thread.
                self._loop = asyncio.SelectorEventLoop()
                self._launching = asyncio.Lock()
                self._thread = threading.Thread(target=self._run, name="browsers", daemon=True)
                self._thread.start()
            return self._loop

    def _run(self) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._on_exception)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _on_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # Playwright leaves futures behind when its connection ends; only while one should be up is that news.
        if not self._shutting_down and not all(process.gone.is_set() for process in self._all):
            log.debug("In the browser thread: %s", context.get("message"), exc_info=context.get("exception"))

    def _kill_strays(self) -> None:
        """End what was just being started: nobody knows its pids yet, but it works in our directory."""
        mine = str(self._directory)
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if child.environ().get("TMPDIR", "").startswith(mine) or mine in " ".join(child.cmdline()):
                    for process in [*child.children(recursive=True), child]:
                        process.kill()

    def _remove_directories(self) -> None:
        """Delete what browsers of this server, or of servers that were killed, left on the disk."""
        for directory in self._directory.glob("*-*"):
            pid = directory.name.partition("-")[0]
            mine = directory.name.endswith(f"-{id(self):x}")
            if pid.isdigit() and (mine or not psutil.pid_exists(int(pid))):
                shutil.rmtree(directory, ignore_errors=True)
