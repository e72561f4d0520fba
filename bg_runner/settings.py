"""Every setting with its default. Environment variables carry the prefix `BG_RUNNER_`; `.env` beside the data is read.

`docs/settings.md` describes each one and a test keeps the two equal. `seed_settings` reads the names of the seeds.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bg_runner.seed_settings import read_seed_values

_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
PROJECT = Path(__file__).resolve().parent.parent


def in_checkout() -> bool:
    """Whether this code runs from a checkout (main.py beside the package) and not from an installed wheel."""
    return (PROJECT / "main.py").is_file() and (PROJECT / "pyproject.toml").is_file()


def default_data_dir() -> Path:
    """`background_tasks` beside main.py in a checkout, else `$XDG_DATA_HOME/bg-runner`."""
    if in_checkout():
        return PROJECT / "background_tasks"
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "bg-runner"


class Settings(BaseSettings):
    """Sizes are bytes and times are seconds unless a name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="BG_RUNNER_", extra="ignore", frozen=True, env_ignore_empty=True)

    # Where it listens
    host: str = Field("127.0.0.1", description="Address to bind.")
    port: int = Field(8000, ge=0, le=65535, description="Port to bind; 0 takes a free one.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/]+/?$",
        description="The address that people use when a proxy stands in front.",
    )
    allowed_hosts: list[str] = Field([], description="More values allowed in the Host header (JSON list).")
    behind_proxy: bool = Field(False, description="A proxy in front adds TLS; allows a non-loopback bind.")
    tls_cert: Path | None = Field(None, description="Certificate file (PEM).")
    tls_key: Path | None = Field(None, description="Key file (PEM) of the certificate.")
    max_body_bytes: int = Field(8 * 1024 * 1024, ge=1024, description="Largest request body.")
    shutdown_timeout: float = Field(
        4.0, gt=0, le=30, description="Longest time that ending takes, connections and runs together."
    )

    # Who may come in
    token: str | None = Field(
        None,
        min_length=16,
        description="The owner's token; made at first start and kept in the data directory.",
    )
    link_ttl: int = Field(3600, ge=30, description="Life of a one-time link.")
    login_ttl: int = Field(30 * 86400, ge=60, description="Life of a login cookie.")

    # Where it keeps things
    data_dir: Path = Field(default_factory=default_data_dir, description="State, logs, artifacts, secrets.")
    database_url: str | None = Field(
        None,
        repr=False,
        description="PostgreSQL (13 or later) for agents and accounts; else SQLite in the data directory.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")

    # Runs
    max_concurrent_runs: int = Field(4, ge=1, description="Runs at once; further ones are queued.")
    flush_interval: float = Field(5.0, gt=0, description="Seconds between writes of progress to disk (seed 004).")
    keep_runs: float = Field(86400.0, ge=0, description="Ended runs older than this are cleaned up (seed 004).")
    cleanup_interval: float = Field(3600.0, gt=0, description="Seconds between clean-ups.")
    max_tasks: int = Field(500, ge=1, description="Tasks in one list.")
    stop_grace: float = Field(5.0, gt=0, le=60, description="Seconds between TERM and KILL when a task is stopped.")
    poll_interval: float = Field(3.0, ge=0.5, description="Seconds between two polls of the page (seed 004).")

    # Shell tasks and the PTY host
    shell: str | None = Field(None, description="Default shell of shell tasks; else $SHELL, else /bin/sh.")
    terminal_log_bytes: int = Field(64 * 1024 * 1024, ge=65536, description="Log kept per terminal; oldest goes first.")
    child_env: list[str] = Field(
        [
            "PATH",
            "HOME",
            "USER",
            "LOGNAME",
            "LANG",
            "LC_ALL",
            "LC_CTYPE",
            "TZ",
            "TMPDIR",
            "SHELL",
            "XDG_RUNTIME_DIR",
        ],
        description="Variables of the server's environment that children receive (JSON list).",
    )

    # Terminals
    session_timeout: float = Field(
        604800.0,
        gt=0,
        allow_inf_nan=False,
        description="A terminal without input, output or clients for so long is ended (seed 000).",
    )
    keep_recordings: float = Field(
        604800.0, ge=0, description="Terminals that ended longer ago are removed with their recording."
    )
    buffer_size: int = Field(10_000, ge=100, le=1_000_000, description="Lines of output that can be read back.")
    max_terminals: int = Field(200, ge=1, description="Terminals in all.")
    max_terminals_per_user: int = Field(100, ge=1, description="Terminals of one user.")
    max_command_length: int = Field(32_768, ge=16, description="Longest command of a terminal (characters).")
    max_input_bytes: int = Field(256 * 1024, ge=1024, description="Largest input in one message.")
    max_env_bytes: int = Field(64 * 1024, ge=1024, description="Largest environment that a request may add.")
    terminal_roots: list[Path] = Field(
        [], description="Directories below which terminals may start (JSON list); empty allows all."
    )
    terminal_rate: float = Field(
        100.0,
        gt=0,
        description="Requests a second that one client may make of the terminal API; twice as many at once.",
    )
    shell_integration: bool = Field(
        True, description="Interactive bash and zsh report their commands (OSC 133) and directory (OSC 7)."
    )
    share_ttl: int = Field(86_400, ge=60, description="Life of a share link that names none.")
    kill_terminals_on_exit: bool = Field(False, description="End all terminals when the server ends.")
    cors_origin: str | None = Field(
        None, description="Origins of other sites whose pages may use the terminal API with a token; comma between."
    )

    # Browser tasks
    chromium: Path | None = Field(None, description="Path of a Chromium or Chrome; else one is looked for.")
    browser_tasks_per_process: int = Field(100, ge=1, description="A browser is replaced after this many tasks.")
    browser_memory_bytes: int = Field(2 * 1024**3, ge=64 * 1024**2, description="A browser above this is replaced.")
    block_addresses: Literal["none", "link-local", "private"] = Field(
        "link-local",
        description="What browser tasks may not reach: `link-local` (with cloud metadata), `private` (with loopback).",
    )
    auto_generate_limit: int = Field(10, ge=1, le=200, description="Links that a generated path follows.")
    max_artifact_bytes: int = Field(256 * 1024 * 1024, ge=1024, description="Largest download that a task keeps.")

    @field_validator("cors_origin")
    @classmethod
    def _are_origins(cls, value: str | None) -> str | None:
        for origin in cors_origins(value):
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError("origins such as https://example.org, comma between, or *")
        return value


def cors_origins(value: str | None) -> frozenset[str]:
    """`cors_origin` as the set of origins that browsers send: lower case, without a slash at the end."""
    return frozenset(part.strip().rstrip("/").lower() for part in (value or "").split(",") if part.strip())


def load_settings(**overrides: object) -> Settings:
    """Read the environment, the data directory's `.env` and the seeds' names; `overrides` (not None) win over all.

    Raises: pydantic.ValidationError with the name of each wrong setting; StartupError for a wrong value under a name of
    the seeds, with its file.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    data_dir = Path(str(given.get("data_dir") or os.environ.get("BG_RUNNER_DATA_DIR") or default_data_dir()))
    data_dir = data_dir.expanduser().absolute()
    given["data_dir"] = data_dir
    settings = Settings(_env_file=data_dir / ".env", **given)  # type: ignore[arg-type]
    seeds = {name: value for name, value in read_seed_values(data_dir).items() if name not in settings.model_fields_set}
    if not seeds:
        return settings
    given |= {name: value.value for name, value in seeds.items()}
    try:
        return Settings(_env_file=data_dir / ".env", **given)  # type: ignore[arg-type]
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        raise seeds[str(problem["loc"][0])].refused(problem["msg"].removeprefix("Value error, ")) from None
