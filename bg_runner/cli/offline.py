"""Ending what a server left behind when none runs: `bg-runner stop --all`, `bg-runner stop --terminals`."""

from __future__ import annotations

import contextlib
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from bg_runner.app import App, build
from bg_runner.errors import Conflict, NotFound
from bg_runner.runs.status import TaskStatus
from bg_runner.settings import Settings
from bg_runner.terminals.host_client import HostClient
from bg_runner.terminals.identity import ID_VARIABLE
from bg_runner.terminals.models import TerminalInfo
from bg_runner.terminals.processes import Killed, kill_tree
from bg_runner.web.auth import load_token
from bg_runner.web.server_file import lock_data_dir

WAIT_SECONDS = 60.0
CLOSE_SECONDS = 3.0
EXIT_SECONDS = 5.0
ENDED_AT_ONCE = 16


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


def end_terminals(settings: Settings) -> dict[str, Killed]:
    """End every persistent terminal that runs; what that did, by their ids. Recordings stay.

    The next server learns from the logs how they ended. Raises: DataDirLocked, HostGone.
    """
    with lock_data_dir(settings.data_dir), HostClient(settings.data_dir) as host:
        if not host.ensure(start=False):
            return {}
        running = [info for info in host.list() if info.state == "running" and _is_persistent(info.id)]
        with ThreadPoolExecutor(ENDED_AT_ONCE) as pool:
            killed = pool.map(lambda info: _end(host, info, settings.stop_grace), running)
            return dict(zip((info.id for info in running), killed, strict=True))


def _is_persistent(terminal_id: str) -> bool:
    """A terminal's id is a UUID; those of tasks begin with `task-`."""
    try:
        return str(uuid.UUID(terminal_id)) == terminal_id
    except ValueError:
        return False


def _end(host: HostClient, info: TerminalInfo, grace: float) -> Killed:
    killed = kill_tree(info.supervisor_process, grace=grace, main=info.main_process, tag=(ID_VARIABLE, info.id))
    # Forgotten, it does not keep the host alive; a terminal that could not be ended stays known.
    with contextlib.suppress(Conflict, NotFound):
        if host.wait(info.id, EXIT_SECONDS) is not None:
            host.forget(info.id)
    return killed
