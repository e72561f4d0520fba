"""What a run's thread does: one task after the other, each attempt written down before it begins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from bg_runner.errors import HostGone, Interrupted, NoPath, StorageFailed, TaskFailure
from bg_runner.runs.choose import skip_reason
from bg_runner.runs.ledger import Ledger
from bg_runner.runs.models import Asking, Completed, Failed, Pending, Run, Running, Skipped, Stopped, utc_now
from bg_runner.runs.workspace import LiveProgress, Workspace
from bg_runner.tasks.execution import BrowserExecutor, ErrorInfo, Execution, Outcome, ShellExecutor
from bg_runner.tasks.models import BrowserTask

log = logging.getLogger(__name__)
MAX_ATTEMPTS = 5


class RunThread:
    """Executes runs for the manager. It has no state of its own: all of it is in the workspace's run."""

    def __init__(
        self,
        ledger: Ledger,
        shell: ShellExecutor,
        browser: BrowserExecutor,
        secrets: Callable[[str], Mapping[str, str]],
    ) -> None:
        self._ledger = ledger
        self._shell = shell
        self._browser = browser
        self._secrets = secrets

    def execute(self, workspace: Workspace) -> None:
        """Go through the rows from the first one that is not settled; return when the run ended or must wait."""
        run = workspace.run
        if run is None or not run.active:
            return
        if run.started_at is None:
            with workspace.lock:
                run.started_at = utc_now()
        run.status = "running"
        try:
            for place in range(len(run.results)):
                self._execute_task(workspace, run, place)
                waiting = isinstance(workspace.result(place), Asking) and not workspace.stop.is_set()
                if workspace.leave.is_set() or waiting:
                    return
        except StorageFailed:
            if workspace.leave.is_set():
                return
        self._ledger.end_run(workspace, "stopped" if workspace.stop.is_set() else "completed")
        self._forget_settled(workspace)

    def _execute_task(self, workspace: Workspace, run: Run, place: int) -> None:
        task, row = run.tasks[place], workspace.result(place)
        resumed = isinstance(row, Running)
        current: Running | None
        if isinstance(row, Running):
            current = row
        elif isinstance(row, Pending) and not workspace.stop.is_set():
            if skip_reason(task, ignore_completed=True, now=utc_now()) == "expired":
                workspace.stage(place, Skipped(reason="expired"))
                return
            current = self._begin(workspace, run, place, attempt=1)
        elif isinstance(row, Asking) and row.answer is not None and not workspace.stop.is_set():
            current = self._decide(workspace, run, place, row.attempt, row.answer)
        else:
            return
        while current is not None:
            outcome = self._attempt(workspace, run, place, current, resumed=resumed)
            resumed = False
            if outcome.status != "interrupted":
                self._settle(workspace, run, place, current, outcome)
                return
            if workspace.leave.is_set():
                return
            choice = run.tasks[place].after_crash
            if choice == "ask":
                workspace.stage(place, Asking(**current.model_dump(exclude={"status", "executor"})))
                self._ledger.commit(workspace)
                return
            current = self._decide(workspace, run, place, current.attempt, choice)

    def _decide(self, workspace: Workspace, run: Run, place: int, attempt: int, choice: str) -> Running | None:
        """After an interruption: a new attempt, or None and a settled row."""
        if choice == "skip":
            workspace.stage(place, Skipped(reason="after_crash"))
            return None
        if attempt >= MAX_ATTEMPTS:
            error = Interrupted(f"the task was interrupted {attempt} times")
            now = utc_now()
            gone = Failed(
                attempt=attempt,
                log_id=self._log_id(run, place, attempt),
                started_at=now,
                ended_at=now,
                error=ErrorInfo.of(error),
            )
            workspace.stage(place, gone)
            return None
        return self._begin(workspace, run, place, attempt=attempt + 1)

    def _log_id(self, run: Run, place: int, attempt: int) -> str:
        return f"task-{run.run_id}-{run.tasks[place].id}-{attempt}"

    def _begin(self, workspace: Workspace, run: Run, place: int, *, attempt: int) -> Running | None:
        """Write down that the attempt begins, together with what became of the task before it."""
        executor = None
        if run.tasks[place].kind == "shell":
            try:
                executor = self._shell.instance()
            except HostGone as error:
                log.error("the PTY host could not be started: %s", error.message)
        row = Running(
            attempt=attempt, log_id=self._log_id(run, place, attempt), started_at=utc_now(), executor=executor
        )
        workspace.stage(place, row)
        try:
            self._ledger.commit(workspace)
        except StorageFailed:
            workspace.unstage(place)
            raise
        self._forget_settled(workspace)
        return row

    def _attempt(self, workspace: Workspace, run: Run, place: int, row: Running, *, resumed: bool) -> Outcome:
        task = run.tasks[place]
        execution = Execution(
            session_id=run.session_id,
            run_id=run.run_id,
            attempt=row.attempt,
            log_id=row.log_id,
            artifacts_dir=self._ledger.store.artifacts_dir(run.session_id),
            secrets=self._secrets(run.session_id),
            progress=LiveProgress(row, workspace.touch),
            started_at=row.started_at,
            resumed=resumed,
            executor=row.executor,
            stop=workspace.stop,
            leave=workspace.leave,
        )
        if not isinstance(task, BrowserTask):
            return self._shell.execute(task, execution)
        if resumed:
            stopped = workspace.stop.is_set()
            return Outcome(status="stopped" if stopped else "interrupted")
        if not task.path:
            try:
                task = self._plan(workspace, run, place, task, execution)
            except Interrupted:
                return Outcome(status="stopped" if workspace.stop.is_set() else "interrupted")
            except TaskFailure as error:
                stopped = workspace.stop.is_set()
                return Outcome(status="stopped" if stopped else "failed", error=ErrorInfo.of(error))
        return self._browser.execute(task, execution)

    def _plan(self, workspace: Workspace, run: Run, place: int, task: BrowserTask, execution: Execution) -> BrowserTask:
        """Generate the path and save it in the list, so that a person sees and edits it. Raises: TaskFailure."""
        if not run.auto_generate or task.start_url is None:
            raise NoPath("the task has no steps" if task.start_url else "the task has neither steps nor a start_url")
        planned = self._browser.plan(task, execution)
        with workspace.lock:
            run.tasks[place] = planned
            tasks = workspace.tasks
            if any(known.id == task.id and known == task for known in tasks.tasks):
                merged = [planned if known.id == task.id else known for known in tasks.tasks]
                workspace.tasks = tasks.model_copy(update={"tasks": merged, "revision": tasks.revision + 1})
                workspace.tasks_unsaved = True
                self._ledger.write(workspace)
        return planned

    def _settle(self, workspace: Workspace, run: Run, place: int, row: Running, outcome: Outcome) -> None:
        """Stage what the attempt came to; the next task's beginning, or the run's end, writes it."""
        ended_at = utc_now()
        fields = row.model_dump(exclude={"status", "executor"}) | {
            "ended_at": ended_at,
            "duration": max(0.0, (ended_at - row.started_at).total_seconds()),
            "exit_code": outcome.exit_code,
            "values": outcome.values,
        }
        if outcome.status == "completed":
            workspace.stage(place, Completed(**fields | {"progress": 100.0}))
        elif outcome.status == "stopped":
            run.receipt = outcome.receipt
            workspace.stage(place, Stopped(**fields, receipt=outcome.receipt))
        else:
            error = outcome.error or ErrorInfo.of(TaskFailure("the task failed"))
            workspace.stage(place, Failed(**fields, error=error, signal=outcome.signal))
        if row.executor is not None:
            workspace.to_forget.append(row.log_id)

    def _forget_settled(self, workspace: Workspace) -> None:
        """Tell the PTY host which outcomes are durable now; after a failed write it keeps them for the next server."""
        if not workspace.unsaved:
            settled, workspace.to_forget = workspace.to_forget, []
            for log_id in settled:
                self._shell.forget(log_id)
