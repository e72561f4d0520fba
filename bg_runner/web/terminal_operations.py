"""The addresses of terminals: seed 001's under /api/terminals, seed 000's under /api/v1/terminal."""

from __future__ import annotations

from bg_runner import errors
from bg_runner.web import terminal_schemas as schemas
from bg_runner.web.operation import ErrorClass, Operation, Parameter

API = "/api/terminals"
ONE = f"{API}/{{id}}"
V1 = "/api/v1/terminal"
ID = Parameter("id", "The terminal's id.", place="path", format="uuid")
SHARE_ID = Parameter("share_id", "The share link's id.", place="path")
ANY: tuple[ErrorClass, ...] = (errors.TooMany,)
OF_ONE: tuple[ErrorClass, ...] = (errors.TerminalNotFound, *ANY)
READING: tuple[ErrorClass, ...] = (errors.ReadFailed, *OF_ONE)
CREATING: tuple[ErrorClass, ...] = (
    errors.ShellMissing,
    errors.CwdMissing,
    errors.CwdRefused,
    errors.TooManyTerminals,
    errors.CreateFailed,
    errors.StorageFailed,
)
TYPING: tuple[ErrorClass, ...] = (errors.TerminalEnded, errors.HostGone)
OUTPUT_QUERY = (
    Parameter("since", "First line wanted, from 0; absent: all that can be read. Pages on with maxLines.", "integer"),
    Parameter("mode", "Which of these lines (full).", choices=("full", "head", "tail", "head-tail")),
    Parameter("headLines", "Lines from the beginning (50).", "integer"),
    Parameter("tailLines", "Lines from the end (50).", "integer"),
    Parameter("maxLines", "Most lines in the answer (1000): with since the oldest, else the newest.", "integer"),
    Parameter("ansi", "true: keep escape sequences and what programs overwrote.", "boolean"),
    Parameter("wait_for", "Wait for a line from `since` on that matches this regular expression (RE2)."),
    Parameter("timeout", "Seconds to wait for it (30; at most 60).", "number"),
)

TERMINALS = (
    Operation(
        "POST",
        API,
        "terminals",
        "Open a terminal: a shell, or a command that it runs.",
        schemas.TerminalAnswer,
        request=schemas.CreateRequest,
        errors=(*CREATING, *ANY),
    ),
    Operation("GET", API, "terminals", "Every terminal, oldest first.", schemas.TerminalListAnswer, errors=ANY),
    Operation("GET", ONE, "terminals", "One terminal.", schemas.TerminalAnswer, parameters=(ID,), errors=OF_ONE),
    Operation(
        "PATCH",
        ONE,
        "terminals",
        "Rename it, or put it into a group.",
        schemas.TerminalAnswer,
        request=schemas.UpdateRequest,
        parameters=(ID,),
        errors=(*OF_ONE, errors.StorageFailed),
    ),
    Operation(
        "DELETE",
        ONE,
        "terminals",
        "End all its processes and delete every file of it, the recording too.",
        schemas.EndedAnswer,
        request=schemas.EndRequest,
        parameters=(ID, Parameter("signal", "Sent first, such as SIGTERM; the body may name it instead.")),
        errors=(*OF_ONE, errors.Conflict, errors.HostGone),
    ),
    Operation(
        "POST",
        f"{ONE}/input",
        "terminals",
        "Type into it. A newline follows unless the input ends in one or is raw.",
        schemas.InputAnswer,
        request=schemas.InputRequest,
        parameters=(ID,),
        errors=(errors.InvalidInput, *OF_ONE, *TYPING, errors.WriteFailed),
    ),
    Operation(
        "GET",
        f"{ONE}/output",
        "terminals",
        "Its output by lines, from a line on, cut to what was asked for; or as soon as a line matches.",
        schemas.OutputAnswer,
        parameters=(ID, *OUTPUT_QUERY),
        errors=(*READING, errors.InvalidField, errors.InvalidPattern),
    ),
    Operation(
        "GET",
        f"{ONE}/stats",
        "terminals",
        "How much output can be read back.",
        schemas.BufferStatsAnswer,
        parameters=(ID,),
        errors=READING,
    ),
    Operation(
        "GET",
        f"{ONE}/screen",
        "terminals",
        "Its screen as text, and where the cursor is.",
        schemas.ScreenAnswer,
        parameters=(ID,),
        errors=READING,
    ),
    Operation(
        "GET",
        f"{ONE}/usage",
        "terminals",
        "CPU and memory of all its processes.",
        schemas.UsageAnswer,
        parameters=(ID,),
        errors=OF_ONE,
    ),
    Operation(
        "POST",
        f"{ONE}/resize",
        "terminals",
        "Set its size in cells.",
        schemas.TerminalAnswer,
        request=schemas.ResizeRequest,
        parameters=(ID,),
        errors=(*OF_ONE, *TYPING),
    ),
    Operation(
        "POST",
        f"{ONE}/run-again",
        "terminals",
        "Start the same again in a new terminal.",
        schemas.TerminalAnswer,
        request=schemas.NothingRequest,
        parameters=(ID,),
        errors=(*CREATING, *OF_ONE),
    ),
    Operation(
        "POST",
        f"{ONE}/kill",
        "terminals",
        "End all its processes. Its output and its recording stay.",
        schemas.EndedAnswer,
        request=schemas.EndRequest,
        parameters=(ID,),
        errors=(*OF_ONE, errors.HostGone),
    ),
    Operation(
        "GET",
        f"{ONE}/recording",
        "terminals",
        "Its output with its times, as an asciicast (version 2) that asciinema plays.",
        "application/x-asciicast",
        parameters=(ID, Parameter("inline", "true: not as a download.", "boolean")),
        errors=(*READING, errors.InvalidField),
    ),
    Operation(
        "GET",
        f"{ONE}/shares",
        "terminals",
        "Its share links.",
        schemas.ShareListAnswer,
        parameters=(ID,),
        errors=OF_ONE,
    ),
    Operation(
        "POST",
        f"{ONE}/shares",
        "terminals",
        "Make a link to this terminal alone. Its address is shown this once.",
        schemas.ShareAnswer,
        request=schemas.ShareRequest,
        parameters=(ID,),
        errors=(*OF_ONE, errors.StorageFailed),
    ),
    Operation(
        "DELETE",
        f"{ONE}/shares/{{share_id}}",
        "terminals",
        "Revoke a share link; whoever came by it is disconnected.",
        schemas.ShareListAnswer,
        parameters=(ID, SHARE_ID),
        errors=(*OF_ONE, errors.ShareUnknown, errors.StorageFailed),
    ),
    Operation(
        "GET",
        f"{V1}/sessions",
        "terminals",
        "Every terminal, in the words of seed 000.",
        schemas.SessionList,
        errors=ANY,
    ),
    Operation(
        "GET",
        f"{V1}/session/{{id}}/status",
        "terminals",
        "One terminal, in the words of seed 000.",
        schemas.SessionStatus,
        parameters=(ID,),
        errors=OF_ONE,
    ),
)

_OWN_PAGE: tuple[ErrorClass, ...] = (errors.TerminalNotFound,)
_SHARED_PAGE: tuple[ErrorClass, ...] = (errors.ShareUnknown, errors.TerminalNotFound)
_SHARE = Parameter("id", "The share link's id.", place="path")

TERMINAL_PAGES = (
    Operation("GET", "/t/{id}", "pages", "A terminal alone in a tab.", "text/html", parameters=(ID,), errors=_OWN_PAGE),
    Operation(
        "GET",
        "/t/{id}/frame",
        "pages",
        "The frame that draws it, with a policy of its own.",
        "text/html",
        parameters=(ID,),
        errors=_OWN_PAGE,
    ),
    Operation(
        "GET", "/t/{id}/replay", "pages", "Its recording, to play.", "text/html", parameters=(ID,), errors=_OWN_PAGE
    ),
    Operation(
        "GET",
        "/share/{id}",
        "pages",
        "The terminal that was shared. The token in the link's address becomes a cookie.",
        "text/html",
        parameters=(_SHARE, Parameter("token", "The link's own token.")),
        errors=_SHARED_PAGE,
    ),
    Operation(
        "GET",
        "/share/{id}/frame",
        "pages",
        "The frame that draws a shared terminal.",
        "text/html",
        parameters=(_SHARE,),
        errors=_SHARED_PAGE,
    ),
)
