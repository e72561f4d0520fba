"""A task list: what a person, a program or an agent asks to be done, in order (seed 004)."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from bg_runner.tasks.steps import Secret, Step

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


def new_id() -> str:
    return uuid.uuid4().hex[:12]


def check_url(url: str) -> str:
    """Return `url` if it is an absolute http(s) address with a host. Raises: ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("only http:// and https:// addresses are opened")
    return url


class BaseTask(BaseModel):
    """Common to both kinds. `timeout` is in seconds; the dates carry a time zone."""

    model_config = ConfigDict(extra="forbid")

    id: Name = Field(default_factory=new_id)
    name: str = Field("", max_length=200)
    enabled: bool = True
    not_before: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    timeout: float | None = Field(None, gt=0, le=30 * 86400)
    after_crash: Literal["rerun", "skip", "ask"] = "rerun"
    completed: datetime | None = None


class ShellTask(BaseTask):
    """A command, run by `shell -c` in a PTY. `env` adds to the allow-listed environment."""

    kind: Literal["shell"] = "shell"
    command: str = Field(min_length=1, max_length=100_000)
    shell: str | None = Field(None, max_length=4096)
    cwd: str | None = Field(None, max_length=4096)
    env: dict[EnvName, str | Secret] = Field(default_factory=dict, max_length=200)

    @field_validator("command", "shell", "cwd")
    @classmethod
    def _no_nul(cls, value: str | None) -> str | None:
        if value is not None and "\0" in value:
            raise ValueError("may not contain a NUL byte")
        return value

    @field_validator("env")
    @classmethod
    def _no_nul_in_env(cls, env: dict[str, str | Secret]) -> dict[str, str | Secret]:
        if any(isinstance(value, str) and "\0" in value for value in env.values()):
            raise ValueError("may not contain a NUL byte")
        return env


class Viewport(BaseModel):
    model_config = ConfigDict(extra="forbid")

    width: int = Field(1280, ge=100, le=7680)
    height: int = Field(720, ge=100, le=7680)


class BrowserTask(BaseTask):
    """A flow of steps, replayed in a fresh context of the shared headless Chromium."""

    kind: Literal["browser"] = "browser"
    start_url: str | None = Field(None, max_length=8192)
    path: list[Step] = Field(default_factory=list, max_length=2000)
    viewport: Viewport | None = None
    screenshots: Literal["each", "failures", "off"] = "failures"
    profile: Name | None = None

    _check_url = field_validator("start_url")(lambda url: None if url is None else check_url(url))


Task = Annotated[ShellTask | BrowserTask, Field(discriminator="kind")]
TaskListAdapter: TypeAdapter[list[ShellTask | BrowserTask]] = TypeAdapter(list[Task])
