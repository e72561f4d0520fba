"""The server's verbs over HTTP, for the command line and for programs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import httpx

from bg_runner.errors import BgRunnerError, InternalError, ServerNotRunning, StartupError, TooMany, every_error
from bg_runner.settings import Settings
from bg_runner.web.auth import TOKEN_FILE
from bg_runner.web.server_file import is_locked, read_info

API = "/api/background_task"
TIMEOUT = 30.0
FOLLOW_SECONDS = 20.0
PATIENCE = 3
Json = dict[str, Any]


def find_server(settings: Settings) -> tuple[str, str]:
    """Address and token of the server that uses the data directory. Raises: ServerNotRunning, StartupError."""
    info = read_info(settings.data_dir)
    if info is None or not is_locked(settings.data_dir):
        raise ServerNotRunning(f"no server uses {settings.data_dir}")
    try:
        token = settings.token or (settings.data_dir / TOKEN_FILE).read_text(encoding="ascii").strip()
    except OSError as error:
        hint = "Set BG_RUNNER_TOKEN to the server's token."
        raise StartupError(f"the server's token cannot be read: {error.strerror}", hint=hint) from error
    return info.url.rstrip("/"), token


class Client:
    """A connection to one server. Every method raises the server's own error (errors.py, by its code) or
    ServerNotRunning when nothing answers."""

    def __init__(self, url: str, token: str, *, verify: bool = True) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT, verify=verify, trust_env=False)

    @classmethod
    def of_settings(cls, settings: Settings) -> Client:
        """The server of the data directory. Raises: ServerNotRunning, StartupError (its token is not readable)."""
        url, token = find_server(settings)
        # The address comes from a file that only we can write and leads to this machine, by a name that is not in the
        # server's certificate: checking it would refuse every certificate.
        return cls(url, token, verify=False)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        session: str | None = None,
        body: Json | None = None,
        params: dict[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> Json:
        """One call; waits when the server asks to. `timeout` is in seconds."""
        headers = {"X-Session-ID": session} if session is not None else {}
        for attempt in range(PATIENCE):
            try:
                response = self._http.request(
                    method, path, headers=headers, json=body, params=params or {}, timeout=timeout
                )
                return _answer_of(response)
            except TooMany as error:
                if attempt == PATIENCE - 1:
                    raise
                time.sleep(error.retry_after)
            except httpx.TransportError as error:
                raise ServerNotRunning(f"{self.url} does not answer: {error or type(error).__name__}") from error
        raise AssertionError("unreachable")

    def stream(self, path: str) -> Iterator[bytes]:
        """The body of a GET that may be large, in pieces. A body that breaks off raises ServerNotRunning."""
        try:
            with self._http.stream("GET", path) as response:
                if not response.is_success:
                    response.read()
                    _answer_of(response)
                    raise InternalError(f"the server answered HTTP {response.status_code}")
                yield from response.iter_bytes()
        except httpx.TransportError as error:
            raise ServerNotRunning(f"{self.url} does not answer: {error or type(error).__name__}") from error

    # --- workspaces and their lists ---------------------------------------------------------------------------

    def create_session(self) -> Json:
        """`session_id` and `url`."""
        return self.request("POST", f"{API}/sessions", body={})

    def tasks(self, session: str) -> Json:
        return self.request("GET", f"{API}/tasks", session=session)

    def save_tasks(self, session: str, tasks: list[Json], revision: int | None = None) -> Json:
        body: Json = {"tasks": tasks}
        if revision is not None:
            body["revision"] = revision
        return self.request("PUT", f"{API}/tasks", session=session, body=body)

    # --- runs -------------------------------------------------------------------------------------------------

    def start(self, session: str, **options: object) -> Json:
        """`options` as in the API: task_indices, auto_generate, ignore_completed."""
        return self.request("POST", f"{API}/start", session=session, body=dict(options))

    def status(self, session: str) -> Json:
        return self.request("GET", f"{API}/status", session=session)

    def stop(self, session: str) -> Json:
        return self.request("POST", f"{API}/stop", session=session, body={})

    def runs(self) -> list[Json]:
        """Every active run."""
        return list(self.request("GET", f"{API}/runs")["runs"])

    def log(self, session: str, task_id: str, since: int = 0, follow: float = 0.0) -> Json:
        """One piece of output; `follow` waits so many seconds for more."""
        params = {"since": str(since), "follow": str(follow), "ansi": "true"}
        path = f"{API}/tasks/{task_id}/log"
        answer = self.request("GET", path, session=session, params=params, timeout=TIMEOUT + follow)
        return dict(answer["log"])

    def read_log(self, session: str, task_id: str, *, follow: bool) -> Iterator[str]:
        """The output from its oldest byte to its end; with `follow` until the task ends."""
        cursor = 0
        while True:
            log = self.log(session, task_id, cursor, FOLLOW_SECONDS if follow else 0.0)
            if log["text"]:
                yield log["text"]
            cursor = log["next"]
            if cursor >= log["end"] and not (follow and log["running"]):
                return

    def cleanup(self, older_than: float | None) -> int:
        body = {} if older_than is None else {"older_than": older_than}
        return int(self.request("POST", f"{API}/cleanup", body=body)["removed"])

    # --- the rest ---------------------------------------------------------------------------------------------

    def secrets(self, session: str) -> list[str]:
        return list(self.request("GET", f"{API}/secrets", session=session)["secrets"])

    def set_secret(self, session: str, name: str, value: str) -> None:
        self.request("PUT", f"{API}/secrets/{name}", session=session, body={"value": value})

    def delete_secret(self, session: str, name: str) -> None:
        self.request("DELETE", f"{API}/secrets/{name}", session=session)

    def link(self) -> Json:
        return self.request("POST", "/api/link", body={})

    def doctor(self) -> list[Json]:
        return list(self.request("GET", "/api/doctor", timeout=120.0)["checks"])


def _answer_of(response: httpx.Response) -> Json:
    """The envelope. Raises: the error it holds."""
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise InternalError(f"the server answered HTTP {response.status_code} without JSON")
    error = answer.get("error")
    if isinstance(error, dict):
        raise _error_of(error, response.headers.get("Retry-After"))
    return answer


def _error_of(described: Json, retry_after: str | None) -> BgRunnerError:
    kind = every_error().get(str(described.get("code")), InternalError)
    message, hint = str(described.get("message", "")), str(described.get("hint", ""))
    if kind is TooMany:
        return TooMany(message, hint=hint, retry_after=float(retry_after or 1))
    return kind(message, hint=hint)
