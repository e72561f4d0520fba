"""`/api/background_task`: workspaces, their task lists and runs. What waits or streams is in asgi_routes.py."""

from __future__ import annotations

from typing import TypeVar

from flask import Blueprint, Response, request

from bg_runner.errors import Conflict, NotFound
from bg_runner.web import schemas
from bg_runner.web.bodies import parse
from bg_runner.web.importing import import_recording
from bg_runner.web.origins import own_url
from bg_runner.web.sample import sample_tasks
from bg_runner.web.services import Services
from bg_runner.web.session import session_of
from bg_runner.web.task_checks import check_tasks
from bg_runner.web.urls import base_url, workspace_url

PREFIX = "/api/background_task"
R = TypeVar("R", bound=schemas.Request)


def answer(model: schemas.Answer, status: int = 200) -> Response:
    return Response(model.model_dump_json(), status=status, mimetype="application/json")


def read(model: type[R]) -> R:
    """The request's body. Raises: InvalidRequest in one of its kinds."""
    return parse(model, request.get_data(), request.headers.get("Content-Type", ""))


def session(body: schemas.Request | None = None) -> str:
    """The workspace's id. Raises: SessionMissing, InvalidSession; SessionUnknown is the manager's to say."""
    named = body.session_id if body is not None else None
    return session_of(request.headers.get("X-Session-ID"), request.args.get("session_id"), named)


def create_api(services: Services) -> Blueprint:
    """The blueprint; see docs/api.md for each route."""
    api = Blueprint("background_task", __name__, url_prefix=PREFIX)
    _add_run_routes(api, services)
    _add_list_routes(api, services)
    _add_secret_routes(api, services)
    return api


def _add_run_routes(api: Blueprint, services: Services) -> None:
    manager = services.manager

    @api.post("/sessions")
    def create_session() -> Response:
        read(schemas.NoFields)
        session_id = manager.create_session()
        url = workspace_url(base_url(services.settings), session_id)
        return answer(schemas.SessionAnswer(session_id=session_id, url=url), 201)

    @api.post("/start")
    def start() -> Response:
        body = read(schemas.StartRequest)
        run_id = manager.start_background_task(
            session(body),
            body.task_indices,
            auto_generate=body.auto_generate,
            ignore_completed=body.ignore_completed,
            only_failed=body.from_ == "failed",
        )
        return answer(schemas.StartAnswer(message="The run has been accepted.", run_id=run_id))

    @api.post("/stop")
    def stop() -> Response:
        return answer(schemas.MessageAnswer(message=manager.stop_task(session(read(schemas.NoFields)))))

    @api.post("/answer")
    def answer_question() -> Response:
        body = read(schemas.AnswerRequest)
        manager.answer(session(body), body.task_id, body.answer)
        message = "The task runs again." if body.answer == "rerun" else "The task is skipped."
        return answer(schemas.MessageAnswer(message=message))

    @api.post("/cleanup")
    def cleanup() -> Response:
        return answer(schemas.CleanupAnswer(removed=manager.cleanup_old_tasks(read(schemas.CleanupRequest).older_than)))

    @api.get("/runs")
    def runs() -> Response:
        base = base_url(services.settings)
        active = [
            schemas.WorkspaceRun(
                session_id=status.session_id, url=workspace_url(base, status.session_id), task_status=status
            )
            for status in manager.active_runs()
        ]
        return answer(schemas.RunsAnswer(runs=active))


def _add_list_routes(api: Blueprint, services: Services) -> None:
    manager = services.manager

    @api.get("/tasks")
    def get_tasks() -> Response:
        tasks = manager.task_list(session())
        return answer(schemas.TasksAnswer(tasks=tasks.tasks, revision=tasks.revision))

    @api.put("/tasks")
    def put_tasks() -> Response:
        body = read(schemas.SaveTasksRequest)
        session_id = session(body)
        check_tasks(body.tasks, manager.task_list(session_id).tasks, services.settings)
        saved = manager.save_task_list(session_id, body.tasks, body.revision)
        return answer(schemas.TasksAnswer(tasks=saved.tasks, revision=saved.revision))

    @api.post("/import")
    def import_flow() -> Response:
        body = read(schemas.ImportRequest)
        return answer(import_recording(body, session(body), services))

    @api.get("/sample")
    def get_sample() -> Response:
        return answer(schemas.SampleAnswer(tasks=sample_tasks(own_url(services.settings))))

    @api.post("/sample")
    def add_sample() -> Response:
        session_id = session(read(schemas.NoFields))
        current = manager.task_list(session_id)
        if current.tasks:
            raise Conflict("the list is not empty", hint="The sample is added to an empty list only.")
        saved = manager.save_task_list(session_id, sample_tasks(own_url(services.settings)), current.revision)
        return answer(schemas.TasksAnswer(tasks=saved.tasks, revision=saved.revision))


def _add_secret_routes(api: Blueprint, services: Services) -> None:
    manager, secrets = services.manager, services.secrets

    def known_session(body: schemas.Request | None = None) -> str:
        session_id = session(body)
        manager.workspace(session_id)
        return session_id

    @api.get("/secrets")
    def list_secrets() -> Response:
        return answer(schemas.SecretsAnswer(secrets=secrets.names(known_session())))

    @api.put("/secrets/<name>")
    def set_secret(name: str) -> Response:
        body = read(schemas.SecretRequest)
        session_id = known_session(body)
        secrets.set(session_id, name, body.value)
        return answer(schemas.SecretsAnswer(secrets=secrets.names(session_id)))

    @api.delete("/secrets/<name>")
    def delete_secret(name: str) -> Response:
        session_id = known_session()
        if not secrets.delete(session_id, name):
            raise NotFound("there is no secret of this name", hint="GET /api/background_task/secrets lists the names.")
        return answer(schemas.SecretsAnswer(secrets=secrets.names(session_id)))
