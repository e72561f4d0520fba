"""Everybody who is attached to a terminal, and telling them what changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from bg_runner.terminals.clients import Message, TerminalClient

STATUS_DELAY = 0.02
CROWD = 20  # from so many clients on, changes are told less often
CROWD_DELAY = 0.5
NAMED_CLIENTS = 50


class Audience:
    """Belongs to the event loop. `status` is the text that was made for all of them, until something changes."""

    def __init__(self) -> None:
        self.status: str | None = None
        self._clients: dict[str, TerminalClient] = {}
        self._status_timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[TerminalClient]:
        return iter(list(self._clients.values()))

    @property
    def is_crowd(self) -> bool:
        return len(self._clients) >= CROWD

    def add(self, client: TerminalClient) -> None:
        self._clients[client.id] = client

    def remove(self, client_id: str) -> bool:
        """Whether it was there."""
        return self._clients.pop(client_id, None) is not None

    def wake(self) -> None:
        """There is more output."""
        for client in self._clients.values():
            client.wake()

    def tell(self, message: Message) -> None:
        for client in self._clients.values():
            client.tell(message)

    def status_changed(self) -> None:
        """Tell everybody soon; changes that come together are told once."""
        self.status = None
        if self._status_timer is None and self._clients:
            delay = CROWD_DELAY if self.is_crowd else STATUS_DELAY
            self._status_timer = asyncio.get_running_loop().call_later(delay, self._tell_status)

    def describe(self) -> dict[str, Any]:
        """For the status: how many there are, and who (the first of a crowd)."""
        named = list(self._clients.values())[:NAMED_CLIENTS]
        return {"clients": [client.describe() for client in named], "connected_clients": len(self._clients)}

    def close(self) -> None:
        if self._status_timer is not None:
            self._status_timer.cancel()

    def _tell_status(self) -> None:
        self._status_timer = None
        for client in self._clients.values():
            client.status_changed()
