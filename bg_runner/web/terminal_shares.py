"""Share links of a terminal: made, listed, revoked by its owner. What a link lets its holder do is in caller.py."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from bg_runner.terminals.session import TerminalSession
from bg_runner.terminals.shares import Share
from bg_runner.web import terminal_schemas as schemas
from bg_runner.web.server_api import qr_svg
from bg_runner.web.terminal_requests import TerminalRequests, as_json, read_body
from bg_runner.web.urls import share_url


class SharesApi:
    """What the methods raise is in terminal_operations.py."""

    def __init__(self, requests: TerminalRequests) -> None:
        self._requests = requests
        self._store = requests.services.shares
        self._settings = requests.services.settings

    async def list(self, request: Request) -> Response:
        session = self._requests.session(request)
        return self._listed(session)

    async def create(self, request: Request) -> Response:
        session = self._requests.session(request)
        wanted = await read_body(request, schemas.ShareRequest)
        ttl = wanted.expires_in or self._settings.share_ttl
        make = partial(self._store.create, session.id, session.user, wanted.mode, ttl, wanted.label)
        share, secret = await asyncio.to_thread(make)
        base = (self._settings.public_url or str(request.base_url)).rstrip("/")
        url = share_url(base, share.id, secret)
        described = _described(share, session).model_copy(update={"url": url, "svg": qr_svg(url)})
        return as_json(schemas.ShareAnswer(data=described))

    async def revoke(self, request: Request) -> Response:
        """Whoever came by the link is disconnected."""
        session = self._requests.session(request)
        share_id = request.path_params["share_id"]
        await asyncio.to_thread(self._store.revoke, share_id, session.id)
        session.kick(share_id)
        return self._listed(session)

    def _listed(self, session: TerminalSession) -> Response:
        shares = [_described(share, session) for share in self._store.of_terminal(session.id)]
        return as_json(schemas.ShareListAnswer(data=schemas.ShareList(shares=shares)))


def _described(share: Share, session: TerminalSession) -> schemas.Share:
    return schemas.Share(
        id=share.id,
        mode=share.mode,
        label=share.label,
        created_at=datetime.fromtimestamp(share.created_at, UTC),
        expires_at=datetime.fromtimestamp(share.expires_at, UTC),
        clients=sum(1 for client in session.clients if client.attach.share_id == share.id),
    )
