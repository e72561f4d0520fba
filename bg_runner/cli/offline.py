"""Ending what a server left behind when none runs: `bg-runner stop --all`."""

from __future__ import annotations

import time

from bg_runner.app import App, build
from bg_runner.runs.status import TaskStatus
from bg_runner.settings import Settings
from bg_runner.web.auth import load_token
from bg_runner.web.server_file import lock_data_dir

WAIT_SECONDS = 60.0
CLOSE_SECONDS = 3.0


def stop_all(settings: Settings) -> list[TaskStatus]:
    """Stop every run that an ended server would resume; return how each ended.

    It does what a server does at its start, except that each run is told to stop before it is taken up, so that nothing
    new begins. Raises: DataDirLocked, StorageFailed.
    """
    with lock_data_dir(settings.data_dir):
        app = build(settings, load_token(settings.data_dir, settings.token))
        try:
            return _stop(app)
        finally:
            app.close(CLOSE_SECONDS)


def _stop(app: App) -> list[TaskStatus]:
    store = app.manager.store
    sessions = []
    for run in store.runs():
        if run.active:
            run.stop_requested = True
            store.save_run(run)
            sessions.append(run.session_id)
    if not sessions:
        return []
    app.start()
    deadline = time.monotonic() + WAIT_SECONDS
    while app.manager.active_runs() and time.monotonic() < deadline:
        time.sleep(0.05)
    return [status for session in sessions if (status := app.manager.get_task_status(session)) is not None]
