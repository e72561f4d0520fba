"""Stamps remember what was set up, keyed on the content it was made from, so that a second start does nothing again.

They live inside the virtual environment: who deletes `.venv` deletes them with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from scripts.console import CHECKOUT

VENV = CHECKOUT / ".venv"
STAMPS = VENV / ".setup"


def key_of(*parts: str | Path) -> str:
    """A digest of texts and of files' contents; a file that is not there counts as such."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else _content(part)
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b"absent"


def is_current(name: str, key: str, needs: Iterable[Path] = ()) -> bool:
    """Whether `name` was set up from this key, and all that it made is still there."""
    stamp = STAMPS / name
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != key:
        return False
    return all(path.exists() for path in needs)


def write(name: str, key: str) -> None:
    """Remember that `name` is set up from this key. Called last, so that an interrupted step is done again."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    (STAMPS / name).write_text(key, encoding="utf-8")
