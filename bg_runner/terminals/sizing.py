"""The size of a terminal: what it is, what it was at which byte, and whose window it follows.

One client owns the size: whoever typed last, or took it. `epoch` grows with every change, so that nobody acts on an
older one.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from bg_runner.terminals.screen_keeper import Resize

KEPT_RESIZES = 1000


class Sizing:
    """`rows` and `cols` are in force; `owner` is a client's id. Belongs to the event loop."""

    def __init__(self, rows: int, cols: int) -> None:
        self.rows = rows
        self.cols = cols
        self.owner: str | None = None
        self.epoch = 0
        self._resizes: deque[Resize] = deque()
        self._forgotten = 0

    def set_owner(self, client_id: str | None) -> bool:
        """Whether that changed anything."""
        if self.owner == client_id:
            return False
        self.owner = client_id
        self.epoch += 1
        return True

    def resized(self, cursor: int, rows: int, cols: int) -> Resize:
        """From the byte at `cursor` on the program writes for this size."""
        self.rows, self.cols = rows, cols
        self.epoch += 1
        resize = Resize(cursor, rows, cols)
        self._resizes.append(resize)
        if len(self._resizes) > KEPT_RESIZES:
            self._resizes.popleft()
            self._forgotten += 1
        return resize

    @property
    def count(self) -> int:
        """How many resizes there were."""
        return self._forgotten + len(self._resizes)

    def after(self, seen: int) -> Resize | None:
        """The resize that comes after the first `seen` ones; None if there is no further."""
        place = max(seen - self._forgotten, 0)
        return self._resizes[place] if place < len(self._resizes) else None

    def changed_since(self, cursor: int) -> bool:
        """Whether output at or behind `cursor` was made for another size than what follows."""
        return bool(self._resizes) and self._resizes[-1].cursor > cursor

    def message(self, rows: int, cols: int, cursor: int) -> dict[str, Any]:
        """What tells a client that output from `cursor` on is laid out for `rows` x `cols`."""
        size = {"rows": rows, "cols": cols, "cursor": cursor}
        return {"type": "resize", **size, "owner": self.owner, "epoch": self.epoch}
