"""Where runs and task lists are kept: one JSON file each under the hash of the workspace's id (seed 004).

    <sha256(session_id)>.json         the latest run; cleaned up some time after its end
    <sha256(session_id)>.tasks.json   the task list; never cleaned up
    <either>.corrupt-<time>           what could not be read; set aside, never overwritten

Only the server writes these files, under its lock on the data directory.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from bg_runner import files
from bg_runner.errors import StorageFailed
from bg_runner.runs.encoding import RunEncoder
from bg_runner.runs.models import Run, TaskList

log = logging.getLogger(__name__)
Stored = TypeVar("Stored", bound=BaseModel)


class Notice(BaseModel):
    """Something that the page must say about a workspace: a stable code and a sentence."""

    code: str
    message: str


class RunStore(Protocol):
    """The seam behind which another engine could keep the runs (docs/architecture.md)."""

    def load_run(self, session_id: str) -> Run | None: ...
    def save_run(self, run: Run) -> None: ...
    def delete_run(self, session_id: str) -> None: ...
    def runs(self) -> Iterator[Run]: ...
    def load_tasks(self, session_id: str) -> TaskList | None: ...
    def save_tasks(self, tasks: TaskList) -> None: ...
    def notices(self, session_id: str) -> list[Notice]: ...


def session_hash(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()


class JsonRunStore:
    """The JSON files. Reading never fails: an unreadable file is set aside and counts as absent."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._encoders: dict[str, RunEncoder] = {}
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.remove_leftovers(data_dir)

    def _path(self, session_id: str, suffix: str) -> Path:
        return self.data_dir / f"{session_hash(session_id)}{suffix}"

    def load_run(self, session_id: str) -> Run | None:
        return self._load(self._path(session_id, ".json"), Run)

    def load_tasks(self, session_id: str) -> TaskList | None:
        return self._load(self._path(session_id, ".tasks.json"), TaskList)

    def save_run(self, run: Run) -> None:
        """Raises: StorageFailed; the file then holds what it held."""
        encoder = self._encoders.get(run.run_id) or RunEncoder()
        if run.active:
            self._encoders[run.run_id] = encoder
        else:
            self._encoders.pop(run.run_id, None)
        files.write_durably(self._path(run.session_id, ".json"), encoder.encode(run))

    def save_tasks(self, tasks: TaskList) -> None:
        """Raises: StorageFailed; the file then holds what it held."""
        files.write_durably(self._path(tasks.session_id, ".tasks.json"), tasks.model_dump_json(indent=1).encode())

    def delete_run(self, session_id: str) -> None:
        self._path(session_id, ".json").unlink(missing_ok=True)
        shutil.rmtree(self.artifacts_dir(session_id), ignore_errors=True)

    def artifacts_dir(self, session_id: str) -> Path:
        return self.data_dir / "artifacts" / session_hash(session_id)

    def runs(self) -> Iterator[Run]:
        """Every readable run; task lists and files of other kinds are passed over."""
        for path in sorted(self.data_dir.glob("*.json")):
            if len(path.name) == 64 + len(".json"):
                run = self._load(path, Run)
                if run is not None:
                    yield run

    def notices(self, session_id: str) -> list[Notice]:
        """What was set aside for this workspace, as long as the files lie there."""
        aside = sorted(self.data_dir.glob(f"{session_hash(session_id)}.*corrupt-*"))
        return [
            Notice(code="STATE_CORRUPT", message=f"A file could not be read and was set aside as {path.name}.")
            for path in aside
        ]

    def _load(self, path: Path, model: type[Stored]) -> Stored | None:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageFailed(f"{path.name} could not be read: {error.strerror}") from error
        try:
            stored = model.model_validate_json(data)
            if path.name[:64] != session_hash(getattr(stored, "session_id", "")):
                raise ValueError("the file's name does not match its session_id")
        except (ValidationError, ValueError, RecursionError) as error:
            aside = files.set_aside(path)
            log.error("%s could not be read and was set aside as %s: %s", path.name, aside.name, error)
            return None
        return stored
