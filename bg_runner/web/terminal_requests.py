"""What all endpoints of terminals have in common: who asks, how often, for which terminal, and the answer's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from bg_runner.errors import ReadFailed
from bg_runner.terminals.session import TerminalSession
from bg_runner.web.asgi_routes import ApiRoute, Endpoint
from bg_runner.web.bodies import parse, raise_problems
from bg_runner.web.caller import caller_of
from bg_runner.web.rate import RateLimit
from bg_runner.web.services import Services

M = TypeVar("M", bound=BaseModel)
BURST_SECONDS = 2.0


class TerminalRequests:
    """Made once for all routes, so that one caller has one allowance for them all."""

    def __init__(self, services: Services) -> None:
        self.services = services
        rate = services.settings.terminal_rate
        self._rate = RateLimit(rate, rate * BURST_SECONDS)

    def route(self, path: str, **endpoints: Endpoint) -> ApiRoute:
        """A route with an endpoint for each method, by its lower-case name."""
        by_method = {method.upper(): endpoint for method, endpoint in endpoints.items()}
        if "GET" in by_method:
            by_method["HEAD"] = by_method["GET"]

        async def endpoint(request: Request) -> Response:
            self._rate.take((caller_of(request.scope).user, request.client.host if request.client else ""))
            try:
                return await by_method[request.method](request)
            except OSError as error:
                raise ReadFailed(f"the terminal's log cannot be read: {error.strerror or error}") from error

        return ApiRoute(path, endpoint, methods=list(by_method))

    def session(self, request: Request) -> TerminalSession:
        """The terminal of the address. Raises: TerminalNotFound, also for a malformed id."""
        return self.services.terminals.get(request.path_params["terminal_id"], caller_of(request.scope).user)


async def read_body(request: Request, model: type[M]) -> M:
    """Raises: WrongContentType, MalformedJson, InvalidField."""
    return parse(model, await request.body(), request.headers.get("content-type", ""))


def read_query(query: Mapping[str, str], model: type[M]) -> M:
    """The query as `model`; a name without a value counts as absent. Raises: InvalidField."""
    try:
        return model.model_validate({name: value for name, value in query.items() if value})
    except ValidationError as error:
        raise_problems(error)


def as_json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(by_alias=True), media_type="application/json")
