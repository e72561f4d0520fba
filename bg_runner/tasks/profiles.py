"""Named login states of a workspace: cookies and storage, IndexedDB included, kept from one task to the next."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext

from bg_runner.errors import StorageFailed
from bg_runner.files import set_aside, write_durably

SAVE_TIMEOUT = 5.0


class Profiles:
    """One file a profile, `<data>/profiles/<sha256(session_id)>/<name>.json`, mode 0600. Used in one event loop."""

    def __init__(self, data_dir: Path) -> None:
        self._directory = data_dir / "profiles"
        self._locks: dict[Path, tuple[asyncio.Lock, int]] = {}

    def path(self, session_id: str, name: str) -> Path:
        return self._directory / hashlib.sha256(session_id.encode()).hexdigest() / f"{name}.json"

    @contextlib.asynccontextmanager
    async def use(self, path: Path) -> AsyncIterator[None]:
        """The profile for one task alone; others wait for it in the order they came."""
        lock, users = self._locks.get(path, (asyncio.Lock(), 0))
        self._locks[path] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(path)
            if users > 1:
                self._locks[path] = (lock, users - 1)

    def load(self, path: Path) -> dict[str, Any] | None:
        """The saved state for `new_context(storage_state=...)`; None if there is none yet. Raises: StorageFailed."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageFailed(f"The profile {path.stem} cannot be read: {error.strerror}") from error
        try:
            state = json.loads(data)
        except ValueError:
            state = None
        if not isinstance(state, dict):
            set_aside(path)
            return None
        return state

    async def save(self, path: Path, context: BrowserContext) -> None:
        """Keep the context's cookies and storage. Raises: StorageFailed, PlaywrightError, TimeoutError."""
        async with asyncio.timeout(SAVE_TIMEOUT):
            state = await context.storage_state(indexed_db=True)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(path, json.dumps(state, ensure_ascii=False).encode())
