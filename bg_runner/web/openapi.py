"""OpenAPI 3.1, generated from the operations and the pydantic models they name."""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from bg_runner import __version__
from bg_runner.errors import BgRunnerError, HostRefused, InternalError, OriginRefused, Unauthorized
from bg_runner.web.answers import is_session_api
from bg_runner.web.operation import BODY_ERRORS, SESSION_ERRORS, ErrorClass, Operation, Parameter
from bg_runner.web.operations import operations
from bg_runner.web.schemas import ErrorAnswer
from bg_runner.web.terminal_schemas import SessionError

REF = "#/components/schemas/{model}"
DESCRIPTION = (
    "Runs lists of browser and shell tasks, and terminals, that go on when the browser tab is closed. "
    "Every answer of the API is an envelope: `success` and, when it is false, `error` with `code`, `message`, `hint`. "
    "Under /api/v1/terminal an error is `error` (the code in lower case), `message`, `code` (the status), `timestamp`. "
    "The codes are stable; docs/errors.md lists them. "
    "The WebSocket of a terminal, /api/v1/terminal/ws/{id}, is described in docs/terminals.md."
)
Json = dict[str, Any]


@functools.cache
def describe_api(cookie_name: str) -> Json:
    """The document for `/openapi.json`."""
    refs, definitions = _schemas()
    paths: dict[str, Json] = {}
    for operation in operations():
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "bg-runner", "version": __version__, "description": DESCRIPTION},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": paths,
        "components": {"schemas": definitions, "securitySchemes": _security(cookie_name)},
        "security": [{"bearer": []}, {"cookie": []}, {"token": []}],
    }


def _security(cookie_name: str) -> Json:
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": "The owner's token."},
        "cookie": {"type": "apiKey", "in": "cookie", "name": cookie_name, "description": "Set by POST /login."},
        "token": {"type": "apiKey", "in": "query", "name": "token", "description": "The owner's token; never logged."},
    }


def _schemas() -> tuple[dict[tuple[type[BaseModel], JsonSchemaMode], Json], Json]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (ErrorAnswer, "serialization"),
        (SessionError, "serialization"),
    ]
    for operation in operations():
        if operation.request is not None:
            wanted.append((operation.request, "validation"))
        if not isinstance(operation.answer, str):
            wanted.append((operation.answer, "serialization"))
    refs, document = models_json_schema(list(dict.fromkeys(wanted)), ref_template=REF)
    return refs, document.get("$defs", {})  # type: ignore[return-value]


def _describe(operation: Operation, refs: dict[tuple[type[BaseModel], JsonSchemaMode], Json]) -> Json:
    described: Json = {
        "tags": [operation.tag],
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "responses": {
            str(operation.status): {
                "description": HTTPStatus(operation.status).phrase,
                **({} if operation.status == HTTPStatus.SEE_OTHER else {"content": _content(operation, refs)}),
            },
            **_failures(operation, refs),
        },
    }
    parameters = [_parameter(parameter) for parameter in operation.parameters]
    if operation.session:
        parameters += [_session("X-Session-ID", "header"), _session("session_id", "query")]
    if parameters:
        described["parameters"] = parameters
    if operation.request is not None:
        schema = refs[operation.request, "validation"]
        required = any(field.is_required() for field in operation.request.model_fields.values())
        described["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    if operation.anonymous:
        described["security"] = []
    return described


def operation_id(operation: Operation) -> str:
    """`PUT /api/background_task/tasks` -> `put_tasks`."""
    words = operation.path.removeprefix("/api/background_task").removeprefix("/api").strip("/")
    for character in "/{}.":
        words = words.replace(character, "_")
    return "_".join(filter(None, [operation.method.lower(), *(words or "home").split("_")]))


def _content(operation: Operation, refs: dict[tuple[type[BaseModel], JsonSchemaMode], Json]) -> Json:
    if isinstance(operation.answer, str):
        return {operation.answer: {}}
    return {"application/json": {"schema": refs[operation.answer, "serialization"]}}


def failures(operation: Operation) -> list[ErrorClass]:
    """Every error class that the operation may answer with, each once."""
    found: list[ErrorClass] = [HostRefused, *operation.errors]
    if not operation.anonymous:
        found.append(Unauthorized)
    if operation.method != "GET":
        found.append(OriginRefused)
    if operation.request is not None:
        found += BODY_ERRORS
    if operation.session:
        found += SESSION_ERRORS
    return list(dict.fromkeys([*found, InternalError]))


def _failures(operation: Operation, refs: dict[tuple[type[BaseModel], JsonSchemaMode], Json]) -> Json:
    by_status: dict[int, list[type[BgRunnerError]]] = {}
    for error in failures(operation):
        by_status.setdefault(error.status, []).append(error)
    schema = refs[SessionError if is_session_api(operation.path) else ErrorAnswer, "serialization"]
    return {
        str(status): {
            "description": ", ".join(error.code for error in classes),
            "content": {"application/json": {"schema": schema}},
        }
        for status, classes in sorted(by_status.items())
    }


def _parameter(parameter: Parameter) -> Json:
    schema: Json = {"type": parameter.type}
    if parameter.format:
        schema["format"] = parameter.format
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.description,
        "schema": schema,
    }


def _session(name: str, place: str) -> Json:
    return {
        "name": name,
        "in": place,
        "required": False,
        "description": "The workspace; name it in one of: X-Session-ID, session_id in the query, session_id in JSON.",
        "schema": {"type": "string", "format": "uuid"},
    }
