"""Bodies, queries and answers of the terminal API: seed 001's names in camelCase, seed 000's in snake_case."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from bg_runner.web.schemas import Answer

MAX_SIDE = 1000
MAX_LINES = 1_000_000
MAX_LINE_NUMBER = 10**15
MAX_NAME = 100
MAX_SHARE_SECONDS = 10 * 365 * 86_400
State = Literal["running", "exited", "lost"]


def _count(value: object) -> object:
    """What a query says for a number: plain digits, where `int` would also take `+1`, ` 1 `, `1_0` and `1.0`."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) < 20):
        raise ValueError("a whole number from 0")
    return value


def _seconds(value: object) -> object:
    if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
        raise ValueError("seconds to wait")
    return value


def _flag(value: object) -> object:
    if isinstance(value, str) and value not in ("0", "1", "true", "false"):
        raise ValueError("1, 0, true or false")
    return value


Side = Annotated[int, Field(strict=True, ge=1, le=MAX_SIDE)]
Lines = Annotated[int, BeforeValidator(_count), Field(ge=0, le=MAX_LINES)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Name = Annotated[str, Field(max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]*$")]


class TerminalRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CreateRequest(TerminalRequest):
    shell: str | None = Field(None, max_length=4096, description="Absent: the server's default shell.")
    command: str | None = Field(None, description="Run by the shell; absent: the shell is interactive.")
    cwd: str | None = Field(None, max_length=4096, description="Absent: the home directory.")
    env: dict[str, str] = Field({}, description="Added to the environment.")
    cols: Side = 80
    rows: Side = 24
    name: Name = ""
    group: Name = ""


class UpdateRequest(TerminalRequest):
    """What is absent stays as it is."""

    name: Name | None = None
    group: Name | None = None


class InputRequest(TerminalRequest):
    input: str | None = Field(None, description="What is typed; a newline follows unless it ends in one.")
    raw: bool = Field(False, strict=True, description="Type it as it is, say single keys.")


class ResizeRequest(TerminalRequest):
    cols: Side
    rows: Side


class EndRequest(TerminalRequest):
    signal: Annotated[str, Field(max_length=20)] | Annotated[int, Field(strict=True)] | None = Field(
        None, description="Such as SIGINT, INT or 2, sent first; what does not end is killed. Absent: TERM and HUP."
    )


class NothingRequest(TerminalRequest):
    """A request that has nothing to say."""


class ShareRequest(TerminalRequest):
    mode: Literal["view", "control"] = Field(description="Whether the link's holder may only look.")
    expires_in: int | None = Field(
        None, strict=True, ge=1, le=MAX_SHARE_SECONDS, description="Seconds; absent: the setting share_ttl."
    )
    label: Name = ""


class OutputQuery(BaseModel):
    """The query of GET .../output, from text. Numbers are refused unless they are plain digits."""

    model_config = ConfigDict(extra="ignore", alias_generator=to_camel, populate_by_name=True)

    since: Annotated[int, BeforeValidator(_count), Field(ge=0, le=MAX_LINE_NUMBER)] | None = None
    mode: Literal["full", "head", "tail", "head-tail"] = "full"
    head_lines: Lines = 50
    tail_lines: Lines = 50
    max_lines: Annotated[Lines, Field(ge=1)] = 1000
    ansi: Flag = False
    wait_for: str | None = Field(None, alias="wait_for")
    timeout: Annotated[float, BeforeValidator(_seconds), Field(ge=0, allow_inf_nan=False)] | None = None


class RecordingQuery(BaseModel):
    inline: Flag = False


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True)


class Progress(BaseModel):
    """OSC 9;4: what a program says about its progress."""

    state: str
    percent: int | None


class Terminal(_Camel):
    """`status` is exited (with `exit_code` or `signal`) or lost (with `lost_reason`) when it does not run any more."""

    terminal_id: str
    name: str
    group: str
    shell: str
    command: str | None
    cwd: str
    pid: int | None
    rows: int
    cols: int
    title: str
    status: State
    exit_code: int | None
    signal: int | None
    lost_reason: str | None
    created: datetime
    last_activity: datetime
    ended_at: datetime | None
    connected_clients: int
    running_in_background: bool
    size_owner: str | None = Field(description="The client whose window decides the size.")
    cursor: int = Field(description="End of the output in bytes.")
    backend: Literal["pty"] = "pty"
    progress: Progress | None


class TerminalAnswer(Answer):
    data: Terminal


class TerminalList(BaseModel):
    terminals: list[Terminal]
    total: int


class TerminalListAnswer(Answer):
    data: TerminalList


class InputAnswer(Answer):
    message: str = "Input sent successfully"


class OutputStats(_Camel):
    total_bytes: int = Field(description="Of `output` in UTF-8.")
    estimated_tokens: int
    lines_shown: int
    lines_omitted: int


class Output(_Camel):
    """`matched` and `matched_line` are there when the request had `wait_for`. Lines are numbered from 0."""

    output: str = Field(description="Lines joined by newlines.")
    total_lines: int = Field(description="Lines that were asked for, shown or not.")
    next_read_from: int = Field(
        description="The `since` of the next read; an unfinished line then comes again in full."
    )
    has_more: bool = Field(description="Whether maxLines cut something.")
    truncated: bool = Field(description="Whether lines are left out that reading on does not bring.")
    stats: OutputStats
    oldest_line: int = Field(description="The oldest line that can be read.")
    lines_lost: int = Field(description="Lines from `since` on that are no more.")
    shown_from: int = Field(description="Number of the first line in `output`.")
    incomplete: bool = Field(description="Whether the last line in `output` is still being written.")
    cursor: int = Field(description="End of all output at that moment, in bytes.")
    status: State
    matched: bool | None = None
    matched_line: str | None = Field(None, description="The line that matched, without escape sequences.")


class OutputAnswer(Answer):
    data: Output


class BufferStats(_Camel):
    total_lines: int
    total_bytes: int
    estimated_tokens: int
    oldest_line: int
    newest_line: int


class BufferStatsAnswer(Answer):
    data: BufferStats


class ScreenCursor(BaseModel):
    """From 0."""

    row: int
    col: int
    visible: bool


class ScreenText(BaseModel):
    text: str = Field(description="The lines of the screen without blanks at their ends.")
    rows: int
    cols: int
    cursor: ScreenCursor
    alternate: bool = Field(description="Whether a full-screen program shows its own screen.")
    title: str


class ScreenAnswer(Answer):
    data: ScreenText


class Usage(_Camel):
    """Of the whole process tree."""

    cpu_seconds: float
    memory_bytes: int
    processes: int


class UsageAnswer(Answer):
    data: Usage


class Ended(BaseModel):
    """The pids that were ended, those that live on, and the seconds that it took."""

    ended: list[int]
    survivors: list[int]
    seconds: float


class EndedAnswer(Answer):
    data: Ended


class Share(_Camel):
    id: str
    mode: Literal["view", "control"]
    label: str
    created_at: datetime
    expires_at: datetime
    url: str | None = Field(None, description="The link; only when it is made.")
    svg: str | None = Field(None, description="The link as a QR code, an SVG image; only when it is made.")
    clients: int = Field(description="How many have it open now.")


class ShareAnswer(Answer):
    data: Share


class ShareList(BaseModel):
    shares: list[Share]


class ShareListAnswer(Answer):
    data: ShareList


# Seed 000, under /api/v1/terminal


class SessionRow(BaseModel):
    """`last_activity` is in s since the epoch; `running_in_background`: it runs and nobody is connected."""

    id: str
    name: str
    group: str
    running: bool
    state: State
    last_activity: float
    rows: int
    cols: int
    pid: int | None
    title: str
    connected_clients: int
    running_in_background: bool


class SessionList(BaseModel):
    sessions: list[SessionRow]


class SessionStatus(BaseModel):
    exists: Literal[True] = True
    alive: bool
    last_activity: float
    connected_clients: int
    running_in_background: bool
    rows: int
    cols: int
    pid: int | None
    state: State
    exit_code: int | None
    signal: int | None
    title: str


class SessionError(BaseModel):
    """Seed 002: `error` is the stable code in lower case, `code` the HTTP status."""

    error: str
    message: str
    code: int
    timestamp: datetime
