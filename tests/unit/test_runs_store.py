"""State files: nothing that lies on the disk can crash the server, and nothing unreadable is ever overwritten."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bg_runner import files
from bg_runner.errors import StorageFailed
from bg_runner.runs.choose import AnyTask, new_run
from bg_runner.runs.models import Completed, Run, Running, TaskList
from bg_runner.runs.store import JsonRunStore, session_hash
from bg_runner.tasks.models import BrowserTask, ShellTask

SESSION = "6a1f5d0e-6a55-4f6c-9c6f-0b7c7d1a2b3c"
OLD_FILE = Path(__file__).parent / "data" / "run-schema-1.json"


def make_run() -> Run:
    tasks: list[AnyTask] = [ShellTask(id="a", command="true"), BrowserTask(id="b", start_url="http://localhost/")]
    return new_run(SESSION, tasks, None, auto_generate=True, ignore_completed=False, now=datetime.now(UTC))


def test_the_file_is_named_after_the_hash_of_the_session(tmp_path: Path) -> None:
    JsonRunStore(tmp_path).save_run(make_run())
    path = tmp_path / f"{session_hash(SESSION)}.json"
    assert json.loads(path.read_text())["session_id"] == SESSION
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(session_hash(SESSION)) == 64


def test_a_round_trip_keeps_everything(tmp_path: Path) -> None:
    store, run = JsonRunStore(tmp_path), make_run()
    store.save_run(run)
    assert store.load_run(SESSION) == run
    assert list(store.runs()) == [run]


def test_pieces_are_encoded_anew_only_when_they_changed(tmp_path: Path) -> None:
    store, run, now = JsonRunStore(tmp_path), make_run(), datetime.now(UTC)
    row = Running(log_id="x", started_at=now)
    run.results[0] = row
    store.save_run(run)
    row.progress = 40.0
    store.save_run(run)
    assert store.load_run(SESSION) == run
    run.results[0] = Completed(log_id="x", started_at=now, ended_at=now)
    run.tasks[1] = ShellTask(id="b", command="false")
    store.save_run(run)
    assert store.load_run(SESSION) == run


def test_an_old_file_with_unknown_fields_is_read_and_keeps_them(tmp_path: Path) -> None:
    store = JsonRunStore(tmp_path)
    old = json.loads(OLD_FILE.read_text())
    path = tmp_path / f"{session_hash(old['session_id'])}.json"
    path.write_text(OLD_FILE.read_text())

    run = store.load_run(old["session_id"])

    assert run is not None
    assert [row.status for row in run.results] == ["completed", "failed", "skipped", "running", "pending"]
    store.save_run(run)
    again = json.loads(path.read_text())
    assert again["colour_of_a_later_version"] == "blue"
    assert again["results"][0]["mood"] == "good"


def test_a_task_list_outlives_the_clean_up_of_its_run(tmp_path: Path) -> None:
    store = JsonRunStore(tmp_path)
    store.save_tasks(TaskList(session_id=SESSION, tasks=[ShellTask(command="true")]))
    store.save_run(make_run())
    store.delete_run(SESSION)
    tasks = store.load_tasks(SESSION)
    assert store.load_run(SESSION) is None
    assert tasks is not None
    assert len(tasks.tasks) == 1


def _damage(data: bytes, cut: int, flips: list[tuple[int, int]]) -> bytes:
    damaged = bytearray(data[:cut])
    for place, bit in flips:
        if damaged:
            damaged[place % len(damaged)] ^= 1 << bit
    return bytes(damaged)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    cut=st.integers(0, 3000),
    flips=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 7)), max_size=4),
    zeros=st.booleans(),
)
def test_a_damaged_file_is_read_or_set_aside_whole(
    tmp_path: Path, cut: int, flips: list[tuple[int, int]], zeros: bool
) -> None:
    store = JsonRunStore(tmp_path)
    store.save_run(make_run())
    path = tmp_path / f"{session_hash(SESSION)}.json"
    damaged = bytes(len(path.read_bytes())) if zeros else _damage(path.read_bytes(), cut, flips)
    path.write_bytes(damaged)

    run = store.load_run(SESSION)

    aside = list(tmp_path.glob("*.corrupt-*"))
    if run is None:
        assert [file.read_bytes() for file in aside] == [damaged]
        assert not path.exists()
        assert [notice.code for notice in store.notices(SESSION)] == ["STATE_CORRUPT"]
    else:
        assert not aside
    store.save_run(make_run())
    assert store.load_run(SESSION) is not None
    for file in tmp_path.iterdir():
        file.unlink()


def test_another_sessions_file_under_this_name_is_set_aside(tmp_path: Path) -> None:
    store = JsonRunStore(tmp_path)
    other = make_run().model_copy(update={"session_id": "somebody-else"})
    (tmp_path / f"{session_hash(SESSION)}.json").write_text(other.model_dump_json())
    assert store.load_run(SESSION) is None
    assert len(store.notices(SESSION)) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="a full disk is made by mounting a small one")
def test_a_full_disk_keeps_the_last_good_state(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    assert os.system(f"mount -t tmpfs -o size=64k tmpfs {small}") == 0
    try:
        store, run = JsonRunStore(small), make_run()
        store.save_run(run)
        (small / "filler").write_bytes(bytes(os.statvfs(small).f_bavail * 4096))
        with pytest.raises(StorageFailed):
            store.save_run(run.model_copy(update={"status": "completed"}))
        assert store.load_run(SESSION) == run
        assert not list(small.glob(".*.tmp"))
        (small / "filler").unlink()
        store.save_run(run.model_copy(update={"status": "completed"}))
    finally:
        os.system(f"umount {small}")


def test_leftovers_of_a_killed_write_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".x.json.abc.tmp").write_text("half")
    files.remove_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())
