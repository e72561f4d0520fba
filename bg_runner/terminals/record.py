"""What is kept of a persistent terminal beside its log: `terminal.json` in the log's directory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bg_runner.files import remove_leftovers, set_aside, write_durably

log = logging.getLogger(__name__)
RECORD_NAME = "terminal.json"


class NewTerminal(BaseModel):
    """A request for a terminal: an interactive `shell`, or `command` run by it. `cwd` None is the home directory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shell: str | None = None
    command: str | None = None
    cwd: str | None = None
    env: dict[str, str] = Field(default_factory=dict)
    rows: int = Field(24, ge=1, le=1000)
    cols: int = Field(80, ge=1, le=1000)
    name: str = Field("", max_length=100)
    group: str = Field("", max_length=100)


class Ended(BaseModel):
    """How a terminal ended. `lost`: nobody saw it, `reason` says why; else `code` or `signal` is set."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    state: Literal["exited", "lost"]
    at: float
    code: int | None = None
    signal: int | None = None
    reason: str = ""


class TerminalRecord(BaseModel):
    """`request` is what started it, for doing so again; `created` is UTC; `boot` names the boot of the machine."""

    model_config = ConfigDict(extra="ignore")

    id: str
    user: str = "owner"
    request: NewTerminal
    shell: str
    cwd: str
    name: str = ""
    group: str = ""
    created: datetime
    boot: str = ""
    ended: Ended | None = None


def save_record(directory: Path, record: TerminalRecord) -> None:
    """Raises: StorageFailed."""
    write_durably(directory / RECORD_NAME, record.model_dump_json(indent=1).encode() + b"\n")


def load_records(terminals: Path) -> Iterator[tuple[Path, TerminalRecord]]:
    """All records below `terminals`; one that cannot be read is set aside and reported in the log."""
    for path in sorted(terminals.glob(f"*/{RECORD_NAME}")):
        remove_leftovers(path.parent)
        try:
            record = TerminalRecord.model_validate_json(path.read_bytes())
            if record.id != path.parent.name:
                raise ValueError(f"it says that it is {record.id!r}")
        except (ValidationError, ValueError) as error:
            log.error("%s cannot be used and was set aside as %s: %s", path, set_aside(path).name, error)
        except OSError as error:
            log.error("%s cannot be read: %s", path, error)
        else:
            yield path.parent, record


def boot_id() -> str:
    """Which boot of the machine this is; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
