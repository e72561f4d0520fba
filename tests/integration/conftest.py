"""A PTY host for one test, ended with everything it started."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bg_runner.terminals.host_client import HostClient
from tests.conditions import wait_until
from tests.integration.hosts import host_process, is_running


@pytest.fixture
def host_dir(tmp_path: Path) -> Iterator[Path]:
    """A data directory. A host that was started for it, and what that host started, does not outlive the test."""
    directory = tmp_path / "data"
    directory.mkdir()
    yield directory
    host = host_process(directory)
    if host is not None:
        family = [*host.children(recursive=True), host]
        for process in family:
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        wait_until(lambda: not any(is_running(process.pid) for process in family))


@pytest.fixture
def host(host_dir: Path) -> Iterator[HostClient]:
    """A client that is connected to a host of its own."""
    with HostClient(host_dir) as client:
        client.ensure()
        yield client
