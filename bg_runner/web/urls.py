"""Addresses that are given out: the public one where there is one, else the one that the request came by."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from flask import request

from bg_runner.settings import Settings

_OWN_PATH = re.compile(r"/(?![/\\])[^\x00-\x1f\x7f\\]*")


def base_url(settings: Settings) -> str:
    """Without a slash at its end."""
    return (settings.public_url or request.host_url).rstrip("/")


def workspace_url(base: str, session_id: str) -> str:
    return f"{base}/s/{session_id}"


def login_url(base: str, code: str, next_path: str = "/") -> str:
    """A one-time link."""
    fields = {"code": code} if next_path == "/" else {"code": code, "next": next_path}
    return f"{base}/login?{urlencode(fields)}"


def own_path(path: str) -> str:
    """`path` if it leads to a page of this server, else `/`: nobody is redirected elsewhere by a crafted link."""
    return path if _OWN_PATH.fullmatch(path) else "/"


def share_url(base: str, share_id: str, secret: str) -> str:
    """A share link; a cookie takes the place of its token when it is opened (see caller.py)."""
    return f"{base}/share/{share_id}?{urlencode({'token': f'{share_id}.{secret}'})}"
