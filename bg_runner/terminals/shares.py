"""Share links: whoever holds one may look at one terminal, or type into it, until it expires or is revoked.

Kept in `shares.json`; of a link's secret only the hash.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from bg_runner.errors import ShareUnknown
from bg_runner.files import set_aside, write_durably

log = logging.getLogger(__name__)
FILE_NAME = "shares.json"


class Share(BaseModel):
    """Times are s since the epoch."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    terminal_id: str
    user: str
    mode: Literal["view", "control"]
    label: str = ""
    created_at: float
    expires_at: float
    digest: str

    @property
    def is_over(self) -> bool:
        return time.time() >= self.expires_at


_SHARES = TypeAdapter(list[Share])


class ShareStore:
    """Any thread. Methods that change something write the file before they return and raise StorageFailed."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE_NAME
        self._lock = threading.Lock()
        self._shares = {share.id: share for share in self._load()}

    def create(
        self, terminal_id: str, user: str, mode: Literal["view", "control"], ttl: float, label: str = ""
    ) -> tuple[Share, str]:
        """A new link for `ttl` seconds, and its secret, which is not kept."""
        secret = secrets.token_urlsafe(24)
        now = time.time()
        share = Share(
            id=secrets.token_urlsafe(8).replace("-", "x").replace("_", "y"),
            terminal_id=terminal_id,
            user=user,
            mode=mode,
            label=label,
            created_at=now,
            expires_at=now + ttl,
            digest=_digest(secret),
        )
        with self._lock:
            self._save({**self._living(), share.id: share})
        return share, secret

    def of_terminal(self, terminal_id: str) -> list[Share]:
        """The links of a terminal that still hold, oldest first."""
        with self._lock:
            return [share for share in self._living().values() if share.terminal_id == terminal_id]

    def get(self, share_id: str) -> Share | None:
        """A link that still holds."""
        share = self._shares.get(share_id)
        return share if share is not None and not share.is_over else None

    def check(self, share_id: str, secret: str) -> Share | None:
        """The link, if `secret` is its secret and it still holds. Constant time."""
        share = self.get(share_id)
        expected = share.digest if share is not None else _digest("")
        return share if hmac.compare_digest(_digest(secret), expected) and share is not None else None

    def revoke(self, share_id: str, terminal_id: str) -> None:
        """Raises: ShareUnknown."""
        with self._lock:
            share = self._shares.get(share_id)
            if share is None or share.terminal_id != terminal_id:
                raise ShareUnknown("there is no such share link")
            self._save({key: value for key, value in self._living().items() if key != share_id})

    def forget_terminal(self, terminal_id: str) -> None:
        """Its links end with a terminal that is removed."""
        with self._lock:
            if any(share.terminal_id == terminal_id for share in self._shares.values()):
                self._save({key: value for key, value in self._living().items() if value.terminal_id != terminal_id})

    def _living(self) -> dict[str, Share]:
        return {key: share for key, share in self._shares.items() if not share.is_over}

    def _save(self, shares: dict[str, Share]) -> None:
        write_durably(self._path, _SHARES.dump_json(list(shares.values()), indent=1) + b"\n")
        self._shares = shares

    def _load(self) -> list[Share]:
        try:
            return _SHARES.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return []
        except ValidationError as error:
            log.error("%s cannot be used and was set aside as %s: %s", self._path, set_aside(self._path).name, error)
            return []


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
