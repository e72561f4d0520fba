"""A browser task's log and artifacts: lines in the same kind of log that a shell task's terminal writes, and files."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Literal

from playwright.async_api import Download, Page

from bg_runner.errors import StepFailed
from bg_runner.tasks.execution import Artifact, Execution
from bg_runner.tasks.secrets import mask, mask_beginnings
from bg_runner.terminals.output import LogWriter, log_directory

SCREENSHOT_TIMEOUT_MS = 3000
UNSAFE_IN_NAME = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}$")


class TaskLog:
    """Writes lines without any secret's value and tells the run how long the log is. Used in one thread."""

    def __init__(self, execution: Execution, data_dir: Path, log_bytes: int) -> None:
        self._execution = execution
        self._secrets = [value for value in execution.secrets.values() if value]
        self._writer = LogWriter(log_directory(data_dir, execution.log_id), log_bytes)

    def mask(self, text: str) -> str:
        """`text` without the value of any secret."""
        return mask(text, self._secrets)

    def mask_typed(self, text: str) -> str:
        """`text` also without the beginnings of secrets: a page may report a field while it is being typed into."""
        return mask_beginnings(self.mask(text), self._secrets)

    def line(self, text: str) -> None:
        clean = "".join(character if character.isprintable() else " " for character in self.mask(text))
        self._execution.progress.output(self._writer.write(f"{clean}\r\n".encode(errors="replace")))

    def close(self) -> None:
        self._writer.close()


class Artifacts:
    """Puts a task's files into the run's artifact directory and reports them."""

    def __init__(self, execution: Execution, log: TaskLog) -> None:
        self._execution = execution
        self._log = log

    async def screenshot(self, page: Page, name: str, step: int | None, kind: Literal["png", "jpeg"] = "png") -> str:
        """Take one of what the tab shows; return the artifact's id. Raises: PlaywrightError, OSError."""
        quality = 80 if kind == "jpeg" else None
        data = await page.screenshot(type=kind, quality=quality, timeout=SCREENSHOT_TIMEOUT_MS)
        path, artifact_id = self._new_file(f".{kind}")
        path.write_bytes(data)
        path.chmod(0o600)
        self._report(
            artifact_id, "screenshot", f"{safe_name(self._log.mask(name))}.{kind}", path, f"image/{kind}", step
        )
        return artifact_id

    async def download(self, download: Download, limit: int, step: int) -> str:
        """Keep a finished download of at most `limit` bytes; return its name. Raises: StepFailed, PlaywrightError."""
        if problem := await download.failure():
            raise StepFailed(f"The download failed: {problem}")
        name = safe_name(self._log.mask(download.suggested_filename))
        suffix = SUFFIX.search(name)
        path, artifact_id = self._new_file(suffix.group() if suffix else "")
        size = (await download.path()).stat().st_size
        if size > limit:
            raise too_large(limit)
        await download.save_as(path)
        path.chmod(0o600)
        self._report(artifact_id, "download", name, path, "application/octet-stream", step)
        return name

    def _new_file(self, suffix: str) -> tuple[Path, str]:
        directory = self._execution.artifacts_dir
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        artifact_id = uuid.uuid4().hex
        return directory / f"{artifact_id}{suffix}", artifact_id

    def _report(
        self,
        artifact_id: str,
        kind: Literal["screenshot", "download"],
        name: str,
        path: Path,
        media_type: str,
        step: int | None,
    ) -> None:
        size = path.stat().st_size
        artifact = Artifact(
            id=artifact_id, kind=kind, name=name, file=path.name, media_type=media_type, size=size, step=step
        )
        self._execution.progress.artifact(artifact)


def too_large(limit: int) -> StepFailed:
    return StepFailed(
        f"The download is larger than {limit} bytes.", hint="Raise BG_RUNNER_MAX_ARTIFACT_BYTES to keep such files."
    )


def safe_name(name: str) -> str:
    """A file name that is one on every system: no path, no control characters, at most 150 characters."""
    clean = UNSAFE_IN_NAME.sub("_", name.strip()).strip(". ")
    if len(clean) > 150:
        suffix = SUFFIX.search(clean)
        ending = suffix.group() if suffix else ""
        clean = clean[: 150 - len(ending)] + ending
    return clean or "file"
