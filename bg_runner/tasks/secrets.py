"""Secrets of a workspace: values that commands and steps name, kept apart and never shown.

One file a workspace, `<data>/secrets/<sha256(session_id)>.json`, mode 0600, replaced atomically.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus

from bg_runner.errors import InvalidField, StorageFailed
from bg_runner.files import set_aside, write_durably

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
MAX_VALUE_BYTES = 64 * 1024
HIDDEN = "••••"
MAX_TYPED = 200


class SecretStore:
    """Names and values of secrets by workspace. Safe from any thread. Values leave it only through `values`."""

    def __init__(self, data_dir: Path) -> None:
        self._directory = data_dir / "secrets"
        self._lock = threading.Lock()

    def names(self, session_id: str) -> list[str]:
        """The names that are set, sorted. Raises: StorageFailed."""
        return sorted(self.values(session_id))

    def values(self, session_id: str) -> dict[str, str]:
        """All values by name, for the one who runs a task. Raises: StorageFailed."""
        with self._lock:
            return self._load(session_id)

    def set(self, session_id: str, name: str, value: str) -> None:
        """Set or replace one. Raises: InvalidField, StorageFailed; on return it is durable."""
        if not NAME.fullmatch(name):
            raise InvalidField("A secret's name is letters, digits and _, not beginning with a digit, at most 64.")
        if not value or len(value.encode()) > MAX_VALUE_BYTES or "\0" in value:
            raise InvalidField(f"A secret's value has 1 to {MAX_VALUE_BYTES} bytes and no NUL.")
        with self._lock:
            values = self._load(session_id)
            values[name] = value
            self._save(session_id, values)

    def delete(self, session_id: str, name: str) -> bool:
        """Delete one; False if there was none. Raises: StorageFailed."""
        with self._lock:
            values = self._load(session_id)
            if values.pop(name, None) is None:
                return False
            self._save(session_id, values)
            return True

    def _path(self, session_id: str) -> Path:
        return self._directory / f"{hashlib.sha256(session_id.encode()).hexdigest()}.json"

    def _load(self, session_id: str) -> dict[str, str]:
        path = self._path(session_id)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageFailed(f"The workspace's secrets cannot be read: {error.strerror}") from error
        try:
            return _parse(data)
        except ValueError:
            set_aside(path)
            return {}

    def _save(self, session_id: str, values: dict[str, str]) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self._path(session_id), json.dumps(values, ensure_ascii=False, indent=1).encode())


def _parse(data: bytes) -> dict[str, str]:
    values = json.loads(data)
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ValueError("not an object of strings")
    return values


def forms(values: Iterable[str]) -> set[str]:
    """How `values` may be written: as they are, and as a URL, a form or JSON has them."""
    written: set[str] = set()
    for value in values:
        if value:
            written |= {value, quote(value, safe=""), quote(value), quote_plus(value), json.dumps(value)[1:-1]}
            written.add(value.replace(" ", "+"))
    return written


def mask(text: str, values: Iterable[str]) -> str:
    """Hide every one of `values` in `text`, also as a URL or JSON would write it."""
    for form in sorted(forms(values), key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def mask_beginnings(text: str, values: Iterable[str]) -> str:
    """Hide what `values` begin with (three characters and more) in `text`."""
    for value in values:
        for length in range(min(len(value), MAX_TYPED) - 1, 2, -1):
            text = text.replace(value[:length], HIDDEN)
    return text
