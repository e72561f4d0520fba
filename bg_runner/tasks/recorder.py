"""Imports what Chrome's Recorder panel exports as JSON, and says what of it cannot be replayed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

from pydantic import BaseModel, TypeAdapter, ValidationError

from bg_runner.errors import ImportRefused, InvalidField
from bg_runner.tasks.models import BrowserTask
from bg_runner.tasks.steps import BaseStep, Change, Navigate, Secret, Step, describe, selectors_of

MAX_STEPS = 2000
MAX_NAME = 200
STEP: TypeAdapter[Step] = TypeAdapter(Step)
PASSWORD = re.compile(
    r"pass-?_?(word|wd|phrase|code)|passwd|\bpwd\b|passwort|mot de passe|contraseña|密码|密碼", re.IGNORECASE
)
PUPPETEER_ONLY = re.compile(r"::-p-|>>>")
SCRIPT = re.compile(
    r"\b(puppeteer|playwright|cypress|cy\.visit|webdriver|lighthouse)\b|^\s*(import|const|require)\b", re.IGNORECASE
)
FLOW_FIELDS = frozenset({"title", "timeout", "selectorAttribute", "steps"})


class Problem(BaseModel):
    """A step of the recording that was left out, by its number there (1-based), and why."""

    step: int
    message: str


class UnknownField(BaseModel):
    """A field that means nothing here. A step's is kept in the task, the recording's own (`step` None) is not."""

    step: int | None
    field: str


class Password(BaseModel):
    """A step of the task's path (1-based) that types what looks like a password, and a name for it as a secret."""

    step: int
    suggested_secret_name: str


class Imported(BaseModel):
    """What an import came to."""

    task: BrowserTask
    problems: list[Problem] = []
    unknown_fields: list[UnknownField] = []
    passwords: list[Password] = []


class _CannotReplay(Exception):
    """Why a step is left out."""


def import_flow(data: bytes | dict[str, Any]) -> Imported:
    """Make a browser task of a recording (JSON text or what it holds).

    Raises: ImportRefused if it is no recording at all.
    """
    flow = data if isinstance(data, dict) else _parse(data)
    raw_steps = flow.get("steps")
    if not isinstance(raw_steps, list):
        raise ImportRefused("This JSON has no list of `steps`, so it is not a recording.")
    if not raw_steps:
        raise ImportRefused("The recording has no steps.")
    if len(raw_steps) > MAX_STEPS:
        raise ImportRefused(f"The recording has {len(raw_steps)} steps; {MAX_STEPS} are allowed.")
    path: list[Step] = []
    problems: list[Problem] = []
    unknown = [UnknownField(step=None, field=name) for name in flow if name not in FLOW_FIELDS]
    for number, raw in enumerate(raw_steps, 1):
        try:
            step = _read_step(raw, flow.get("timeout"))
        except _CannotReplay as reason:
            problems.append(Problem(step=number, message=str(reason)))
            continue
        path.append(step)
        unknown += [UnknownField(step=number, field=_printable(name)) for name in _unknown_fields(step)]
    task = BrowserTask(name=_name(flow.get("title")), path=path)
    return Imported(task=task, problems=problems, unknown_fields=unknown, passwords=list(_passwords(path)))


def with_secrets(task: BrowserTask, names: Mapping[int, str]) -> tuple[BrowserTask, dict[str, str]]:
    """Replace typed values by secrets: `names` holds the secret's name by step (1-based).

    Returns the new task and the values by name, which are to be set as secrets of the workspace. Raises: InvalidField.
    """
    path = list(task.path)
    values: dict[str, str] = {}
    for number, name in names.items():
        step = path[number - 1] if 1 <= number <= len(path) else None
        if not isinstance(step, Change) or not isinstance(step.value, str):
            raise InvalidField(f"Step {number} types no value that could become a secret.")
        if values.setdefault(name, step.value) != step.value:
            raise InvalidField(f"The secret {name} would have two different values.")
        try:
            secret = Secret(secret=name)
        except ValidationError as error:
            raise InvalidField(f"{_printable(name)} is no name for a secret.") from error
        path[number - 1] = step.model_copy(update={"value": secret})
    return task.model_copy(update={"path": path}), values


def _parse(data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("utf-8-sig")
        flow = json.loads(text, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise ImportRefused("The file is not UTF-8 text.") from error
    except (ValueError, RecursionError) as error:
        if SCRIPT.search(text):
            raise ImportRefused(
                "This is a script, not a recording.",
                hint="In the Recorder panel choose Export > JSON (not Puppeteer, Playwright or another script).",
            ) from error
        raise ImportRefused(f"The file is not JSON: {str(error)[:200]}") from error
    if isinstance(flow, list):
        return {"steps": flow}
    if not isinstance(flow, dict):
        raise ImportRefused("A recording is a JSON object with a list of `steps`.")
    if "kind" in flow or isinstance(flow.get("tasks"), list):
        raise ImportRefused("This is a task of bg-runner itself.", hint='Paste it under "Edit as JSON".')
    return flow


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _read_step(raw: object, flow_timeout: object) -> Step:
    """Raises: _CannotReplay."""
    if not isinstance(raw, dict):
        raise _CannotReplay("It is not an object.")
    fields = dict(raw)
    # The recording's timeout is that of its steps; the reference opens addresses with a limit of its own.
    valid = isinstance(flow_timeout, int) and not isinstance(flow_timeout, bool) and flow_timeout > 0
    if valid and fields.get("timeout") is None and fields.get("type") != "navigate":
        fields["timeout"] = flow_timeout
    try:
        step = STEP.validate_python(fields)
    except (ValidationError, RecursionError) as error:
        raise _CannotReplay(_explain(fields, error)) from error
    _check_replayable(step)
    return step


def _explain(fields: dict[str, Any], error: ValidationError | RecursionError) -> str:
    kind = fields.get("type")
    if not isinstance(error, ValidationError):
        return "It is nested too deep."
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"].startswith("union_tag") or kind is None:
        if kind == "customStep":
            return f"The custom step {_printable(fields.get('name'))!r} is not known here."
        return f"Steps of the type {_printable(kind)!r} are not known here."
    place = ".".join(str(part) for part in first["loc"] if part not in (kind, fields.get("name")))
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def _check_replayable(step: Step) -> None:
    """Raises: _CannotReplay for a step that is well-formed and yet would fail for certain."""
    if isinstance(step, Navigate) and step.url != "about:blank":
        try:
            parts = urlsplit(step.url)
            openable = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            openable = False
        if not openable:
            raise _CannotReplay(f"{_printable(step.url)} is not opened: only http:// and https:// are.")
    if isinstance(step, Change) and isinstance(step.value, str) and "fakepath" in step.value.lower():
        raise _CannotReplay("It chooses a file of the recording computer.")
    selectors = describe(selectors_of(step))
    if selectors and all(PUPPETEER_ONLY.search(selector) for selector in selectors):
        raise _CannotReplay("Its selectors are written in Puppeteer's own syntax (::-p-..., >>>).")


def _unknown_fields(step: BaseStep) -> Iterator[str]:
    yield from step.model_extra or {}
    for event in step.assertedEvents or ():
        yield from (f"assertedEvents.{name}" for name in event.model_extra or {})


def _passwords(path: list[Step]) -> Iterator[Password]:
    count = 0
    for number, step in enumerate(path, 1):
        if isinstance(step, Change) and isinstance(step.value, str) and step.value and _looks_secret(step):
            count += 1
            yield Password(step=number, suggested_secret_name="PASSWORD" if count == 1 else f"PASSWORD_{count}")


def _looks_secret(step: Change) -> bool:
    hints = " ".join([*describe(step.selectors), *(str(value) for value in (step.model_extra or {}).values())])
    return PASSWORD.search(hints) is not None


def _name(title: object) -> str:
    return _printable(title)[:MAX_NAME] if isinstance(title, str) else "Imported flow"


def _printable(value: object) -> str:
    """`value` as text that JSON and a terminal can carry, of bounded length."""
    text = str(value)[:MAX_NAME]
    return "".join(character if character.isprintable() else "�" for character in text)
