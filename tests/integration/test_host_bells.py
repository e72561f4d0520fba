"""Bells on an asyncio loop: the same events as a HostClient's, with nothing lost and nothing left."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
import uvloop

from bg_runner.errors import HostGone
from bg_runner.terminals.host_bells import HostBells
from bg_runner.terminals.host_client import HostClient, WatchEvent
from bg_runner.terminals.log_follower import LogFollower
from bg_runner.terminals.output import log_directory
from tests.conditions import wait_until
from tests.integration.hosts import host_process, spawn, wait_for_output


class Heard:
    """Collects what bells say, on the loop."""

    def __init__(self) -> None:
        self.events: list[WatchEvent] = []
        self.lost = 0
        self._news = asyncio.Event()

    def __call__(self, event: WatchEvent) -> None:
        self.events.append(event)
        self._news.set()

    def on_lost(self) -> None:
        self.lost += 1
        self._news.set()

    async def until(self, done: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not done():
                self._news.clear()
                await self._news.wait()

    async def expect(self, count: int) -> WatchEvent:
        await self.until(lambda: len(self.events) >= count)
        assert len(self.events) == count
        return self.events[-1]


def on_loop(data_dir: Path, act: Callable[[HostBells, Heard], Awaitable[None]]) -> None:
    """Run `act` on the loop that the server has, with connected bells; `Heard` hears of their loss."""

    async def main() -> None:
        heard = Heard()
        bells = HostBells(data_dir, heard.on_lost)
        await bells.connect()
        try:
            await act(bells, heard)
        finally:
            bells.close()

    uvloop.run(main())


def test_a_bell_rings_once_and_again_when_armed(host: HostClient) -> None:
    spawn(host, "t", "stty -echo; echo ready; while read line; do echo $line; done; exit 4")
    wait_for_output(host, "t", b"ready\r\n")

    async def act(bells: HostBells, heard: Heard) -> None:
        assert bells.instance == host.instance
        watch = bells.watch("t", heard, cursor=7)
        await asyncio.to_thread(host.write, "t", b"one\n")
        assert (await heard.expect(1)).kind == "output"
        await asyncio.to_thread(host.write, "t", b"two\n")
        await asyncio.to_thread(wait_for_output, host, "t", b"two\r\n")
        await asyncio.to_thread(host.list)
        assert len(heard.events) == 1
        watch.rearm(12)  # Level-triggered: there is more than that already.
        assert (await heard.expect(2)).cursor == 17
        watch.rearm(17)
        await asyncio.to_thread(host.write, "t", b"\x04")
        event = await heard.expect(3)
        assert event.kind == "exit"
        assert event.exit is not None
        assert (event.exit.code, event.exit.cursor) == (4, 17)
        watch.rearm(0)
        assert (await heard.expect(4)).kind == "output"
        watch.rearm(17)
        await asyncio.to_thread(host.forget, "t")
        assert (await heard.expect(5)).kind == "gone"
        watch.rearm(0)
        watch.close()
        bells.watch("none", heard)
        assert (await heard.expect(6)).kind == "gone"
        assert bells.bells == {}
        assert heard.lost == 0

    on_loop(host.data_dir, act)


def test_a_follower_that_is_rung_for_reads_every_byte(host: HostClient) -> None:
    spawn(host, "t", "read line; seq 1 100000", log_bytes=1 << 24)

    async def act(bells: HostBells, heard: Heard) -> None:
        data = bytearray()
        with LogFollower(log_directory(host.data_dir, "t")) as follower:

            def on_event(event: WatchEvent) -> None:
                while part := follower.read(len(data)):
                    data.extend(part)
                if event.kind == "exit":
                    heard(event)
                else:
                    watch.rearm(len(data))

            watch = bells.watch("t", on_event)
            await asyncio.to_thread(host.write, "t", b"\n")
            await heard.expect(1)
        assert data == b"\r\n" + b"".join(b"%d\r\n" % number for number in range(1, 100_001))

    on_loop(host.data_dir, act)


def test_a_closed_watch_is_silent_and_one_that_fails_costs_no_other(
    host: HostClient, caplog: pytest.LogCaptureFixture
) -> None:
    spawn(host, "t", "read line; echo x; read line")

    async def act(bells: HostBells, heard: Heard) -> None:
        silent = Heard()

        def fail(_: WatchEvent) -> None:
            raise RuntimeError("on purpose")

        watch = bells.watch("t", silent)
        bells.watch("t", fail)
        bells.watch("t", heard)
        watch.close()
        watch.close()
        watch.rearm(0)
        await asyncio.to_thread(host.write, "t", b"\n")
        assert (await heard.expect(1)).kind == "output"
        assert silent.events == []
        assert heard.lost == 0

    on_loop(host.data_dir, act)
    assert "on purpose" in caplog.text


def test_a_killed_host_is_told_to_every_watch_and_then_once(host: HostClient) -> None:
    for number in range(3):
        spawn(host, f"t{number}", "sleep 1000")
    process = host_process(host.data_dir)
    assert process is not None

    async def act(bells: HostBells, heard: Heard) -> None:
        watches = [bells.watch(f"t{number}", heard) for number in range(3)]
        process.send_signal(signal.SIGKILL)
        await heard.until(lambda: heard.lost)
        assert [event.kind for event in heard.events] == ["gone"] * 3
        watches[0].rearm(0)
        with pytest.raises(HostGone):
            bells.watch("t0", heard)
        with pytest.raises(HostGone):
            assert bells.instance
        with pytest.raises(HostGone):
            await bells.connect()
        await asyncio.to_thread(host.ensure)
        await bells.connect()
        bells.watch("t0", heard)  # The new host does not know it.
        assert (await heard.expect(4)).kind == "gone"
        assert heard.lost == 1

    on_loop(host.data_dir, act)


def test_what_is_closed_says_nothing_and_leaves_nothing(host: HostClient) -> None:
    spawn(host, "t", "sleep 1000")

    async def act(bells: HostBells, heard: Heard) -> None:
        before = psutil.Process().num_fds()
        others = [HostBells(host.data_dir, heard.on_lost) for _ in range(3)]
        for other in others:
            await other.connect()
            await other.connect()
            other.watch("t", heard)
        connecting = asyncio.ensure_future(HostBells(host.data_dir, heard.on_lost).connect())
        await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        for other in others:
            other.close()
            other.close()
        await asyncio.to_thread(wait_until, lambda: psutil.Process().num_fds() == before)
        assert (heard.events, heard.lost) == ([], 0)

    on_loop(host.data_dir, act)


def test_a_host_that_does_not_read_is_waited_for(host: HostClient) -> None:
    """A stopped host's socket is full soon; what it was asked for waits here and arrives when it goes on."""
    spawn(host, "t", "echo x; sleep 1000")
    wait_for_output(host, "t", b"x\r\n")
    process = host_process(host.data_dir)
    assert process is not None

    async def act(bells: HostBells, heard: Heard) -> None:
        process.suspend()
        watches = [bells.watch("t", heard) for _ in range(10_000)]
        process.resume()
        await heard.until(lambda: len(heard.events) == len(watches))
        assert {event.cursor for event in heard.events} == {3}
        assert heard.lost == 0

    on_loop(host.data_dir, act)
