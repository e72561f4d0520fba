"""Every benchmark part runs in its tiny size and reports; how fast anything was is nobody's business here."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmarks.__main__ import PARTS
from benchmarks.server import PROJECT, running_server
from tests.conditions import wait_until


def run(chromium: str, *arguments: str) -> str:
    """What it printed. Raises: AssertionError if a part could not run."""
    command = [sys.executable, "-m", "benchmarks", "--size", "small", *arguments]
    env = os.environ | {"BG_RUNNER_CHROMIUM": chromium}
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("part", [part for part in PARTS if part != "first"])
def test_a_part_prints_its_table(chromium_path: str, part: str) -> None:
    printed = run(chromium_path, part)
    assert "load_before: " in printed
    rows = [line.split("|") for line in printed.splitlines() if line.startswith("| ")]
    assert [cell.strip() for cell in rows[0]][1:4] == ["part", "what is measured", "ours"]
    assert {row[1].strip() for row in rows[1:]} == {part}


def test_json_has_every_value(chromium_path: str) -> None:
    answer = json.loads(run(chromium_path, "--json", "first"))
    row = answer["rows"][0]
    assert (row["part"], len(row["ours"])) == ("first", 3)
    assert row["ours_median"] == sorted(row["ours"])[1]
    assert answer["machine"]["cores"] == str(os.cpu_count())


def test_nothing_is_left_of_a_server() -> None:
    with running_server() as server:
        session = server.api.workspace([{"kind": "shell", "command": "exec sleep 1000"}])
        server.api.start(session)
        processes = wait_until(lambda: [p for p in server.processes() if p.name() == "sleep"] and server.processes())
    assert not [process for process in processes if process.is_running()]
    assert not server.data_dir.exists()


def test_an_unknown_part_is_named() -> None:
    command = [sys.executable, "-m", "benchmarks", "speed"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no part speed" in done.stderr
