"""Pages of other sites that the setting `cors_origin` names may use the terminal API with a token (Fetch standard).

Never with a cookie: `Access-Control-Allow-Credentials` is not sent, so a browser neither adds cookies for such a page
nor shows it an answer to a request that carried them. `*` thus lets any page use a token that it knows, no more.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Scope

from bg_runner.settings import Settings, cors_origins
from bg_runner.web.headers import RawHeaders

PREFIXES = ("/api/terminals", "/api/v1/terminal")
METHODS = b"GET, HEAD, POST, PATCH, DELETE"
ALLOWED_HEADERS = b"authorization, content-type"
EXPOSED_HEADERS = b"retry-after, content-disposition, x-request-id"
REMEMBER_SECONDS = b"600"


class Cors:
    """Made once from the settings; without `cors_origin` everything is as if it were not there."""

    def __init__(self, settings: Settings) -> None:
        self._origins = cors_origins(settings.cors_origin)

    def allows(self, scope: Scope) -> bool:
        """Whether the Origin header of a request or WebSocket names a page that may use this address with a token."""
        return self._allowed(scope) is not None

    def preflight(self, scope: Scope) -> Response | None:
        """The answer to a browser's question before the request proper; None if it is not for us to answer.

        It needs no login: browsers send none with it, and it says nothing but the rule.
        """
        if (
            scope["type"] != "http"
            or scope["method"] != "OPTIONS"
            or not _header(scope, b"access-control-request-method")
        ):
            return None
        if self._allowed(scope) is None:
            return None
        response = Response(status_code=204)
        response.raw_headers += [
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", ALLOWED_HEADERS),
            (b"access-control-max-age", REMEMBER_SECONDS),
        ]
        return response

    def headers(self, scope: Scope) -> RawHeaders:
        """What every answer of these addresses carries, errors and preflights included."""
        if not self._origins or not _is_ours(scope["path"]):
            return []
        vary = [] if "*" in self._origins else [(b"vary", b"origin")]
        origin = self._allowed(scope)
        if origin is None:
            return vary
        return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED_HEADERS), *vary]

    def _allowed(self, scope: Scope) -> bytes | None:
        """The value of Access-Control-Allow-Origin, or None."""
        if not self._origins or not _is_ours(scope["path"]):
            return None
        origin = _header(scope, b"origin")
        if origin and "*" in self._origins:
            return b"*"
        return origin if origin.decode("latin-1").lower() in self._origins else None


def _is_ours(path: str) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in PREFIXES)


def _header(scope: Scope, wanted: bytes) -> bytes:
    """Its value; empty if it is missing or given twice."""
    values: list[bytes] = [value for name, value in scope["headers"] if name == wanted]
    return values[0] if len(values) == 1 else b""
