"""The seam between a run and whoever executes one of its tasks: `Execution` goes in, `Outcome` comes out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from bg_runner.errors import BgRunnerError
from bg_runner.tasks.models import BrowserTask, ShellTask


class ErrorInfo(BaseModel):
    """An error as it is stored in a state file and shown on the page.

    `details` holds what a card shows beside the message: `step` (1-based), `selectors`, `url`, `title`,
    `screenshot` (an artifact id), `console` (list of str).
    """

    model_config = ConfigDict(extra="allow")

    code: str
    message: str
    hint: str = ""
    details: dict[str, object] = {}

    @classmethod
    def of(cls, error: BgRunnerError, **details: object) -> ErrorInfo:
        return cls(code=error.code, message=error.message, hint=error.hint, details=details)


class Artifact(BaseModel):
    """A file that a task made: `file` is its name in the run's artifact directory, `id` is what the API takes."""

    model_config = ConfigDict(extra="allow")

    id: str
    kind: Literal["screenshot", "download"]
    name: str
    file: str
    media_type: str
    size: int
    step: int | None = None


class Receipt(BaseModel):
    """What a stop did: the processes it ended, the seconds it took, the pids that outlived it."""

    model_config = ConfigDict(extra="allow")

    ended: list[int] = []
    seconds: float = 0.0
    survivors: list[int] = []


class Outcome(BaseModel):
    """How one attempt at a task ended.

    `interrupted` means that whatever ran it died unseen; the manager then follows the task's `after_crash`.
    """

    status: Literal["completed", "failed", "stopped", "interrupted"]
    error: ErrorInfo | None = None
    exit_code: int | None = None
    signal: int | None = None
    values: dict[str, object] = {}
    receipt: Receipt | None = None


class StopRequest:
    """A stop that an executor can wait for and be called back by. Safe from any thread; asking twice is harmless."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    def set(self) -> None:
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        return self._event.wait(timeout)

    def on_set(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when the stop is asked for, at once if it was already."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()


class Progress(Protocol):
    """What an executor reports while it works. Cheap, from any thread; it never waits for the disk."""

    def percent(self, value: float | None) -> None:
        """0-100, or None while unknown."""

    def step(self, number: int, total: int, label: str) -> None:
        """The step that begins now (1-based); the percentage becomes (number - 1) / total."""

    def artifact(self, artifact: Artifact) -> None:
        """A file has been written into `Execution.artifacts_dir`."""

    def output(self, cursor: int) -> None:
        """The log of this attempt now ends at `cursor` (bytes)."""


@dataclass(frozen=True)
class Execution:
    """One attempt at one task.

    `log_id` names the attempt's output log (terminals/output.py); for a shell task it is the terminal's id, too, and
    asking the PTY host for it twice starts nothing twice. `stop` ends the attempt; `leave` asks the executor to return
    at once with `interrupted` and to leave running what outlives the server (a shell task's terminal).
    `resumed` says that an earlier server began this attempt; `executor` is the instance of the PTY host it asked.
    """

    session_id: str
    run_id: str
    attempt: int
    log_id: str
    artifacts_dir: Path
    secrets: Mapping[str, str]
    progress: Progress
    started_at: datetime
    resumed: bool = False
    executor: str | None = None
    stop: StopRequest = field(default_factory=StopRequest)
    leave: StopRequest = field(default_factory=StopRequest)


class ShellExecutor(Protocol):
    def instance(self) -> str:
        """The PTY host that would be asked now; it is started at need. Raises: HostGone."""
        ...

    def execute(self, task: ShellTask, execution: Execution) -> Outcome:
        """Run or, if resumed, go on following the command. Raises nothing: a failure is an Outcome with its error."""
        ...

    def sweep(self, running: set[str]) -> None:
        """At start: forget ended commands that no active run waits for (a server died before it could)."""
        ...

    def forget(self, log_id: str) -> None:
        """The outcome is durable: the PTY host need not keep it any longer. The log stays."""
        ...


class BrowserExecutor(Protocol):
    def execute(self, task: BrowserTask, execution: Execution) -> Outcome:
        """Replay `task.path`. Raises nothing: a failure is an Outcome with its error."""
        ...

    def plan(self, task: BrowserTask, execution: Execution) -> BrowserTask:
        """Return a copy of `task` with a generated path (auto_generate). Raises: TaskFailure."""
        ...
