"""What a task list must fulfil beyond the types of its fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bg_runner.errors import CwdMissing, InvalidField, ShellMissing, UrlRefused
from bg_runner.runs.choose import AnyTask
from bg_runner.settings import Settings
from bg_runner.tasks.models import BrowserTask, ShellTask, check_url
from bg_runner.tasks.shell import check_place
from bg_runner.tasks.steps import Navigate


def check_tasks(tasks: Sequence[AnyTask], saved: Sequence[AnyTask], settings: Settings) -> None:
    """Check a list that is to replace `saved`.

    A place that vanished after it was saved does not keep anybody from saving the rest of the list: only new or
    changed places are looked at. Raises: InvalidField, UrlRefused, CwdMissing, ShellMissing.
    """
    if len(tasks) > settings.max_tasks:
        raise InvalidField(f"tasks: a list may have {settings.max_tasks} tasks, not {len(tasks)}")
    repeated = [task_id for task_id, count in Counter(task.id for task in tasks).items() if count > 1]
    if repeated:
        raise InvalidField(f"tasks: the id {repeated[0]} is given to more than one task")
    known = {(task.id, task.cwd, task.shell) for task in saved if isinstance(task, ShellTask)}
    for place, task in enumerate(tasks):
        if isinstance(task, BrowserTask):
            _check_addresses(place, task)
        elif (task.id, task.cwd, task.shell) not in known:
            _check_place(place, task, settings)


def _check_addresses(place: int, task: BrowserTask) -> None:
    for number, step in enumerate(task.path):
        if isinstance(step, Navigate) and step.url != "about:blank":
            try:
                check_url(step.url)
            except ValueError as error:
                raise UrlRefused(f"tasks.{place}.path.{number}.url: {error}") from None


def _check_place(place: int, task: ShellTask, settings: Settings) -> None:
    try:
        check_place(task, settings)
    except CwdMissing as error:
        raise CwdMissing(f"tasks.{place}.cwd: there is no directory {task.cwd}", hint=error.hint) from None
    except ShellMissing as error:
        raise ShellMissing(f"tasks.{place}.shell: {error.message}", hint=error.hint) from None
