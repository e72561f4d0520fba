"""The data directory's disk fills up in the middle of a run: nothing is lost, it is told, and it goes on by itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conditions import wait_until
from tests.integration.server import ServerProcess

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a small disk has to be mounted")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=True)
    made = ServerProcess(disk / "data", flush_interval=0.5)
    try:
        yield made.start()
    finally:
        made.close()
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler


def health(server: ServerProcess) -> str:
    return str(server.client.get("/api/health").json()["data"]["status"])


def test_a_full_disk_holds_the_run_and_space_lets_it_go_on(server: ServerProcess, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    wait: dict[str, object] = {
        "kind": "shell",
        "command": f"while ! test -e {gate}; do sleep 0.05; done; seq 20000; echo end",
    }
    session = server.run(wait, {"kind": "shell", "command": f"echo second >> {tmp_path}/second"})
    sleeping = server.run({"kind": "shell", "command": "sleep 1000"})
    server.wait_for_task(session, 0, "running")
    server.wait_for_task(sleeping, 0, "running")
    filler = fill(tmp_path / "disk")

    gate.touch()
    wait_until(lambda: health(server) == "degraded", 30)
    assert not (tmp_path / "second").exists()
    refused = server.client.post("/api/background_task/sessions", json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "STORAGE_FAILED")
    told = server.call("GET", "status", session)
    assert told["task_status"]["status"] == "running"
    assert [notice["code"] for notice in told["notices"]] == ["STORAGE_FAILED"]

    server.call("POST", "stop", sleeping)  # to stop needs no space
    assert server.ended(sleeping)["receipt"]["survivors"] == []

    filler.unlink()
    status = server.ended(session)
    assert (status["status"], status["completed_tasks"]) == ("completed", 2)
    assert (tmp_path / "second").read_text() == "second\n"
    wait_until(lambda: health(server) == "healthy")
    server.kill()
    server.start()
    assert server.status(session)["completed_tasks"] == 2
