"""The routes, the list of operations, the OpenAPI document and docs/api.md say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bg_runner.app import App, build
from bg_runner.errors import every_error
from bg_runner.settings import load_settings
from bg_runner.web.asgi_routes import asgi_routes
from bg_runner.web.flask_app import create_app
from bg_runner.web.openapi import describe_api, operation_id
from bg_runner.web.operations import operations
from bg_runner.web.terminals_api import terminal_routes

DOCS = Path(__file__).parents[2] / "docs"
PARAMETER = re.compile(r"<(?:\w+:)?\w+>|\{\w+\}")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A server that is put together but does not run."""
    data_dir = tmp_path_factory.mktemp("data")
    built = build(load_settings(data_dir=data_dir, port=8000), "a-token-of-the-owner")
    yield built
    built.host.close()


def shape(path: str) -> str:
    """A path with its parameters made alike: `/s/<session_id>` and `/s/{id}` -> `/s/*`."""
    return PARAMETER.sub("*", path)


def routes(app: App) -> set[tuple[str, str]]:
    """Every method and path that Flask or Starlette answers."""
    flask = create_app(app.services, app.asgi.door)
    found = {
        (method, shape(rule.rule))
        for rule in flask.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule != "/demo/"  # the same operation with an empty path
    }
    found |= {
        (method, shape(route.path))
        for route in (*asgi_routes(app.services), *terminal_routes(app.services))
        for method in (route.methods or set()) - {"HEAD", "OPTIONS"}
    }
    return found


def test_every_route_is_an_operation_and_every_operation_a_route(app: App) -> None:
    assert {(operation.method, shape(operation.path)) for operation in operations()} == routes(app)


def test_every_operation_is_in_the_document() -> None:
    document = describe_api("auth_token_8000")
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(operation.method, operation.path) for operation in operations()}


def test_every_operation_is_in_the_api_page() -> None:
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    missing = [f"{one.method} {one.path}" for one in operations() if f"`{one.method} {one.path}`" not in page]
    assert missing == []


def test_the_api_page_names_no_route_that_does_not_exist() -> None:
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^(?:### |\| )`((?:GET|POST|PUT|PATCH|DELETE) \S+)`", page, re.MULTILINE))
    assert named == {f"{one.method} {one.path}" for one in operations()}


def test_operations_have_names_of_their_own() -> None:
    names = [operation_id(operation) for operation in operations()]
    assert sorted(names) == sorted(set(names))
    assert "get_status" in names
    assert "get_home" in names


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_the_document_is_whole() -> None:
    document = describe_api("auth_token_8000")
    schemas = document["components"]["schemas"]
    assert document["openapi"].startswith("3.1")
    assert set(references(document)) <= {f"#/components/schemas/{name}" for name in schemas}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            placed = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert placed == set(re.findall(r"\{(\w+)\}", path))


def test_the_document_names_real_errors_only() -> None:
    document = describe_api("auth_token_8000")
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    for code in response["description"].split(", "):
                        assert every_error()[code].status == int(status)


def test_only_what_the_contract_allows_is_open_to_anybody() -> None:
    document = describe_api("auth_token_8000")
    anonymous = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation.get("security") == []
    }
    assert anonymous == {"GET /api/health", "GET /login", "POST /login", "POST /lang", "GET /demo/{path}"}


def test_links_between_the_pages_lead_somewhere() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in DOCS.glob("*.md")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []
