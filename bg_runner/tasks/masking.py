"""A task's log with the secrets that the task was given blanked out, byte for byte: every cursor stays right."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bg_runner.tasks.models import BrowserTask, ShellTask
from bg_runner.tasks.secrets import forms
from bg_runner.tasks.steps import Change, Secret
from bg_runner.terminals.output import Chunk, LogReader

SHORTEST = 3  # shorter values would blank out half of any text


def secret_names(task: ShellTask | BrowserTask) -> set[str]:
    """The secrets that `task` is given."""
    if isinstance(task, ShellTask):
        return {value.secret for value in task.env.values() if isinstance(value, Secret)}
    values = [step.value for step in task.path if isinstance(step, Change)]
    return {value.secret for value in values if isinstance(value, Secret)}


class MaskedLog(LogReader):
    """Reads a log with each of `secrets` replaced by as many asterisks, also where a read cuts one in two.

    While the log is `growing`, bytes at its end that could begin one are held back.
    """

    def __init__(self, directory: Path, secrets: Iterable[str], *, growing: bool = True) -> None:
        super().__init__(directory)
        shown = forms(value for value in secrets if len(value) >= SHORTEST)
        shown |= {form.replace("\n", "\r\n") for form in shown}  # what a terminal makes of a line's end
        self._growing = growing
        self._forms = sorted((form.encode() for form in shown), key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._forms)) or b"(?!)")
        self._margin = max(map(len, self._forms), default=1) - 1

    def read(self, cursor: int, limit: int = 1 << 20) -> Chunk:
        if not self._forms or limit <= 0:
            return super().read(cursor, limit)
        before = min(self._margin, max(cursor, 0))
        wide = super().read(cursor - before, limit + before + self._margin)
        data = self._pattern.sub(lambda match: b"*" * len(match[0]), wide.data)
        start = max(cursor, wide.cursor)
        if self._growing and wide.next >= wide.end:
            data = data[: len(data) - self._beginning(data)]
        return Chunk(data[start - wide.cursor : start - wide.cursor + limit], start, wide.oldest, wide.end)

    def _beginning(self, data: bytes) -> int:
        """How many bytes at the end of `data` could begin a secret."""
        for length in range(min(self._margin, len(data)), 0, -1):
            if any(form.startswith(data[-length:]) for form in self._forms):
                return length
        return 0
