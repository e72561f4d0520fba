"""tmux and GNU screen for real: what starts, what is told of it, what ends, and that nothing of a user is executed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from bg_runner.errors import CwdMissing, NativeSessionFailed, NativeToolMissing
from bg_runner.terminals.native import NativeSession, NativeSessionManager, NativeStatus, NativeTool, ssh_command
from bg_runner.terminals.screen import ScreenSessions
from bg_runner.terminals.tmux import TmuxSessions
from tests.conditions import wait_until
from tests.integration.hosts import is_running
from tests.integration.native import (
    PATIENCE,
    Person,
    Sshd,
    at_a_shell,
    end_everything,
    of_sessions_in,
    running_sshd,
    tool,
)

ROWS, COLS = 24, 80
HERE = "echo the-session-is-here; exec cat"
SHELLS = {
    "sh": ["/bin/sh"],
    "bash": ["bash", "--norc", "--noprofile"],
    "zsh": ["zsh", "-f"],
    "fish": ["fish", "--no-config"],
}
NASTY = [
    "two words",
    'it\'s "quoted"',
    "#(touch pwned)",
    "#{pid} #S ##[x] %H",
    "; touch pwned",
    "ends with;",
    "ends with\\;",
    ";",
    "a line\nand another; touch pwned\n",
    "$(touch pwned) `touch pwned` $HOME",
    "中文 é",
    "--help",
    "-x",
    "",
    "\\",
    "\t^C ^[ %n ~ * ? !",
]


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path (sockets) with a quiet home; everything of its sessions is ended afterwards."""
    path = Path(tempfile.mkdtemp(prefix="bgr")).resolve()
    home = path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LANG", "C.UTF-8")
    for name in ("TMUX", "TMUX_TMPDIR", "STY", "SCREENDIR"):
        monkeypatch.delenv(name, raising=False)
    try:
        yield path
    finally:
        end_everything(path)
        shutil.rmtree(path)


def tmux_in(directory: Path) -> TmuxSessions:
    return TmuxSessions(socket_path=directory / "tmux.sock", grace=0.5)


def screen_in(directory: Path) -> ScreenSessions:
    return ScreenSessions(directory / "screen", grace=0.5)


@pytest.fixture(params=[tmux_in, screen_in], ids=["tmux", "screen"])
def sessions(request: pytest.FixtureRequest, directory: Path) -> NativeSessionManager:
    manager: NativeSessionManager = request.param(directory)
    return manager


def create(sessions: NativeSessionManager, what: NativeTool) -> NativeSession:
    return sessions.create(what, str(uuid.uuid4()), ROWS, COLS)


def ended(sessions: NativeSessionManager, native_id: str) -> NativeStatus:
    wait_until(lambda: sessions.check_status(native_id).state != "running", PATIENCE)
    return sessions.check_status(native_id)


def server_of(session: NativeSession) -> psutil.Process:
    """The process of tmux or screen above the tool."""
    for process in psutil.Process(session.pid).parents():
        if process.name().lower().startswith(("tmux", "screen")):
            return process
    raise AssertionError("the tool has no multiplexer above it")


def outside(sessions: NativeSessionManager, directory: Path, native_id: str) -> None:
    """A person ends the session by hand."""
    if isinstance(sessions, TmuxSessions):
        command = ["tmux", "-S", str(directory / "tmux.sock"), "kill-session", "-t", native_id]
    else:
        command = ["env", f"SCREENDIR={directory}/screen/sockets", "screen", "-S", native_id, "-X", "quit"]
    subprocess.run(command, check=True, capture_output=True)


def test_a_session_is_made_listed_looked_at_and_ended(sessions: NativeSessionManager, directory: Path) -> None:
    assert sessions.list() == []
    session = sessions.create(tool(directory, "sleep 1000"), "abc12345-0000-4000-8000-000000000000", ROWS, COLS)
    other = create(sessions, tool(directory, "sleep 1000", name="gemini"))
    assert session.native_id == "ai-claude-abc12345"
    assert session.attach_command == sessions.attach_command(session.native_id)
    assert sessions.list() == sorted([session.native_id, other.native_id])
    assert sessions.check_status(session.native_id) == NativeStatus("running", pid=session.pid)
    assert psutil.Process(session.pid).cwd() == str(directory)
    # The next server knows nothing, and finds everything.
    later = tmux_in(directory) if isinstance(sessions, TmuxSessions) else screen_in(directory)
    assert later.list() == sessions.list()
    assert later.check_status(session.native_id) == NativeStatus("running", pid=session.pid)
    killed = sessions.kill(session.native_id)
    assert session.pid in killed.ended
    assert killed.survivors == []
    assert later.check_status(session.native_id).state == "gone"
    assert sessions.list() == [other.native_id]
    assert sessions.check_status(other.native_id).state == "running"
    again = sessions.kill(session.native_id)
    assert (again.ended, again.survivors) == ([], [])


@pytest.mark.parametrize(
    ("argv", "code", "signum"),
    [
        pytest.param(["exit 0"], 0, None, id="0"),
        pytest.param(["exit 3"], 3, None, id="3"),
        pytest.param(["echo the-tool-waits; read line; exit 7"], 7, None, id="later"),
        pytest.param(["kill -KILL $$"], None, signal.SIGKILL, id="signal"),
        pytest.param(["no-such-program", "x"], 127, None, id="missing"),
    ],
)
def test_how_a_tool_ended_is_told_exactly(
    sessions: NativeSessionManager, directory: Path, argv: list[str], code: int | None, signum: int | None
) -> None:
    session = create(sessions, tool(directory, *argv))
    if code == 7:
        assert sessions.check_status(session.native_id).state == "running"
        with Person(sessions.attach_argv(session.native_id), {}) as person:
            person.wait_for("the-tool-waits")
            person.type("go on")
            ended(sessions, session.native_id)
        wait_until(lambda: not sessions.check_status(session.native_id).attached_clients, PATIENCE)
    assert ended(sessions, session.native_id) == NativeStatus("exited", code, signum)
    assert sessions.list() == [session.native_id]
    sessions.kill(session.native_id)
    assert sessions.check_status(session.native_id) == NativeStatus("gone")


def test_many_early_exits_are_all_told(sessions: NativeSessionManager, directory: Path) -> None:
    made = [create(sessions, tool(directory, f"exit {code}")) for code in range(12)]
    assert [ended(sessions, session.native_id).code for session in made] == list(range(12))


def test_nothing_of_a_user_is_executed_or_changed(sessions: NativeSessionManager, directory: Path) -> None:
    cwd = directory / "d #(touch pwned) #{pid} ; $(touch pwned) 中文\n'x'"
    cwd.mkdir()
    script = 'printf "%s\\0" "$PWD" "$NASTY" "$@" > "$OUT.new"; mv "$OUT.new" "$OUT"; exec sleep 1000'
    for turn, text in enumerate(NASTY):
        out = directory / f"out{turn}"
        program = directory / f"{turn} it's; touch pwned"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        # Alone, as a command's only word, and with the others.
        argv = [str(program), *(NASTY if turn == 0 else [] if turn == 1 else [text])]
        what = tool(directory, *argv, "", name=f"{text} claude", NASTY=text, OUT=str(out))
        session = create(sessions, what._replace(argv=argv, cwd=str(cwd)))
        assert session.native_id.startswith("ai-")
        wait_until(out.exists, PATIENCE)
        assert out.read_bytes().decode().split("\0")[:-1] == [str(cwd), text, *argv[1:]]
        assert sessions.check_status(session.native_id).state == "running"
        if turn == 0:
            assert sessions.kill(session.native_id).survivors == []
    assert not list(directory.rglob("pwned"))
    assert not Path("pwned").exists()


@pytest.mark.parametrize("how", ["asked", "by hand", "server killed"])
def test_children_that_got_away_are_ended(sessions: NativeSessionManager, directory: Path, how: str) -> None:
    script = (
        "nohup sleep 1000 >/dev/null 2>&1 & setsid sleep 1001 & "
        "(setsid sh -c 'trap \"\" TERM HUP; sleep 1002 & wait; sleep 1003' &); exec sleep 1004"
    )
    session = create(sessions, tool(directory, script))
    bystander = create(sessions, tool(directory, "exec sleep 1005", name="other"))

    def sleepers() -> list[int]:
        family = [p for p in of_sessions_in(directory) if p.name() == "sleep" and p.pid != bystander.pid]
        return [process.pid for process in family]

    wait_until(lambda: len(sleepers()) == 4, PATIENCE)
    before = sleepers()
    if how == "by hand":
        outside(sessions, directory, session.native_id)
    elif how == "server killed":
        server_of(session).kill()
    if how != "asked":
        wait_until(lambda: sessions.check_status(session.native_id).state == "gone", PATIENCE)
        assert sleepers()
    killed = sessions.kill(session.native_id)
    assert killed.survivors == []
    assert not any(map(is_running, before))
    assert sessions.check_status(session.native_id) == NativeStatus("gone")
    if how != "server killed" or isinstance(sessions, ScreenSessions):
        assert sessions.check_status(bystander.native_id).state == "running"


def test_a_server_that_was_asked_to_end_or_killed_is_noticed(sessions: NativeSessionManager, directory: Path) -> None:
    for turn in range(2):
        session = create(sessions, tool(directory, "exec sleep 1000"))
        server = server_of(session)
        if turn == 0 and isinstance(sessions, TmuxSessions):
            subprocess.run(["tmux", "-S", str(directory / "tmux.sock"), "kill-server"], check=True)
        elif turn == 0:
            outside(sessions, directory, session.native_id)
        else:
            server.kill()
        wait_until(lambda: sessions.check_status(session.native_id).state == "gone", PATIENCE)  # noqa: B023
        assert sessions.list() == []
        assert sessions.kill(session.native_id).survivors == []


def test_a_child_that_stays_does_not_hide_the_end(sessions: NativeSessionManager, directory: Path) -> None:
    session = create(sessions, tool(directory, "sleep 1000 & exit 3"))
    assert ended(sessions, session.native_id) == NativeStatus("exited", 3)
    sessions.kill(session.native_id)
    assert not of_sessions_in(directory)


def test_many_sessions_are_made_at_once(sessions: NativeSessionManager, directory: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create(sessions, tool(directory, "exec sleep 1000")), range(8)))
        assert sessions.list() == sorted(session.native_id for session in made)
        assert len({session.pid for session in made}) == 8
        receipts = list(pool.map(lambda session: sessions.kill(session.native_id), made))
    assert all(session.pid in killed.ended for session, killed in zip(made, receipts, strict=True))
    assert sessions.list() == []


def test_a_multiplexer_that_hangs_does_not_keep_its_tools(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = tmux_in(directory)
    session = create(sessions, tool(directory, "exec sleep 1000"))
    wait_until(lambda: psutil.Process(session.pid).name() == "sleep", PATIENCE)
    server_of(session).suspend()
    monkeypatch.setattr("bg_runner.terminals.native.PATIENCE", 0.2)
    with pytest.raises(NativeSessionFailed, match="did not answer"):
        sessions.check_status(session.native_id)
    with pytest.raises(NativeSessionFailed, match="did not answer"):
        sessions.kill(session.native_id)
    assert not is_running(session.pid)


def test_an_old_tmux_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "tmux").write_text("#!/bin/sh\necho tmux 2.9a\n")
    (directory / "tmux").chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)
    with pytest.raises(NativeToolMissing, match=r"too old \(tmux 2\.9a"):
        tmux_in(directory).list()


def test_a_tools_path_need_not_lead_to_the_multiplexer(sessions: NativeSessionManager, directory: Path) -> None:
    session = create(sessions, tool(directory, 'test "$PATH" = /nowhere && exit 4', PATH="/nowhere"))
    assert ended(sessions, session.native_id).code == 4


def test_an_id_is_given_once(sessions: NativeSessionManager, directory: Path) -> None:
    first = create(sessions, tool(directory, "exec sleep 1000"))
    same = first.native_id[-8:] + "-0000-4000-8000-000000000000"
    with pytest.raises(NativeSessionFailed, match="already"):
        sessions.create(tool(directory, "touch second"), same, ROWS, COLS)
    assert sessions.check_status(first.native_id) == NativeStatus("running", pid=first.pid)
    assert not (directory / "second").exists()


def test_a_missing_directory_or_program_is_said_clearly(
    sessions: NativeSessionManager, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CwdMissing):
        create(sessions, tool(directory, "true")._replace(cwd=str(directory / "nowhere")))
    monkeypatch.setenv("PATH", str(directory))
    with pytest.raises(NativeToolMissing) as caught:
        create(sessions, tool(directory, "true"))
    assert "install" in caught.value.hint


@pytest.mark.parametrize("shell", SHELLS)
def test_the_attach_command_works_when_pasted(sessions: NativeSessionManager, directory: Path, shell: str) -> None:
    if shell in {"zsh", "fish"} and shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    session = create(sessions, tool(directory, HERE))
    with at_a_shell(SHELLS[shell], {"HOME": str(directory / "home")}) as person:
        person.type(session.attach_command)
        person.wait_for("the-session-is-here")
        assert sessions.check_status(session.native_id).attached_clients == 1
        person.type("from the terminal")
        person.wait_for("from the terminal\nfrom the terminal")
    wait_until(lambda: sessions.check_status(session.native_id).attached_clients == 0, PATIENCE)
    assert sessions.check_status(session.native_id).state == "running"


def test_two_people_see_each_other_type(sessions: NativeSessionManager, directory: Path) -> None:
    session = create(sessions, tool(directory, HERE))
    with Person(sessions.attach_argv(session.native_id), {}) as one:
        one.wait_for("the-session-is-here")
        with Person(sessions.attach_argv(session.native_id), {}) as two:
            two.wait_for("the-session-is-here")
            wait_until(lambda: sessions.check_status(session.native_id).attached_clients == 2, PATIENCE)
            one.type("一 from one")
            two.wait_for("一 from one\n一 from one")
            two.type("from two")
            one.wait_for("from two\nfrom two")


@pytest.fixture
def sshd(directory: Path) -> Iterator[Sshd]:
    with running_sshd(directory) as server:
        yield server


def test_the_ssh_command_works_when_pasted(sessions: NativeSessionManager, directory: Path, sshd: Sshd) -> None:
    session = create(sessions, tool(directory, HERE))
    command = ssh_command(sshd.server, session.attach_command)
    env = {"PATH": f"{sshd.bin}:{os.environ['PATH']}", "HOME": str(directory / "home")}
    with Person(sessions.attach_argv(session.native_id), {}) as local, at_a_shell(SHELLS["bash"], env) as remote:
        local.wait_for("the-session-is-here")
        remote.type(command)
        remote.wait_for("the-session-is-here")
        remote.type("from far away")
        local.wait_for("from far away\nfrom far away")
        if isinstance(sessions, TmuxSessions):
            capture = ["tmux", "-S", str(directory / "tmux.sock"), "capture-pane", "-p", "-t", f"={session.native_id}:"]
            captured = subprocess.run(capture, capture_output=True, text=True, check=True).stdout
            assert "from far away\nfrom far away" in captured
        local.type("answer")
        remote.wait_for("answer\nanswer")


def test_the_users_own_server_is_the_default_and_gets_no_secret(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMUX_TMPDIR", str(directory))
    monkeypatch.setenv("BG_RUNNER_TOKEN", "a-secret-of-ours")
    # However the user has set tmux up, a session stays while nobody looks, and tells how its tool ended.
    (directory / "home" / ".tmux.conf").write_text("set -g destroy-unattached on\nset -g remain-on-exit off\n")
    sessions = TmuxSessions(grace=0.5)
    session = create(sessions, tool(directory, HERE, API_KEY="a-secret-of-the-tool"))
    assert session.attach_command == f"tmux attach -t {session.native_id}"
    everything = subprocess.run(["tmux", "show-environment", "-g"], capture_output=True, text=True, check=True).stdout
    everything += str(server_of(session).environ())
    assert "a-secret" not in everything
    wait_until(lambda: psutil.Process(session.pid).name() == "cat", PATIENCE)
    of_tool = psutil.Process(session.pid).environ()
    assert of_tool["API_KEY"] == "a-secret-of-the-tool"
    assert "BG_RUNNER_TOKEN" not in of_tool
    with at_a_shell(SHELLS["sh"], {"TMUX_TMPDIR": str(directory)}) as person:
        person.type(session.attach_command)
        person.wait_for("the-session-is-here")
    wait_until(lambda: sessions.check_status(session.native_id).attached_clients == 0, PATIENCE)
    os.kill(session.pid, signal.SIGTERM)
    assert ended(sessions, session.native_id) == NativeStatus("exited", signal=signal.SIGTERM)
    mine = ["tmux", "new-session", "-d", "-s", "mine", ";", "set", "-t", "mine:", "destroy-unattached", "off"]
    subprocess.run(mine, check=True)
    assert sessions.list() == [session.native_id]
    subprocess.run(["tmux", "kill-server"], check=True)
    assert sessions.list() == []


def test_tmux_gives_the_size_and_says_what_is_too_long(directory: Path) -> None:
    sessions = tmux_in(directory)
    session = sessions.create(tool(directory, "stty size > size.new; mv size.new size"), str(uuid.uuid4()), 40, 123)
    wait_until((directory / "size").exists, PATIENCE)
    assert (directory / "size").read_text() == "40 123\n"
    with pytest.raises(NativeSessionFailed, match="too long"):
        create(sessions, tool(directory, "true", "x" * 40_000))
    assert sessions.list() == [session.native_id]


def test_screen_takes_many_and_long_arguments(directory: Path) -> None:
    sessions = screen_in(directory)
    words = [str(number) for number in range(200)] + ["x" * 40_000]
    session = create(sessions, tool(directory, "/bin/sh", "-c", "[ $# = 201 ] && [ ${#201} = 40000 ]", "sh", *words))
    assert ended(sessions, session.native_id).code == 0


def test_screen_remembers_how_a_tool_ended_whose_session_is_gone(directory: Path) -> None:
    sessions = screen_in(directory)
    session = create(sessions, tool(directory, "exec sleep 1000"))
    outside(sessions, directory, session.native_id)
    wait_until(lambda: sessions.check_status(session.native_id) == NativeStatus("gone", signal=signal.SIGHUP), PATIENCE)
