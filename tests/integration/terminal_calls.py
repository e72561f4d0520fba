"""The terminal API in short, for tests."""

from __future__ import annotations

from typing import Any

from tests.conditions import wait_until
from tests.integration.server import ServerProcess


class Terminal:
    """One terminal of a server, made by POST /api/terminals with `fields`."""

    def __init__(self, server: ServerProcess, **fields: object) -> None:
        self.server = server
        answer = server.client.post("/api/terminals", json=fields)
        assert answer.status_code == 200, answer.text
        self.created: Any = answer.json()["data"]
        self.id = str(self.created["terminalId"])
        self.url = f"/api/terminals/{self.id}"

    def call(self, method: str, path: str = "", body: object = None, **query: object) -> Any:
        """One call that must succeed; its `data` (or all of it)."""
        answer = self.server.client.request(
            method, f"{self.url}{path}", json=body, params={name: str(value) for name, value in query.items()}
        )
        assert answer.status_code == 200, answer.text
        return answer.json().get("data", answer.json())

    def read(self, **query: object) -> Any:
        return self.call("GET", "/output", **query)

    def wait_for(self, pattern: str, **query: object) -> Any:
        """Output once a line matches."""
        data = self.read(wait_for=pattern, timeout=60, **query)
        assert data["matched"], data
        return data

    def type(self, text: str, **fields: object) -> None:
        self.call("POST", "/input", {"input": text, **fields})

    def state(self) -> Any:
        return self.call("GET")

    def ended(self) -> Any:
        """Its description once its program has ended."""
        wait_until(lambda: self.state()["status"] != "running", 30)
        return self.state()
