"""Writing down what becomes of a run: every transition at once, progress with the flush."""

from __future__ import annotations

import logging

from bg_runner.errors import StorageFailed
from bg_runner.runs.models import Asking, RunStatus, Stopped, utc_now
from bg_runner.runs.store import JsonRunStore
from bg_runner.runs.workspace import Workspace
from bg_runner.tasks.execution import ErrorInfo

log = logging.getLogger(__name__)
RETRY_SECONDS = 1.0


class Ledger:
    """The only writer of state files. `problem` says why the last write failed; None when it went well."""

    def __init__(self, store: JsonRunStore) -> None:
        self.store = store
        self.problem: str | None = None

    def commit(self, workspace: Workspace) -> None:
        """Make the staged rows durable, then visible.

        While the disk is full, wait for space, a stop or the server's end.
        Raises: StorageFailed when it gave up waiting; the rows are then still staged and not visible.
        """
        while True:
            with workspace.lock:
                before = workspace.apply_staged()
                if self._save_run(workspace):
                    return
                workspace.unapply(before)
            if workspace.leave.wait(RETRY_SECONDS) or workspace.stop.is_set():
                raise StorageFailed(self.problem or "the state could not be written")

    def end_run(self, workspace: Workspace, status: RunStatus, error: ErrorInfo | None = None) -> None:
        """Write the run's end and the list's `completed` dates; if that fails the flush tries again."""
        with workspace.lock:
            run = workspace.run
            if run is None or not run.active:
                return
            workspace.apply_staged()
            now = utc_now()
            for place, row in enumerate(run.results):
                if isinstance(row, Asking):
                    run.results[place] = Stopped(**row.model_dump(exclude={"status", "answer"}), ended_at=now)
            run.status, run.error, run.ended_at = status, error, now
            workspace.touch()
            self.write(workspace)

    def write(self, workspace: Workspace) -> bool:
        """Write what changed since the last write. Returns whether that went well."""
        with workspace.lock:
            return self._save_run(workspace) and self._save_tasks(workspace)

    def _save_run(self, workspace: Workspace) -> bool:
        if workspace.run is None:
            workspace.unsaved = False
            return True
        workspace.unsaved = False  # before the dump: what changes from now on wants another write
        try:
            self.store.save_run(workspace.run)
        except StorageFailed as error:
            return self._failed(workspace, error)
        self.problem = None
        return True

    def _save_tasks(self, workspace: Workspace) -> bool:
        if not workspace.tasks_unsaved:
            return True
        try:
            self.store.save_tasks(workspace.tasks)
        except StorageFailed as error:
            return self._failed(workspace, error)
        workspace.tasks_unsaved = False
        return True

    def _failed(self, workspace: Workspace, error: StorageFailed) -> bool:
        workspace.unsaved = True
        if self.problem != error.message:
            log.error("%s", error.message)
        self.problem = error.message
        return False
