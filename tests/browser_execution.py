"""Running browser tasks in tests: an `Execution` with a progress that remembers, and a task of steps."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bg_runner.settings import Settings
from bg_runner.tasks.browser import BrowserTaskExecutor
from bg_runner.tasks.browsers import Browsers
from bg_runner.tasks.execution import Artifact, Execution, Outcome
from bg_runner.tasks.models import BrowserTask
from bg_runner.terminals.output import LogReader, log_directory


@dataclass
class Noted:
    """A progress that keeps what it is told."""

    steps: list[tuple[int, int, str]] = field(default_factory=list)
    percents: list[float | None] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    cursor: int = 0

    def percent(self, value: float | None) -> None:
        self.percents.append(value)

    def step(self, number: int, total: int, label: str) -> None:
        self.steps.append((number, total, label))

    def artifact(self, artifact: Artifact) -> None:
        self.artifacts.append(artifact)

    def output(self, cursor: int) -> None:
        self.cursor = cursor


@dataclass
class Bench:
    """A browser with an executor, and everything that a test wants to do with them."""

    settings: Settings
    browsers: Browsers
    executor: BrowserTaskExecutor

    @classmethod
    def make(cls, data_dir: Path, **settings: Any) -> Bench:
        made = Settings(_env_file=None, data_dir=data_dir, **settings)
        browsers = Browsers(made)
        return cls(made, browsers, BrowserTaskExecutor(made, browsers))

    def execution(self, secrets: dict[str, str] | None = None, session_id: str = "session") -> Execution:
        return Execution(
            session_id=session_id,
            run_id="run",
            attempt=1,
            log_id=uuid.uuid4().hex,
            artifacts_dir=self.settings.data_dir / "artifacts",
            secrets=secrets or {},
            progress=Noted(),
            started_at=datetime.now(UTC),
        )

    def run(self, *path: dict[str, Any], secrets: dict[str, str] | None = None, **fields: Any) -> Outcome:
        """Execute a task of these steps and return what came of it."""
        return self.executor.execute(task_of(*path, **fields), self.execution(secrets))

    def begin(self, task: BrowserTask, execution: Execution) -> Running:
        return Running(self, task, execution)

    def log(self, execution: Execution) -> str:
        """The text of the attempt's log."""
        directory = log_directory(self.settings.data_dir, execution.log_id)
        return LogReader(directory).read(0).data.decode()


class Running:
    """A task that runs in a thread of its own."""

    def __init__(self, bench: Bench, task: BrowserTask, execution: Execution) -> None:
        self.outcome: Outcome | None = None

        def work() -> None:
            self.outcome = bench.executor.execute(task, execution)

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def result(self, timeout: float) -> Outcome:
        """Raises: AssertionError if it takes longer than `timeout` seconds."""
        self._thread.join(timeout)
        assert self.outcome is not None, f"the task did not end within {timeout} s"
        return self.outcome


def task_of(*path: dict[str, Any], **fields: Any) -> BrowserTask:
    return BrowserTask.model_validate({"path": list(path), **fields})


def noted(execution: Execution) -> Noted:
    assert isinstance(execution.progress, Noted)
    return execution.progress


def navigate(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "navigate", "url": url, **more}


def click(*selectors: str | list[str], **more: Any) -> dict[str, Any]:
    return {"type": "click", "selectors": list(selectors), "offsetX": 3, "offsetY": 3, **more}


def change(selector: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "change", "selectors": [selector], "value": value, **more}


def custom(step: str, /, **parameters: Any) -> dict[str, Any]:
    return {"type": "customStep", "name": step, "parameters": parameters}
