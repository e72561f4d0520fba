"""The one place where everything is put together; tests build the same thing."""

from __future__ import annotations

import logging
import threading
import time

from bg_runner.runs.manager import BackgroundTaskManager
from bg_runner.runs.schedule import Schedule
from bg_runner.runs.store import JsonRunStore
from bg_runner.settings import Settings
from bg_runner.tasks.browser import BrowserTaskExecutor
from bg_runner.tasks.browsers import Browsers
from bg_runner.tasks.secrets import SecretStore
from bg_runner.tasks.shell import ShellTaskExecutor
from bg_runner.terminals.host_client import HostClient
from bg_runner.terminals.manager import TerminalManager
from bg_runner.terminals.shares import ShareStore
from bg_runner.web.asgi import create_asgi
from bg_runner.web.services import Services

log = logging.getLogger(__name__)


class App:
    """A whole server without its socket. `settings.port` is the port that will be bound, never 0.

    Order matters at the end: first the runs leave their tasks as they are, then the browser goes.
    """

    def __init__(self, settings: Settings, token: str) -> None:
        self.settings = settings
        self._exiting = threading.Event()
        self.host = HostClient(settings.data_dir)
        self.secrets = SecretStore(settings.data_dir)
        self.browsers = Browsers(settings)
        self.manager = BackgroundTaskManager(
            settings,
            JsonRunStore(settings.data_dir),
            ShellTaskExecutor(settings, self.host),
            BrowserTaskExecutor(settings, self.browsers),
            self.secrets.values,
        )
        self.terminals = TerminalManager(settings, self.host)
        self.shares = ShareStore(settings.data_dir)
        self.schedule = Schedule()
        self.services = Services(
            settings=settings,
            token=token,
            manager=self.manager,
            secrets=self.secrets,
            browsers=self.browsers,
            host=self.host,
            terminals=self.terminals,
            shares=self.shares,
            exiting=self._exiting.is_set,
        )
        self.asgi = create_asgi(self.services)

    def start(self) -> int:
        """Resume what an earlier server left and start the clock. Returns the number of resumed runs."""
        resumed = self.manager.resume()
        self.schedule.every(self.settings.flush_interval, self.manager.flush, "flush")
        self.schedule.every(self.settings.cleanup_interval, self.manager.cleanup_old_tasks, "clean-up")
        self.schedule.start()
        return resumed

    async def start_on_loop(self) -> None:
        """What lives on the event loop: find the terminals again."""
        await self.terminals.start()

    async def close_on_loop(self) -> None:
        """Let go of the terminals; they run on unless the setting says otherwise."""
        await self.terminals.close(kill=self.settings.kill_terminals_on_exit)

    def begin_shutdown(self) -> None:
        """From now on what ends, ends because of us; whoever makes a client wait lets it go. Quick, from any thread."""
        self._exiting.set()
        self.browsers.begin_shutdown()
        self.manager.begin_shutdown()

    def close(self, timeout: float) -> None:
        """Stop everything that dies with the server, in at most about `timeout` seconds. Terminals run on."""
        self.begin_shutdown()
        deadline = time.monotonic() + timeout
        self.schedule.close()
        self.manager.close(max(0.1, timeout / 2))
        self.browsers.close(max(0.1, deadline - time.monotonic()))
        self.host.close()


def build(settings: Settings, token: str) -> App:
    """Put a server together. Nothing runs yet; see `App.start`. Raises: StartupError, StorageFailed."""
    return App(settings, token)
