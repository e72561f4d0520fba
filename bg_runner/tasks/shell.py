"""A shell task: its command runs in a terminal of the PTY host, which outlives the server; here it is only followed."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from bg_runner.errors import (
    BgRunnerError,
    CwdMissing,
    ExitNonZero,
    HostGone,
    Interrupted,
    KilledBySignal,
    SecretMissing,
    ShellMissing,
    SpawnFailed,
    TaskTimeout,
)
from bg_runner.settings import Settings
from bg_runner.tasks.execution import ErrorInfo, Execution, Outcome, Receipt
from bg_runner.tasks.models import ShellTask
from bg_runner.tasks.progress import ProgressParser
from bg_runner.tasks.steps import Secret
from bg_runner.terminals.host_client import HostClient, Watch, WatchEvent
from bg_runner.terminals.models import ID_VARIABLE, Exit, SpawnRequest, TerminalInfo
from bg_runner.terminals.output import LogReader, log_directory, read_exit
from bg_runner.terminals.processes import Killed, end_leftovers, kill_tree

log = logging.getLogger(__name__)
LOOK_INTERVAL = 0.5  # seconds between two looks at the output of a chatty command
LOOK_BYTES = 65536
TASK_PREFIX = "task-"


def default_shell(settings: Settings) -> str:
    return settings.shell or os.environ.get("SHELL") or "/bin/sh"


def check_place(task: ShellTask, settings: Settings) -> None:
    """Whether the task's directory and shell are there. Raises: CwdMissing, ShellMissing."""
    if task.cwd is not None and not Path(task.cwd).expanduser().is_dir():
        raise CwdMissing(f"task {task.name or task.id}: there is no directory {task.cwd}")
    shell = task.shell or default_shell(settings)
    if shutil.which(shell) is None:
        raise ShellMissing(f"task {task.name or task.id}: there is no shell {shell}")


class ShellTaskExecutor:
    """Executes shell tasks on the PTY host (tasks/execution.py, ShellExecutor)."""

    def __init__(self, settings: Settings, host: HostClient) -> None:
        self._settings = settings
        self._host = host

    def instance(self) -> str:
        self._host.ensure()
        return self._host.instance

    def sweep(self, running: set[str]) -> None:
        if not self._host.ensure(start=False):
            return
        for info in self._host.list():
            if info.id.startswith(TASK_PREFIX) and info.id not in running and info.state == "exited":
                self._host.forget(info.id)

    def forget(self, log_id: str) -> None:
        try:
            self._host.forget_soon(log_id)
        except HostGone as error:  # the next start sweeps what is left
            log.warning("the PTY host did not forget %s: %s", log_id, error.message)

    def execute(self, task: ShellTask, execution: Execution) -> Outcome:
        try:
            found = self._resume(execution) if execution.resumed else None
            if isinstance(found, Exit):
                return self._stopped(execution) if execution.stop.is_set() else _of_exit(found)
            if found is None:
                if execution.stop.is_set():
                    return Outcome(status="stopped", receipt=Receipt())
                found = self._spawn(self._request(task, execution))
            return _Following(self._host, self._settings, task, execution, found).to_the_end()
        except Interrupted as error:
            return Outcome(status="interrupted", error=ErrorInfo.of(error))
        except HostGone as error:
            return self._interrupted(execution, error)
        except (SpawnFailed, SecretMissing, CwdMissing, ShellMissing) as error:
            return Outcome(status="failed", error=ErrorInfo.of(error))

    def _spawn(self, request: SpawnRequest) -> TerminalInfo:
        try:
            self._host.ensure()
        except HostGone as error:
            raise SpawnFailed(error.message, hint=error.hint) from error
        return self._host.spawn(request)

    def _resume(self, execution: Execution) -> TerminalInfo | Exit | None:
        """What became of an attempt that an earlier server began; None if the host was never asked for it.

        Raises: Interrupted.
        """
        self._host.ensure()
        info = self._host.info(execution.log_id)
        if info is not None:
            return info.exit or info
        ended = read_exit(log_directory(self._settings.data_dir, execution.log_id))
        if ended is not None:
            return ended
        if execution.executor == self._host.instance:
            return None
        end_leftovers(self._settings.data_dir, execution.log_id, grace=self._settings.stop_grace)
        raise Interrupted("the PTY host was killed while the command ran")

    def _interrupted(self, execution: Execution, error: HostGone) -> Outcome:
        if execution.leave.is_set():
            return Outcome(status="interrupted", error=ErrorInfo.of(error))
        ended = read_exit(log_directory(self._settings.data_dir, execution.log_id))
        if ended is not None:
            return _of_exit(ended)
        stopped = self._stopped(execution)
        return stopped if execution.stop.is_set() else Outcome(status="interrupted", error=ErrorInfo.of(error))

    def _stopped(self, execution: Execution) -> Outcome:
        """End what is left of a command that the PTY host no longer watches."""
        killed = end_leftovers(self._settings.data_dir, execution.log_id, grace=self._settings.stop_grace)
        return Outcome(status="stopped", receipt=_receipt(killed))

    def _request(self, task: ShellTask, execution: Execution) -> SpawnRequest:
        check_place(task, self._settings)
        cwd = Path(task.cwd).expanduser() if task.cwd else Path.home()
        return SpawnRequest(
            id=execution.log_id,
            argv=[task.shell or default_shell(self._settings), "-c", task.command],
            cwd=str(cwd),
            env=self._environment(task, execution.secrets),
            log_bytes=self._settings.terminal_log_bytes,
        )

    def _environment(self, task: ShellTask, secrets: Mapping[str, str]) -> dict[str, str]:
        env = {name: os.environ[name] for name in self._settings.child_env if name in os.environ}
        env.setdefault("LANG", "C.UTF-8")
        env["TERM"] = "xterm-256color"
        for name, value in task.env.items():
            if isinstance(value, Secret):
                if value.secret not in secrets:
                    raise SecretMissing(f"the secret {value.secret} is not set")
                env[name] = secrets[value.secret]
            else:
                env[name] = value
        return env


class _Following:
    """One running command, followed until it ends, is stopped, runs out of time, or the server leaves."""

    def __init__(
        self, host: HostClient, settings: Settings, task: ShellTask, execution: Execution, info: TerminalInfo
    ) -> None:
        self._host = host
        self._settings = settings
        self._execution = execution
        self._info = info
        self._wake = threading.Event()
        self._exit: Exit | None = None
        self._gone = False
        self._grown = False
        self._reader = LogReader(log_directory(settings.data_dir, execution.log_id))
        self._progress = ProgressParser()
        self._cursor = 0
        self._timeout = task.timeout
        left = None if task.timeout is None else max(0.0, task.timeout - _seconds_since(execution.started_at))
        self._deadline = None if left is None else time.monotonic() + left
        self._next_look = 0.0

    def to_the_end(self) -> Outcome:
        """Raises: HostGone when the host died."""
        execution = self._execution
        watch = self._host.watch(execution.log_id, self._on_event, cursor=0)
        try:
            execution.stop.on_set(self._wake.set)
            execution.leave.on_set(self._wake.set)
            while True:
                self._wake.wait(self._patience())
                self._wake.clear()
                outcome = self._look(watch)
                if outcome is not None:
                    return outcome
        finally:
            watch.close()

    def _on_event(self, event: WatchEvent) -> None:
        if event.kind == "exit":
            self._exit = event.exit
        elif event.kind == "gone":
            self._gone = True
        else:
            self._grown = True
        self._wake.set()

    def _patience(self) -> float | None:
        waits = []
        if self._deadline is not None:
            waits.append(self._deadline - time.monotonic())
        if self._grown:
            waits.append(self._next_look - time.monotonic())
        return max(0.0, min(waits)) if waits else None

    def _look(self, watch: Watch) -> Outcome | None:
        if self._exit is not None:
            self._read_on(whole=True)
            if self._execution.stop.is_set() and self._execution.resumed:
                return self._killed("stopped")  # an earlier server may have begun to stop it
            return _of_exit(self._exit)
        if self._execution.leave.is_set():
            self._read_on(whole=True)
            return Outcome(status="interrupted")
        if self._gone:
            raise HostGone("the PTY host died while the command ran")
        if self._execution.stop.is_set():
            return self._killed("stopped")
        if self._deadline is not None and time.monotonic() >= self._deadline:
            outcome = self._killed("failed")
            outcome.error = ErrorInfo.of(TaskTimeout(f"the command did not end within {self._timeout:g} s"))
            return outcome
        if self._grown and time.monotonic() >= self._next_look:
            self._grown = False
            self._read_on()
            self._next_look = time.monotonic() + LOOK_INTERVAL
            watch.rearm(self._cursor)
        return None

    def _read_on(self, *, whole: bool = False) -> None:
        """Take progress from what is new; of a flood only the end counts."""
        end = self._reader.read(self._cursor, 0).end
        if whole or end > self._cursor:
            chunk = self._reader.read(max(self._cursor, end - LOOK_BYTES), LOOK_BYTES)
            self._progress.feed(chunk.data)
            self._cursor = chunk.next
            self._execution.progress.percent(self._progress.percent)
            self._execution.progress.output(self._cursor)

    def _killed(self, status: str) -> Outcome:
        """End the command's whole process tree and say what that did."""
        terminal_id = self._execution.log_id
        killed = kill_tree(
            self._info.supervisor_process,
            grace=self._settings.stop_grace,
            main=self._info.main_process,
            tag=(ID_VARIABLE, terminal_id),
        )
        receipt = _receipt(killed)
        ended = self._exit or self._host.wait(terminal_id, 2.0)
        self._read_on(whole=True)
        return Outcome(
            status="stopped" if status == "stopped" else "failed",
            exit_code=ended.code if ended else None,
            signal=ended.signal if ended else None,
            receipt=receipt,
        )


def _receipt(killed: Killed) -> Receipt:
    return Receipt(ended=killed.ended, seconds=round(killed.seconds, 3), survivors=killed.survivors)


def _seconds_since(moment: datetime) -> float:
    """Wall-clock seconds, for what an earlier server began; a clock that was set back counts as no time."""
    return max(0.0, (datetime.now(UTC) - moment).total_seconds())


def _of_exit(ended: Exit) -> Outcome:
    if ended.code == 0:
        return Outcome(status="completed", exit_code=0)
    if ended.signal is not None:
        name = signal.Signals(ended.signal).name if ended.signal in signal.valid_signals() else str(ended.signal)
        error: BgRunnerError = KilledBySignal(f"the command was ended by {name}")
    else:
        error = ExitNonZero(f"the command ended with exit code {ended.code}")
    return Outcome(status="failed", exit_code=ended.code, signal=ended.signal, error=ErrorInfo.of(error))
