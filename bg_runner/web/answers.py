"""The shape of answers: JSON in one envelope for programs, a page for people."""

from __future__ import annotations

import json
import math

from bg_runner.errors import BgRunnerError, InvalidField, MethodNotAllowed, TooMany

API_PREFIX = "/api/"


def wants_page(path: str, accept: str) -> bool:
    """Whether an error is shown as a page: to somebody who opens an address that is not an API's."""
    return not path.startswith(API_PREFIX) and path != "/openapi.json" and "text/html" in accept


def error_body(error: BgRunnerError) -> dict[str, object]:
    """`{"success": false, "error": {code, message, hint}}`; INVALID_FIELD also lists `fields`."""
    described: dict[str, object] = {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, InvalidField) and error.fields:
        described["fields"] = [{"path": path, "message": message} for path, message in error.fields]
    return {"success": False, "error": described}


def error_bytes(error: BgRunnerError) -> bytes:
    # ASCII: a message may quote what a client sent, lone surrogates included
    return json.dumps(error_body(error)).encode("ascii")


def error_headers(error: BgRunnerError) -> list[tuple[str, str]]:
    """What an error says beside its body."""
    if isinstance(error, TooMany):
        return [("retry-after", str(max(1, math.ceil(error.retry_after))))]
    if isinstance(error, MethodNotAllowed) and error.allowed:
        return [("allow", ", ".join(error.allowed))]
    if error.status == 401:
        return [("www-authenticate", 'Bearer realm="bg-runner"')]
    return []
