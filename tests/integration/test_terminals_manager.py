"""Opening, finding again, bounding and ending terminals: the manager on a real PTY host."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from bg_runner.errors import (
    CreateFailed,
    CwdMissing,
    CwdRefused,
    InvalidField,
    ShellMissing,
    TerminalEnded,
    TerminalNotFound,
    TooManyTerminals,
)
from bg_runner.settings import Settings, load_settings
from bg_runner.terminals.host_client import HostClient
from bg_runner.terminals.manager import TerminalManager
from bg_runner.terminals.record import NewTerminal
from bg_runner.terminals.session import TerminalSession
from tests.integration.hosts import host_process


@asynccontextmanager
async def running(data_dir: Path, **settings: object) -> AsyncIterator[TerminalManager]:
    """A manager as a server has it; leaving it is the server's orderly end."""
    host = HostClient(data_dir)
    manager = TerminalManager(settings_of(data_dir, **settings), host)
    await manager.start()
    try:
        yield manager
    finally:
        await manager.close()
        host.close()


def settings_of(data_dir: Path, **settings: object) -> Settings:
    return load_settings(data_dir=data_dir, stop_grace=1.0, **{"shell": "/bin/sh", **settings})


async def until(condition: Callable[[], object], timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "still not true"
        await asyncio.sleep(0.01)


async def wait_text(session: TerminalSession, text: str) -> None:
    deadline = time.monotonic() + 20
    while not any(text in line for line in (await session.screen()).lines):
        assert time.monotonic() < deadline, await session.screen()
        await asyncio.sleep(0.01)


def in_loop(test: Callable[[Path], Coroutine[None, None, None]]) -> Callable[[Path], None]:
    """A test that is a coroutine."""

    def run(host_dir: Path) -> None:
        asyncio.run(test(host_dir))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@in_loop
async def test_a_terminal_outlives_its_server(host_dir: Path) -> None:
    async with running(host_dir) as manager:
        session = await manager.create(NewTerminal(command="read line; seq 1 3000; exec cat", name="build", rows=30))
        pid, before = session.pid, session.end
        await session.write(b"\n")
    async with running(host_dir) as manager:
        (again,) = manager.list()
        assert (again.id, again.pid, again.name, again.rows) == (session.id, pid, "build", 30)
        await until(lambda: again.end > before + 13_000)
        await wait_text(again, "3000")
        await again.write(b"typed\n")
        await wait_text(again, "typed")
        await manager.remove(again)


@in_loop
async def test_how_it_ended_is_known_after_a_restart(host_dir: Path) -> None:
    async with running(host_dir) as manager:
        seen = await manager.create(NewTerminal(command="exit 3"))
        await until(lambda: not seen.is_running)
        unseen = await manager.create(NewTerminal(command="read line; exit 4"))
        await unseen.write(b"\n")
    async with running(host_dir) as manager:
        found = {session.id: session for session in manager.list()}
        await until(lambda: not found[unseen.id].is_running)
        ended = [found[session.id].record.ended for session in (seen, unseen)]
        assert [one and (one.state, one.code) for one in ended] == [("exited", 3), ("exited", 4)]
        with pytest.raises(TerminalEnded):
            await found[seen.id].write(b"x")


@in_loop
async def test_a_lost_terminal_says_why_and_runs_again(host_dir: Path) -> None:
    async with running(host_dir) as manager:
        session = await manager.create(NewTerminal(command="echo begun; exec cat", name="mine", env={"A": "1"}))
        await wait_text(session, "begun")
        host = host_process(host_dir)
        assert host is not None
        host.kill()
        await until(lambda: session.state == "lost")
        assert session.record.ended is not None
        assert "host" in session.record.ended.reason
    async with running(host_dir) as manager:
        lost = manager.get(session.id)
        assert lost.state == "lost"
        assert any("begun" in line for line in (await lost.screen()).lines)
        again = await manager.run_again(lost)
        assert (again.id != lost.id, again.name, again.record.request.env) == (True, "mine", {"A": "1"})
        await wait_text(again, "begun")
        await manager.remove(again)
        await manager.remove(lost)
        assert list((host_dir / "terminals").iterdir()) == []


@in_loop
async def test_killing_ends_the_whole_tree(host_dir: Path) -> None:
    async with running(host_dir, shell="/bin/bash") as manager:
        session = await manager.create(NewTerminal())
        await session.write(
            b"trap '' TERM; sleep 300 & setsid sleep 301 & nohup sleep 302 >/dev/null & echo st''arted\n"
        )
        await wait_text(session, "started")
        assert session.info is not None
        supervisor = psutil.Process(session.info.supervisor)
        await until(lambda: len(supervisor.children(recursive=True)) == 4)
        tree = supervisor.children(recursive=True)
        receipt = await manager.kill(session)
        assert receipt.survivors == []
        assert {process.pid for process in tree} <= set(receipt.ended)
        assert not any(process.is_running() for process in tree)
        assert session.state == "exited"
        assert (await manager.kill(session)).ended == []  # Twice is harmless.


@in_loop
async def test_a_signal_of_ones_own_comes_first(host_dir: Path) -> None:
    async with running(host_dir) as manager:
        session = await manager.create(
            NewTerminal(command="trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done")
        )
        await wait_text(session, "ready")
        await manager.kill(session, 10)
        assert session.record.ended is not None
        assert session.record.ended.code == 9


@in_loop
async def test_a_removed_terminal_leaves_nothing(host_dir: Path) -> None:
    async with running(host_dir) as manager:
        first = await manager.create(NewTerminal(command="cat"))
        await manager.remove(first)
        descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        for _ in range(5):
            session = await manager.create(NewTerminal(command="echo here; exec cat"))
            await wait_text(session, "here")
            await session.write(b"x\n")
            directory = session.directory
            await manager.remove(session)
            assert not directory.exists()
            with pytest.raises(TerminalNotFound):
                manager.get(session.id)
        assert len(os.listdir("/proc/self/fd")) <= descriptors + 1  # noqa: PTH208
        assert manager.list() == []


@in_loop
async def test_limits(host_dir: Path) -> None:
    async with running(host_dir, max_terminals=3, max_terminals_per_user=2) as manager:
        kept = [await manager.create(NewTerminal(command="cat")) for _ in range(2)]
        with pytest.raises(TooManyTerminals):
            await manager.create(NewTerminal(command="cat"))
        kept.append(await manager.create(NewTerminal(command="cat"), "ann"))
        with pytest.raises(TooManyTerminals):
            await manager.create(NewTerminal(command="cat"), "bob")
        with pytest.raises(TerminalNotFound):
            manager.get(kept[2].id, "owner")
        for session in kept:
            await manager.remove(session)


@in_loop
async def test_what_is_forgotten_is_ended_and_old_recordings_go(host_dir: Path) -> None:
    async with running(host_dir, session_timeout=100, keep_recordings=50) as manager:
        idle, busy = [await manager.create(NewTerminal(command="exec cat")) for _ in range(2)]
        idle.last_activity = time.time() - 101
        await manager.end_forgotten()
        assert (idle.state, busy.state) == ("exited", "running")
        assert idle.record.ended is not None
        old = idle.record.ended.model_copy(update={"at": time.time() - 51})
        idle.record = idle.record.model_copy(update={"ended": old})
        await manager.end_forgotten()
        assert manager.list() == [busy]
        assert not idle.directory.exists()
        await manager.remove(busy)


@in_loop
async def test_a_request_that_cannot_be_leaves_nothing_behind(host_dir: Path) -> None:
    inside, outside = host_dir / "inside", host_dir / "outside"
    for directory in (inside, outside):
        directory.mkdir()
    (inside / "link").symlink_to(outside)
    (inside / "file").touch()
    async with running(host_dir, terminal_roots=[str(inside)], max_env_bytes=1024) as manager:
        for cwd in (str(outside), f"{inside}/../outside", f"{inside}/link", "/", "..", "~root/../.."):
            with pytest.raises((CwdRefused, CwdMissing)):
                await manager.create(NewTerminal(cwd=cwd))
        for cwd in (str(inside / "missing"), str(inside / "file")):
            with pytest.raises(CwdMissing):
                await manager.create(NewTerminal(cwd=cwd))
        with pytest.raises(ShellMissing):
            await manager.create(NewTerminal(shell="no-such-shell"))
        for wrong in (
            NewTerminal(command="a\0b"),
            NewTerminal(command=""),
            NewTerminal(command="x" * 40_000),
            NewTerminal(cwd="\0"),
            NewTerminal(env={"A=B": "1"}),
            NewTerminal(env={"": "1"}),
            NewTerminal(env={"A": "\0"}),
            NewTerminal(env={"A": "x" * 2000}),
            NewTerminal(command="\ud800"),
        ):
            with pytest.raises(InvalidField):
                await manager.create(wrong)
        with pytest.raises((CreateFailed, ShellMissing)):
            await manager.create(NewTerminal(shell=str(inside)))
        assert not (host_dir / "terminals").exists() or list((host_dir / "terminals").iterdir()) == []
        good = await manager.create(NewTerminal(cwd=".", command="pwd; exec cat"))
        await wait_text(good, str(inside))
        await manager.remove(good)


@in_loop
async def test_a_torn_record_is_set_aside(host_dir: Path) -> None:
    async with running(host_dir) as manager:
        session = await manager.create(NewTerminal(command="exec cat"))
        await manager.update(session, name="renamed", group="work")
        assert (session.name, session.group) == ("renamed", "work")
        await manager.kill(session)
        await until(lambda: '"ended": {' in (session.directory / "terminal.json").read_text())
    broken = host_dir / "terminals" / "broken"
    broken.mkdir()
    (broken / "terminal.json").write_text('{"id": "brok')
    async with running(host_dir) as manager:
        (found,) = manager.list()
        assert (found.id, found.name, found.state) == (session.id, "renamed", "exited")
    assert list(broken.glob("terminal.json.corrupt-*"))


@in_loop
async def test_a_parked_screen_comes_back_exactly(host_dir: Path) -> None:
    async with running(host_dir) as manager:
        session = await manager.create(NewTerminal(command=r"printf '\033[?1049h\033[3;5Hfull\033[?25l'; exec cat"))
        await wait_text(session, "full")
        before = await session.screen()
        session.last_activity -= 60
        await session.rest()
        assert (session.directory / "screen.bin").is_file()
        assert await session.screen() == before
        assert before.alternate
        await session.resize(30, 70)
        await session.write(b"more\n")
        await wait_text(session, "more")
        direct = (await session.snapshot(scrollback=True)).data
    async with running(host_dir) as manager:
        again = manager.get(session.id)
        assert (await again.snapshot(scrollback=True)).data == direct
        assert (again.rows, again.cols) == (30, 70)
        await manager.remove(again)


@in_loop
async def test_where_it_is_without_its_shells_help(host_dir: Path) -> None:
    elsewhere = host_dir / "elsewhere"
    elsewhere.mkdir()
    async with running(host_dir, shell="/bin/dash") as manager:
        session = await manager.create(NewTerminal())
        await session.write(f"cd {elsewhere}\n".encode())
        await until(lambda: session.cwd == str(elsewhere))
        await session.write(b"printf '\\033]7;file://host/some%%20where\\007'\n")
        await until(lambda: session.cwd == "/some where")
        await manager.remove(session)


@in_loop
async def test_a_server_may_take_its_terminals_with_it(host_dir: Path) -> None:
    host = HostClient(host_dir)
    manager = TerminalManager(settings_of(host_dir), host)
    await manager.start()
    session = await manager.create(NewTerminal(command="trap '' TERM HUP; echo ready; while :; do sleep 0.1; done"))
    await wait_text(session, "ready")
    assert session.pid is not None
    process = psutil.Process(session.pid)
    await manager.close(kill=True)
    host.close()
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    async with running(host_dir) as again:
        assert again.get(session.id).state == "exited"


@in_loop
async def test_a_restarted_machine_is_named_as_the_reason(host_dir: Path) -> None:
    async with running(host_dir) as manager:
        session = await manager.create(NewTerminal(command="echo before; exec cat"))
        await wait_text(session, "before")
    host = host_process(host_dir)
    assert host is not None
    host.kill()
    host.wait()
    record = session.directory / "terminal.json"
    record.write_text(record.read_text().replace(session.record.boot, "another-boot"))
    async with running(host_dir) as manager:
        (lost,) = manager.list()
        assert lost.record.ended is not None
        assert (lost.state, lost.record.ended.reason) == ("lost", "the machine was restarted")
        assert any("before" in line for line in (await lost.screen()).lines)
        assert b"before" in lost.read(0, 1000)
