"""Bad input, on a real server: each with its own code, its hint and the right status, and nothing half done."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from bg_runner.errors import every_error
from tests.integration.server import ServerProcess

API = "/api/background_task"
JSON = {"Content-Type": "application/json"}
STRANGER = str(uuid.uuid4())


@dataclass
class Bad:
    """One bad request; `session` None sends the header with the workspace of the test."""

    code: str
    method: str
    path: str
    body: Any = None
    session: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    message: str = ""

    def __str__(self) -> str:
        return f"{self.code} {self.method} {self.path} {str(self.body)[:60]}"


def shell(**fields: object) -> dict[str, object]:
    return {"tasks": [{"kind": "shell", "command": "true", **fields}]}


def browser(**fields: object) -> dict[str, object]:
    return {"tasks": [{"kind": "browser", **fields}]}


CASES = [
    # the workspace
    Bad("SESSION_MISSING", "GET", "status", session=""),
    Bad("SESSION_MISSING", "POST", "start", {}, session=""),
    Bad("INVALID_SESSION", "GET", "status", session="42"),
    Bad("INVALID_SESSION", "GET", "tasks", session="../../etc/passwd"),
    Bad("INVALID_SESSION", "GET", f"status?session_id={STRANGER}"),
    Bad("INVALID_SESSION", "POST", "start", {"session_id": STRANGER}),
    Bad("SESSION_UNKNOWN", "GET", "status", session=STRANGER),
    Bad("SESSION_UNKNOWN", "GET", "tasks", session=STRANGER),
    Bad("SESSION_UNKNOWN", "PUT", "tasks", {"tasks": []}, session=STRANGER),
    Bad("SESSION_UNKNOWN", "POST", "start", {}, session=STRANGER),
    Bad("SESSION_UNKNOWN", "POST", "stop", {}, session=STRANGER),
    Bad("SESSION_UNKNOWN", "POST", "answer", {"task_id": "a", "answer": "skip"}, session=STRANGER),
    Bad("SESSION_UNKNOWN", "POST", "sample", {}, session=STRANGER),
    Bad("SESSION_UNKNOWN", "POST", "import", {"recording": {"title": "x", "steps": []}}, session=STRANGER),
    Bad("SESSION_UNKNOWN", "GET", "secrets", session=STRANGER),
    Bad("SESSION_UNKNOWN", "PUT", "secrets/A", {"value": "x"}, session=STRANGER),
    Bad("SESSION_UNKNOWN", "DELETE", "secrets/A", session=STRANGER),
    Bad("SESSION_UNKNOWN", "GET", "tasks/x/log", session=STRANGER),
    Bad("SESSION_UNKNOWN", "GET", "artifacts/x", session=STRANGER),
    # which tasks
    Bad("NO_TASKS_CHOSEN", "POST", "start", {"task_indices": []}),
    Bad("TASK_INDEX_INVALID", "POST", "start", {"task_indices": [0, 7]}, message="no task 7"),
    Bad("TASK_INDEX_INVALID", "POST", "start", {"task_indices": [-1]}),
    Bad("TASK_INDEX_INVALID", "POST", "start", {"task_indices": [0, 0]}, message="more than once"),
    Bad("NOTHING_TO_RETRY", "POST", "start", {"from": "failed"}),
    Bad("INVALID_FIELD", "POST", "start", {"task_indices": "all"}, message="task_indices"),
    Bad("INVALID_FIELD", "POST", "start", {"task_indices": [True]}, message="task_indices.0"),
    Bad("TASK_INDEX_INVALID", "POST", "start", {"task_indices": [10**30]}),
    # the body
    Bad("MALFORMED_JSON", "POST", "start", b"{"),
    Bad("MALFORMED_JSON", "POST", "start", b"[0, 1]"),
    Bad("MALFORMED_JSON", "POST", "start", b"\xff\xfe"),
    Bad("MALFORMED_JSON", "POST", "start", b'{"task_indices": [0], "task_indices": [1]}'),
    Bad("MALFORMED_JSON", "PUT", "tasks", b'{"tasks": [{"kind": "shell", "command": "x", "timeout": NaN}]}'),
    Bad("MALFORMED_JSON", "PUT", "tasks", b'{"tasks": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    Bad("WRONG_CONTENT_TYPE", "POST", "start", b"{}", headers={"Content-Type": "text/plain"}),
    Bad(
        "WRONG_CONTENT_TYPE",
        "POST",
        "start",
        b"task_indices=0",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ),
    Bad("WRONG_CONTENT_TYPE", "PUT", "tasks", b"{}", headers={"Content-Type": "application/json; charset=latin-1"}),
    Bad("WRONG_CONTENT_TYPE", "PUT", "tasks", b"{}", headers={"Content-Type": ""}),
    Bad("TOO_LARGE", "PUT", "tasks", shell(command="x" * 9_000_000)),
    Bad("INVALID_FIELD", "POST", "start", {"task_indexes": [0]}, message="task_indexes"),
    Bad("INVALID_FIELD", "POST", "stop", {"force": True}, message="force"),
    Bad("INVALID_FIELD", "POST", "cleanup", {"older_than": -1}, message="older_than"),
    Bad("INVALID_FIELD", "POST", "sessions", {"name": "x"}, message="name"),
    # the list
    Bad("INVALID_FIELD", "PUT", "tasks", {}, message="tasks"),
    Bad("INVALID_FIELD", "PUT", "tasks", {"tasks": {}}, message="tasks"),
    Bad("INVALID_FIELD", "PUT", "tasks", {"tasks": [1]}, message="tasks.0"),
    Bad("INVALID_FIELD", "PUT", "tasks", {"tasks": [{"kind": "python"}]}, message="tasks.0"),
    Bad("INVALID_FIELD", "PUT", "tasks", {"tasks": [{"kind": "shell"}]}, message="tasks.0.command"),
    Bad("INVALID_FIELD", "PUT", "tasks", shell(comand="x"), message="tasks.0.comand"),
    Bad("INVALID_FIELD", "PUT", "tasks", shell(command=""), message="tasks.0.command"),
    Bad("INVALID_FIELD", "PUT", "tasks", shell(command="a\0b"), message="tasks.0.command"),
    Bad("INVALID_FIELD", "PUT", "tasks", shell(id="../x"), message="tasks.0.id"),
    Bad("INVALID_FIELD", "PUT", "tasks", shell(timeout=0), message="tasks.0.timeout"),
    Bad("INVALID_FIELD", "PUT", "tasks", shell(not_before="2026-11-21T10:00:00"), message="tasks.0.not_before"),
    Bad("INVALID_FIELD", "PUT", "tasks", shell(env={"A=B": "x"}), message="tasks.0.env"),
    Bad("INVALID_FIELD", "PUT", "tasks", shell(after_crash="maybe"), message="tasks.0.after_crash"),
    Bad("INVALID_FIELD", "PUT", "tasks", browser(path=[{"type": "fly"}]), message="tasks.0.path.0"),
    Bad("INVALID_FIELD", "PUT", "tasks", browser(path=[{"type": "click"}]), message="tasks.0.path.0.selectors"),
    Bad("INVALID_FIELD", "PUT", "tasks", {"tasks": [{"kind": "shell", "command": "x", "id": "a"}] * 2}, message="id a"),
    Bad("INVALID_FIELD", "PUT", "tasks", {"tasks": [{"kind": "shell", "command": "x"}] * 501}, message="500 tasks"),
    Bad("INVALID_FIELD", "PUT", "tasks", {"tasks": [], "revision": "1"}, message="revision"),
    Bad("REVISION_CONFLICT", "PUT", "tasks", {"tasks": [], "revision": 99}),
    Bad("URL_REFUSED", "PUT", "tasks", browser(start_url="file:///etc/passwd"), message="tasks.0.start_url"),
    Bad("URL_REFUSED", "PUT", "tasks", browser(start_url="javascript:alert(1)"), message="tasks.0.start_url"),
    Bad(
        "URL_REFUSED", "PUT", "tasks", browser(path=[{"type": "navigate", "url": "file:///etc"}]), message="path.0.url"
    ),
    Bad("CWD_MISSING", "PUT", "tasks", shell(cwd="/no/such/directory"), message="tasks.0.cwd"),
    Bad("CWD_MISSING", "PUT", "tasks", shell(cwd="/etc/passwd"), message="tasks.0.cwd"),
    Bad("SHELL_MISSING", "PUT", "tasks", shell(shell="/bin/no-such-shell"), message="tasks.0.shell"),
    Bad("IMPORT_REFUSED", "POST", "import", {"recording": "not json"}),
    Bad("IMPORT_REFUSED", "POST", "import", {"recording": {"title": "no steps"}}),
    Bad("INVALID_FIELD", "POST", "import", {"recording": 7}, message="recording"),
    Bad(
        "INVALID_FIELD",
        "POST",
        "import",
        {"recording": {"title": "t", "steps": [{"type": "navigate", "url": "http://x/"}]}, "secrets": {"one": "A"}},
        message="secrets",
    ),
    Bad("CONFLICT", "POST", "sample", {}),
    # runs and what they leave behind
    Bad("NOT_RUNNING", "POST", "stop", {}),
    Bad("TASK_UNKNOWN", "POST", "answer", {"task_id": "nobody", "answer": "skip"}),
    Bad("INVALID_FIELD", "POST", "answer", {"task_id": "nobody", "answer": "perhaps"}, message="answer"),
    Bad("TASK_UNKNOWN", "GET", "tasks/nobody/log"),
    Bad("TASK_UNKNOWN", "GET", "tasks/..%2e/log"),
    Bad("INVALID_FIELD", "GET", "tasks/one/log?since=-1", message="since"),
    Bad("INVALID_FIELD", "GET", "tasks/one/log?since=99999999999999999999", message="since"),
    Bad("INVALID_FIELD", "GET", "tasks/one/log?limit=x", message="limit"),
    Bad("INVALID_FIELD", "GET", "tasks/one/log?follow=nan", message="follow"),
    Bad("INVALID_FIELD", "GET", "tasks/one/log?follow=-1", message="follow"),
    Bad("INVALID_FIELD", "GET", "tasks/one/log?ansi=maybe", message="ansi"),
    Bad("ARTIFACT_UNKNOWN", "GET", "artifacts/nothing"),
    Bad("ARTIFACT_UNKNOWN", "GET", "artifacts/..%2e"),
    Bad("NOT_FOUND", "GET", "artifacts/..%2f..%2ftoken"),
    # secrets
    Bad("INVALID_FIELD", "PUT", "secrets/not-a-name", {"value": "x"}),
    Bad("INVALID_FIELD", "PUT", "secrets/A", {"value": ""}, message="value"),
    Bad("INVALID_FIELD", "PUT", "secrets/A", {"value": "a\0b"}),
    Bad("NOT_FOUND", "DELETE", "secrets/NOBODY"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path_factory.mktemp("bad") / "data")
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def session(server: ServerProcess) -> str:
    return server.session({"kind": "shell", "command": "true", "id": "one"})


@pytest.mark.parametrize("bad", CASES, ids=str)
def test_bad_input_has_its_own_answer(server: ServerProcess, session: str, bad: Bad) -> None:
    before = state(server, session)
    headers = {**JSON, **bad.headers}
    named = session if bad.session is None else bad.session
    if named:
        headers["X-Session-ID"] = named
    if bad.body is None:
        del headers["Content-Type"]
    content = bad.body if isinstance(bad.body, bytes | None) else json.dumps(bad.body).encode()
    answer = server.client.request(bad.method, f"{API}/{bad.path}", content=content, headers=headers)
    error = answer.json()["error"]
    assert (error["code"], answer.status_code) == (bad.code, every_error()[bad.code].status), error["message"]
    assert answer.json()["success"] is False
    assert bad.message in error["message"]
    assert error["hint"]
    assert state(server, session) == before


def state(server: ServerProcess, session: str) -> tuple[Any, Any, Any]:
    """All that a refused request may not have changed."""
    tasks = server.call("GET", "tasks", session)
    files = sorted(path.name for path in server.data_dir.glob("*.json"))
    return tasks, server.status(session), files


def test_a_second_run_is_refused(server: ServerProcess) -> None:
    session = server.run({"kind": "shell", "command": "sleep 30"})
    answer = server.client.post(f"{API}/start", json={"session_id": session})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ALREADY_RUNNING")
    server.call("POST", "stop", session)
    server.ended(session)


def test_an_empty_list_has_nothing_to_run(server: ServerProcess) -> None:
    answer = server.client.post(f"{API}/start", json={"session_id": server.session()})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "NO_TASKS_CHOSEN")


def test_two_tabs_do_not_overwrite_each_other(server: ServerProcess) -> None:
    session = server.session({"kind": "shell", "command": "true"})
    loaded = server.call("GET", "tasks", session)
    first = server.call("PUT", "tasks", session, tasks=loaded["tasks"], revision=loaded["revision"])
    assert first["revision"] == loaded["revision"] + 1
    answer = server.client.put(
        f"{API}/tasks", json={"tasks": [], "revision": loaded["revision"]}, headers={"X-Session-ID": session}
    )
    assert answer.status_code == 409
    assert len(server.call("GET", "tasks", session)["tasks"]) == 1


def test_a_value_that_was_refused_is_not_repeated(server: ServerProcess, session: str) -> None:
    value = "a-very-secret-value\0"
    answer = server.client.put(f"{API}/secrets/A", json={"value": value}, headers={"X-Session-ID": session})
    assert answer.status_code == 422
    assert "a-very-secret-value" not in answer.text
    assert "a-very-secret-value" not in server.log
