"""The server's verbs for terminals over HTTP, for the command line and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from bg_runner.client import Client
from bg_runner.errors import TerminalNotFound

API = "/api/terminals"
# Ending waits for processes that take their time.
END_TIMEOUT = 90.0
Json = dict[str, Any]


class TerminalClient:
    """Every method raises the server's own error (errors.py) or ServerNotRunning; docs/api.md says what is returned.

    Leaving it as a context manager closes `client`.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def terminals(self) -> list[Json]:
        return list(self._client.request("GET", API)["data"]["terminals"])

    def find(self, name: str) -> Json:
        """The terminal with this id or, if it is the only one, this beginning of an id or this name.

        Raises: TerminalNotFound, also when several fit.
        """
        known = self.terminals()
        for fits in (
            [one for one in known if one["terminalId"] == name],
            [one for one in known if one["name"] == name],
            [one for one in known if name and one["terminalId"].startswith(name.lower())],
        ):
            if len(fits) == 1:
                return dict(fits[0])
            if fits:
                hint = "Use one of these ids: " + ", ".join(one["terminalId"] for one in fits[:10])
                raise TerminalNotFound(f"{len(fits)} terminals are called {name!r}", hint=hint)
        raise TerminalNotFound(f"no terminal {name!r}", hint="`bg-runner ls` lists the terminals with their ids.")

    def create(self, **wanted: object) -> Json:
        """`wanted` as in the API: shell, command, cwd, env, rows, cols, name, group."""
        return dict(self._client.request("POST", API, body=wanted)["data"])

    def kill(self, terminal_id: str, signal: str | None = None) -> Json:
        """End it with all its processes; the receipt: ended and survivors (pids), seconds. The recording stays."""
        body: Json = {} if signal is None else {"signal": signal}
        answer = self._client.request("POST", f"{API}/{terminal_id}/kill", body=body, timeout=END_TIMEOUT)
        return dict(answer["data"])

    def remove(self, terminal_id: str, signal: str | None = None) -> Json:
        """End it if it runs, and delete it with its recording; the receipt."""
        params = {} if signal is None else {"signal": signal}
        answer = self._client.request("DELETE", f"{API}/{terminal_id}", params=params, timeout=END_TIMEOUT)
        return dict(answer["data"])

    def recording(self, terminal_id: str) -> Iterator[bytes]:
        """The asciicast, in pieces."""
        return self._client.stream(f"{API}/{terminal_id}/recording")

    def shares(self, terminal_id: str) -> list[Json]:
        return list(self._client.request("GET", f"{API}/{terminal_id}/shares")["data"]["shares"])

    def share(self, terminal_id: str, mode: str, expires_in: int | None = None, label: str = "") -> Json:
        """A new link (`url`). `mode` is view or control, `expires_in` seconds."""
        body: Json = {"mode": mode, "label": label}
        if expires_in is not None:
            body["expires_in"] = expires_in
        return dict(self._client.request("POST", f"{API}/{terminal_id}/shares", body=body)["data"])

    def revoke(self, terminal_id: str, share_id: str) -> None:
        self._client.request("DELETE", f"{API}/{terminal_id}/shares/{share_id}")
