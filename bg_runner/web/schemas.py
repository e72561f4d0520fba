"""Bodies of requests and answers. Requests forbid unknown fields and take no value of another type; `/openapi.json` is
generated from these models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bg_runner.runs.status import TaskStatus
from bg_runner.runs.store import Notice
from bg_runner.tasks.models import Task

TaskId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class Request(BaseModel):
    """`session_id` is one of three places where a request may name its workspace."""

    model_config = ConfigDict(extra="forbid")

    session_id: str | None = Field(None, description="The workspace, if neither header nor query names it.")


class NoFields(Request):
    """A request that has nothing to say."""


class StartRequest(Request):
    task_indices: list[Annotated[int, Field(strict=True)]] | None = Field(
        None, max_length=10_000, description="Places of the chosen tasks in the list, from 0; absent: all."
    )
    auto_generate: bool = Field(False, strict=True, description="Plan a path for browser tasks that have none.")
    ignore_completed: bool = Field(False, strict=True, description="Run tasks again that succeeded already.")
    from_: Literal["failed"] | None = Field(
        None, alias="from", description="`failed`: what failed or was not reached in the last run."
    )


class AnswerRequest(Request):
    task_id: TaskId
    answer: Literal["rerun", "skip"] = Field(description="What becomes of the interrupted task.")


class SaveTasksRequest(Request):
    tasks: list[Task] = Field(description="The whole list; a task without `id` gets one.")
    revision: int | None = Field(
        None, ge=0, strict=True, description="The revision that was changed; absent: whatever is there is replaced."
    )


class ImportRequest(Request):
    recording: dict[str, object] | str = Field(description="A Chrome DevTools Recorder export, parsed or as text.")
    add: bool = Field(False, strict=True, description="Append the task to the list.")
    secrets: dict[str, str] = Field(
        {}, description="Step of the task's path (from 1) -> name of the secret its value becomes."
    )
    store_secrets: bool = Field(False, strict=True, description="Store the recorded values under these names.")


class SecretRequest(Request):
    value: str = Field(min_length=1, max_length=65536)


class CleanupRequest(Request):
    older_than: float | None = Field(
        None, ge=0, le=10 * 365 * 86400, strict=True, description="Seconds since a run ended; absent: the setting."
    )


class LinkRequest(Request):
    next: str = Field("/", max_length=2000, description="The page that opens after the login.")


class LoginRequest(BaseModel):
    """A one-time code or the owner's token."""

    model_config = ConfigDict(extra="forbid")

    code: str | None = None
    token: str | None = None
    next: str = Field("/", max_length=2000)


class Answer(BaseModel):
    success: Literal[True] = True


class MessageAnswer(Answer):
    message: str


class SessionAnswer(Answer):
    session_id: str
    url: str = Field(description="The workspace's page.")


class StartAnswer(MessageAnswer):
    run_id: str


class StatusAnswer(Answer):
    task_status: TaskStatus | None
    notices: list[Notice]
    server_time: datetime


class TasksAnswer(Answer):
    tasks: list[Task]
    revision: int


class SampleAnswer(Answer):
    tasks: list[Task]


class ImportProblem(BaseModel):
    """A step (from 1) that cannot be replayed, and why."""

    step: int
    message: str


class UnknownField(BaseModel):
    """A field that means nothing here; `step` is null for a field of the recording itself."""

    step: int | None
    field: str


class RecordedPassword(BaseModel):
    """A step of the task's path (from 1) that types what looks like a password."""

    step: int
    suggested: str = Field(description="A name for the secret.")


class ImportAnswer(Answer):
    task: Task
    problems: list[ImportProblem]
    unknown_fields: list[UnknownField]
    passwords: list[RecordedPassword]
    revision: int | None = Field(None, description="The list's revision if the task was added.")


class SecretsAnswer(Answer):
    secrets: list[str] = Field(description="Names only; values never leave the server.")


class LogText(BaseModel):
    """`since`, `next`, `oldest` and `end` are cursors: byte offsets that never change."""

    text: str
    since: int
    next: int = Field(description="Ask again with since=next.")
    oldest: int = Field(description="What is before this has been deleted to stay within the bound.")
    end: int
    running: bool


class LogAnswer(Answer):
    log: LogText


class CleanupAnswer(Answer):
    removed: int


class WorkspaceRun(BaseModel):
    session_id: str
    url: str
    task_status: TaskStatus


class RunsAnswer(Answer):
    runs: list[WorkspaceRun]


class LinkAnswer(Answer):
    url: str
    expires_at: datetime
    svg: str = Field(description="The address as a QR code.")


class Health(BaseModel):
    """`uptime` is in seconds; why it is degraded is said to those who are let in (GET /api/doctor)."""

    status: Literal["healthy", "degraded"]
    uptime: float
    version: str


class HealthAnswer(Answer):
    data: Health


class Check(BaseModel):
    name: str
    ok: bool
    message: str
    hint: str = ""


class DoctorAnswer(Answer):
    ok: bool
    checks: list[Check]


class ErrorField(BaseModel):
    path: str = Field(description="Such as tasks.0.command.")
    message: str


class ErrorBody(BaseModel):
    code: str
    message: str
    hint: str
    fields: list[ErrorField] | None = None


class ErrorAnswer(BaseModel):
    success: Literal[False] = False
    error: ErrorBody
