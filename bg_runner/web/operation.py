"""What is said about one address of the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from bg_runner import errors

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
ErrorClass = type[errors.BgRunnerError]


@dataclass(frozen=True)
class Parameter:
    """One value in the path or the query; `choices` are the only values that it may have."""

    name: str
    description: str
    type: Literal["string", "integer", "number", "boolean"] = "string"
    place: Literal["path", "query"] = "query"
    format: str | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """`answer` is a model, or the media type of an answer that is not JSON. `session`: it is about one workspace."""

    method: Method
    path: str
    tag: Literal["workspaces", "runs", "tasks", "secrets", "terminals", "server", "pages"]
    summary: str
    answer: type[BaseModel] | str
    request: type[BaseModel] | None = None
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[ErrorClass, ...] = ()
    session: bool = False
    anonymous: bool = False
    status: int = 200


BODY_ERRORS: tuple[ErrorClass, ...] = (
    errors.MalformedJson,
    errors.WrongContentType,
    errors.InvalidField,
    errors.TooLarge,
)
SESSION_ERRORS: tuple[ErrorClass, ...] = (errors.SessionMissing, errors.InvalidSession, errors.SessionUnknown)
