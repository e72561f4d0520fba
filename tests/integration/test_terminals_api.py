"""The terminal API against real terminals: what is typed, what is read, how they end, what is left of them."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from bg_runner.web.terminal_schemas import Output, OutputStats
from tests.conditions import wait_until
from tests.integration.server import ServerProcess
from tests.integration.terminal_calls import Terminal

# Prints what it is given as Python shows it, so that a test sees every byte that was typed.
ECHO_BYTES = "stty -echo -icanon -icrnl min 1; echo ready; python3 -uc 'import os\nwhile True: print(os.read(0, 4096))'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path_factory.mktemp("api") / "data", shell="/bin/sh", stop_grace=1, buffer_size=1_000_000)
    made.start()
    yield made
    made.close()


# --- one terminal ---------------------------------------------------------------------------------------------


def test_a_terminal_is_described(server: ServerProcess, tmp_path: Path) -> None:
    terminal = Terminal(
        server,
        command="echo $WHO; exec cat",
        cwd=str(tmp_path),
        env={"WHO": "me"},
        cols=100,
        rows=30,
        name="编译",
        group="g",
    )
    made = terminal.created
    assert made == terminal.state() | {"lastActivity": made["lastActivity"], "cursor": made["cursor"]}
    expected = {
        "name": "编译",
        "group": "g",
        "shell": "/bin/sh",
        "command": "echo $WHO; exec cat",
        "cwd": str(tmp_path),
        "rows": 30,
        "cols": 100,
        "title": "",
        "status": "running",
        "exitCode": None,
        "signal": None,
        "lostReason": None,
        "endedAt": None,
        "connectedClients": 0,
        "runningInBackground": True,
        "sizeOwner": None,
        "backend": "pty",
        "progress": None,
    }
    assert {name: made[name] for name in expected} == expected
    assert made["created"].endswith("Z")
    assert psutil.pid_exists(made["pid"])
    assert terminal.wait_for("^me$")["output"] == "me"


def test_renaming(server: ServerProcess) -> None:
    terminal = Terminal(server, command="exec cat", name="old", group="g")
    assert terminal.call("PATCH", body={"name": "new"})["name"] == "new"
    state = terminal.state()
    assert (state["name"], state["group"]) == ("new", "g")
    terminal.call("PATCH", body={"group": ""})
    assert (terminal.state()["name"], terminal.state()["group"]) == ("new", "")


def test_the_list_is_in_the_order_of_creation(server: ServerProcess) -> None:
    ids = [Terminal(server, command="exec cat").id for _ in range(3)]
    data = server.client.get("/api/terminals").json()["data"]
    listed = [terminal["terminalId"] for terminal in data["terminals"]]
    assert [one for one in listed if one in ids] == ids
    assert data["total"] == len(listed)


# --- input ----------------------------------------------------------------------------------------------------


def test_a_newline_follows_unless_there_is_one_or_it_is_raw(server: ServerProcess) -> None:
    terminal = Terminal(server, command=ECHO_BYTES)
    terminal.wait_for("ready")
    expected = []
    for text, raw, typed in (
        ("a", False, b"a\n"),
        ("b\n", False, b"b\n"),
        ("c\r", False, b"c\r"),
        ("d\r\n", False, b"d\r\n"),
        ("e\nf", False, b"e\nf\n"),
        ("g", True, b"g"),
        ("\x1b[A", True, b"\x1b[A"),
        ("\0", True, b"\0"),
        ("中文", False, "中文\n".encode()),
    ):
        terminal.type(text, raw=raw)
        expected.append(repr(typed))
        # One after the other, so that the program reads each by itself.
        wait_until(lambda: terminal.read()["output"].rstrip("\n").split("\n")[1:] == expected, 30)


def test_a_key_ends_a_program(server: ServerProcess) -> None:
    terminal = Terminal(server, command="echo ready; exec cat")
    terminal.wait_for("ready")
    terminal.type("\x03", raw=True)
    assert terminal.ended()["signal"] == 2


# --- reading --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def numbers(server: ServerProcess) -> Terminal:
    """A terminal with the lines 1 to 3000 (numbers 0 to 2999) and an unfinished one."""
    terminal = Terminal(server, command="seq 1 3000; printf unfinished; exec sleep 1000", name="numbers")
    terminal.wait_for("unfinished")
    return terminal


def lines(*ranges: range) -> list[str]:
    return [str(number) for one in ranges for number in one]


def test_without_since_the_newest_are_kept(numbers: Terminal) -> None:
    data = numbers.read()
    assert data["output"].split("\n") == [*lines(range(2002, 3001)), "unfinished"]
    assert (data["hasMore"], data["incomplete"], data["nextReadFrom"]) == (True, True, 3000)
    assert data["stats"]["linesShown"] == 1000


def test_paging_brings_every_line_once(numbers: Terminal) -> None:
    since, found = 0, []
    while True:
        data = numbers.read(since=since, maxLines=700)
        found += data["output"].split("\n")
        since = data["nextReadFrom"]
        if not data["hasMore"]:
            break
    assert found == [*lines(range(1, 3001)), "unfinished"]
    assert since == 3000
    assert numbers.read(since=since)["output"] == "unfinished"


def test_head_and_tail(numbers: Terminal) -> None:
    head = numbers.read(mode="head", headLines=2)
    assert (head["output"], head["truncated"]) == ("1\n2", True)
    tail = numbers.read(mode="tail", tailLines=2)
    assert tail["output"] == "3000\nunfinished"
    both = numbers.read(mode="head-tail", headLines=1, tailLines=1, since=10)
    assert both["output"] == "11\n\n... [省略 2989 行] ...\n\nunfinished"
    assert both["stats"]["linesOmitted"] == 2989


def test_stats(numbers: Terminal) -> None:
    stats = numbers.call("GET", "/stats")
    assert (stats["totalLines"], stats["oldestLine"], stats["newestLine"]) == (3001, 0, 3000)
    assert stats["totalBytes"] == numbers.state()["cursor"]


def test_the_answer_is_what_the_document_says(numbers: Terminal) -> None:
    """It is written piece by piece and not by its model."""
    fields = {field.alias for field in Output.model_fields.values()}
    stats = {field.alias for field in OutputStats.model_fields.values()}
    waited = numbers.read(wait_for="^7$")
    assert (set(waited), set(waited["stats"])) == (fields, stats)
    assert set(numbers.read()) == fields - {"matched", "matchedLine"}
    Output.model_validate(waited, strict=True)


def test_a_log_that_cannot_be_read(server: ServerProcess) -> None:
    terminal = Terminal(server, command="seq 1 10")
    terminal.ended()
    for segment in (server.data_dir / "terminals" / terminal.id).glob("*.log"):
        segment.unlink()
        segment.mkdir()
    for path in ("/output", "/stats", "/recording", "/output?wait_for=x"):
        answer = server.client.get(f"{terminal.url}{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "READ_FAILED"), path


def test_ansi_is_stripped_and_progress_collapses(server: ServerProcess) -> None:
    terminal = Terminal(server, command=r"printf '\033[31mred\033[0m\n10%%\r20%%\r\n\nend\n'; exec sleep 1000")
    assert terminal.wait_for("end")["output"] == "red\n20%\n\nend"
    assert terminal.read(ansi="true")["output"].startswith("\x1b[31mred\x1b[0m\n10%\r20%")


def test_a_large_output_is_streamed(server: ServerProcess) -> None:
    terminal = Terminal(server, command="seq 1 300000; exec sleep 1000")
    terminal.wait_for("^300000$")
    with server.client.stream("GET", f"{terminal.url}/output", params={"maxLines": "1000000"}) as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        data = json.loads(answer.read())["data"]
    assert data["output"] == "\n".join(lines(range(1, 300_001)))
    assert data["stats"]["totalBytes"] == len(data["output"])
    assert (data["hasMore"], data["truncated"], data["stats"]["linesShown"]) == (False, False, 300_000)


# --- waiting --------------------------------------------------------------------------------------------------


def test_waiting_for_a_line_that_comes_later(server: ServerProcess) -> None:
    terminal = Terminal(server, command="echo ready; read line; echo got $line; exec sleep 1000")
    since = terminal.wait_for("ready")["nextReadFrom"]
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(terminal.wait_for(r"^got (\w+)$", since=since)))
    waiting.start()
    terminal.type("it")
    waiting.join(60)
    assert answers[0]["matchedLine"] == "got it"
    assert answers[0]["output"].endswith("got it")


def test_a_prompt_without_a_newline_matches(server: ServerProcess) -> None:
    terminal = Terminal(server, command="printf 'Pass'; printf 'word: '; exec sleep 1000")
    assert terminal.wait_for("^Password: $")["incomplete"] is True


def test_waiting_ends_with_the_time(numbers: Terminal) -> None:
    data = numbers.read(wait_for="never", timeout="0.05", mode="tail", tailLines=1)
    assert (data["matched"], data["matchedLine"], data["output"]) == (False, None, "unfinished")


def test_waiting_begins_at_since(numbers: Terminal) -> None:
    assert numbers.read(wait_for="^1$", since=1, timeout=0)["matched"] is False
    assert numbers.read(wait_for="^1$", since=0, timeout=0)["matched"] is True


def test_waiting_ends_with_the_program(server: ServerProcess) -> None:
    terminal = Terminal(server, command="echo ready; read line; echo last words")
    terminal.wait_for("ready")
    terminal.type("go")
    data = terminal.read(wait_for="never", timeout=60)
    assert data["matched"] is False
    assert "last words" in data["output"]
    assert terminal.ended()["exitCode"] == 0
    assert terminal.read(wait_for="last", timeout=60)["matched"] is True


def test_waiting_ends_in_a_flood(server: ServerProcess) -> None:
    terminal = Terminal(server, command="yes")
    terminal.wait_for("y")
    data = terminal.read(wait_for="never", timeout="0.3", maxLines=1)
    assert data["matched"] is False
    terminal.call("DELETE", signal="KILL")


def test_waiting_ends_with_the_server(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", shell="/bin/sh")
    try:
        server.start()
        terminal = Terminal(server, command="exec cat")
        waiting = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
        waiting.request("GET", "/api/health")
        waiting.getresponse().read()
        headers = {"Authorization": f"Bearer {server.token}"}
        waiting.request("GET", f"{terminal.url}/output?wait_for=never&timeout=60", headers=headers)
        terminal.state()  # The server reads requests in their order, so it has the other one by now.
        server.terminate()
        assert json.loads(waiting.getresponse().read())["data"]["matched"] is False
        waiting.close()
    finally:
        server.close()


def test_a_pattern_that_would_run_for_ever_elsewhere(server: ServerProcess) -> None:
    terminal = Terminal(server, command="printf '%050000d\\n' 0 | tr 0 a; echo end; exec sleep 1000")
    terminal.wait_for("^end$")
    assert terminal.read(wait_for="(a+)+b", timeout=0)["matched"] is False


# --- the screen, the size, what it uses -----------------------------------------------------------------------


def test_the_screen(server: ServerProcess) -> None:
    terminal = Terminal(server, command=r"printf 'one\r\ntwo\033[5;10Hhere'; exec sleep 1000", rows=10, cols=40)
    terminal.wait_for("here")
    screen = terminal.call("GET", "/screen")
    assert screen["text"] == "one\ntwo\n\n\n         here"
    assert (screen["rows"], screen["cols"], screen["alternate"]) == (10, 40, False)
    assert screen["cursor"] == {"row": 4, "col": 13, "visible": True}


def test_resizing_reaches_the_program(server: ServerProcess) -> None:
    terminal = Terminal(server, command="trap 'stty size' WINCH; echo ready; while :; do read line; done")
    terminal.wait_for("ready")
    state = terminal.call("POST", "/resize", {"cols": 101, "rows": 31})
    assert (state["cols"], state["rows"]) == (101, 31)
    terminal.wait_for("^31 101$")


def test_usage(server: ServerProcess) -> None:
    terminal = Terminal(server, command="echo ready; sleep 1000 & wait")
    terminal.wait_for("ready")
    wait_until(lambda: terminal.call("GET", "/usage")["processes"] == 2, 30)
    used = terminal.call("GET", "/usage")
    assert set(used) == {"cpuSeconds", "memoryBytes", "processes"}
    assert used["memoryBytes"] > 0


# --- the end --------------------------------------------------------------------------------------------------


def test_killing_keeps_the_recording(server: ServerProcess) -> None:
    terminal = Terminal(server, command="echo before; sleep 1000 & wait", name='a "name"/x')
    terminal.wait_for("before")
    receipt = terminal.call("POST", "/kill", {})
    assert receipt["survivors"] == []
    assert terminal.created["pid"] in receipt["ended"]
    assert len(receipt["ended"]) == 2
    state = terminal.ended()
    assert (state["status"], state["pid"], state["runningInBackground"]) == ("exited", None, False)
    assert state["signal"] is not None
    assert state["endedAt"] >= state["created"]
    assert terminal.read()["output"] == "before"
    answer = server.client.get(f"{terminal.url}/recording")
    assert answer.headers["content-type"] == "application/x-asciicast"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20%22name%22%2Fx.cast"
    header, *events = [json.loads(line) for line in answer.text.splitlines()]
    assert (header["version"], header["width"], header["height"]) == (2, 80, 24)
    assert "".join(data for _, kind, data in events if kind == "o") == "before\r\n"
    inline = server.client.get(f"{terminal.url}/recording", params={"inline": "1"})
    assert "content-disposition" not in inline.headers
    assert inline.text == answer.text


def test_a_signal_comes_first(server: ServerProcess) -> None:
    command = "trap 'echo interrupted; exit 7' INT; echo ready; while :; do sleep 0.05; done"
    terminal = Terminal(server, command=command)
    terminal.wait_for("ready")
    terminal.call("POST", "/kill", {"signal": "SIGINT"})
    assert terminal.ended()["exitCode"] == 7
    assert "interrupted" in terminal.read()["output"]


def test_what_ended_runs_again(server: ServerProcess, tmp_path: Path) -> None:
    terminal = Terminal(server, command="pwd; echo $A; exit 3", cwd=str(tmp_path), env={"A": "b"}, name="n")
    assert terminal.ended()["exitCode"] == 3
    again = terminal.call("POST", "/run-again", {})
    assert again["terminalId"] != terminal.id
    assert (again["name"], again["command"]) == ("n", "pwd; echo $A; exit 3")
    output = server.client.get(
        f"/api/terminals/{again['terminalId']}/output", params={"wait_for": "^b$", "timeout": "60"}
    ).json()["data"]
    assert output["output"] == f"{tmp_path}\nb"


@pytest.mark.parametrize("where", ["query", "body"])
def test_deleting_leaves_nothing(server: ServerProcess, where: str) -> None:
    terminal = Terminal(server, command="trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.05; done")
    terminal.wait_for("ready")
    named = {"params": {"signal": "SIGTERM"}} if where == "query" else {"json": {"signal": "TERM"}}
    answer = server.client.request("DELETE", terminal.url, **named)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert answer.json()["data"]["survivors"] == []
    assert server.client.get(terminal.url).json()["error"]["code"] == "TERMINAL_NOT_FOUND"
    assert not (server.data_dir / "terminals" / terminal.id).exists()


# --- share links ----------------------------------------------------------------------------------------------


def test_a_share_link_is_made_used_and_revoked(server: ServerProcess) -> None:
    terminal = Terminal(server, command="exec cat", name="shared")
    share = terminal.call("POST", "/shares", {"mode": "view", "expires_in": 3600, "label": "for you"})
    assert (share["mode"], share["label"], share["clients"]) == ("view", "for you", 0)
    assert share["url"].startswith(f"{server.url}/share/{share['id']}?token=")
    assert terminal.call("GET", "/shares")["shares"] == [{**share, "url": None, "svg": None}]
    with httpx.Client(base_url=server.url) as guest:
        entered = guest.get(share["url"])
        assert (entered.status_code, entered.headers["location"]) == (303, f"/share/{share['id']}")
        assert guest.get(terminal.url).json()["data"]["name"] == "shared"
        assert guest.get(f"{terminal.url}/output").status_code == 401
        assert guest.get("/api/terminals").status_code == 401
        assert guest.post(f"{terminal.url}/input", json={"input": "x"}).status_code == 401
        assert terminal.call("DELETE", f"/shares/{share['id']}")["shares"] == []
        assert guest.get(terminal.url).status_code == 401


# --- seed 000 -------------------------------------------------------------------------------------------------


def test_the_sessions_of_seed_000(server: ServerProcess) -> None:
    terminal = Terminal(server, command="exec cat", name="编译任务")
    answer = server.client.get("/api/v1/terminal/sessions", params={"token": server.token})
    assert set(answer.json()) == {"sessions"}
    row = next(row for row in answer.json()["sessions"] if row["id"] == terminal.id)
    assert (row["name"], row["running"], row["state"], row["rows"], row["cols"]) == (
        "编译任务",
        True,
        "running",
        24,
        80,
    )
    assert isinstance(row["last_activity"], float)
    assert (row["connected_clients"], row["running_in_background"]) == (0, True)
    status = server.client.get(f"/api/v1/terminal/session/{terminal.id}/status").json()
    assert (status["exists"], status["alive"], status["pid"]) == (True, True, terminal.created["pid"])
    assert (status["connected_clients"], status["running_in_background"]) == (0, True)
    terminal.call("POST", "/kill", {"signal": "KILL"})
    terminal.ended()
    status = server.client.get(f"/api/v1/terminal/session/{terminal.id}/status").json()
    assert (status["alive"], status["running_in_background"], status["state"]) == (False, False, "exited")
    assert (status["exit_code"], status["signal"], status["pid"]) == (None, 9, None)
