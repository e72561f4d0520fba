"""The test list of seed 001 (section 11), as written, with the Authorization header; then what it leaves open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conditions import wait_until
from tests.integration.server import ServerProcess

CWD = str(Path.cwd())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path_factory.mktemp("seed001") / "data")
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def created(server: ServerProcess) -> Any:
    """POST /api/terminals - Create terminal."""
    answer = server.client.post("/api/terminals", json={"cwd": CWD})
    assert answer.status_code == 200
    return answer.json()


@pytest.fixture(scope="module")
def terminal(created: Any) -> str:
    return f"/api/terminals/{created['data']['terminalId']}"


def test_create_terminal(created: Any) -> None:
    assert created["success"] is True
    assert "terminalId" in created["data"]
    assert created["data"]["cwd"] == CWD
    assert created["data"]["status"] == "running"


def test_send_command(server: ServerProcess, terminal: str) -> None:
    answer = server.client.post(f"{terminal}/input", json={"input": "pwd"})
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "message": "Input sent successfully"}


def test_read_output(server: ServerProcess, terminal: str) -> None:
    def output() -> Any:
        answer = server.client.get(f"{terminal}/output")
        assert answer.status_code == 200
        assert answer.json()["success"] is True
        return answer.json()["data"]

    # The seed waits for a second; here it is as long as it takes for the command's own line.
    wait_until(lambda: CWD in output()["output"].split("\n"), 30)
    data = output()
    assert {"output", "totalLines", "nextReadFrom", "hasMore", "truncated", "stats"} <= set(data)
    assert set(data["stats"]) == {"totalBytes", "estimatedTokens", "linesShown", "linesOmitted"}
    assert data["stats"]["totalBytes"] == len(data["output"].encode())


def test_stats_and_list(server: ServerProcess, terminal: str) -> None:
    stats = server.client.get(f"{terminal}/stats").json()["data"]
    assert set(stats) == {"totalLines", "totalBytes", "estimatedTokens", "oldestLine", "newestLine"}
    listed = server.client.get("/api/terminals").json()["data"]
    assert listed["total"] == 1
    assert terminal.endswith(listed["terminals"][0]["terminalId"])


def test_kill_terminal(server: ServerProcess, terminal: str) -> None:
    answer = server.client.delete(terminal)
    assert answer.status_code == 200
    assert answer.json()["success"] is True


def test_after_the_kill_nothing_is_left(server: ServerProcess, terminal: str) -> None:
    answer = server.client.get(f"{terminal}/output")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "TERMINAL_NOT_FOUND")
    assert answer.json()["success"] is False
    assert server.client.get("/api/terminals").json()["data"] == {"terminals": [], "total": 0}
    assert not list((server.data_dir / "terminals").iterdir())


def test_missing_input_is_refused_in_the_seeds_words(server: ServerProcess) -> None:
    made = server.client.post("/api/terminals", json={}).json()["data"]["terminalId"]
    answer = server.client.post(f"/api/terminals/{made}/input", json={})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == ("INVALID_INPUT", "Input is required")
    server.client.delete(f"/api/terminals/{made}")


def test_health(server: ServerProcess) -> None:
    data = httpx.get(f"{server.url}/api/health").json()
    assert data["success"] is True
    assert data["data"]["status"] == "healthy"
    assert set(data["data"]) == {"status", "uptime", "version"}
