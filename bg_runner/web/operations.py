"""Every address of the server in one list: what it takes, what it answers, how it fails.

The document at `/openapi.json` is made from it, and tests compare it with the routes and with docs/api.md.
"""

from __future__ import annotations

from bg_runner import errors
from bg_runner.web import schemas
from bg_runner.web.operation import Operation, Parameter
from bg_runner.web.terminal_operations import TERMINAL_PAGES, TERMINALS

API = "/api/background_task"
TASK_ID = Parameter("id", "The task's id.", place="path")
SECRET_NAME = Parameter("name", "The secret's name.", place="path")


def operations() -> tuple[Operation, ...]:
    """All of them, in the order of the documentation."""
    return (*_RUNS, *_TASKS, *_SECRETS, *TERMINALS, *_SERVER, *_PAGES, *TERMINAL_PAGES)


_RUNS = (
    Operation(
        "POST",
        f"{API}/sessions",
        "workspaces",
        "Make a workspace with an empty list.",
        schemas.SessionAnswer,
        request=schemas.NoFields,
        errors=(errors.StorageFailed,),
        status=201,
    ),
    Operation(
        "POST",
        f"{API}/start",
        "runs",
        "Start a run of the chosen tasks, or of what failed in the last one.",
        schemas.StartAnswer,
        request=schemas.StartRequest,
        errors=(
            errors.NoTasksChosen,
            errors.TaskIndexInvalid,
            errors.NothingToRetry,
            errors.AlreadyRunning,
            errors.StorageFailed,
            errors.ShuttingDown,
        ),
        session=True,
    ),
    Operation(
        "GET",
        f"{API}/status",
        "runs",
        "The latest run: counts, percentages and a row for every task. Send the ETag back in If-None-Match: 304 means "
        "that nothing has changed.",
        schemas.StatusAnswer,
        session=True,
    ),
    Operation(
        "POST",
        f"{API}/stop",
        "runs",
        "Stop the run; the status then holds the receipt. Twice is harmless.",
        schemas.MessageAnswer,
        request=schemas.NoFields,
        errors=(errors.NotRunning, errors.StorageFailed),
        session=True,
    ),
    Operation(
        "POST",
        f"{API}/answer",
        "runs",
        "Decide about a task that was interrupted and asks.",
        schemas.MessageAnswer,
        request=schemas.AnswerRequest,
        errors=(errors.TaskUnknown, errors.Conflict, errors.StorageFailed),
        session=True,
    ),
    Operation(
        "GET", f"{API}/runs", "runs", "Every run that is queued or running, of all workspaces.", schemas.RunsAnswer
    ),
    Operation(
        "POST",
        f"{API}/cleanup",
        "runs",
        "Remove ended runs with their logs and artifacts, of all workspaces. Task lists stay.",
        schemas.CleanupAnswer,
        request=schemas.CleanupRequest,
        errors=(errors.StorageFailed,),
    ),
    Operation(
        "GET",
        f"{API}/artifacts/{{id}}",
        "runs",
        "A screenshot or a download of the latest run. Images are shown, all else is sent as a download.",
        "application/octet-stream",
        parameters=(
            Parameter("id", "The artifact's id.", place="path"),
            Parameter("download", "true: send an image as a download, too.", "boolean"),
        ),
        errors=(errors.ArtifactUnknown,),
        session=True,
    ),
    Operation(
        "GET",
        f"{API}/tasks/{{id}}/log",
        "runs",
        "Output of the task's latest attempt from a cursor on.",
        schemas.LogAnswer,
        parameters=(
            TASK_ID,
            Parameter("since", "Cursor (bytes) to read from; 0 is the oldest.", "integer"),
            Parameter("limit", "Most bytes to read (262144; at most 4194304).", "integer"),
            Parameter("follow", "Wait up to so many seconds for more (at most 60).", "number"),
            Parameter("ansi", "true: keep escape sequences.", "boolean"),
            Parameter("download", "true: the whole log as a text file.", "boolean"),
        ),
        errors=(errors.TaskUnknown, errors.InvalidField),
        session=True,
    ),
)

_TASKS = (
    Operation("GET", f"{API}/tasks", "tasks", "The task list with its revision.", schemas.TasksAnswer, session=True),
    Operation(
        "PUT",
        f"{API}/tasks",
        "tasks",
        "Replace the task list. With a revision only if nobody else has changed it since.",
        schemas.TasksAnswer,
        request=schemas.SaveTasksRequest,
        errors=(
            errors.RevisionConflict,
            errors.UrlRefused,
            errors.CwdMissing,
            errors.ShellMissing,
            errors.StorageFailed,
        ),
        session=True,
    ),
    Operation(
        "POST",
        f"{API}/import",
        "tasks",
        "Turn a Chrome DevTools Recorder export into a browser task.",
        schemas.ImportAnswer,
        request=schemas.ImportRequest,
        errors=(errors.ImportRefused, errors.UrlRefused, errors.RevisionConflict, errors.StorageFailed),
        session=True,
    ),
    Operation(
        "GET",
        f"{API}/sample",
        "tasks",
        "A list to try: the server's own demo site and two commands.",
        schemas.SampleAnswer,
    ),
    Operation(
        "POST",
        f"{API}/sample",
        "tasks",
        "Put the sample into an empty list.",
        schemas.TasksAnswer,
        request=schemas.NoFields,
        errors=(errors.Conflict, errors.RevisionConflict, errors.StorageFailed),
        session=True,
    ),
)

_SECRETS = (
    Operation(
        "GET", f"{API}/secrets", "secrets", "The names of the workspace's secrets.", schemas.SecretsAnswer, session=True
    ),
    Operation(
        "PUT",
        f"{API}/secrets/{{name}}",
        "secrets",
        "Set or replace a secret. Its value never comes back.",
        schemas.SecretsAnswer,
        request=schemas.SecretRequest,
        parameters=(SECRET_NAME,),
        errors=(errors.StorageFailed,),
        session=True,
    ),
    Operation(
        "DELETE",
        f"{API}/secrets/{{name}}",
        "secrets",
        "Delete a secret.",
        schemas.SecretsAnswer,
        parameters=(SECRET_NAME,),
        errors=(errors.NotFound, errors.StorageFailed),
        session=True,
    ),
)

_SERVER = (
    Operation(
        "GET", "/api/health", "server", "Whether all is well, for monitors.", schemas.HealthAnswer, anonymous=True
    ),
    Operation(
        "GET", "/api/doctor", "server", "What bg-runner doctor checks. May take some seconds.", schemas.DoctorAnswer
    ),
    Operation(
        "POST",
        "/api/link",
        "server",
        "Make a one-time link for another device, also as a QR code.",
        schemas.LinkAnswer,
        request=schemas.LinkRequest,
    ),
    Operation("GET", "/openapi.json", "server", "This document.", "application/json"),
)

_PAGES = (
    Operation("GET", "/", "pages", "Make a workspace and go to its page.", "text/html", status=303),
    Operation(
        "GET",
        "/s/{id}",
        "pages",
        "A workspace's page.",
        "text/html",
        parameters=(Parameter("id", "The workspace's UUID.", place="path", format="uuid"),),
        errors=(errors.InvalidSession, errors.SessionUnknown),
    ),
    Operation(
        "GET",
        "/login",
        "pages",
        "The login page. A one-time code in its address is only shown, and redeemed by POST.",
        "text/html",
        parameters=(Parameter("code", "A one-time code."), Parameter("next", "The page that opens after the login.")),
        anonymous=True,
    ),
    Operation(
        "POST",
        "/login",
        "pages",
        "Log in by a one-time code or the owner's token: sets the cookie. Takes a form as well as JSON.",
        "text/html",
        request=schemas.LoginRequest,
        errors=(errors.Unauthorized, errors.TooMany),
        anonymous=True,
        status=303,
    ),
    Operation("POST", "/logout", "pages", "End this login.", "text/html", status=303),
    Operation(
        "POST",
        "/lang",
        "pages",
        "Choose the language: a form with lang and next.",
        "text/html",
        anonymous=True,
        status=303,
    ),
    Operation("GET", "/docs", "pages", "This document as a page.", "text/html"),
    Operation(
        "GET",
        "/demo/{path}",
        "pages",
        "The demo site that the sample list works on.",
        "text/html",
        parameters=(Parameter("path", "A file of the site; empty: its start page.", place="path"),),
        anonymous=True,
    ),
    Operation(
        "GET",
        "/static/{path}",
        "pages",
        "Files of the pages; those of the login page need no login.",
        "application/octet-stream",
        parameters=(Parameter("path", "The file.", place="path"),),
    ),
    Operation("GET", "/favicon.ico", "pages", "The icon.", "image/svg+xml"),
)
