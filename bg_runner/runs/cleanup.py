"""Files that only a run needs: the logs and artifacts of its attempts."""

from __future__ import annotations

import shutil
from pathlib import Path

from bg_runner.runs.models import Attempted, Run
from bg_runner.runs.store import JsonRunStore


def log_ids(run: Run) -> set[str]:
    """The logs of every attempt of the run, earlier attempts included."""
    ids: set[str] = set()
    for result in run.results:
        if isinstance(result, Attempted):
            stem = result.log_id.rpartition("-")[0]
            ids.update(f"{stem}-{attempt}" for attempt in range(1, result.attempt + 1))
    return ids


def artifact_files(run: Run) -> set[str]:
    attempted = [result for result in run.results if isinstance(result, Attempted)]
    return {artifact.file for result in attempted for artifact in result.artifacts}


def remove_run_files(logs_dir: Path, run: Run) -> None:
    """Delete the logs of a run that is gone from disk."""
    for log_id in log_ids(run):
        shutil.rmtree(logs_dir / log_id, ignore_errors=True)


def keep_only(store: JsonRunStore, logs_dir: Path, previous: Run, run: Run) -> None:
    """Delete what `previous` left behind, except what `run` carries over from it. Called once `run` is durable."""
    for log_id in log_ids(previous) - log_ids(run):
        shutil.rmtree(logs_dir / log_id, ignore_errors=True)
    artifacts = store.artifacts_dir(run.session_id)
    for name in artifact_files(previous) - artifact_files(run):
        (artifacts / name).unlink(missing_ok=True)
