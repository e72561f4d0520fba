"""A recording becomes a browser task."""

from __future__ import annotations

from bg_runner.errors import ImportRefused
from bg_runner.web import schemas
from bg_runner.web.services import Services


def import_recording(body: schemas.ImportRequest, session_id: str, services: Services) -> schemas.ImportAnswer:
    services.manager.task_list(session_id)
    raise ImportRefused("the recorder is not there yet")
