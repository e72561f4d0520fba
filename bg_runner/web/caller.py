"""Who makes a request, as the outer layer found out; every route that cares looks here and nowhere else."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import parse_qsl

from starlette.responses import Response
from starlette.types import Scope

from bg_runner.terminals.shares import Share
from bg_runner.web.auth import Door

Credential = Literal["token", "cookie", "none"]
SCOPE_KEY = "bg_runner.caller"
ENTRY_KEY = "bg_runner.share_secret"
_SHARE_PATH = re.compile(r"/share/([A-Za-z0-9]{1,32})(?:/|$)")
_SHARE_TOKEN = re.compile(r"[A-Za-z0-9]{11}\.[A-Za-z0-9_-]{32}")


@dataclass(frozen=True)
class Caller:
    """`user` owns what the request is about. `share` is set when a share link is all the caller has."""

    credential: Credential
    user: str = ""
    share: Share | None = None

    @property
    def may_control(self) -> bool:
        return self.share is None or self.share.mode == "control"


NOBODY = Caller("none")


def caller_of(scope: Scope) -> Caller:
    """The caller of an admitted request."""
    return cast("Caller", scope.get(SCOPE_KEY, NOBODY))


def share_admits(guest: Caller, scope: Scope) -> bool:
    """What the holder of a share link may ask for. Everything else is refused: deny first."""
    if guest.share is None:
        return False
    share, path, terminal = guest.share, scope["path"], guest.share.terminal_id
    if scope["type"] == "websocket":
        return bool(path == f"/api/v1/terminal/ws/{terminal}")
    if scope["method"] not in ("GET", "HEAD"):
        return False
    own = {f"/share/{share.id}", f"/share/{share.id}/frame", f"/api/terminals/{terminal}", "/favicon.ico"}
    return path in own or path.startswith("/static/")


def is_share_token(token: str) -> bool:
    """A share link's token names it: `<id>.<secret>`. The owner's has no dot unless somebody chose it so."""
    return _SHARE_TOKEN.fullmatch(token) is not None


def share_named(scope: Scope) -> str | None:
    """The share link in whose name a request is made: its page's, or the query's `share`."""
    match = _SHARE_PATH.match(scope["path"])
    if match is not None:
        return match[1]
    query: bytes = scope["query_string"]
    if b"share=" not in query:
        return None
    return dict(parse_qsl(query.decode("latin-1"))).get("share")


def share_entry(scope: Scope, door: Door) -> Response | None:
    """The answer to somebody who opens a share link: a cookie in place of the secret in the address."""
    caller, secret = caller_of(scope), scope.get(ENTRY_KEY)
    if caller.share is None or secret is None or scope["path"] != f"/share/{caller.share.id}":
        return None
    response = Response(status_code=303, headers={"location": scope["path"]})
    response.set_cookie(
        f"{door.share_cookie_prefix}{caller.share.id}",
        secret,
        max_age=max(1, int(caller.share.expires_at - time.time())),
        httponly=True,
        samesite="lax",
        secure=door.secure,
    )
    return response
