"""A workspace in memory: its list and its run as they are on disk, and beside them what only a live server has."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

from pydantic import BaseModel

from bg_runner.runs.choose import AnyTask, same_work
from bg_runner.runs.models import Asking, Attempted, Completed, Pending, Run, Running, Skipped, TaskList, TaskResult
from bg_runner.runs.status import TaskRow, TaskStatus, describe
from bg_runner.runs.store import Notice
from bg_runner.tasks.execution import Artifact, StopRequest
from bg_runner.terminals.output import LogReader
from bg_runner.terminals.text import last_lines

OpenLog = Callable[[AnyTask, Attempted], LogReader]
ROW_FIELDS = set(TaskRow.model_fields)
OUTPUT_LINES = 12
OUTPUT_BYTES = 8192


class LiveProgress:
    """What the executor of the running task reports; it reaches the disk with the next flush.

    Plain assignments only, so that the browser's thread never waits for a lock or a disk.
    """

    def __init__(self, row: Running, changed: Callable[[], None]) -> None:
        self._row = row
        self._changed = changed
        self.log_end = 0

    def percent(self, value: float | None) -> None:
        if value != self._row.progress:
            self._row.progress = value
            self._changed()

    def step(self, number: int, total: int, label: str) -> None:
        self._row.step, self._row.total_steps, self._row.step_label = number, total, label
        self._row.progress = round(100 * (number - 1) / total, 1) if total else None
        self._changed()

    def artifact(self, artifact: Artifact) -> None:
        self._row.artifacts = [*self._row.artifacts, artifact]
        self._changed()

    def output(self, cursor: int) -> None:
        if cursor != self.log_end:
            self.log_end = cursor
            self._changed()


class Snapshot(BaseModel):
    """A ready answer of the status route: `etag` changes exactly when `body` does."""

    etag: str
    body: bytes


class StatusAnswer(BaseModel):
    """The body of GET /api/background_task/status."""

    success: bool = True
    task_status: TaskStatus | None
    notices: list[Notice]


class Workspace:
    """`lock` guards `tasks`, `run` and the files behind them; `version` grows with every visible change."""

    def __init__(self, tasks: TaskList, run: Run | None, open_log: OpenLog) -> None:
        self.session_id = tasks.session_id
        self.lock = threading.RLock()
        self.tasks = tasks
        self.run = run
        self.version = 0
        self.unsaved = False
        self.tasks_unsaved = False
        self.to_forget: list[str] = []
        self.stop = StopRequest()
        self.leave = StopRequest()
        self.notices: list[Notice] = []
        self._open_log = open_log
        self._versions = itertools.count(1)
        self._staged: dict[int, TaskResult] = {}
        self._rows: dict[int, tuple[TaskResult, TaskRow]] = {}
        self._snapshot: tuple[object, Snapshot] | None = None

    @property
    def active(self) -> bool:
        return self.run is not None and self.run.active

    def replace_run(self, run: Run) -> None:
        self.run = run
        self.stop = StopRequest()
        self.leave = StopRequest()
        self._staged.clear()
        self._rows.clear()
        self.touch()

    def touch(self) -> None:
        """Something visible changed: the next status is made anew and progress wants to reach the disk."""
        self.version = next(self._versions)
        self.unsaved = True

    def stage(self, place: int, result: TaskResult) -> None:
        """Note what becomes of row `place`; it is seen only together with the write that makes it durable."""
        self._staged[place] = result

    def unstage(self, place: int) -> None:
        self._staged.pop(place, None)

    def apply_staged(self) -> list[TaskResult]:
        """Put the staged rows into the run; return the rows as they were."""
        assert self.run is not None
        before = list(self.run.results)
        for place, result in self._staged.items():
            self.run.results[place] = result
            if isinstance(result, Completed):
                self.mark_completed(self.run.tasks[place], result)
        self._staged.clear()
        self.touch()
        return before

    def unapply(self, before: list[TaskResult]) -> None:
        """Take back `apply_staged`: the rows are staged again."""
        assert self.run is not None
        after, self.run.results = self.run.results, before
        self._staged = {place: row for place, row in enumerate(after) if row is not before[place]}
        self.touch()

    def mark_completed(self, executed: AnyTask, result: Completed) -> None:
        """Note in the list when the task last succeeded, unless it was edited since the run began."""
        for task in self.tasks.tasks:
            if task.id == executed.id and same_work(task, executed) and task.completed != result.ended_at:
                task.completed = result.ended_at
                self.tasks_unsaved = True

    def result(self, place: int) -> TaskResult:
        assert self.run is not None
        return self._staged.get(place, self.run.results[place])

    def snapshot(self, instance: str, queue_position: int | None, problem: str | None) -> Snapshot:
        """The status as JSON, made once for each version. `problem` is what keeps the server from writing."""
        ready = self.ready_snapshot(queue_position, problem)
        if ready is not None:
            return ready
        with self.lock:
            key = self._key(queue_position, problem)
            notices = [*self.notices, *([Notice(code="STORAGE_FAILED", message=problem)] if problem else [])]
            answer = StatusAnswer(task_status=self.status(queue_position), notices=notices)
            etag = f'"{instance}-{key[0]}-{queue_position or 0}-{len(notices)}"'
            snapshot = Snapshot(etag=etag, body=answer.model_dump_json().encode())
            self._snapshot = (key, snapshot)
        return snapshot

    def ready_snapshot(self, queue_position: int | None, problem: str | None) -> Snapshot | None:
        """The last snapshot if nothing has changed since."""
        last = self._snapshot
        return last[1] if last is not None and last[0] == self._key(queue_position, problem) else None

    def _key(self, queue_position: int | None, problem: str | None) -> tuple[object, ...]:
        return (self.version, queue_position, len(self.notices), problem)

    def status(self, queue_position: int | None) -> TaskStatus | None:
        with self.lock:
            if self.run is None:
                return None
            rows = [self._row(place) for place in range(len(self.run.results))]
            return describe(self.run, rows, queue_position=queue_position)

    def _row(self, place: int) -> TaskRow:
        assert self.run is not None
        task, result = self.run.tasks[place], self.run.results[place]
        known = self._rows.get(place)
        if known is not None and known[0] is result:
            return known[1]
        row = TaskRow(
            index=self.run.indices[place],
            id=task.id,
            name=task.name,
            kind=task.kind,
            **result.model_dump(include=ROW_FIELDS),
        )
        if not isinstance(result, Pending | Skipped):
            _add_output(row, self._open_log(task, result))
        if isinstance(result, Completed):
            row.progress = 100.0
        if not isinstance(result, Running | Asking):  # these alone change in place, and their output grows
            self._rows[place] = (result, row)
        return row


def _add_output(row: TaskRow, log: LogReader) -> None:
    chunk = log.tail(OUTPUT_BYTES)
    row.log_end = chunk.end
    lines = last_lines(chunk.data, OUTPUT_LINES + 1)
    whole = chunk.cursor == chunk.oldest
    row.output = (lines if whole else lines[1:])[-OUTPUT_LINES:]
