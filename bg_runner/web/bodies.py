"""From the bytes of a request to a checked pydantic model; whatever is wrong with them becomes an error of its own."""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from bg_runner.errors import InvalidField, MalformedJson, UrlRefused, WrongContentType

M = TypeVar("M", bound=BaseModel)
MAX_DEPTH = 100
SHOWN_PROBLEMS = 20
_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json", re.ASCII)
_CHARSET = re.compile(r";\s*charset=\"?([\w-]+)\"?", re.ASCII)
_STEP_TAGS = (
    "navigate setViewport click doubleClick hover change keyDown keyUp scroll waitForElement waitForExpression close "
    "emulateNetworkConditions customStep screenshot extract download assertText"
)
_TAGS = frozenset({"shell", "browser", *_STEP_TAGS.split(" ")})
# Pydantic puts the tag of a union's member into the place of an error: tasks.0.shell.command.
_UNION_TAG = re.compile(r"[a-z]+\[.*|(?:function-|constrained-)?(?:str|dict|int)|Secret", re.DOTALL)


def parse(model: type[M], body: bytes, content_type: str) -> M:
    """The request's body as `model`; no body at all counts as `{}`.

    Raises: WrongContentType, MalformedJson, InvalidField, UrlRefused.
    """
    if body:
        check_content_type(content_type)
        check_json(body)
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise_problems(error)


def check_content_type(content_type: str) -> None:
    """Raises: WrongContentType unless it is JSON in UTF-8."""
    kind = content_type.partition(";")[0].strip().lower()
    charset = _CHARSET.search(content_type)
    if not _JSON_TYPE.fullmatch(kind):
        raise WrongContentType(f"the body is {kind[:100] or 'of no stated type'}, not JSON")
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise WrongContentType(f"the body is in {charset[1]}, not in UTF-8")


def check_json(body: bytes) -> None:
    """What a lenient parser would let through or choke on. Raises: MalformedJson."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise MalformedJson(f"the body is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise MalformedJson("the body is nested too deeply") from None
    except ValueError as error:
        raise MalformedJson(f"the body is not JSON: {ascii(str(error))[1:-1][:300]}") from None
    if not isinstance(value, dict):
        raise MalformedJson("the body is not a JSON object")
    if _depth(value) > MAX_DEPTH:
        raise MalformedJson("the body is nested too deeply")


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the name {twice[:100]!r} occurs twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _depth(value: object) -> int:
    """How deeply objects and arrays are nested; without recursion."""
    depth, layer = 0, [value]
    while layer := [item for item in layer if isinstance(item, dict | list)]:
        depth += 1
        layer = [child for item in layer for child in (item.values() if isinstance(item, dict) else item)]
    return depth


def raise_problems(error: ValidationError) -> NoReturn:
    """Raises: MalformedJson, UrlRefused or InvalidField, naming each field and never a value."""
    problems: list[tuple[str, str]] = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        if problem["type"] == "json_invalid":
            raise MalformedJson(f"the body is not JSON: {problem['msg']}") from None
        field, message = field_name(problem["loc"]), problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "value_error" and field.endswith("start_url"):
            raise UrlRefused(f"{field}: {message}") from None
        if problem["type"] == "extra_forbidden":
            message = "there is no such field"
        problems.append((field, message))
    shown = "; ".join(f"{field}: {message}" if field else message for field, message in problems[:SHOWN_PROBLEMS])
    raise InvalidField(shown, fields=problems[:SHOWN_PROBLEMS]) from None


def field_name(place: tuple[int | str, ...]) -> str:
    """`("tasks", 0, "shell", "command")` -> `tasks.0.command`."""
    parts: list[str] = []
    previous: int | str = ""
    for part in place:
        is_tag = isinstance(part, str) and (
            _UNION_TAG.fullmatch(part) is not None
            or (isinstance(previous, int) and part in _TAGS)
            or (previous == "customStep" and part in _TAGS)
        )
        previous = part
        if not is_tag:
            parts.append(str(part))
    return ".".join(parts)
