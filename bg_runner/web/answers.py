"""The shape of errors: JSON for programs, in the words of the seed whose addresses they use; a page for people."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

from bg_runner.errors import BgRunnerError, InvalidField, MethodNotAllowed, TooMany

API_PREFIX = "/api/"
SESSION_API = "/api/v1/terminal"


def wants_page(path: str, accept: str) -> bool:
    """Whether an error is shown as a page: to somebody who opens an address that is not an API's."""
    return not path.startswith(API_PREFIX) and path != "/openapi.json" and "text/html" in accept


def is_session_api(path: str) -> bool:
    """Whether `path` is one of those with seed 002's shape of errors."""
    return path == SESSION_API or path.startswith(f"{SESSION_API}/")


def error_body(error: BgRunnerError, path: str = "") -> dict[str, object]:
    """`{"success": false, "error": {code, message, hint}}`; INVALID_FIELD also lists `fields`.

    Under /api/v1/terminal seed 002's `{error, message, code, timestamp}`: the code in lower case, and the HTTP status.
    """
    if is_session_api(path):
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return {"error": error.code.lower(), "message": error.message, "code": error.status, "timestamp": now}
    described: dict[str, object] = {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, InvalidField) and error.fields:
        described["fields"] = [{"path": field, "message": message} for field, message in error.fields]
    return {"success": False, "error": described}


def error_bytes(error: BgRunnerError, path: str = "") -> bytes:
    """`error_body` for a request to `path`."""
    # ASCII: a message may quote what a client sent, lone surrogates included
    return json.dumps(error_body(error, path)).encode("ascii")


def error_headers(error: BgRunnerError) -> list[tuple[str, str]]:
    """What an error says beside its body."""
    if isinstance(error, TooMany):
        return [("retry-after", str(max(1, math.ceil(error.retry_after))))]
    if isinstance(error, MethodNotAllowed) and error.allowed:
        return [("allow", ", ".join(error.allowed))]
    if error.status == 401:
        return [("www-authenticate", 'Bearer realm="bg-runner"')]
    return []
