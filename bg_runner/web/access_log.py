"""Logs: one line a request, with its id, and never a credential in any line of any logger."""

from __future__ import annotations

import logging
import re
import sys
from contextvars import ContextVar

access = logging.getLogger("bg_runner.access")
request_id: ContextVar[str] = ContextVar("request_id", default="-")

_SECRETS = re.compile(
    r"(?P<name>\b(?:token|code)=|\bBearer +|auth_token_\d+=)(?P<value>[^\s&\"'<>;,)\]]+)", re.IGNORECASE
)
_FORMAT = "%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s"


class Masker:
    """Hides credentials by their surroundings (`token=`, `Bearer `, `code=`, the cookie) and the token by its value."""

    def __init__(self) -> None:
        self.values: set[str] = set()

    def __call__(self, text: str) -> str:
        for value in self.values:
            text = text.replace(value, "***")
        if "=" in text or "earer" in text or "EARER" in text:
            text = _SECRETS.sub(r"\g<name>***", text)
        return text


mask = Masker()


class MaskingFilter(logging.Filter):
    """On a handler it covers every logger whose records reach it. It hides credentials and adds the request's id."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        message = record.getMessage()
        masked = mask(message)
        if masked != message:
            record.msg, record.args = masked, None
        return True


class MaskingFormatter(logging.Formatter):
    """Tracebacks are made by the formatter, after the filters."""

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))


def configure(level: str, token: str) -> None:
    """Send every logger's records to stderr, masked; uvicorn's chatter at start and end is left out."""
    mask.values.add(token)
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(MaskingFilter())
    handler.setFormatter(MaskingFormatter(_FORMAT))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    quiet = logging.DEBUG if level == "DEBUG" else logging.WARNING
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "apscheduler", "httpx", "httpcore", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(quiet)


def log_request(method: str, path: str, status: int, seconds: float, address: str) -> None:
    """One line: changes and failures at INFO, what only looks (polling above all) at DEBUG. Never the query."""
    looks = method in ("GET", "HEAD", "OPTIONS") and status < 400
    level = logging.DEBUG if looks else logging.INFO
    if access.isEnabledFor(level):
        access.log(level, "%s %s %s %d %.1f ms", address, method, ascii(path)[1:-1][:300], status, seconds * 1000)
