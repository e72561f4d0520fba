"""What the web layer is given: everything that answers requests, put together by app.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bg_runner import __version__
from bg_runner.runs.manager import BackgroundTaskManager
from bg_runner.settings import Settings
from bg_runner.tasks.browsers import Browsers
from bg_runner.tasks.secrets import SecretStore
from bg_runner.terminals.host_client import HostClient
from bg_runner.terminals.manager import TerminalManager
from bg_runner.terminals.shares import ShareStore


@dataclass(frozen=True)
class Services:
    """`settings.port` is the port that is bound, never 0; `token` is the owner's.

    `exiting` says whether the server is about to end: whoever makes a client wait looks at it.
    """

    settings: Settings
    token: str
    manager: BackgroundTaskManager
    secrets: SecretStore
    browsers: Browsers
    host: HostClient
    terminals: TerminalManager
    shares: ShareStore
    version: str = __version__
    exiting: Callable[[], bool] = lambda: False
