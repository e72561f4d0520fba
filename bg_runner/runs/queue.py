"""Which run may go: a bounded number of threads, one a workspace, and a fair queue before them."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from bg_runner.runs.models import Asking
from bg_runner.runs.workspace import Workspace

log = logging.getLogger(__name__)


class RunQueue:
    """First come, first served; at most `limit` workspaces have a thread. Safe from any thread."""

    def __init__(self, limit: int, execute: Callable[[Workspace], None]) -> None:
        self._limit = limit
        self._execute = execute
        self._lock = threading.Lock()
        self._waiting: deque[Workspace] = deque()
        self._threads: dict[str, threading.Thread] = {}
        self._closing = False

    def put(self, workspace: Workspace) -> None:
        """Give the workspace a thread, at once or when its turn comes; nothing happens if it has one or waits."""
        with self._lock:
            if workspace not in self._waiting and workspace.session_id not in self._threads:
                self._waiting.append(workspace)
            self._dispatch()

    def withdraw(self, workspace: Workspace) -> bool:
        """Take the workspace out of the queue; False if a thread has it already."""
        with self._lock:
            if workspace in self._waiting:
                self._waiting.remove(workspace)
            return workspace.session_id not in self._threads

    def position(self, workspace: Workspace) -> int | None:
        """The place in the queue, from 1; None for one that does not wait."""
        with self._lock:
            return self._waiting.index(workspace) + 1 if workspace in self._waiting else None

    def counts(self) -> dict[str, int]:
        with self._lock:
            return {"running": len(self._threads), "queued": len(self._waiting)}

    def close(self) -> None:
        """Start no further thread."""
        with self._lock:
            self._closing = True

    def join(self, timeout: float) -> None:
        """Wait for the threads, at most `timeout` seconds in all."""
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                log.error("%s did not leave in time; its run resumes at the next start", thread.name)

    def _dispatch(self) -> None:
        """Give free slots to those that wait. The caller holds the lock."""
        while self._waiting and len(self._threads) < self._limit and not self._closing:
            workspace = self._waiting.popleft()
            name = f"run-{workspace.session_id[:8]}"
            thread = threading.Thread(target=self._run, args=(workspace,), name=name, daemon=True)
            self._threads[workspace.session_id] = thread
            thread.start()

    def _run(self, workspace: Workspace) -> None:
        try:
            self._execute(workspace)
        finally:
            with self._lock:
                self._threads.pop(workspace.session_id, None)
                if _wants_thread(workspace) and workspace not in self._waiting:
                    self._waiting.append(workspace)
                self._dispatch()


def _wants_thread(workspace: Workspace) -> bool:
    """Whether there is something to do when a thread is done with a workspace: a new run, an answer, a stop."""
    run = workspace.run
    if run is None or not run.active:
        return False
    waiting = any(isinstance(row, Asking) and row.answer is None for row in run.results)
    return not waiting or workspace.stop.is_set()
