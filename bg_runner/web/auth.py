"""Who may come in: the owner's token, signed login cookies, one-time codes, and a brake on guessing."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from bg_runner.errors import StartupError, StorageFailed, TooMany
from bg_runner.files import write_durably
from bg_runner.terminals.shares import Share, ShareStore

log = logging.getLogger(__name__)
TOKEN_FILE = "token"  # noqa: S105 - a name
FAILURES_AT_ONCE = 20
FAILURES_PER_SECOND = 1.0
REMEMBERED = 4096


def load_token(data_dir: Path, given: str | None) -> str:
    """The owner's token: `given`, else the one kept in the data directory, else a new one that is kept (mode 0600).

    Raises: StartupError if the file cannot be read or written.
    """
    if given is not None:
        return given
    path = data_dir / TOKEN_FILE
    try:
        kept = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        kept = ""
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"{path} cannot be read: {error}", hint="Mend its permissions or delete it.") from error
    if len(kept) >= 16:
        return kept
    token = secrets.token_urlsafe(32)
    try:
        write_durably(path, token.encode() + b"\n", mode=0o600)
    except StorageFailed as error:
        raise StartupError(f"the token cannot be kept: {error.message}", hint=error.hint) from error
    return token


class Brake:
    """Slows guessing down: `burst` wrong answers of one address at once, then `rate` a second. Any thread."""

    def __init__(
        self,
        burst: int = FAILURES_AT_ONCE,
        rate: float = FAILURES_PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst = burst
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_of(self, address: str) -> float:
        """Seconds until `address` may try again; 0 if it may now."""
        with self._lock:
            spent = self._current(address)
        return max(0.0, (spent - self._burst + 1) / self._rate)

    def failed(self, address: str) -> None:
        """Note a wrong answer of `address`."""
        with self._lock:
            self._spent[address] = (self._current(address) + 1, self._clock())
            self._spent.move_to_end(address)
            if len(self._spent) > REMEMBERED:
                self._spent.popitem(last=False)

    def _current(self, address: str) -> float:
        spent, at = self._spent.get(address, (0.0, 0.0))
        return max(0.0, spent - (self._clock() - at) * self._rate)


class OneTimeCodes:
    """Codes of one-time links. Only their hashes are kept, in memory: a restart ends them all. Any thread."""

    def __init__(self, ttl: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.ttl = ttl
        self._clock = clock
        self._lock = threading.Lock()
        self._ends: OrderedDict[bytes, float] = OrderedDict()

    def make(self) -> str:
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._ends[_digest(code)] = self._clock() + self.ttl
            if len(self._ends) > REMEMBERED:
                self._ends.popitem(last=False)
        return code

    def redeem(self, code: str) -> bool:
        """Use `code` up; whether it was valid."""
        with self._lock:
            end = self._ends.pop(_digest(code), None)
        return end is not None and self._clock() <= end


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


class Door:
    """Decides whether a credential is good. Cookies are signed with a key of the token: a new token ends all logins."""

    def __init__(
        self, token: str, *, port: int, login_ttl: int, link_ttl: int, secure: bool, shares: ShareStore | None = None
    ) -> None:
        self.cookie_name = f"auth_token_{port}"
        self.share_cookie_prefix = f"share_{port}_"
        self._shares = shares
        self.login_ttl = login_ttl
        self.secure = secure
        self.codes = OneTimeCodes(link_ttl)
        self.brake = Brake()
        self._token = _digest(token)
        key = hmac.digest(token.encode(), b"bg-runner login cookie", "sha256")
        self._serializer = URLSafeTimedSerializer(key, salt=self.cookie_name)
        self._lock = threading.Lock()
        self._known: OrderedDict[str, float] = OrderedDict()
        self._ended: OrderedDict[str, float] = OrderedDict()

    def check_token(self, given: str, address: str) -> bool:
        """Whether `given` is the owner's token; constant time. Raises: TooMany after many wrong ones."""
        self._slow_down(address)
        good = hmac.compare_digest(_digest(given), self._token)
        if not good:
            self.brake.failed(address)
        return good

    def check_share(self, share_id: str, secret: str, address: str) -> Share | None:
        """The share link, if this is its secret and it still holds. Raises: TooMany after many wrong ones."""
        self._slow_down(address)
        share = self._shares.check(share_id, secret) if self._shares is not None else None
        # A link that has expired comes back by itself, in cookies; only a wrong secret is a guess.
        if share is None and self._shares is not None and self._shares.get(share_id) is not None:
            self.brake.failed(address)
        return share

    def redeem(self, code: str, address: str) -> bool:
        """Use a one-time code up. Raises: TooMany after many wrong ones."""
        self._slow_down(address)
        good = self.codes.redeem(code)
        if not good:
            self.brake.failed(address)
        return good

    def _slow_down(self, address: str) -> None:
        wait = self.brake.wait_of(address)
        if wait > 0:
            raise TooMany("too many wrong tokens came from this address", retry_after=wait)

    def new_cookie(self) -> str:
        return str(self._serializer.dumps(secrets.token_urlsafe(12)))

    def check_cookie(self, value: str) -> bool:
        """Whether `value` is a login of ours that has neither expired nor been logged out."""
        now = time.time()
        with self._lock:
            if value in self._ended:
                return False
            end = self._known.get(value)
        if end is not None:
            return now <= end
        try:
            _, signed_at = self._serializer.loads(value, max_age=self.login_ttl, return_timestamp=True)
        except (BadSignature, SignatureExpired):
            return False
        with self._lock:
            self._known[value] = signed_at.timestamp() + self.login_ttl
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return True

    def end_cookie(self, value: str) -> None:
        """Log out: this cookie is good no more until the server restarts (the browser deletes it as well)."""
        with self._lock:
            self._known.pop(value, None)
            self._ended[value] = time.time()
            if len(self._ended) > REMEMBERED:
                self._ended.popitem(last=False)
