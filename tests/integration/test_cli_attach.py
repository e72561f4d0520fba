"""`bg-runner attach` in a real terminal against a real server."""

from __future__ import annotations

import hashlib
import re
import signal
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conditions import wait_until
from tests.integration.person import Person
from tests.integration.server import ServerProcess

BASH = "/bin/bash --norc --noprofile"
DETACH = "\x1d"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path_factory.mktemp("attach") / "data", stop_grace=1).start()
    yield made
    made.close()


def create(server: ServerProcess, command: str, **fields: object) -> str:
    answer = server.client.post("/api/terminals", json={"command": command, "shell": "/bin/bash", **fields})
    assert answer.is_success, answer.text
    return str(answer.json()["data"]["terminalId"])


def describe(server: ServerProcess, terminal_id: str) -> Any:
    return server.client.get(f"/api/terminals/{terminal_id}").json()["data"]


def type_into(server: ServerProcess, terminal_id: str, text: str) -> None:
    answer = server.client.post(f"/api/terminals/{terminal_id}/input", json={"input": text})
    assert answer.is_success, answer.text


def log_of(server: ServerProcess, terminal_id: str) -> bytes:
    files = sorted((server.data_dir / "terminals" / terminal_id).glob("*.log"))
    return b"".join(path.read_bytes() for path in files)


def attach(server: ServerProcess, terminal_id: str, *more: str, **options: Any) -> Person:
    return Person("attach", terminal_id, "--data-dir", str(server.data_dir), *more, **options)


def test_the_screen_appears_keys_arrive_and_the_exit_code_is_passed_on(server: ServerProcess) -> None:
    terminal_id = create(server, f"PS1='ready> ' {BASH}", name="work")
    with attach(server, "work") as person:
        person.wait_for("ready>")
        person.type("echo $((6 * 7)) 中文\r")
        person.wait_for("42 中文")
        assert describe(server, terminal_id)["connectedClients"] == 1
        person.type("exit 7\r")
        assert person.end() == 7
        person.wait_for("[Ended with exit code 7.]")
    assert describe(server, terminal_id)["exitCode"] == 7


def test_detaching_leaves_it_running_and_the_terminal_as_it_was(server: ServerProcess) -> None:
    terminal_id = create(server, r"printf '\033[?1049h\033[?1000;1006h\033[?2004h\033[?25lfull screen'; exec cat")
    with attach(server, terminal_id) as person:
        before = termios.tcgetattr(person.process.fd)
        person.wait_for("full screen")
        assert person.look().alternate
        wait_until(lambda: not termios.tcgetattr(person.process.fd)[3] & termios.ICANON)
        person.type(f"the last keys arrive\r{DETACH}")
        assert person.end() == 0
        person.wait_for("Detached; it runs on.")
        screen = person.look()
        assert not screen.alternate
        assert screen.cursor_visible
        assert termios.tcgetattr(person.process.fd) == before
        for mode in (b"1000", b"2004"):
            assert mode in person.shown[person.shown.rindex(b"\x1b[?1049l") :]
    assert describe(server, terminal_id)["status"] == "running"
    wait_until(lambda: b"the last keys arrive" in log_of(server, terminal_id))
    wait_until(lambda: describe(server, terminal_id)["connectedClients"] == 0)


def test_another_detach_key(server: ServerProcess) -> None:
    terminal_id = create(server, "echo begin; stty -echo; exec cat -v")
    with attach(server, terminal_id, "--detach-key", "ctrl-a") as person:
        person.wait_for("begin")
        person.type("x\x1dy\r")
        person.wait_for("x^]y")
        person.type("\x01")
        assert person.end() == 0


def test_the_size_is_taken_and_follows_the_window(server: ServerProcess) -> None:
    script = "trap 'echo size $(stty size)' WINCH; echo begin; while :; do read -rt 1; done"
    terminal_id = create(server, script, rows=24, cols=80)
    with attach(server, terminal_id, size=(30, 100)) as person:
        person.wait_for("size 30 100")
        person.resize(20, 60)
        person.wait_for("size 20 60")
    wait_until(lambda: (describe(server, terminal_id)["rows"], describe(server, terminal_id)["cols"]) == (20, 60))


def test_what_stood_on_another_size_is_drawn_anew(server: ServerProcess) -> None:
    """The screen is the server's, cell by cell, once the terminal has this window's size."""
    terminal_id = create(
        server, r"for i in $(seq 30); do echo line $i; done; printf 'end \033[31mred'; exec cat", rows=10
    )
    with attach(server, terminal_id, size=(12, 40)) as person:
        person.wait_for("end red")
        wait_until(lambda: describe(server, terminal_id)["rows"] == 12)
        there = server.client.get(f"/api/terminals/{terminal_id}/screen").json()["data"]
        wait_until(lambda: person.text == there["text"].rstrip())
        assert (person.look().row, person.look().col) == (there["cursor"]["row"], there["cursor"]["col"])


def test_a_viewer_types_nothing_and_leaves_the_size_alone(server: ServerProcess) -> None:
    terminal_id = create(server, "echo begin; exec cat", rows=20, cols=70)
    with attach(server, terminal_id, "--view") as person:
        person.wait_for("begin")
        person.type("not this\r")
        type_into(server, terminal_id, "but this")
        person.wait_for("but this")
        person.type("\x03")
        assert person.end() == 0
    assert b"not this" not in log_of(server, terminal_id)
    assert (describe(server, terminal_id)["rows"], describe(server, terminal_id)["cols"]) == (20, 70)


def test_queries_are_answered_once(server: ServerProcess) -> None:
    """By the server's emulator; the person's own terminal answers as well, and that goes nowhere."""
    script = r"stty raw -echo; printf '\033[c\033[6n\033[>c\033[?2026$pX'; dd bs=1 2>/dev/null | cat -v"
    terminal_id = create(server, f"echo begin; read -r; {script}")
    with attach(server, terminal_id) as person:
        person.wait_for("begin")
        person.type("\r")
        wait_until(lambda: person.look() and log_of(server, terminal_id).count(b"$y") == 1)
        person.type("done")
        person.wait_for("done")
        log = log_of(server, terminal_id)
        assert log.count(b"c^[[") == 1 + log.count(b"^[[>"), log
        assert log.count(b"R") == 1, log
        assert log.count(b"$y") == 1, log


def test_a_large_paste_arrives_whole(server: ServerProcess) -> None:
    """Also what looks like a report or the detach key, as it may in a file."""
    line = b"0123456789 \x1d \x1b[?62c\x1b]10;rgb:1\x07\n"
    paste = b"\x1b[200~" + line * 3000 + b"\x1b[201~"
    terminal_id = create(server, f"stty raw -echo; echo begin; head -c {len(paste)} | sha256sum; stty sane; exec cat")
    with attach(server, terminal_id) as person:
        person.wait_for("begin")
        left = paste
        while left:
            person.look()
            person.type(left[:1000])
            left = left[1000:]
        person.wait_for(hashlib.sha256(paste).hexdigest()[:40], 60)


def test_after_a_stop_the_screen_is_drawn_anew(server: ServerProcess) -> None:
    terminal_id = create(server, "echo begin; exec cat")
    with attach(server, terminal_id) as person:
        person.wait_for("begin")
        person.process.kill(signal.SIGSTOP)
        wait_until(lambda: psutil.Process(person.process.pid).status() == psutil.STATUS_STOPPED)
        termios.tcsetattr(person.process.fd, termios.TCSANOW, _cooked(person.process.fd))
        begin = len(person.shown)
        person.process.kill(signal.SIGCONT)
        wait_until(lambda: person.look() and b"begin" in person.shown[begin:])
        assert not termios.tcgetattr(person.process.fd)[3] & termios.ICANON
        person.type(f"goes on\r{DETACH}")
        assert person.end() == 0
    wait_until(lambda: b"goes on" in log_of(server, terminal_id))


def _cooked(descriptor: int) -> list[Any]:
    """The modes that a shell gives a terminal when a job of it is stopped."""
    modes = termios.tcgetattr(descriptor)
    modes[3] |= termios.ICANON | termios.ECHO
    return modes


def test_a_program_that_a_signal_ends(server: ServerProcess) -> None:
    terminal_id = create(server, "echo begin; exec sleep 600")
    with attach(server, terminal_id) as person:
        person.wait_for("begin")
        server.client.post(f"/api/terminals/{terminal_id}/kill", json={"signal": "SIGINT"})
        assert person.end() == 128 + signal.SIGINT
        person.wait_for("[Ended by SIGINT.]")
    with attach(server, terminal_id) as person:
        assert person.end() == 128 + signal.SIGINT
        person.wait_for("begin")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_the_terminal_is_as_it_was(server: ServerProcess, number: signal.Signals) -> None:
    terminal_id = create(server, "echo begin; exec cat")
    with attach(server, terminal_id) as person:
        before = termios.tcgetattr(person.process.fd)
        person.wait_for("begin")
        person.process.kill(number)
        assert person.end() == 128 + number
        assert termios.tcgetattr(person.process.fd) == before
        assert b"Traceback" not in person.shown
    assert describe(server, terminal_id)["status"] == "running"


def test_a_window_that_is_closed_ends_it(server: ServerProcess) -> None:
    terminal_id = create(server, "while sleep 0.05; do echo on; done")
    with attach(server, terminal_id) as person:
        person.wait_for("on")
        person.process.fileobj.close()
        wait_until(lambda: not person.process.isalive())
        assert person.process.exitstatus == 128 + signal.SIGHUP
    wait_until(lambda: describe(server, terminal_id)["connectedClients"] == 0)
    assert describe(server, terminal_id)["status"] == "running"
    server.client.delete(f"/api/terminals/{terminal_id}")


def test_a_removed_terminal_ends_it(server: ServerProcess) -> None:
    terminal_id = create(server, "echo begin; exec cat")
    with attach(server, terminal_id) as person:
        person.wait_for("begin")
        server.client.delete(f"/api/terminals/{terminal_id}")
        assert person.end() in (1, 128 + signal.SIGHUP, 128 + signal.SIGTERM)
        assert b"Traceback" not in person.shown


def test_a_flood_is_drawn_to_its_end_and_the_detach_key_works_meanwhile(server: ServerProcess) -> None:
    terminal_id = create(server, "read -r; seq 1 100000; echo the end; exec cat")
    with attach(server, terminal_id) as person:
        wait_until(lambda: describe(server, terminal_id)["connectedClients"] == 1)
        person.type("\r")
        person.wait_for("the end", 60)
    endless = create(server, "exec yes 'on and on'")
    with attach(server, endless) as person:
        person.wait_for("on and on")
        person.type(DETACH)
        assert person.end() == 0
    server.client.delete(f"/api/terminals/{endless}")


def test_a_server_that_is_killed_and_started_again_costs_nothing(tmp_path: Path) -> None:
    """Every number arrives once and in order, what is typed meanwhile too."""
    server = ServerProcess(tmp_path / "data", stop_grace=1).start()
    try:
        script = "i=0; while ! read -rt 0.01; do echo number $((i += 1)).; done; echo got $REPLY.; exit 3"
        terminal_id = create(server, f"stty -echo; {script}")
        with attach(server, terminal_id) as person:
            person.wait_for("number ")
            server.kill()
            wait_until(lambda: person.look() and b"reconnecting" in person.shown)
            person.type("typed while it was away\r")
            server.start()
            person.wait_for("got typed while it was away.", 60)
            assert person.end() == 3
            drawn = re.sub("\x1b]2;[^\x07]*\x07", "", person.shown.decode())
        numbers = [int(part.split(".")[0]) for part in drawn.split("number ")[1:]]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert f"number {numbers[-1]}.".encode() in log_of(server, terminal_id).splitlines()[-2]
    finally:
        server.close()


def test_detaching_while_the_server_is_away(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", stop_grace=1).start()
    try:
        terminal_id = create(server, "echo begin; exec cat")
        with attach(server, terminal_id) as person:
            person.wait_for("begin")
            assert server.terminate() == 0
            wait_until(lambda: person.look() and b"ctrl-] detaches" in person.shown)
            person.type(DETACH)
            assert person.end() == 0
    finally:
        server.close()


def test_new_attaches_in_a_terminal(server: ServerProcess, tmp_path: Path) -> None:
    arguments = ["--name", "made here", "--cwd", str(tmp_path), "--", "pwd; stty size; exit 4"]
    with Person("new", "--data-dir", str(server.data_dir), *arguments, size=(33, 99)) as person:
        assert person.end() == 4
        person.wait_for("33 99")
        assert str(tmp_path) in person.text.replace("\n", "")
    with Person("new", "--detach", "--data-dir", str(server.data_dir), "--", "true") as person:
        assert person.end() == 0
        assert describe(server, person.text.strip())["command"] == "true"


def test_a_terminal_that_is_not_there(server: ServerProcess) -> None:
    with attach(server, "nobody") as person:
        assert person.end() == 1
        person.wait_for("TERMINAL_NOT_FOUND")
