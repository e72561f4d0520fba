"""From the settings to a server that listens, and from a signal to its orderly end.

What is heavy is imported late, so that a refusal comes at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Protocol

import click

from bg_runner import __version__
from bg_runner.errors import StartupError, UnsafeBind
from bg_runner.settings import Settings
from bg_runner.web import access_log
from bg_runner.web.auth import load_token
from bg_runner.web.origins import is_loopback, own_url
from bg_runner.web.server_file import ServerInfo, announce, lock_data_dir

if TYPE_CHECKING:
    from bg_runner.web.asgi import Outer
    from bg_runner.web.services import Services

log = logging.getLogger(__name__)
LAST_SECONDS = 0.7


class RunningApp(Protocol):
    """What app.py builds."""

    services: Services

    @property
    def asgi(self) -> Outer: ...
    def start(self) -> int: ...
    async def start_on_loop(self) -> None: ...
    async def close_on_loop(self) -> None: ...
    def begin_shutdown(self) -> None: ...
    def close(self, timeout: float) -> None: ...


def serve(settings: Settings, build: Callable[[Settings, str], RunningApp]) -> None:
    """Serve until SIGTERM or Ctrl-C; returns after an orderly end.

    Raises: DataDirLocked, UnsafeBind, StartupError, StorageFailed.
    """
    check_bind(settings)
    with lock_data_dir(settings.data_dir), contextlib.closing(_listen(settings)) as listener:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        token = load_token(settings.data_dir, settings.token)
        access_log.configure(settings.log_level, token)
        app = build(settings, token)
        server = _Server(settings, app)
        try:
            app.start()
            server.run_until_signal(listener)
        finally:
            app.close(server.seconds_left())
        _say_what_goes_on(app)


def check_bind(settings: Settings) -> None:
    """Raises: UnsafeBind, StartupError (TLS files)."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise StartupError("TLS needs both files", hint="Give --tls-cert and --tls-key.")
    for path in (settings.tls_cert, settings.tls_key):
        if path is not None and not os.access(path, os.R_OK):
            raise StartupError(f"the TLS file {path} cannot be read", hint="Correct its path or its permissions.")
    if not is_loopback(settings.host) and not settings.behind_proxy and settings.tls_cert is None:
        raise UnsafeBind(
            f"{settings.host} can be reached from other machines, and without TLS the token travels openly"
        )


def _listen(settings: Settings) -> socket.socket:
    """Raises: StartupError."""
    where = f"{settings.host}:{settings.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartupError(f"{where} is no address of this machine: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(2048)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        hint = "Stop what uses the port, or choose another one: --port 0 takes a free one."
        raise StartupError(f"{where} cannot be bound: {error.strerror}", hint=hint) from error
    return listener


class _Server:
    """uvicorn with signal handlers of our own: code after it must run, and the runs are let go before the sockets."""

    def __init__(self, settings: Settings, app: RunningApp) -> None:
        self._settings = settings
        self._app = app
        import uvicorn

        config = uvicorn.Config(
            app.asgi,
            loop="uvloop",
            http="httptools",
            ws="bg_runner.web.websocket_protocol:ShortcutProtocol",
            ws_per_message_deflate=False,
            ws_ping_timeout=60.0,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=settings.behind_proxy or settings.public_url is not None,
            backlog=2048,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=max(1, round(settings.shutdown_timeout / 4)),
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
        )
        self._uvicorn = uvicorn.Server(config)
        self._ending_since: float | None = None

    def run_until_signal(self, listener: socket.socket) -> None:
        self._install_signals()
        with asyncio.Runner(loop_factory=self._uvicorn.config.get_loop_factory()) as runner:
            runner.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        await self._app.start_on_loop()
        try:
            await self._serve_until_end(listener)
        finally:
            await self._app.close_on_loop()

    async def _serve_until_end(self, listener: socket.socket) -> None:
        # Not `Server.serve`: it installs its own signal handlers and raises the signal again at the end.
        serving = asyncio.create_task(self._uvicorn._serve([listener]))
        while not (self._uvicorn.started or serving.done()):
            await asyncio.sleep(0.005)
        if not self._uvicorn.started:
            await serving
            return
        settings = self._settings
        base = (settings.public_url or own_url(settings)).rstrip("/")
        info = ServerInfo(os.getpid(), own_url(settings), datetime.now(UTC).isoformat(), __version__)
        with announce(settings.data_dir, info):
            self._greet(base)
            await serving

    def _greet(self, base: str) -> None:
        from bg_runner.web.urls import login_url

        code = self._app.asgi.door.codes.make()
        minutes = round(self._settings.link_ttl / 60)
        click.echo(f"bg-runner {__version__} serves {base}")
        click.echo(f"Open this address once, within {minutes} minutes:  {login_url(base, code)}")
        click.echo("A new one: bg-runner link. Ctrl-C ends the server; what runs in the background goes on.")

    def _install_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._ending_since is not None:
            if number == signal.SIGINT:
                os._exit(130)
            return
        self._ending_since = time.monotonic()
        # In a thread: a handler runs between any two instructions, where a lock may be held already.
        threading.Thread(target=self._end, name="shutdown", daemon=True).start()

    def _end(self) -> None:
        try:
            self._app.begin_shutdown()
        finally:
            self._uvicorn.should_exit = True
        # Python waits at exit for every worker thread; one that hangs on a disk must not keep us.
        time.sleep(self._settings.shutdown_timeout + LAST_SECONDS)
        log.error("something did not end in time; the next start resumes every run all the same")
        os._exit(0)

    def seconds_left(self) -> float:
        """Of the time that ending may take."""
        elapsed = 0.0 if self._ending_since is None else time.monotonic() - self._ending_since
        return max(1.0, self._settings.shutdown_timeout - elapsed)


def _say_what_goes_on(app: RunningApp) -> None:
    """After the end: what runs on without the server, and how to end that."""
    active = app.services.manager.active_runs()
    terminals = app.services.terminals.running()
    if not active and not terminals:
        click.echo("The server has ended. Nothing runs in the background.", err=True)
        return
    click.echo("The server has ended.", err=True)
    if active:
        click.echo("These runs are resumed when it starts again:", err=True)
    for status in active:
        done = f"{status.completed_tasks} of {status.total_tasks} tasks done"
        current = f", now: {status.current_task.name or status.current_task.id}" if status.current_task else ""
        click.echo(f"  {status.session_id}  {status.status}, {done}{current}", err=True)
    if active:
        click.echo("A shell command that runs goes on meanwhile. To end it all: bg-runner stop --all", err=True)
    if terminals:
        count = "1 terminal runs" if terminals == 1 else f"{terminals} terminals run"
        click.echo(f"{count} on. To end them: bg-runner stop --terminals", err=True)
