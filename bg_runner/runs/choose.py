"""Which tasks of a list a run executes, and why the others are skipped. Pure: lists in, a run out."""

from __future__ import annotations

import uuid
from datetime import datetime

from bg_runner.errors import NoTasksChosen, NothingToRetry, TaskIndexInvalid
from bg_runner.runs.models import Completed, Pending, Run, Skipped, SkipReason, TaskResult
from bg_runner.tasks.models import BrowserTask, ShellTask

AnyTask = ShellTask | BrowserTask


def same_work(one: AnyTask, other: AnyTask) -> bool:
    """Whether both tasks do the same, whatever they are called and whenever they may run."""
    passive = {"completed", "name", "enabled", "not_before", "expires_at"}
    return one.model_dump(exclude=passive) == other.model_dump(exclude=passive)


def skip_reason(task: AnyTask, *, ignore_completed: bool, now: datetime) -> SkipReason | None:
    """Why `task` is not eligible at `now` (UTC), or None if it is."""
    if not task.enabled:
        return "disabled"
    if task.expires_at is not None and task.expires_at <= now:
        return "expired"
    if task.not_before is not None and task.not_before > now:
        return "not_due"
    if task.completed is not None and not ignore_completed:
        return "completed"
    return None


def chosen_indices(count: int, indices: list[int] | None) -> list[int]:
    """The checked places of the chosen tasks in a list of `count`; None chooses all, in the list's order.

    Raises: NoTasksChosen, TaskIndexInvalid (out of range or repeated).
    """
    if indices is None:
        indices = list(range(count))
    if not indices:
        raise NoTasksChosen("no task is chosen" if count else "the task list is empty")
    wrong = [index for index in indices if not 0 <= index < count]
    if wrong:
        raise TaskIndexInvalid(f"the list has {count} tasks; there is no task {wrong[0]}")
    repeated = sorted({index for index in indices if indices.count(index) > 1})
    if repeated:
        raise TaskIndexInvalid(f"task {repeated[0]} is named more than once")
    return sorted(indices)


def new_run(
    session_id: str,
    tasks: list[AnyTask],
    indices: list[int] | None,
    *,
    auto_generate: bool,
    ignore_completed: bool,
    now: datetime,
) -> Run:
    """A queued run of the chosen tasks as they are now. Raises: NoTasksChosen, TaskIndexInvalid."""
    places = chosen_indices(len(tasks), indices)
    results: list[TaskResult] = []
    for place in places:
        reason = skip_reason(tasks[place], ignore_completed=ignore_completed, now=now)
        results.append(Pending() if reason is None else Skipped(reason=reason))
    return Run(
        session_id=session_id,
        run_id=uuid.uuid4().hex,
        status="queued",
        created_at=now,
        auto_generate=auto_generate,
        ignore_completed=ignore_completed,
        tasks=[tasks[place].model_copy(deep=True) for place in places],
        indices=places,
        results=results,
    )


def retry_run(previous: Run | None, tasks: list[AnyTask], *, auto_generate: bool, now: datetime) -> Run:
    """A run of what failed or was not reached in `previous`, with the tasks as the list has them now.

    What succeeded is carried over with its results and is not run again; tasks deleted since are left out.
    Raises: NothingToRetry.
    """
    if previous is None:
        raise NothingToRetry("there is no earlier run")
    places = {task.id: place for place, task in enumerate(tasks)}
    run = previous.model_copy(
        update={
            "run_id": uuid.uuid4().hex,
            "status": "queued",
            "created_at": now,
            "auto_generate": auto_generate,
            "tasks": [],
            "indices": [],
            "results": [],
        },
    )
    for field in ("started_at", "ended_at", "receipt", "error"):
        setattr(run, field, None)
    run.stop_requested = False
    for task, result in zip(previous.tasks, previous.results, strict=True):
        if task.id not in places:
            continue
        settled = isinstance(result, Completed) or (isinstance(result, Skipped) and result.reason != "after_crash")
        run.tasks.append(task if settled else tasks[places[task.id]].model_copy(deep=True))
        run.indices.append(places[task.id])
        run.results.append(result if settled else Pending())
    if not any(isinstance(result, Pending) for result in run.results):
        raise NothingToRetry("every task of the last run succeeded or was skipped")
    return run
