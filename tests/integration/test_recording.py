"""Recordings of real terminals, shown by the real `asciinema` program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import ptyprocess

from bg_runner.terminals.host_client import HostClient
from bg_runner.terminals.output import log_directory
from bg_runner.terminals.recording import cast_events
from tests.conditions import wait_until
from tests.integration.hosts import host_log, run, spawn, wait_for_output

ASCIINEMA = str(Path(sys.executable).with_name("asciinema"))
SCRIPT = r"""
printf '\033[1;32mgreen\033[0m 中文宽字符 😀 caf\303\251 broken: \377\303\n'
for i in $(seq 1 300); do printf '\rprogress %d%%' "$i"; done
printf '\n\033[?1049h\033[2J\033[5;10Halternate\033[?1049l\033]0;a title\007\n'
seq 1 5000
"""


def make_cast(host: HostClient, terminal_id: str, path: Path) -> Path:
    directory = log_directory(host.data_dir, terminal_id)
    path.write_bytes(b"".join(cast_events(directory, title="Build", env={"TERM": "xterm-256color"})))
    return path


def asciinema(tmp_path: Path, *arguments: str) -> bytes:
    """What the program prints."""
    environment = {**os.environ, "ASCIINEMA_CONFIG_HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [ASCIINEMA, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_asciinema_prints_what_the_terminal_printed(host: HostClient, tmp_path: Path) -> None:
    run(host, "t", SCRIPT, timeout=60)
    log = host_log(host, "t")
    assert len(log) > 25_000
    shown = asciinema(tmp_path, "cat", str(make_cast(host, "t", tmp_path / "t.cast")))
    assert shown == log.decode("utf-8", "replace").encode()


def test_asciinema_plays_a_recording_with_its_sizes(host: HostClient, tmp_path: Path) -> None:
    """In a terminal of its own, as a person does it; the recording is that of a terminal that still runs."""
    spawn(host, "t", "stty -echo; trap 'stty size' WINCH; stty size; while :; do read -rt 60; done", size=(24, 80))
    wait_for_output(host, "t", b"24 80")
    host.resize("t", 30, 100)
    wait_for_output(host, "t", b"30 100")
    cast = make_cast(host, "t", tmp_path / "t.cast")
    header, *events = [json.loads(line) for line in cast.read_text().split("\n")[:-1]]
    assert (header["width"], header["height"], header["title"]) == (80, 24, "Build")
    assert [event[2] for event in events if event[1] == "r"] == ["100x30"]
    resized = [event[1] for event in events].index("r")
    assert "24 80" in "".join(event[2] for event in events[:resized])
    assert "30 100" in "".join(event[2] for event in events[resized + 1 :])
    environment = {**os.environ, "ASCIINEMA_CONFIG_HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
    player = ptyprocess.PtyProcess.spawn(
        [ASCIINEMA, "play", "--idle-time-limit", "0.1", str(cast)], env=environment, dimensions=(40, 120)
    )
    shown = b""
    try:
        while True:
            shown += player.read(65536)
    except EOFError:
        assert player.wait() == 0
    assert shown.index(b"24 80") < shown.index(b"30 100")


def test_a_recording_of_a_long_log_is_read_by_asciinema(host: HostClient, tmp_path: Path) -> None:
    """Rotated: the oldest part has gone, and the rest begins with a whole line."""
    spawn(host, "t", "for i in $(seq 1 4000); do echo line $i of many; done", log_bytes=40_000)
    wait_until(lambda: (info := host.info("t")) is not None and info.state == "exited", 60)
    shown = asciinema(tmp_path, "cat", str(make_cast(host, "t", tmp_path / "t.cast"))).decode().splitlines()
    assert shown == [f"line {number} of many" for number in range(4001 - len(shown), 4001)]
    assert 1500 < len(shown) < 2500
