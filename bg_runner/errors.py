"""The error tree. One class is one stable code; `docs/errors.md` lists them all and a test keeps it so.

    BgRunnerError
    ├── InvalidRequest          400/415/422  the request itself is wrong
    │   ├── MalformedJson, WrongContentType, UnknownField, ...
    ├── Unauthorized            401
    ├── Refused                 403/400  Host, Origin
    ├── NotFound                404
    ├── Conflict                409
    ├── TooLarge, TooMany       413, 429
    ├── Unavailable             503
    ├── TaskFailure             a task of a run failed; never an HTTP answer by itself
    └── StartupError            the server cannot start; the CLI prints it and exits 1

A message says what happened, a hint what to do next. Both are for the user.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar


class BgRunnerError(Exception):
    """Root of all expected errors.

    Attributes: `code` is stable, `status` is the HTTP status, `message` what happened, `hint` what to do next.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint


def every_error(root: type[BgRunnerError] = BgRunnerError) -> dict[str, type[BgRunnerError]]:
    """All concrete error classes by code, for the documentation test and OpenAPI."""
    found: dict[str, type[BgRunnerError]] = {}
    for cls in root.__subclasses__():
        if "code" in cls.__dict__:
            found[cls.code] = cls
        found.update(every_error(cls))
    return found


class InvalidRequest(BgRunnerError):
    code = "INVALID_REQUEST"
    status = 400
    default_hint = "Compare the request with /docs."


class MalformedJson(InvalidRequest):
    code = "MALFORMED_JSON"
    default_hint = "Send one JSON object in UTF-8."


class WrongContentType(InvalidRequest):
    code = "WRONG_CONTENT_TYPE"
    status = 415
    default_hint = "Send the header Content-Type: application/json."


class InvalidField(InvalidRequest):
    code = "INVALID_FIELD"
    status = 422
    default_hint = "The message names each field and what it may hold; unknown fields are refused."

    def __init__(self, message: str, *, hint: str | None = None, fields: Sequence[tuple[str, str]] = ()) -> None:
        """`fields` holds (path such as `tasks.0.command`, what is wrong with it)."""
        super().__init__(message, hint=hint)
        self.fields = tuple(fields)


class InvalidSession(InvalidRequest):
    code = "INVALID_SESSION"
    default_hint = "Use the UUID of the page's address: /s/<uuid>."


class SessionMissing(InvalidRequest):
    code = "SESSION_MISSING"
    default_hint = "Name the workspace: header X-Session-ID, query session_id or JSON session_id."


class NoTasksChosen(InvalidRequest):
    code = "NO_TASKS_CHOSEN"
    default_hint = "Choose at least one task; task_indices counts from 0."


class TaskIndexInvalid(InvalidRequest):
    code = "TASK_INDEX_INVALID"
    default_hint = "task_indices counts from 0, each index once, up to the list's length less one."


class NothingToRetry(InvalidRequest):
    code = "NOTHING_TO_RETRY"
    default_hint = "The last run has no failed or unreached task. Start a new run instead."


class UrlRefused(InvalidRequest):
    code = "URL_REFUSED"
    status = 422
    default_hint = "Only http:// and https:// addresses are opened."


class CwdMissing(InvalidRequest):
    code = "CWD_MISSING"
    status = 422
    default_hint = "Make the directory on the server or correct the task's cwd."


class ShellMissing(InvalidRequest):
    code = "SHELL_MISSING"
    status = 422
    default_hint = "Install that shell on the server or leave the field empty for the default one."


class ImportRefused(InvalidRequest):
    code = "IMPORT_REFUSED"
    status = 422
    default_hint = "Export the flow in Chrome's Recorder panel as JSON and import that file."


class InvalidInput(InvalidRequest):
    code = "INVALID_INPUT"
    default_hint = "Send text in `input`: valid Unicode, no NUL, not empty."


class InvalidPattern(InvalidRequest):
    code = "INVALID_PATTERN"
    status = 422
    default_hint = "Write the pattern in RE2's syntax: no backreferences, no look-around."


class CwdRefused(InvalidRequest):
    code = "CWD_REFUSED"
    status = 403
    default_hint = "Choose a directory below one of BG_RUNNER_TERMINAL_ROOTS."


class Unauthorized(BgRunnerError):
    code = "UNAUTHORIZED"
    status = 401
    default_hint = "Open the address that `bg-runner link` prints, or send Authorization: Bearer <token>."


class HostRefused(BgRunnerError):
    code = "HOST_REFUSED"
    status = 400
    default_hint = "Name the address in BG_RUNNER_PUBLIC_URL or BG_RUNNER_ALLOWED_HOSTS."


class OriginRefused(BgRunnerError):
    code = "ORIGIN_REFUSED"
    status = 403
    default_hint = "Send the request from the server's own page, or with a Bearer token and no Origin."


class ViewOnly(BgRunnerError):
    """A share link that only lets its holder look was used for more."""

    code = "VIEW_ONLY"
    status = 403
    default_hint = "Ask whoever sent the link for one that may control the terminal."


class NotFound(BgRunnerError):
    code = "NOT_FOUND"
    status = 404
    default_hint = "Look the address up in /docs."


class SessionUnknown(NotFound):
    code = "SESSION_UNKNOWN"
    default_hint = "Open / to make a workspace, or use the UUID of an existing one."


class TaskUnknown(NotFound):
    code = "TASK_UNKNOWN"
    default_hint = "GET /api/background_task/tasks lists the tasks with their ids."


class ArtifactUnknown(NotFound):
    code = "ARTIFACT_UNKNOWN"
    default_hint = "Artifacts are cleaned up with their run; the status lists those that exist."


class TerminalNotFound(NotFound):
    code = "TERMINAL_NOT_FOUND"
    default_hint = "GET /api/terminals lists the terminals with their ids."


class ShareUnknown(NotFound):
    code = "SHARE_UNKNOWN"
    default_hint = "The link was revoked or has expired. Ask for a new one."


class MethodNotAllowed(BgRunnerError):
    code = "METHOD_NOT_ALLOWED"
    status = 405
    default_hint = "Look the address up in /docs."

    def __init__(self, message: str, *, hint: str | None = None, allowed: Iterable[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.allowed = tuple(sorted(allowed))


class Conflict(BgRunnerError):
    code = "CONFLICT"
    status = 409


class AlreadyRunning(Conflict):
    code = "ALREADY_RUNNING"
    default_hint = "Wait for the run to end or stop it first."


class NotRunning(Conflict):
    code = "NOT_RUNNING"
    default_hint = "Start a run first."


class RevisionConflict(Conflict):
    code = "REVISION_CONFLICT"
    default_hint = "Another tab saved the list. Load it again, repeat the change, and send its new revision."


class TerminalEnded(Conflict):
    code = "TERMINAL_ENDED"
    default_hint = "Its program has ended; its output can be read. Run it again in a new terminal."


class TooLarge(BgRunnerError):
    code = "TOO_LARGE"
    status = 413
    default_hint = "Send less, or raise BG_RUNNER_MAX_BODY_BYTES."


class TooMany(BgRunnerError):
    code = "TOO_MANY"
    status = 429
    default_hint = "Wait for the seconds of the Retry-After header."

    def __init__(self, message: str, *, hint: str | None = None, retry_after: float = 1.0) -> None:
        """`retry_after` is in seconds."""
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class TooManyTerminals(TooMany):
    code = "TOO_MANY_TERMINALS"
    default_hint = "End or remove a terminal, or raise BG_RUNNER_MAX_TERMINALS or BG_RUNNER_MAX_TERMINALS_PER_USER."


class InternalError(BgRunnerError):
    code = "INTERNAL_ERROR"
    status = 500
    default_hint = "This is a fault of the server; its log says more under the same request id."


class Unavailable(BgRunnerError):
    code = "UNAVAILABLE"
    status = 503
    default_hint = "Try again; `bg-runner doctor` says what is missing."


class StorageFailed(Unavailable):
    code = "STORAGE_FAILED"
    default_hint = "The data directory cannot be written: look for a full disk or wrong permissions."


class DatabaseDown(Unavailable):
    code = "DATABASE_DOWN"
    default_hint = "Try again; running work goes on, and the server's log says why."


class HostGone(Unavailable):
    """The PTY host cannot be reached or died."""

    code = "HOST_GONE"
    default_hint = "The PTY host is started again by itself with the next task."


class CreateFailed(Unavailable):
    code = "CREATE_FAILED"
    default_hint = "The system refused to start the program; the message says why."


class WriteFailed(Unavailable):
    code = "WRITE_FAILED"
    default_hint = "The program does not read its input at present. Try again, or send Ctrl-C first."


class ReadFailed(Unavailable):
    code = "READ_FAILED"
    default_hint = "The terminal's log cannot be read: look for a failing disk or wrong permissions."


class NativeToolMissing(Unavailable):
    """tmux or screen is not installed, or too old; the instance's hint has the command for this system."""

    code = "NATIVE_TOOL_MISSING"
    default_hint = "Install it on the server, for instance: sudo apt-get install tmux screen"


class NativeSessionFailed(Unavailable):
    code = "NATIVE_SESSION_FAILED"
    default_hint = "tmux or screen refused; the message says why."


class ShuttingDown(Unavailable):
    code = "SHUTTING_DOWN"
    default_hint = "Ask again when the server is back."


class TaskFailure(BgRunnerError):
    """A task ended badly. The manager records it in the task's row; the next task runs."""

    code = "TASK_FAILED"


class ExitNonZero(TaskFailure):
    code = "EXIT_NON_ZERO"
    default_hint = "The task's log shows what the command said."


class KilledBySignal(TaskFailure):
    code = "KILLED_BY_SIGNAL"
    default_hint = "Something outside ended the command: the out-of-memory killer, a person, a shutdown."


class SpawnFailed(TaskFailure):
    code = "SPAWN_FAILED"
    default_hint = "Check the task's shell, cwd and env."


class TaskTimeout(TaskFailure):
    code = "TASK_TIMEOUT"
    default_hint = "Raise the task's timeout (seconds) or make the work shorter."


class Interrupted(TaskFailure):
    """The process that ran the task was killed, so nobody saw how the task ended."""

    code = "INTERRUPTED"
    default_hint = "Run it again if that is safe: start with from=failed."


class NoPath(TaskFailure):
    code = "NO_PATH"
    default_hint = "Record steps, import a Recorder file, or tick auto-generate paths."


class NoBrowser(TaskFailure):
    code = "NO_BROWSER"
    default_hint = "`bg-runner doctor` prints the command that installs a browser."


class BrowserCrashed(TaskFailure):
    code = "BROWSER_CRASHED"
    default_hint = "The next task gets a fresh browser. Run this one again; if it recurs, look at its memory."


class StepFailed(TaskFailure):
    code = "STEP_FAILED"
    default_hint = "Look at the screenshot and the page's console errors beside this message."


class ElementNotFound(StepFailed):
    code = "ELEMENT_NOT_FOUND"
    default_hint = "The page may have changed: record the step again or add another selector."


class StepTimeout(StepFailed):
    code = "STEP_TIMEOUT"
    default_hint = "Raise the step's timeout (milliseconds) if the page is slow."


class NavigationFailed(StepFailed):
    code = "NAVIGATION_FAILED"
    default_hint = "Open the address in your own browser; check the server's network."


class AssertionFailed(StepFailed):
    code = "ASSERTION_FAILED"
    default_hint = "The page did not show what the step asserts."


class AddressBlocked(StepFailed):
    code = "ADDRESS_BLOCKED"
    default_hint = "BG_RUNNER_BLOCK_ADDRESSES says which addresses a browser task may not reach."


class SecretMissing(TaskFailure):
    code = "SECRET_MISSING"
    default_hint = "Set it on the page under Secrets or with `bg-runner secret set NAME`."


class StartupError(BgRunnerError):
    """The server cannot start."""

    code = "STARTUP_ERROR"


class DataDirLocked(StartupError):
    code = "DATA_DIR_LOCKED"
    default_hint = "Use the running server, or give this one a directory of its own: BG_RUNNER_DATA_DIR."


class UnsafeBind(StartupError):
    code = "UNSAFE_BIND"
    default_hint = "Bind 127.0.0.1, give --tls-cert and --tls-key, or say --behind-proxy if a proxy adds TLS."


class ServerNotRunning(StartupError):
    code = "SERVER_NOT_RUNNING"
    default_hint = "Start it with `bg-runner serve`."
