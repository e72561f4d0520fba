"""A run as JSON, made in pieces: of 200 rows usually one has changed since the last write."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from bg_runner.runs.models import Asking, Run, Running


class RunEncoder:
    """Encodes one run again and again. Tasks, and rows that cannot change any more, are encoded once."""

    def __init__(self) -> None:
        self._tasks = _Pieces()
        self._rows = _Pieces()

    def encode(self, run: Run) -> bytes:
        """The same document as `run.model_dump_json(exclude_none=True)`, with its two long lists at the end."""
        head = run.model_dump_json(exclude={"tasks", "results"}, exclude_none=True).encode()
        tasks, rows = self._tasks.encode(run.tasks), self._rows.encode(run.results)
        return b"".join((head[:-1], b',\n"tasks":[\n', tasks, b'\n],\n"results":[\n', rows, b"\n]}\n"))


class _Pieces:
    """One list: the models as they were at the last time, and their JSON."""

    def __init__(self) -> None:
        self._models: list[BaseModel] = []
        self._pieces: list[bytes] = []

    def encode(self, models: Sequence[BaseModel]) -> bytes:
        if len(models) != len(self._models):
            self._models, self._pieces = list(models), [_dump(model) for model in models]
        else:
            for place, (model, known) in enumerate(zip(models, self._models, strict=True)):
                if model is not known or isinstance(model, (Running, Asking)):  # these alone change in place
                    self._models[place], self._pieces[place] = model, _dump(model)
        return b",\n".join(self._pieces)


def _dump(model: BaseModel) -> bytes:
    return model.model_dump_json(exclude_none=True).encode()
