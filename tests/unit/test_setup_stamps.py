"""What was set up is set up again when what it was made from changes, or when it is gone; else never."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import browser, stamps
from scripts.console import CHECKOUT


@pytest.fixture(autouse=True)
def own_stamps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps, "STAMPS", tmp_path / "stamps")


def test_a_stamp_is_current_until_the_content_changes(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text("a==1\n")
    assert not stamps.is_current("lock", stamps.key_of(lock))
    stamps.write("lock", stamps.key_of(lock))
    assert stamps.is_current("lock", stamps.key_of(lock))
    lock.write_text("a==2\n")
    assert not stamps.is_current("lock", stamps.key_of(lock))


def test_a_stamp_is_not_current_when_what_it_stands_for_is_gone(tmp_path: Path) -> None:
    stamps.write("assets", "key")
    made = tmp_path / "made"
    assert not stamps.is_current("assets", "key", needs=[made])
    made.touch()
    assert stamps.is_current("assets", "key", needs=[made])


def test_parts_of_a_key_do_not_run_into_each_other(tmp_path: Path) -> None:
    assert stamps.key_of("ab", "c") != stamps.key_of("a", "bc")
    assert stamps.key_of(tmp_path / "absent") != stamps.key_of("")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo '<html><body><p>ready</p></body></html>'", True),
        ("echo 'cannot open shared object file' >&2; exit 127", False),
        ("exit 0", False),
    ],
)
def test_a_browser_counts_only_if_it_shows_a_page(tmp_path: Path, script: str, expected: bool) -> None:
    program = tmp_path / "chromium"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert browser.starts(str(program)) is expected


def test_a_browser_that_is_not_there_does_not_start(tmp_path: Path) -> None:
    assert not browser.starts(str(tmp_path / "chromium"))


def test_an_unknown_goal_is_refused() -> None:
    command = [sys.executable, "-m", "scripts.setup", "everything"]
    refused = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "make run" in refused.stderr
