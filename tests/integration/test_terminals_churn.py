"""A thousand terminals opened and closed again leave nothing: no descriptor, thread, process, file, nor memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import pytest

from tests.conditions import wait_until
from tests.integration.hosts import host_process
from tests.integration.server import ServerProcess

WARM_UP, CHURN, AT_ONCE = 100, 1000, 8
RESTING = 3  # children of a host without terminals: what forks supervisors, and those that wait for the next terminal
POOLS = 6  # threads that pools may still start: they fill as it happens
MEMORY = 24 << 20  # bytes for a thousand: far less than one kept object of 32 KB each


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path / "data", stop_grace=1, shell="/bin/sh", terminal_rate=100_000)
    process.data_dir.mkdir()
    try:
        yield process.start()
    finally:
        process.close()


class Footprint(NamedTuple):
    """What one process has: file descriptors, threads, children of any depth, bytes of memory."""

    descriptors: int
    threads: int
    children: int
    memory: int

    @classmethod
    def of(cls, process: psutil.Process) -> Footprint:
        return cls(
            process.num_fds(),
            process.num_threads(),
            len(process.children(recursive=True)),
            process.memory_info().rss,
        )


async def open_and_close(server: ServerProcess, count: int) -> None:
    left = iter(range(count))

    async def work(client: httpx.AsyncClient) -> None:
        for _ in left:
            opened = await client.post("/api/terminals", json={"command": "exec cat"})
            assert opened.status_code == 200, opened.text
            url = f"/api/terminals/{opened.json()['data']['terminalId']}"
            typed = await client.post(f"{url}/input", json={"input": "hello"})
            assert typed.status_code == 200, typed.text
            closed = await client.request("DELETE", url, json={"signal": "SIGKILL"})
            assert closed.status_code == 200, closed.text
            assert closed.json()["data"]["survivors"] == []

    headers = {"Authorization": f"Bearer {server.token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as client:
        await asyncio.gather(*(work(client) for _ in range(AT_ONCE)))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_thousand_opened_and_closed_leave_nothing(server: ServerProcess) -> None:
    assert server.process is not None
    asyncio.run(open_and_close(server, WARM_UP))
    host = host_process(server.data_dir)
    assert host is not None
    family = [psutil.Process(server.process.pid), host]
    wait_until(lambda: server.client.get("/api/terminals").json()["data"]["total"] == 0)
    wait_until(lambda: Footprint.of(host).children <= RESTING, 30)
    before = [Footprint.of(process) for process in family]
    asyncio.run(open_and_close(server, CHURN))

    def is_clean() -> bool:
        return Footprint.of(host).children <= RESTING and all(
            now.descriptors <= then.descriptors and now.threads <= then.threads + POOLS
            for now, then in zip((Footprint.of(process) for process in family), before, strict=True)
        )

    try:
        wait_until(is_clean, 30)
    except AssertionError:
        pytest.fail(f"before {before}, now {[Footprint.of(process) for process in family]}")
    for process, then in zip(family, before, strict=True):
        assert process.memory_info().rss - then.memory < MEMORY
    assert os.listdir(server.data_dir / "terminals") == []  # noqa: PTH208
    assert server.client.get("/api/terminals").json()["data"]["total"] == 0
