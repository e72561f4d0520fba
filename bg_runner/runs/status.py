"""What the status route answers: seed 004's fields by name, and a row for every task."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from bg_runner.runs.models import Run, RunStatus, RunSummary, Skipped, SkipReason, TaskResult
from bg_runner.tasks.execution import Artifact, ErrorInfo, Receipt


class TaskRow(BaseModel):
    """One chosen task. Times are UTC, `duration` is in seconds, `log_end` in bytes; `progress` None is unknown."""

    index: int
    id: str
    name: str
    kind: Literal["shell", "browser"]
    status: Literal["pending", "running", "asking", "completed", "failed", "stopped", "skipped"]
    reason: SkipReason | None = None
    attempt: int | None = None
    progress: float | None = None
    step: int | None = None
    total_steps: int | None = None
    step_label: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    error: ErrorInfo | None = None
    receipt: Receipt | None = None
    values: dict[str, object] = {}
    artifacts: list[Artifact] = []
    output: list[str] = []
    log_end: int = 0


class CurrentTask(BaseModel):
    index: int
    id: str
    name: str
    step: int | None = None
    total_steps: int | None = None
    step_label: str | None = None


class TaskStatus(BaseModel):
    """`progress_percent` is finished tasks / total; skipped tasks stand outside `total_tasks`."""

    session_id: str
    run_id: str
    status: RunStatus
    stopping: bool
    queue_position: int | None
    total_tasks: int
    completed_tasks: int
    failed_tasks: int
    skipped_tasks: int
    progress_percent: float
    current_task_progress: float | None
    current_task: CurrentTask | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: ErrorInfo | None
    receipt: Receipt | None
    tasks: list[TaskRow]
    history: list[RunSummary]


class Counts(BaseModel):
    total: int
    completed: int
    failed: int
    skipped: int

    @classmethod
    def of(cls, results: list[TaskResult]) -> Counts:
        by = [result.status for result in results]
        skipped = by.count("skipped")
        return cls(
            total=len(by) - skipped,
            completed=by.count("completed"),
            failed=by.count("failed"),
            skipped=skipped,
        )

    @property
    def percent(self) -> float:
        return 100.0 if not self.total else round(100 * (self.completed + self.failed) / self.total, 1)


def summarise(run: Run) -> RunSummary:
    counts = Counts.of(run.results)
    return RunSummary(
        run_id=run.run_id,
        status=run.status,
        created_at=run.created_at,
        ended_at=run.ended_at,
        total_tasks=counts.total,
        completed_tasks=counts.completed,
        failed_tasks=counts.failed,
        skipped_tasks=counts.skipped,
    )


def _current(run: Run, rows: list[TaskRow]) -> TaskRow | None:
    """The row that runs; at the end of the run its last attempted one, so that a finished page shows 100 %."""
    attempted = [row for row, result in zip(rows, run.results, strict=True) if not isinstance(result, Skipped)]
    for row in attempted:
        if row.status in ("running", "asking"):
            return row
    ended = [row for row in attempted if row.status not in ("pending", "skipped")]
    return ended[-1] if ended and not run.active else None


def describe(run: Run, rows: list[TaskRow], *, queue_position: int | None) -> TaskStatus:
    """Put the counts beside the rows. `rows[i]` describes `run.results[i]`."""
    counts = Counts.of(run.results)
    current = _current(run, rows)
    progress = current.progress if current else None
    if run.status == "completed":
        progress = 100.0
    return TaskStatus(
        session_id=run.session_id,
        run_id=run.run_id,
        status=run.status,
        stopping=run.active and run.stop_requested,
        queue_position=queue_position,
        total_tasks=counts.total,
        completed_tasks=counts.completed,
        failed_tasks=counts.failed,
        skipped_tasks=counts.skipped,
        progress_percent=counts.percent,
        current_task_progress=progress,
        current_task=None
        if current is None or not run.active
        else CurrentTask.model_validate(current, from_attributes=True),
        created_at=run.created_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        error=run.error,
        receipt=run.receipt,
        tasks=rows,
        history=run.history,
    )
