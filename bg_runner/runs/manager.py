"""The BackgroundTaskManager (seed 004): it owns every state change of a run. One daemon thread executes one run."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal

from bg_runner.errors import (
    AlreadyRunning,
    ArtifactUnknown,
    Conflict,
    InternalError,
    NotRunning,
    RevisionConflict,
    SessionUnknown,
    ShuttingDown,
    StorageFailed,
    TaskUnknown,
)
from bg_runner.runs.choose import AnyTask, new_run, retry_run, same_work
from bg_runner.runs.cleanup import keep_only, remove_run_files
from bg_runner.runs.ledger import Ledger
from bg_runner.runs.models import Asking, Attempted, Completed, Running, TaskList, utc_now
from bg_runner.runs.models import Run as RunState
from bg_runner.runs.queue import RunQueue
from bg_runner.runs.status import TaskStatus, summarise
from bg_runner.runs.store import JsonRunStore, Notice
from bg_runner.runs.thread import RunThread
from bg_runner.runs.workspace import Snapshot, Workspace
from bg_runner.settings import Settings
from bg_runner.tasks.execution import Artifact, BrowserExecutor, ErrorInfo, ShellExecutor
from bg_runner.tasks.masking import MaskedLog, secret_names
from bg_runner.terminals.output import LogReader

log = logging.getLogger(__name__)
HISTORY = 20
CACHED_WORKSPACES = 1000


class BackgroundTaskManager:
    """Task lists and their runs, for any number of workspaces. Every public method is safe from any thread.

    A change that a caller is told of is on disk before the method returns; if it cannot be written the method raises
    StorageFailed and nothing has changed.
    """

    def __init__(
        self,
        settings: Settings,
        store: JsonRunStore,
        shell: ShellExecutor,
        browser: BrowserExecutor,
        secrets: Callable[[str], Mapping[str, str]],
    ) -> None:
        self.settings = settings
        self.store = store
        self.instance = uuid.uuid4().hex[:8]
        self.logs_dir = settings.data_dir / "terminals"
        self.ledger = Ledger(store)
        self._run_thread = RunThread(self.ledger, shell, browser, secrets)
        self._shell = shell
        self._secrets = secrets
        self._lock = threading.RLock()
        self._workspaces: dict[str, Workspace] = {}
        self._queue = RunQueue(settings.max_concurrent_runs, self._execute_tasks_background)
        self._closing = False

    # --- workspaces and their lists -------------------------------------------------------------------------------

    def create_session(self) -> str:
        """Make a workspace with an empty list. Raises: StorageFailed."""
        session_id = str(uuid.uuid4())
        self.store.save_tasks(TaskList(session_id=session_id))
        return session_id

    def has_session(self, session_id: str) -> bool:
        try:
            self.workspace(session_id)
        except SessionUnknown:
            return False
        return True

    def workspace(self, session_id: str) -> Workspace:
        """The workspace in memory, read from disk at first use. Raises: SessionUnknown."""
        with self._lock:
            known = self._workspaces.get(session_id)
            if known is not None:
                return known
            tasks, run = self.store.load_tasks(session_id), self.store.load_run(session_id)
            notices = self.store.notices(session_id)
            if tasks is None and run is None and not notices:
                raise SessionUnknown(f"there is no workspace {session_id}")
            if tasks is None:
                tasks = TaskList(session_id=session_id, tasks=list(run.tasks) if run else [])
            workspace = Workspace(tasks, run, partial(self._open_log, session_id))
            workspace.notices = notices
            if run is not None and run.active:  # the list may have been written before the run's latest success
                for task, result in zip(run.tasks, run.results, strict=True):
                    if isinstance(result, Completed):
                        workspace.mark_completed(task, result)
            self._remember(workspace)
            return workspace

    def _remember(self, workspace: Workspace) -> None:
        self._workspaces[workspace.session_id] = workspace
        if len(self._workspaces) > CACHED_WORKSPACES:
            idle = [key for key, known in self._workspaces.items() if not known.active and not known.unsaved]
            for key in idle[: len(idle) // 2]:
                del self._workspaces[key]

    def task_list(self, session_id: str) -> TaskList:
        """A copy of the workspace's list. Raises: SessionUnknown."""
        workspace = self.workspace(session_id)
        with workspace.lock:
            return workspace.tasks.model_copy(deep=True)

    def save_task_list(self, session_id: str, tasks: list[AnyTask], revision: int | None) -> TaskList:
        """Replace the list if it still has `revision` (None: whatever it has). A running run is not changed by it.

        `completed` belongs to the server: it is kept for a task whose work is unchanged and cleared for an edited one.
        Raises: RevisionConflict, SessionUnknown, StorageFailed.
        """
        workspace = self.workspace(session_id)
        with workspace.lock:
            current = workspace.tasks
            if revision is not None and revision != current.revision:
                raise RevisionConflict(f"the list has revision {current.revision}, not {revision}")
            known = {task.id: task for task in current.tasks}
            merged = [_keep_completed(task, known.get(task.id)) for task in tasks]
            saved = current.model_copy(update={"tasks": merged, "revision": current.revision + 1})
            self.store.save_tasks(saved)
            workspace.tasks = saved
            return saved.model_copy(deep=True)

    # --- runs: seed 004's methods by name ------------------------------------------------------------------------

    def start_background_task(
        self,
        session_id: str,
        task_indices: list[int] | None = None,
        *,
        auto_generate: bool = False,
        ignore_completed: bool = False,
        only_failed: bool = False,
    ) -> str:
        """Accept a run of the chosen tasks (None: all) and return its id.

        `only_failed` takes what failed or was not reached in the last run; what succeeded is carried over.
        Raises: AlreadyRunning, NoTasksChosen, TaskIndexInvalid, NothingToRetry, SessionUnknown, StorageFailed.
        """
        workspace = self.workspace(session_id)
        with workspace.lock:
            if self._closing:
                raise ShuttingDown("the server is shutting down")
            if workspace.active:
                raise AlreadyRunning("this workspace has a run already")
            tasks, previous, now = workspace.tasks.tasks, workspace.run, utc_now()
            if only_failed:
                run = retry_run(previous, tasks, auto_generate=auto_generate, now=now)
            else:
                run = new_run(
                    session_id,
                    tasks,
                    task_indices,
                    auto_generate=auto_generate,
                    ignore_completed=ignore_completed,
                    now=now,
                )
            if previous is not None:
                run.history = [summarise(previous), *previous.history][:HISTORY]
            self.store.save_run(run)
            workspace.replace_run(run)
            if previous is not None:
                keep_only(self.store, self.logs_dir, previous, run)
        self._queue.put(workspace)
        return run.run_id

    def _execute_tasks_background(self, workspace: Workspace) -> None:
        """The body of a run's thread: the tasks one after the other; whatever happens, the run gets an end."""
        try:
            self._run_thread.execute(workspace)
        except Exception as error:  # a fault of ours must end as a visible state, not as a silent thread
            log.exception("the run of %s failed", workspace.session_id)
            self.ledger.end_run(workspace, "error", ErrorInfo.of(InternalError(f"the run failed: {error}")))

    def get_task_status(self, session_id: str) -> TaskStatus | None:
        """The latest run of the workspace; None if there never was one. Raises: SessionUnknown."""
        workspace = self.workspace(session_id)
        return workspace.status(self._queue.position(workspace))

    def status_snapshot(self, session_id: str) -> Snapshot:
        """The status route's answer as ready bytes with its ETag. Raises: SessionUnknown."""
        workspace = self.workspace(session_id)
        return workspace.snapshot(self.instance, self._queue.position(workspace), self.ledger.problem)

    def ready_snapshot(self, session_id: str) -> Snapshot | None:
        """The last snapshot if it is still true; None if it must be made. Waits for no lock and no disk."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            workspace = self._workspaces.get(session_id)
            if workspace is None:
                return None
            return workspace.ready_snapshot(self._queue.position(workspace), self.ledger.problem)
        finally:
            self._lock.release()

    def stop_task(self, session_id: str) -> str:
        """Stop the workspace's run; twice is harmless. Returns a sentence; the status then holds the receipt.

        A full disk does not keep it from stopping; only a crash before there is space would make the run resume.
        Raises: NotRunning (there never was a run), SessionUnknown.
        """
        workspace = self.workspace(session_id)
        with workspace.lock:
            run = workspace.run
            if run is None:
                raise NotRunning("this workspace has no run")
            if not run.active:
                return f"The run has ended already: {run.status}."
            if not run.stop_requested:
                run.stop_requested = True
                workspace.touch()
                self.ledger.write(workspace)
            workspace.stop.set()
        if self._queue.withdraw(workspace):
            self.ledger.end_run(workspace, "stopped")
        return "The run is being stopped."

    def answer(self, session_id: str, task_id: str, answer: Literal["rerun", "skip"]) -> None:
        """Decide what becomes of a task that was interrupted by a crash and asks. Raises: TaskUnknown, Conflict."""
        workspace = self.workspace(session_id)
        with workspace.lock:
            run = workspace.run
            place = next((i for i, task in enumerate(run.tasks) if task.id == task_id), None) if run else None
            if run is None or place is None:
                raise TaskUnknown(f"the run has no task {task_id}")
            row = run.results[place]
            if not isinstance(row, Asking) or not run.active:
                raise Conflict("this task asks nothing", hint="Load the status again.")
            before, row.answer = row.answer, answer
            try:
                self.save_task_state(session_id)
            except StorageFailed:
                row.answer = before
                raise
            workspace.touch()
        self._queue.put(workspace)

    def save_task_state(self, session_id: str) -> None:
        """Write the run as it is now. Raises: StorageFailed."""
        workspace = self.workspace(session_id)
        with workspace.lock:
            if workspace.run is not None:
                self.store.save_run(workspace.run)

    def load_task_state(self, session_id: str) -> RunState | None:
        """The run as it is on disk; an unreadable file is set aside and counts as none."""
        return self.store.load_run(session_id)

    def cleanup_old_tasks(self, older_than: float | None = None) -> int:
        """Remove runs that ended over `older_than` seconds ago (default: the setting) with their files; count them.

        Running ones and task lists are never touched.
        """
        keep = self.settings.keep_runs if older_than is None else older_than
        limit = utc_now() - timedelta(seconds=keep)
        removed = 0
        for stored in list(self.store.runs()):
            workspace = self.workspace(stored.session_id)
            with workspace.lock:
                run = workspace.run
                if run is None or run.active or run.ended_at is None or run.ended_at > limit:
                    continue
                self.store.delete_run(run.session_id)
                remove_run_files(self.logs_dir, run)
                workspace.run = None
                workspace.touch()
                workspace.unsaved = False
                removed += 1
        return removed

    # --- what a run left behind --------------------------------------------------------------------------------

    def log_reader(self, session_id: str, task_id: str) -> LogReader:
        """The log of the task's latest attempt. Raises: TaskUnknown."""
        workspace = self.workspace(session_id)
        with workspace.lock:
            run = workspace.run
            for task, result in zip(run.tasks, run.results, strict=True) if run else ():
                if task.id == task_id and isinstance(result, Attempted):
                    return self._open_log(session_id, task, result)
        raise TaskUnknown(f"task {task_id} has no log in the latest run")

    def _open_log(self, session_id: str, task: AnyTask, result: Attempted) -> LogReader:
        """The log of an attempt; what the task was given as a secret is blanked out."""
        names, directory = secret_names(task), self.logs_dir / result.log_id
        if not names:
            return LogReader(directory)
        values = self._secrets(session_id)
        known = [values[name] for name in names if name in values]
        return MaskedLog(directory, known, growing=isinstance(result, Running))

    def is_running(self, session_id: str, task_id: str) -> bool:
        """Whether the latest run executes that task now."""
        workspace = self.workspace(session_id)
        with workspace.lock:
            run = workspace.run
            pairs = zip(run.tasks, run.results, strict=True) if run else ()
            return any(task.id == task_id and isinstance(result, Running) for task, result in pairs)

    def artifact(self, session_id: str, artifact_id: str) -> tuple[Artifact, Path]:
        """A file that a task of the latest run made. Raises: ArtifactUnknown."""
        workspace = self.workspace(session_id)
        with workspace.lock:
            for result in workspace.run.results if workspace.run else ():
                for artifact in result.artifacts if isinstance(result, Attempted) else ():
                    path = self.store.artifacts_dir(session_id) / artifact.file
                    if artifact.id == artifact_id and path.is_file():
                        return artifact, path
        raise ArtifactUnknown(f"there is no artifact {artifact_id}")

    def notices(self, session_id: str) -> list[Notice]:
        return self.workspace(session_id).notices

    def active_runs(self) -> list[TaskStatus]:
        """Every run that is queued or running, for people who look at the whole server."""
        with self._lock:
            active = [workspace for workspace in self._workspaces.values() if workspace.active]
        return [status for workspace in active if (status := workspace.status(self._queue.position(workspace)))]

    def health(self) -> dict[str, object]:
        """Status `healthy` or `degraded`, the problems with hints, and how many runs there are."""
        problems = []
        if self.ledger.problem is not None:
            problem = StorageFailed(self.ledger.problem)
            problems.append({"code": problem.code, "message": problem.message, "hint": problem.hint})
        status = "degraded" if problems else "healthy"
        return {"status": status, "problems": problems, "runs": self._queue.counts()}

    # --- the clock and the start -------------------------------------------------------------------------------

    def resume(self) -> int:
        """Take up every active run that an earlier server left; those that ran come first. Returns their number."""
        runs = [run for run in self.store.runs() if run.active]
        running = {row.log_id for run in runs for row in run.results if isinstance(row, Running)}
        self._shell.sweep(running)
        runs.sort(key=lambda run: (run.started_at is None, run.started_at or run.created_at))
        for run in runs:
            workspace = self.workspace(run.session_id)
            if run.stop_requested:
                workspace.stop.set()
            self._queue.put(workspace)
        return len(runs)

    def flush(self) -> None:
        """Write what changed since the last write (seed 004: every 5 s)."""
        with self._lock:
            changed = [workspace for workspace in self._workspaces.values() if workspace.unsaved]
        for workspace in changed:
            self.ledger.write(workspace)

    # --- the end -------------------------------------------------------------------------------------------------

    def begin_shutdown(self) -> None:
        """Let every run thread leave its task as it is: the next server goes on from there."""
        with self._lock:
            self._closing = True
            workspaces = list(self._workspaces.values())
        self._queue.close()
        for workspace in workspaces:
            workspace.leave.set()

    def close(self, timeout: float) -> None:
        """Wait for the run threads, at most `timeout` seconds in all, and write what is unsaved."""
        self.begin_shutdown()
        self._queue.join(timeout)
        self.flush()


def _keep_completed(task: AnyTask, known: AnyTask | None) -> AnyTask:
    if known is None:
        return task
    return task.model_copy(update={"completed": known.completed if same_work(task, known) else None})
