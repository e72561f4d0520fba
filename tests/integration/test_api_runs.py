"""Runs over the API of a real server: start, status with ETag, logs, stop, retry, import, secrets, artifacts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.conditions import wait_until
from tests.integration.server import ServerProcess

API = "/api/background_task"
PASSWORD = "tr0ub4dor-and-3"
RECORDING = {
    "title": "Log in",
    "steps": [
        {"type": "navigate", "url": "http://127.0.0.1:1/"},
        {"type": "change", "selectors": ["#name"], "value": "ada"},
        {"type": "change", "selectors": ["#password"], "value": PASSWORD, "glow": 1},
        {"type": "teleport"},
    ],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, chromium_path: str) -> Iterator[ServerProcess]:
    data_dir = tmp_path_factory.mktemp("runs") / "data"
    made = ServerProcess(data_dir, stop_grace=1, chromium=chromium_path, keep_runs=3600)
    made.start()
    yield made
    made.close()


def shell(command: str, **fields: object) -> dict[str, object]:
    return {"kind": "shell", "command": command, "shell": "/bin/bash", **fields}


def get(server: ServerProcess, path: str, session: str, **headers: str) -> httpx.Response:
    return server.client.get(f"{API}/{path}", headers={"X-Session-ID": session, **headers})


def read_log(server: ServerProcess, session: str, task: str, query: str = "") -> Any:
    answer = get(server, f"tasks/{task}/log{query}", session)
    assert answer.status_code == 200, answer.text
    return answer.json()["log"]


# --- status ---------------------------------------------------------------------------------------------------


def test_a_workspace_that_never_ran_has_no_status(server: ServerProcess) -> None:
    answer = get(server, "status", server.session()).json()
    assert answer["success"] is True
    assert (answer["task_status"], answer["notices"]) == (None, [])
    assert datetime.fromisoformat(answer["server_time"]).tzinfo is not None


def test_the_status_has_the_fields_of_the_seed(server: ServerProcess) -> None:
    session = server.run(shell("echo one", name="first"), shell("exit 3"), shell("true", enabled=False))
    status = server.ended(session)
    assert status["status"] == "completed"
    assert (status["total_tasks"], status["completed_tasks"], status["failed_tasks"], status["skipped_tasks"]) == (
        2,
        1,
        1,
        1,
    )
    assert (status["progress_percent"], status["current_task_progress"]) == (100.0, 100.0)
    first, second, third = status["tasks"]
    assert (first["name"], first["status"], first["output"], first["exit_code"]) == ("first", "completed", ["one"], 0)
    assert (second["status"], second["error"]["code"], second["exit_code"]) == ("failed", "EXIT_NON_ZERO", 3)
    assert (third["status"], third["reason"]) == ("skipped", "disabled")


def test_an_unchanged_status_costs_next_to_nothing(server: ServerProcess) -> None:
    session = server.run(shell("true"))
    server.ended(session)
    first = get(server, "status", session)
    etag = first.headers["ETag"]
    for known in (etag, f'"other", {etag}', etag.removeprefix("W/"), "*"):
        again = get(server, "status", session, **{"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    assert get(server, "status", session, **{"If-None-Match": '"other"'}).status_code == 200
    server.call("POST", "start", session, ignore_completed=True)
    changed = get(server, "status", session, **{"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag
    server.ended(session)


def test_the_workspace_may_be_named_in_three_places(server: ServerProcess) -> None:
    session = server.session(shell("true"))
    assert server.client.get(f"{API}/status", params={"session_id": session}).status_code == 200
    assert server.client.get(f"{API}/status", headers={"X-Session-ID": session.upper()}).status_code == 200
    assert server.client.post(f"{API}/start", json={"session_id": session}).status_code == 200
    server.ended(session)


def test_active_runs_of_all_workspaces(server: ServerProcess) -> None:
    session = server.run(shell("sleep 60"))
    runs = server.call("GET", "runs")["runs"]
    mine = next(run for run in runs if run["session_id"] == session)
    assert mine["url"] == f"{server.url}/s/{session}"
    assert mine["task_status"]["status"] in ("queued", "running")
    server.call("POST", "stop", session)
    server.ended(session)


# --- what runs ------------------------------------------------------------------------------------------------


def test_chosen_tasks_only(server: ServerProcess) -> None:
    session = server.run(shell("echo a"), shell("echo b"), shell("echo c"), task_indices=[0, 2])
    status = server.ended(session)
    assert [(row["index"], row["output"]) for row in status["tasks"]] == [(0, ["a"]), (2, ["c"])]


def test_completed_tasks_are_skipped_unless_told_otherwise(server: ServerProcess) -> None:
    session = server.run(shell("true"))
    server.ended(session)
    assert server.call("GET", "tasks", session)["tasks"][0]["completed"] is not None
    server.call("POST", "start", session)
    assert server.ended(session)["tasks"][0]["reason"] == "completed"
    server.call("POST", "start", session, ignore_completed=True)
    assert server.ended(session)["tasks"][0]["status"] == "completed"


def test_only_what_failed_runs_again(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> None:
    counted = tmp_path_factory.mktemp("counted") / "count"
    session = server.run(shell(f"echo x >> {counted}"), shell(f"test -e {counted}-2"))
    assert server.ended(session)["failed_tasks"] == 1
    counted.with_name("count-2").touch()
    answer = server.client.post(f"{API}/start", json={"from": "failed", "session_id": session})
    assert answer.status_code == 200, answer.text
    status = server.ended(session)
    assert (status["completed_tasks"], status["failed_tasks"]) == (2, 0)
    assert counted.read_text() == "x\n"


def test_stop_says_what_it_ended(server: ServerProcess) -> None:
    session = server.run(shell("sleep 300 & setsid sleep 300 & echo up; wait", id="tree"), shell("echo never"))
    wait_until(lambda: "up" in read_log(server, session, "tree")["text"] if started(server, session) else False, 30)
    assert server.call("POST", "stop", session)["message"]
    assert server.call("POST", "stop", session)["message"], "twice is harmless"
    status = server.ended(session)
    assert status["status"] == "stopped"
    receipt = status["tasks"][0]["receipt"]
    assert len(receipt["ended"]) >= 2
    assert receipt["survivors"] == []
    assert status["tasks"][1]["status"] == "pending"


def started(server: ServerProcess, session: str) -> bool:
    return bool(server.status(session)["tasks"][0]["status"] == "running")


# --- logs -----------------------------------------------------------------------------------------------------


def test_a_log_is_read_by_cursor(server: ServerProcess) -> None:
    session = server.run(shell(r"printf 'one\ntwo\n\033[31mthrée\033[0m\n'", id="say"))
    server.ended(session)
    log = read_log(server, session, "say")
    assert log["text"].replace("\r", "") == "one\ntwo\nthrée\n"
    assert (log["since"], log["oldest"], log["running"]) == (0, 0, False)
    assert log["next"] == log["end"]
    rest = read_log(server, session, "say", f"?since={log['text'].index('two')}&limit=3")
    assert (rest["text"], rest["next"]) == ("two", rest["since"] + 3)
    assert read_log(server, session, "say", f"?since={log['end']}")["text"] == ""
    assert read_log(server, session, "say", "?since=999999999")["since"] == log["end"]
    assert "\x1b[31m" in read_log(server, session, "say", "?ansi=true")["text"]


def test_pieces_of_any_size_make_the_whole(server: ServerProcess) -> None:
    session = server.run(shell(r"for i in $(seq 300); do printf '\033[1;32m%d\033[0m äöü€😀 ' $i; done", id="say"))
    server.ended(session)
    whole = read_log(server, session, "say")["text"]
    assert "\x1b" not in whole
    for limit in (24, 37, 500):
        text, cursor, end = "", 0, 1
        while cursor < end:
            log = read_log(server, session, "say", f"?since={cursor}&limit={limit}")
            text, cursor, end = text + log["text"], log["next"], log["end"]
        assert text == whole


def test_following_waits_for_more_and_no_longer(server: ServerProcess) -> None:
    session = server.run(shell("echo first; read line; echo got $line", id="ask"))
    wait_until(lambda: started(server, session) and read_log(server, session, "ask")["text"].startswith("first"), 30)
    cursor = read_log(server, session, "ask")["next"]
    began = time.monotonic()
    assert read_log(server, session, "ask", f"?since={cursor}&follow=0.5")["text"] == ""
    assert time.monotonic() - began >= 0.5
    server.call("POST", "stop", session)
    server.ended(session)
    began = time.monotonic()
    ended = read_log(server, session, "ask", f"?since={cursor}&follow=30")
    assert ended["running"] is False
    assert time.monotonic() - began < 10


def test_many_followers_leave_the_rest_quick(server: ServerProcess) -> None:
    """Ten waiting requests once filled Flask's threads and stopped the status for seconds."""
    session = server.run(shell("sleep 60", id="quiet"))
    wait_until(lambda: started(server, session), 30)
    with ThreadPoolExecutor(30) as pool, httpx.Client(base_url=server.url, headers=server.client.headers) as client:
        followers = [
            pool.submit(client.get, f"{API}/tasks/quiet/log?follow=20&session_id={session}", timeout=60)
            for _ in range(30)
        ]
        wait_until(lambda: sum(follower.running() for follower in followers) == 30)
        for path in ("status", "tasks"):
            assert server.client.get(f"{API}/{path}?session_id={session}", timeout=5).status_code == 200
        server.call("POST", "stop", session)
        assert {follower.result().status_code for follower in followers} == {200}


def test_a_whole_log_can_be_downloaded(server: ServerProcess) -> None:
    session = server.run(shell(r"for i in $(seq 50000); do printf '\033[32m%d\033[0m\n' $i; done", id="long"))
    server.ended(session)
    answer = get(server, "tasks/long/log?download=1", session)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="long.log"'
    assert answer.text.split() == [str(number) for number in range(1, 50001)]
    assert get(server, "tasks/long/log?download=1&ansi=1", session).text.count("\x1b[32m") == 50000


# --- import and secrets ---------------------------------------------------------------------------------------


def test_a_recording_becomes_a_task_and_its_password_a_secret(server: ServerProcess) -> None:
    session = server.session()
    seen = server.call("POST", "import", session, recording=json.dumps(RECORDING))
    assert (seen["task"]["name"], seen["revision"]) == ("Log in", None)
    assert [problem["step"] for problem in seen["problems"]] == [4]
    assert {"step": 3, "field": "glow"} in seen["unknown_fields"]
    assert [(one["step"], one["suggested"]) for one in seen["passwords"]] == [(3, "PASSWORD")]
    assert server.call("GET", "tasks", session)["tasks"] == []

    added = server.call(
        "POST", "import", session, recording=RECORDING, add=True, secrets={"3": "SHOP"}, store_secrets=True
    )
    assert added["revision"] == server.call("GET", "tasks", session)["revision"]
    assert added["task"]["path"][2]["value"] == {"secret": "SHOP"}
    assert PASSWORD not in json.dumps(added)
    assert server.call("GET", "secrets", session)["secrets"] == ["SHOP"]
    assert PASSWORD not in json.dumps(server.call("GET", "tasks", session))
    assert PASSWORD not in server.log


def test_a_secret_reaches_the_command_and_nobody_else(server: ServerProcess) -> None:
    session = server.session(shell('test "$KEY" = "s3cret value" && echo right', env={"KEY": {"secret": "KEY"}}))
    assert server.call("PUT", "secrets/KEY", session, value="s3cret value")["secrets"] == ["KEY"]
    server.call("POST", "start", session)
    assert server.ended(session)["tasks"][0]["output"] == ["right"]
    assert server.call("DELETE", "secrets/KEY", session)["secrets"] == []
    assert "s3cret value" not in server.log


def test_another_workspace_does_not_see_it(server: ServerProcess) -> None:
    one, other = server.session(), server.session()
    server.call("PUT", "secrets/KEY", one, value="x")
    assert server.call("GET", "secrets", other)["secrets"] == []


# --- artifacts ------------------------------------------------------------------------------------------------


def test_artifacts_are_shown_or_downloaded_and_run_nowhere(server: ServerProcess) -> None:
    path = [
        {"type": "navigate", "url": f"{server.url}/demo/stock.html"},
        {"type": "waitForElement", "selectors": ["#stock"], "visible": True},
        {"type": "customStep", "name": "download", "parameters": {"selectors": ["#price-list"]}},
        {"type": "customStep", "name": "screenshot", "parameters": {"name": "stock"}},
    ]
    session = server.run({"kind": "browser", "path": path, "screenshots": "off"})
    row = server.ended(session)["tasks"][0]
    assert row["status"] == "completed", row["error"]
    by_kind = {artifact["kind"]: artifact for artifact in row["artifacts"]}

    shot = get(server, f"artifacts/{by_kind['screenshot']['id']}", session)
    assert shot.headers["Content-Type"].startswith("image/")
    assert shot.headers["Content-Disposition"].startswith("inline")
    assert len(shot.content) == by_kind["screenshot"]["size"]

    file = get(server, f"artifacts/{by_kind['download']['id']}", session)
    assert file.headers["Content-Type"] == "application/octet-stream"
    assert file.headers["Content-Disposition"] == "attachment; filename*=UTF-8''prices.csv"
    assert len(file.content) == by_kind["download"]["size"] > 0

    for answer in (shot, file):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "script-src" not in answer.headers["Content-Security-Policy"]
    other = server.session()
    assert get(server, f"artifacts/{by_kind['screenshot']['id']}", other).status_code == 404


def test_the_sample_goes_into_an_empty_list_once(server: ServerProcess) -> None:
    session = server.session()
    sample = server.call("GET", "sample")["tasks"]
    assert sorted(task["kind"] for task in sample) == ["browser", "browser", "shell", "shell"]
    added = server.call("POST", "sample", session)
    assert len(added["tasks"]) == 4
    assert server.url in json.dumps(added["tasks"])


# --- the server -----------------------------------------------------------------------------------------------


def test_cleanup_removes_ended_runs_and_keeps_lists(server: ServerProcess) -> None:
    ended, running = server.run(shell("true")), server.run(shell("sleep 60"))
    server.ended(ended)
    assert server.call("POST", "cleanup")["removed"] == 0, "nothing is an hour old"
    assert server.call("POST", "cleanup", older_than=0.0)["removed"] >= 1
    assert server.status(ended) is None
    assert len(server.call("GET", "tasks", ended)["tasks"]) == 1
    assert server.status(running)["status"] in ("queued", "running")
    server.call("POST", "stop", running)
    server.ended(running)


def test_the_doctor_looks_at_everything(server: ServerProcess) -> None:
    answer = server.client.get("/api/doctor", timeout=60).json()
    checks = {check["name"]: check for check in answer["checks"]}
    assert set(checks) >= {"Python", "Data directory", "Disk space", "Browser", "Browser sandbox", "PTY host", "Server"}
    assert checks["Browser"]["ok"]
    assert checks["Data directory"]["ok"]


def test_the_status_is_right_while_many_look_and_change(server: ServerProcess) -> None:
    session = server.run(shell("for i in $(seq 100); do echo $i%; sleep 0.01; done"))
    seen: list[float] = []
    failures: list[int] = []
    done = threading.Event()

    def look() -> None:
        with httpx.Client(base_url=server.url, headers=server.client.headers, timeout=30) as client:
            while not done.is_set():
                answer = client.get(f"{API}/status", params={"session_id": session})
                if answer.status_code != 200:
                    failures.append(answer.status_code)
                seen.append(answer.json()["task_status"]["current_task_progress"] or 0.0)

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    status = server.ended(session)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert status["tasks"][0]["progress"] == 100.0
    assert max(seen) == 100.0
