"""Request bodies are read whole before anybody works on them: bounded, and a slow sender holds no worker thread."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive

from bg_runner.errors import InvalidRequest, TooLarge

DRAIN_BYTES = 32 * 1024 * 1024
DRAIN_SECONDS = 5.0
PAUSE_SECONDS = 0.5
BODY_SECONDS = 60.0


class ClientGone(Exception):
    """The client went away in the middle of its request."""


async def read_body(receive: Receive, declared: str | None, limit: int) -> bytes:
    """The whole body. `declared` is the Content-Length header; `limit` is in bytes.

    A body over the limit is read on for a while and thrown away: an answer given while the client still sends would
    reach it as a reset connection. Raises: TooLarge, InvalidRequest (too slow), ClientGone.
    """
    if declared is not None and int(declared) > limit:
        await _drain(receive)
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                part, more = _part(await receive())
                size += len(part)
                if size > limit:
                    break
                parts.append(part)
                if not more:
                    return b"".join(parts)
    except TimeoutError:
        raise InvalidRequest(f"the request's body did not arrive within {BODY_SECONDS:.0f} s") from None
    parts.clear()
    if more:
        await _drain(receive)
    raise _too_large(limit)


def _part(message: Message) -> tuple[bytes, bool]:
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)


async def _drain(receive: Receive) -> None:
    """Read and forget up to a bound; a sender that pauses has seen its answer or never will."""
    drained = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while drained <= DRAIN_BYTES:
                part, more = _part(await asyncio.wait_for(receive(), PAUSE_SECONDS))
                drained += len(part)
                if not more:
                    return
    except TimeoutError:
        return


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"a request's body may have {limit} bytes")
