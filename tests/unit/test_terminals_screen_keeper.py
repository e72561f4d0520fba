"""The keeper of a terminal's screen, on a log in a temporary directory."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bg_runner.terminals.emulator import new_emulator
from bg_runner.terminals.output import segment_name
from bg_runner.terminals.screen_keeper import ScreenKeeper


def test_those_who_give_up_waiting_do_not_disturb_it(tmp_path: Path) -> None:
    """A client may leave while its snapshot is made: the thread that makes it goes on, and stays alone."""
    line = "{} \x1b[3{}mno byte twice, and none is left out\x1b[m\r\n"
    log = "".join(line.format(number, number % 8) for number in range(20_000)).encode()
    (tmp_path / segment_name(0)).write_bytes(log)

    async def follow(executor: ThreadPoolExecutor) -> bytes:
        keeper = ScreenKeeper(tmp_path, (24, 80), 1000, executor, lambda fed: None, live_from=0)
        for end in range(0, len(log), 9973):
            keeper.grow(end)
            asking = asyncio.ensure_future(keeper.snapshot(scrollback=False))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking
        keeper.grow(len(log))
        snapshot = await keeper.snapshot(scrollback=True)
        await keeper.close()
        assert snapshot.cursor == len(log)
        return snapshot.data

    with ThreadPoolExecutor(4) as executor:
        given = asyncio.run(follow(executor))
    direct = new_emulator(24, 80, 1000)
    direct.feed(log)
    assert given == direct.snapshot(True)
