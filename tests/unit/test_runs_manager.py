"""The state machine of runs, with executors whose outcomes the test decides. The real ones: tests/integration."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bg_runner.errors import (
    AlreadyRunning,
    Conflict,
    NotRunning,
    RevisionConflict,
    SessionUnknown,
    ShuttingDown,
    TaskUnknown,
)
from bg_runner.runs.manager import BackgroundTaskManager
from bg_runner.runs.status import TaskStatus
from bg_runner.runs.store import JsonRunStore, session_hash
from bg_runner.settings import Settings
from bg_runner.tasks.execution import ErrorInfo, Execution, Outcome, Receipt
from bg_runner.tasks.models import BrowserTask, ShellTask
from bg_runner.tasks.steps import Navigate
from tests.conditions import wait_until

DONE = Outcome(status="completed", exit_code=0)
BAD = Outcome(status="failed", exit_code=3, error=ErrorInfo(code="EXIT_NON_ZERO", message="exit code 3"))
LOST = Outcome(status="interrupted")


@dataclass
class Scripted:
    """Answers with the outcomes given for a command; `hold` waits for a stop, a leave or the test's release."""

    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    executed: list[tuple[str, int, bool]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    forgotten: list[str] = field(default_factory=list)
    host: str = "host-1"

    def instance(self) -> str:
        return self.host

    def sweep(self, running: set[str]) -> None:
        self.swept = running

    def forget(self, log_id: str) -> None:
        self.forgotten.append(log_id)

    def execute(self, task: ShellTask, execution: Execution) -> Outcome:
        self.executed.append((task.command, execution.attempt, execution.resumed))
        if task.command == "hold":
            return self._hold(execution)
        queue = self.outcomes.get(task.command)
        return queue.pop(0) if queue else DONE

    def _hold(self, execution: Execution) -> Outcome:
        execution.progress.percent(40.0)
        moved = threading.Event()
        execution.stop.on_set(moved.set)
        execution.leave.on_set(moved.set)
        while not moved.wait(0.01) and not self.release.is_set():
            pass
        if execution.stop.is_set():
            return Outcome(status="stopped", receipt=Receipt(ended=[7], seconds=0.1))
        return LOST if execution.leave.is_set() else DONE


class ScriptedBrowser:
    def execute(self, task: BrowserTask, execution: Execution) -> Outcome:
        execution.progress.step(2, 4, "click #buy")
        return DONE

    def plan(self, task: BrowserTask, execution: Execution) -> BrowserTask:
        return task.model_copy(update={"path": [Navigate(type="navigate", url=task.start_url or "")]})


@dataclass
class Server:
    """A manager on a data directory; `crash` abandons it as SIGKILL would, without a word to its threads."""

    data_dir: Path
    shell: Scripted = field(default_factory=Scripted)
    max_runs: int = 4

    def __post_init__(self) -> None:
        settings = Settings(data_dir=self.data_dir, max_concurrent_runs=self.max_runs)
        self.manager = BackgroundTaskManager(
            settings, JsonRunStore(self.data_dir), self.shell, ScriptedBrowser(), lambda _session: {}
        )

    def session(self, *tasks: ShellTask | BrowserTask) -> str:
        session_id = self.manager.create_session()
        self.manager.save_task_list(session_id, list(tasks), None)
        return session_id

    def status(self, session_id: str) -> TaskStatus:
        status = self.manager.get_task_status(session_id)
        assert status is not None
        return status

    def ended(self, session_id: str) -> TaskStatus:
        wait_until(lambda: self.status(session_id).status not in ("queued", "running"))
        return self.status(session_id)

    def row(self, session_id: str, place: int, status: str) -> None:
        wait_until(lambda: self.status(session_id).tasks[place].status == status)

    def on_disk(self, session_id: str) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.data_dir / f"{session_hash(session_id)}.json").read_text())
        return found

    def restarted(self, shell: Scripted | None = None) -> Server:
        """What the next server sees if this one is killed now: a copy, since a thread cannot be killed."""
        copy = self.data_dir.with_name(f"{self.data_dir.name}-next")
        copy.mkdir()
        for path in self.data_dir.glob("*.json"):
            (copy / path.name).write_bytes(path.read_bytes())
        server = Server(copy, shell or Scripted())
        server.manager.resume()
        return server


def task(command: str, **fields: object) -> ShellTask:
    return ShellTask.model_validate({"command": command, **fields})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "data") as made:
        yield made


@contextmanager
def running(data_dir: Path, **fields: int) -> Iterator[Server]:
    made = Server(data_dir, **fields)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.manager.close(2.0)


def test_tasks_run_in_order_and_a_failing_one_does_not_end_the_run(server: Server) -> None:
    server.shell.outcomes["bad"] = [BAD]
    session = server.session(task("one"), task("bad"), task("off", enabled=False), task("two"))
    server.manager.start_background_task(session)

    status = server.ended(session)

    assert [command for command, _, _ in server.shell.executed] == ["one", "bad", "two"]
    assert (status.status, status.total_tasks, status.completed_tasks, status.failed_tasks, status.skipped_tasks) == (
        "completed", 3, 2, 1, 1,
    )  # fmt: skip
    assert status.progress_percent == 100
    assert status.current_task_progress == 100
    assert [row.status for row in status.tasks] == ["completed", "failed", "skipped", "completed"]
    assert status.tasks[1].error is not None
    assert status.tasks[1].error.code == "EXIT_NON_ZERO"
    assert status.tasks[2].reason == "disabled"
    assert wait_until(lambda: len(server.shell.forgotten) == 3)


def test_a_success_is_noted_in_the_list_and_skipped_the_next_time(server: Server) -> None:
    session = server.session(task("one"), task("two"))
    server.manager.start_background_task(session, [0])
    server.ended(session)
    assert server.manager.task_list(session).tasks[0].completed is not None

    server.manager.start_background_task(session)
    status = server.ended(session)
    assert [(row.status, row.reason) for row in status.tasks] == [("skipped", "completed"), ("completed", None)]

    server.manager.start_background_task(session, ignore_completed=True)
    assert server.ended(session).completed_tasks == 2
    assert [line.completed_tasks for line in server.status(session).history] == [1, 1]


def test_an_edited_task_counts_as_not_completed(server: Server) -> None:
    session = server.session(task("one", id="a"), task("two", id="b"))
    server.manager.start_background_task(session)
    server.ended(session)
    server.manager.save_task_list(session, [task("other", id="a"), task("two", id="b", name="renamed")], None)
    listed = server.manager.task_list(session).tasks
    assert listed[0].completed is None
    assert listed[1].completed is not None


def test_a_stale_revision_is_refused_and_changes_nothing(server: Server) -> None:
    session = server.session(task("one"))
    saved = server.manager.save_task_list(session, [task("two")], 1)
    assert saved.revision == 2
    with pytest.raises(RevisionConflict):
        server.manager.save_task_list(session, [task("three")], 1)
    listed = server.manager.task_list(session)
    assert listed.revision == 2
    assert listed == saved


def test_one_active_run_a_workspace_and_the_run_keeps_its_tasks(server: Server) -> None:
    session = server.session(task("hold"), task("two"))
    server.manager.start_background_task(session)
    server.row(session, 0, "running")
    with pytest.raises(AlreadyRunning):
        server.manager.start_background_task(session)
    server.manager.save_task_list(session, [task("other")], None)
    server.shell.release.set()
    server.ended(session)
    assert [command for command, _, _ in server.shell.executed] == ["hold", "two"]


def test_stop_keeps_what_is_done_and_is_harmless_twice(server: Server) -> None:
    session = server.session(task("one"), task("hold"), task("three"))
    with pytest.raises(NotRunning):
        server.manager.stop_task(session)
    server.manager.start_background_task(session)
    server.row(session, 1, "running")
    server.manager.stop_task(session)
    server.manager.stop_task(session)
    status = server.ended(session)
    assert (status.status, status.completed_tasks) == ("stopped", 1)
    assert [row.status for row in status.tasks] == ["completed", "stopped", "pending"]
    assert status.receipt is not None
    assert status.receipt.ended == [7]
    server.manager.stop_task(session)
    assert server.on_disk(session)["status"] == "stopped"


def test_retry_runs_what_failed_or_was_not_reached(server: Server) -> None:
    server.shell.outcomes["bad"] = [BAD, DONE]
    session = server.session(task("one"), task("bad"))
    server.manager.start_background_task(session)
    server.ended(session)
    server.manager.start_background_task(session, only_failed=True)
    status = server.ended(session)
    assert [command for command, _, _ in server.shell.executed] == ["one", "bad", "bad"]
    assert (status.total_tasks, status.completed_tasks) == (2, 2)


def test_runs_beyond_the_limit_wait_in_order(tmp_path: Path) -> None:
    with running(tmp_path / "data", max_runs=1) as server:
        sessions = [server.session(task("hold")) for _ in range(3)]
        for session in sessions:
            server.manager.start_background_task(session)
        server.row(sessions[0], 0, "running")
        assert [server.status(session).queue_position for session in sessions] == [None, 1, 2]
        assert server.status(sessions[2]).status == "queued"
        server.manager.stop_task(sessions[1])
        assert server.status(sessions[1]).status == "stopped"
        assert server.status(sessions[2]).queue_position == 1
        server.shell.release.set()
        assert server.ended(sessions[0]).status == "completed"
        assert server.ended(sessions[2]).status == "completed"


def test_intent_is_on_disk_before_a_command_is_asked_for(server: Server) -> None:
    seen: list[str] = []

    class Looking(Scripted):
        def execute(self, task: ShellTask, execution: Execution) -> Outcome:
            row = server.on_disk(execution.session_id)["results"][0]  # type: ignore[index]
            seen.append(row["status"])
            assert row["log_id"] == execution.log_id
            assert row["executor"] == "host-1"
            return DONE

    server.shell = Looking()
    server.__post_init__()
    session = server.session(task("one"))
    server.manager.start_background_task(session)
    server.ended(session)
    assert seen == ["running"]


def test_a_killed_server_resumes_without_running_anything_twice(server: Server) -> None:
    session = server.session(task("one"), task("hold"), task("three"))
    server.manager.start_background_task(session)
    server.row(session, 1, "running")

    after = server.restarted()
    after.shell.release.set()
    status = after.ended(session)

    assert after.shell.executed == [("hold", 1, True), ("three", 1, False)]
    assert status.completed_tasks == 3
    assert after.manager.task_list(session).tasks[0].completed is not None
    after.manager.close(1.0)


@pytest.mark.parametrize(("choice", "statuses"), [("rerun", ["completed"] * 2), ("skip", ["skipped", "completed"])])
def test_an_interrupted_task_follows_after_crash(server: Server, choice: str, statuses: list[str]) -> None:
    server.shell.outcomes["one"] = [LOST]
    session = server.session(task("one", after_crash=choice), task("two"))
    server.manager.start_background_task(session)
    assert [row.status for row in server.ended(session).tasks] == statuses
    attempts = [attempt for command, attempt, _ in server.shell.executed if command == "one"]
    assert attempts == ([1, 2] if choice == "rerun" else [1])


def test_a_task_that_is_always_interrupted_fails_in_the_end(server: Server) -> None:
    server.shell.outcomes["one"] = [LOST] * 10
    session = server.session(task("one"), task("two"))
    server.manager.start_background_task(session)
    status = server.ended(session)
    assert [row.status for row in status.tasks] == ["failed", "completed"]
    assert status.tasks[0].error is not None
    assert status.tasks[0].error.code == "INTERRUPTED"


@pytest.mark.parametrize(("answer", "statuses"), [("rerun", ["completed"] * 2), ("skip", ["skipped", "completed"])])
def test_a_question_waits_for_its_answer_over_a_restart_and_holds_no_slot(
    tmp_path: Path, answer: str, statuses: list[str]
) -> None:
    with running(tmp_path / "data", max_runs=1) as server:
        server.shell.outcomes["one"] = [LOST]
        session, other = server.session(task("one", id="a", after_crash="ask"), task("two")), server.session(task("x"))
        server.manager.start_background_task(session)
        server.row(session, 0, "asking")
        server.manager.start_background_task(other)
        assert server.ended(other).status == "completed"

        after = server.restarted()
        after.row(session, 0, "asking")
        with pytest.raises(TaskUnknown):
            after.manager.answer(session, "nobody", "skip")
        after.manager.answer(session, "a", answer)  # type: ignore[arg-type]
        assert [row.status for row in after.ended(session).tasks] == statuses
        with pytest.raises(Conflict):
            after.manager.answer(session, "a", "skip")
        after.manager.close(1.0)


def test_a_question_can_be_stopped(server: Server) -> None:
    server.shell.outcomes["one"] = [LOST]
    session = server.session(task("one", after_crash="ask"), task("two"))
    server.manager.start_background_task(session)
    server.row(session, 0, "asking")
    server.manager.stop_task(session)
    status = server.ended(session)
    assert (status.status, [row.status for row in status.tasks]) == ("stopped", ["stopped", "pending"])


def test_a_stop_that_the_server_did_not_survive_is_carried_out_by_the_next(server: Server) -> None:
    session = server.session(task("hold"), task("two"))
    server.manager.start_background_task(session)
    server.row(session, 0, "running")
    path = server.data_dir / f"{session_hash(session)}.json"
    path.write_text(json.dumps(server.on_disk(session) | {"stop_requested": True}))
    after = server.restarted()
    assert after.ended(session).status == "stopped"
    after.manager.close(1.0)


def test_shutting_down_leaves_a_state_that_resumes(tmp_path: Path) -> None:
    first = Server(tmp_path / "data")
    session = first.session(task("hold"), task("two"))
    first.manager.start_background_task(session)
    first.row(session, 0, "running")
    first.manager.close(2.0)
    with pytest.raises(ShuttingDown):
        first.manager.start_background_task(session)
    assert first.on_disk(session)["status"] == "running"
    second = Server(tmp_path / "data")
    assert second.manager.resume() == 1
    second.shell.release.set()
    assert second.ended(session).completed_tasks == 2
    second.manager.close(1.0)


def test_a_browser_task_without_a_path_needs_auto_generate(server: Server) -> None:
    session = server.session(BrowserTask(id="b", start_url="http://localhost/"))
    server.manager.start_background_task(session)
    row = server.ended(session).tasks[0]
    assert row.error is not None
    assert row.error.code == "NO_PATH"
    server.manager.start_background_task(session, auto_generate=True)
    assert server.ended(session).completed_tasks == 1
    listed = server.manager.task_list(session).tasks[0]
    assert isinstance(listed, BrowserTask)
    assert len(listed.path) == 1


def test_progress_reaches_the_status_at_once_and_the_disk_with_the_flush(server: Server) -> None:
    session = server.session(task("hold"))
    server.manager.start_background_task(session)
    wait_until(lambda: server.status(session).current_task_progress == 40)
    server.manager.flush()
    assert server.on_disk(session)["results"][0]["progress"] == 40  # type: ignore[index]


def test_an_unchanged_status_keeps_its_etag_and_a_changed_one_does_not(server: Server) -> None:
    session = server.session(task("hold"))
    before = server.manager.status_snapshot(session)
    assert json.loads(before.body) == {"success": True, "task_status": None, "notices": []}
    server.manager.start_background_task(session)
    wait_until(lambda: server.status(session).current_task_progress == 40)
    one, two = server.manager.status_snapshot(session), server.manager.status_snapshot(session)
    assert one.etag != before.etag
    assert two is one


def test_clean_up_takes_ended_runs_and_never_lists_or_running_ones(server: Server) -> None:
    ended, active = server.session(task("one")), server.session(task("hold"))
    server.manager.start_background_task(ended)
    server.manager.start_background_task(active)
    server.ended(ended)
    server.row(active, 0, "running")
    assert server.manager.cleanup_old_tasks() == 0
    assert server.manager.cleanup_old_tasks(0) == 1
    assert server.manager.get_task_status(ended) is None
    assert len(server.manager.task_list(ended).tasks) == 1
    assert server.status(active).status == "running"


def test_an_unreadable_state_is_told_and_the_list_is_still_there(server: Server) -> None:
    session = server.session(task("one"))
    (server.data_dir / f"{session_hash(session)}.json").write_text("{torn")
    after = server.restarted()
    assert after.manager.get_task_status(session) is None
    assert [notice.code for notice in after.manager.notices(session)] == ["STATE_CORRUPT"]
    assert len(after.manager.task_list(session).tasks) == 1
    after.manager.close(1.0)


def test_an_unknown_workspace(server: Server) -> None:
    with pytest.raises(SessionUnknown):
        server.manager.get_task_status("6a1f5d0e-6a55-4f6c-9c6f-0b7c7d1a2b3c")
    assert not server.manager.has_session("6a1f5d0e-6a55-4f6c-9c6f-0b7c7d1a2b3c")


def test_a_run_that_starts_while_the_last_ones_thread_still_tidies_up_is_executed(server: Server) -> None:
    tidying, tidied = threading.Event(), threading.Event()

    class Slow(Scripted):
        def forget(self, log_id: str) -> None:
            tidying.set()
            tidied.wait(10)

    server.shell = Slow()
    server.__post_init__()
    session = server.session(task("one"))
    server.manager.start_background_task(session)
    assert tidying.wait(10)
    assert server.ended(session).status == "completed"

    server.manager.start_background_task(session, ignore_completed=True)
    tidied.set()

    assert server.ended(session).completed_tasks == 1
    assert len(server.shell.executed) == 2
