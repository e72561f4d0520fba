"""A run as JSON, made in pieces: of 200 rows usually one has changed since the last write."""

from __future__ import annotations

from pydantic import BaseModel

from bg_runner.runs.models import Asking, Pending, Run, Running


class RunEncoder:
    """Encodes one run again and again. Rows that cannot change any more are encoded once."""

    def __init__(self) -> None:
        self._pieces: dict[int, tuple[BaseModel, bytes]] = {}

    def encode(self, run: Run) -> bytes:
        """The same document as `run.model_dump_json(exclude_none=True)`, with its two long lists at the end."""
        known, self._pieces = self._pieces, {}
        head = run.model_dump_json(exclude={"tasks", "results"}, exclude_none=True).encode()
        tasks = b",\n".join(self._piece(known, task) for task in run.tasks)
        rows = b",\n".join(
            _dump(row) if isinstance(row, Pending | Running | Asking) else self._piece(known, row)
            for row in run.results
        )
        return head[:-1] + b',\n"tasks":[\n' + tasks + b'\n],\n"results":[\n' + rows + b"\n]}\n"

    def _piece(self, known: dict[int, tuple[BaseModel, bytes]], model: BaseModel) -> bytes:
        piece = known.get(id(model))
        if piece is None or piece[0] is not model:
            piece = (model, _dump(model))
        self._pieces[id(model)] = piece
        return piece[1]


def _dump(model: BaseModel) -> bytes:
    return model.model_dump_json(exclude_none=True).encode()
