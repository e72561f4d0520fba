"""Temporary: bells through HostClient's reader thread, until host_bells is there."""
from __future__ import annotations
import asyncio
from collections.abc import Callable
from pathlib import Path
from bg_runner.terminals.host_client import HostClient, WatchEvent, Watch as BellWatch

class HostBells:
    def __init__(self, data_dir: Path) -> None:
        self._client = HostClient(data_dir)
    async def connect(self) -> None:
        await asyncio.to_thread(self._client.ensure)
    def watch(self, terminal_id: str, callback: Callable[[WatchEvent], None], *, cursor: int) -> BellWatch:
        loop = asyncio.get_running_loop()
        return self._client.watch(terminal_id, lambda e: loop.call_soon_threadsafe(callback, e), cursor=cursor)
    def close(self) -> None:
        self._client.close()
