"""A run, as it lies on disk: which tasks it executes, and what became of each. The state machine is the types.

A row is a `TaskResult`; each status carries only its own fields:

    pending -> running -> completed | failed | stopped
       |          └-----> asking -> running | skipped     (after a crash, `after_crash: ask`)
       └-> skipped

Unknown fields survive a round trip, so that an older server can be started on a newer file (`extra="allow"`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bg_runner.tasks.execution import Artifact, ErrorInfo, Receipt
from bg_runner.tasks.models import Task

SCHEMA_VERSION = 1
SkipReason = Literal["disabled", "expired", "not_due", "completed", "after_crash"]
RunStatus = Literal["queued", "running", "completed", "stopped", "error"]


def utc_now() -> datetime:
    return datetime.now(UTC)


class _Stored(BaseModel):
    model_config = ConfigDict(extra="allow")


class Pending(_Stored):
    status: Literal["pending"] = "pending"


class Skipped(_Stored):
    status: Literal["skipped"] = "skipped"
    reason: SkipReason


class Attempted(_Stored):
    """`log_id` names the attempt's log under `<data>/terminals/`; `progress` is 0-100 or None while unknown."""

    attempt: int = 1
    log_id: str
    started_at: datetime
    progress: float | None = None
    step: int | None = None
    total_steps: int | None = None
    step_label: str | None = None
    artifacts: list[Artifact] = []


class Running(Attempted):
    """`executor` is the instance of the PTY host that was asked; written before it is asked."""

    status: Literal["running"] = "running"
    executor: str | None = None


class Asking(Attempted):
    """The server died while this task ran, and the task says that a person decides what comes next."""

    status: Literal["asking"] = "asking"
    answer: Literal["rerun", "skip"] | None = None


class _Ended(Attempted):
    ended_at: datetime
    duration: float = 0.0
    exit_code: int | None = None
    values: dict[str, object] = {}


class Completed(_Ended):
    status: Literal["completed"] = "completed"


class Failed(_Ended):
    status: Literal["failed"] = "failed"
    error: ErrorInfo
    signal: int | None = None


class Stopped(_Ended):
    status: Literal["stopped"] = "stopped"
    receipt: Receipt | None = None


TaskResult = Annotated[
    Pending | Skipped | Running | Asking | Completed | Failed | Stopped, Field(discriminator="status")
]


class RunSummary(_Stored):
    """One line of a workspace's history."""

    run_id: str
    status: RunStatus
    created_at: datetime
    ended_at: datetime | None = None
    total_tasks: int
    completed_tasks: int
    failed_tasks: int
    skipped_tasks: int


class Run(_Stored):
    """The latest run of a workspace and a line for each earlier one. `tasks[i]` is what `results[i]` came of.

    `indices[i]` is the place that task had in the list when the run was started.
    """

    schema_version: int = SCHEMA_VERSION
    session_id: str
    run_id: str
    status: RunStatus
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    auto_generate: bool = False
    ignore_completed: bool = False
    stop_requested: bool = False
    tasks: list[Task]
    indices: list[int]
    results: list[TaskResult]
    receipt: Receipt | None = None
    error: ErrorInfo | None = None
    history: list[RunSummary] = []

    @property
    def active(self) -> bool:
        return self.status in ("queued", "running")


class TaskList(_Stored):
    """A workspace's list; `revision` grows with every save. Never cleaned up."""

    schema_version: int = SCHEMA_VERSION
    session_id: str
    revision: int = 0
    tasks: list[Task] = []
