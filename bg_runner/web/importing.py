"""POST /import: a recording becomes a browser task, its passwords become secrets, and the list gets it if asked to."""

from __future__ import annotations

from bg_runner.errors import InvalidField, RevisionConflict
from bg_runner.runs.models import TaskList
from bg_runner.tasks.models import BrowserTask
from bg_runner.tasks.recorder import import_flow, with_secrets
from bg_runner.web import schemas
from bg_runner.web.services import Services
from bg_runner.web.task_checks import check_tasks

ATTEMPTS = 5


def import_recording(body: schemas.ImportRequest, session_id: str, services: Services) -> schemas.ImportAnswer:
    """Everything is checked before anything is stored.

    Raises: ImportRefused, InvalidField, UrlRefused, SessionUnknown, RevisionConflict, StorageFailed.
    """
    current = services.manager.task_list(session_id)
    recording = body.recording
    imported = import_flow(recording.encode() if isinstance(recording, str) else recording)
    task, values = with_secrets(imported.task, _steps(body.secrets))
    if body.add:
        check_tasks([*current.tasks, task], current.tasks, services.settings)
    if body.store_secrets:
        for name, value in values.items():
            services.secrets.set(session_id, name, value)
    revision = _append(services, session_id, current, task).revision if body.add else None
    return schemas.ImportAnswer(
        task=task,
        problems=[schemas.ImportProblem(step=one.step, message=one.message) for one in imported.problems],
        unknown_fields=[schemas.UnknownField(step=one.step, field=one.field) for one in imported.unknown_fields],
        passwords=[
            schemas.RecordedPassword(step=one.step, suggested=one.suggested_secret_name) for one in imported.passwords
        ],
        revision=revision,
    )


def _steps(secrets: dict[str, str]) -> dict[int, str]:
    """Step number -> name of the secret. Raises: InvalidField."""
    wrong = [step for step in secrets if not (step.isascii() and step.isdigit() and len(step) < 7)]
    if wrong:
        raise InvalidField("secrets: its keys are step numbers from 1", fields=[("secrets", "step numbers from 1")])
    return {int(step): name for step, name in secrets.items()}


def _append(services: Services, session_id: str, current: TaskList, task: BrowserTask) -> TaskList:
    """Save the list with the task at its end; what another tab saves meanwhile stays. Raises: RevisionConflict."""
    for _ in range(ATTEMPTS):
        try:
            return services.manager.save_task_list(session_id, [*current.tasks, task], current.revision)
        except RevisionConflict:
            current = services.manager.task_list(session_id)
    raise RevisionConflict("the list keeps changing")
