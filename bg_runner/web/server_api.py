"""What is about the server and not about a workspace: health, one-time links."""

from __future__ import annotations

import io
import time
from datetime import timedelta

import segno
from flask import Blueprint, Response

from bg_runner.runs.models import utc_now
from bg_runner.web import schemas
from bg_runner.web.auth import Door
from bg_runner.web.background_task_api import answer, read
from bg_runner.web.services import Services
from bg_runner.web.urls import base_url, login_url, own_path


def create_server_api(services: Services, door: Door) -> Blueprint:
    api = Blueprint("server", __name__, url_prefix="/api")
    started = time.monotonic()

    @api.get("/health")
    def health() -> Response:
        """Anonymous, so it says little: whether all is well, and the version."""
        status = "degraded" if services.manager.health()["status"] != "healthy" else "healthy"
        uptime = round(time.monotonic() - started, 3)
        body = schemas.HealthAnswer(data=schemas.Health(status=status, uptime=uptime, version=services.version))
        return Response(body.model_dump_json(), mimetype="application/json")

    @api.post("/link")
    def link() -> Response:
        following = own_path(read(schemas.LinkRequest).next)
        url = login_url(base_url(services.settings), door.codes.make(), following)
        ends = utc_now() + timedelta(seconds=door.codes.ttl)
        return answer(schemas.LinkAnswer(url=url, expires_at=ends, svg=qr_svg(url)))

    return api


def qr_svg(text: str) -> str:
    """`text` as an SVG that scales."""
    file = io.BytesIO()
    segno.make(text, error="m", micro=False).save(file, kind="svg", xmldecl=False, omitsize=True, light="#fff")
    return file.getvalue().decode("ascii")
