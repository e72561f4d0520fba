"""Which tasks a run executes, and why the others are skipped."""

from datetime import UTC, datetime, timedelta

import pytest

from bg_runner.errors import NoTasksChosen, NothingToRetry, TaskIndexInvalid
from bg_runner.runs.choose import AnyTask, chosen_indices, new_run, retry_run, skip_reason
from bg_runner.runs.models import Completed, Failed, Pending, Skipped
from bg_runner.tasks.execution import ErrorInfo
from bg_runner.tasks.models import ShellTask

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def shell(name: str, **fields: object) -> ShellTask:
    return ShellTask.model_validate({"id": name, "command": "true", **fields})


@pytest.mark.parametrize(
    ("task", "ignore_completed", "reason"),
    [
        (shell("a"), False, None),
        (shell("a", enabled=False), True, "disabled"),
        (shell("a", expires_at=NOW), True, "expired"),
        (shell("a", expires_at=NOW + HOUR), False, None),
        (shell("a", not_before=NOW + HOUR), True, "not_due"),
        (shell("a", not_before=NOW), False, None),
        (shell("a", completed=NOW), False, "completed"),
        (shell("a", completed=NOW), True, None),
    ],
)
def test_skip_reason(task: ShellTask, ignore_completed: bool, reason: str | None) -> None:
    assert skip_reason(task, ignore_completed=ignore_completed, now=NOW) == reason


def test_none_chooses_all_and_a_choice_keeps_the_order_of_the_list() -> None:
    assert chosen_indices(3, None) == [0, 1, 2]
    assert chosen_indices(3, [2, 0]) == [0, 2]


@pytest.mark.parametrize(
    ("count", "indices", "error"),
    [(0, None, NoTasksChosen), (2, [], NoTasksChosen), (2, [2], TaskIndexInvalid), (2, [-1], TaskIndexInvalid),
     (2, [1, 1], TaskIndexInvalid)],
)  # fmt: skip
def test_a_wrong_choice_is_refused(count: int, indices: list[int] | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        chosen_indices(count, indices)


def test_a_retry_runs_what_failed_or_was_not_reached_and_carries_over_the_rest() -> None:
    tasks: list[AnyTask] = [shell("done"), shell("bad"), shell("off", enabled=False), shell("late"), shell("deleted")]
    first = new_run("s", tasks, None, auto_generate=False, ignore_completed=False, now=NOW)
    ended = {"log_id": "x", "started_at": NOW, "ended_at": NOW}
    first.results[0] = Completed(**ended)
    first.results[1] = Failed(**ended, error=ErrorInfo(code="EXIT_NON_ZERO", message="no"))
    mended: list[AnyTask] = [shell("new"), shell("done"), shell("bad", command="echo mended"), tasks[2], tasks[3]]

    again = retry_run(first, mended, auto_generate=False, now=NOW + HOUR)

    assert [task.id for task in again.tasks] == ["done", "bad", "off", "late"]
    assert again.indices == [1, 2, 3, 4]
    assert [type(row) for row in again.results] == [Completed, Pending, Skipped, Pending]
    bad = again.tasks[1]
    assert isinstance(bad, ShellTask)
    assert bad.command == "echo mended"
    assert again.run_id != first.run_id


def test_nothing_to_retry() -> None:
    tasks: list[AnyTask] = [shell("a", enabled=False)]
    run = new_run("s", tasks, None, auto_generate=False, ignore_completed=False, now=NOW)
    with pytest.raises(NothingToRetry):
        retry_run(run, tasks, auto_generate=False, now=NOW)
    with pytest.raises(NothingToRetry):
        retry_run(None, tasks, auto_generate=False, now=NOW)
