"""Which workspace a request is about: header X-Session-ID, query session_id, or JSON session_id."""

from __future__ import annotations

import re

from bg_runner.errors import InvalidSession, SessionMissing

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def check_session_id(given: str) -> str:
    """`given` as a UUID in lower case. Raises: InvalidSession."""
    session_id = given.strip().lower()
    if not _UUID.fullmatch(session_id):
        raise InvalidSession("the session id is not a UUID")
    return session_id


def session_of(*places: str | None) -> str:
    """The session id that the given places agree on; None is a place that names none.

    Raises: SessionMissing, InvalidSession.
    """
    named = {check_session_id(given) for given in places if given is not None}
    if not named:
        raise SessionMissing("the request names no workspace")
    if len(named) > 1:
        raise InvalidSession("the request names two different workspaces")
    return named.pop()
