"""Starting and ending a real server process: one for a data directory, safe binds, ports, signals."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conditions import wait_until
from tests.integration.server import PROJECT, ServerProcess


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(data_dir: Path) -> Iterator[ServerProcess]:
    made = ServerProcess(data_dir)
    made.start()
    yield made
    made.close()


def serve(data_dir: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Start a server that is expected to refuse."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BG_RUNNER_")}
    environment |= {f"BG_RUNNER_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "main.py", "--data-dir", str(data_dir), *arguments]
    return subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_it_says_where_it_is_as_long_as_it_listens(server: ServerProcess) -> None:
    path = server.data_dir / "server.json"
    info = json.loads(path.read_text())
    assert server.process is not None
    assert info["pid"] == server.process.pid
    assert set(info) == {"pid", "url", "started_at", "version"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server.terminate() == 0
    assert not path.exists()


def test_nobody_else_reads_the_data(server: ServerProcess) -> None:
    server.session({"kind": "shell", "command": "true"})
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
    for path in server.data_dir.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_the_printed_link_logs_in(server: ServerProcess) -> None:
    printed = re.search(r"http://\S+/login\?code=\S+", server.log)
    assert printed is not None
    assert printed[0].startswith(server.url)
    code = printed[0].partition("code=")[2]
    assert httpx.get(printed[0]).status_code == 200
    assert httpx.post(f"{server.url}/login", data={"code": code}).status_code == 303
    assert httpx.post(f"{server.url}/login", data={"code": code}).status_code == 401


def test_a_wrong_value_in_a_seeds_file_is_named(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "terminal_config.json").write_text('{"session_timeout": "a week"}')
    refused = serve(data_dir, "--port", "0")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"{data_dir}/terminal_config.json: session_timeout: a number is needed" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_second_server_on_the_same_data_refuses(server: ServerProcess) -> None:
    refused = serve(server.data_dir, "--port", "0")
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert server.process is not None
    assert f"DATA_DIR_LOCKED: another server uses {server.data_dir}: pid {server.process.pid} at {server.url}" in (
        refused.stderr
    )
    assert "Traceback" not in refused.stderr
    assert server.client.get("/api/health").status_code == 200


def test_a_killed_server_leaves_no_lock(server: ServerProcess) -> None:
    server.kill()
    assert (server.data_dir / "server.json").exists()
    server.start()
    assert server.client.get("/api/health").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_open_bind_without_tls_refuses(data_dir: Path, host: str) -> None:
    refused = serve(data_dir, "--host", host, "--port", "0")
    assert refused.returncode == 1
    assert "UNSAFE_BIND" in refused.stderr
    assert "--behind-proxy" in refused.stderr
    assert not data_dir.exists()


def test_a_port_in_use_is_named(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = serve(data_dir, "--port", str(port))
    assert refused.returncode == 1
    assert f"127.0.0.1:{port} cannot be bound" in refused.stderr
    assert "--port 0" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"port": "http"}, "BG_RUNNER_PORT"),
        ({"token": "tooshort"}, "BG_RUNNER_TOKEN"),
        ({"allowed_hosts": "box.lan"}, "allowed_hosts"),
        ({"tls_cert": "/etc/hostname"}, "TLS needs both files"),
        ({"tls_cert": "/no/such/file", "tls_key": "/no/such/file"}, "/no/such/file cannot be read"),
        ({"host": "no.such.host.invalid", "behind_proxy": "1"}, "no address of this machine"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(data_dir: Path, settings: dict[str, str], says: str) -> None:
    refused = serve(data_dir, **settings)
    assert refused.returncode in (1, 2)
    assert says in refused.stderr
    assert "tooshort" not in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = serve(tmp_path / "file" / "data")
    assert refused.returncode in (1, 2)
    assert "Traceback" not in refused.stderr
    assert "file" in refused.stderr


def test_behind_a_proxy_the_public_address_counts(data_dir: Path) -> None:
    server = ServerProcess(data_dir, host="0.0.0.0", behind_proxy=True, public_url="https://tasks.example")
    server.start()
    try:
        public = {"Host": "tasks.example"}
        assert server.client.get("/api/health", headers=public).status_code == 200
        assert server.client.get("/api/health", headers={"Host": "192.168.7.7:8000"}).status_code == 200
        assert server.client.get("/api/health", headers={"Host": "evil.example"}).status_code == 400
        link = server.client.post("/api/link", json={}, headers=public).json()["url"]
        assert link.startswith("https://tasks.example/login?code=")
        code = link.partition("code=")[2]
        login = httpx.post(f"{server.url}/login", data={"code": code}, headers=public)
        assert "Secure" in login.headers["Set-Cookie"]
        assert "Strict-Transport-Security" in login.headers
        cookie = {"Cookie": login.headers["Set-Cookie"].partition(";")[0], **public}
        sessions = f"{server.url}/api/background_task/sessions"
        assert httpx.post(sessions, json={}, headers={**cookie, "Origin": "https://tasks.example"}).status_code == 201
        assert httpx.post(sessions, json={}, headers={**cookie, "Origin": "http://tasks.example"}).status_code == 403
    finally:
        server.close()


def test_it_speaks_tls_itself(data_dir: Path, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            str(key),
            "-out",
            str(cert),
        ],
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    log = tmp_path / "tls.log"
    command = [sys.executable, "main.py", "--data-dir", str(data_dir), "--port", "0", "--host", "0.0.0.0"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--tls-cert", str(cert), "--tls-key", str(key)], cwd=PROJECT, stdout=output, stderr=output
        )
    try:
        wait_until((data_dir / "server.json").exists, 30)
        url = json.loads((data_dir / "server.json").read_text())["url"]
        assert url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(cert))
        port = url.rpartition(":")[2]
        with httpx.Client(verify=trusted) as client:
            answer = client.post(
                f"https://localhost:{port}/login", data={"token": (data_dir / "token").read_text().strip()}
            )
        assert "Secure" in answer.headers["Set-Cookie"]
        assert "Strict-Transport-Security" not in answer.headers, "it would reach every other port of localhost"
        listed = subprocess.run(
            [sys.executable, "-m", "bg_runner", "status", "--data-dir", str(data_dir)],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert listed.stdout == "Nothing runs.\n", listed.stderr
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_sigterm_ends_it_in_time_whoever_is_connected(server: ServerProcess) -> None:
    """Sixty connections: idle ones, slow senders, followers of a log that stays quiet."""
    session = server.run({"kind": "shell", "command": "echo up; sleep 300", "id": "quiet", "name": "a quiet one"})
    server.wait_for_task(session, 0, "running")
    port = int(server.url.rpartition(":")[2])
    path = f"/api/background_task/tasks/quiet/log?since=9999&follow=60&session_id={session}&token={server.token}"
    requests = [
        b"",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc",
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
    ]

    async def end_with_everybody_connected() -> tuple[int, float]:
        streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
        for number, (_, writer) in enumerate(streams):
            writer.write(requests[number % 3])
        await asyncio.to_thread(server.client.get, "/api/health")
        began = time.monotonic()
        code = await asyncio.to_thread(server.terminate)
        took = time.monotonic() - began
        for _, writer in streams:
            writer.close()
        return code, took

    code, took = asyncio.run(end_with_everybody_connected())
    assert code == 0
    assert took < 5
    assert "bg-runner stop --all" in server.log
    assert session in server.log
    assert "a quiet one" in server.log
    assert "Traceback" not in server.log
    server.start()
    assert server.status(session)["tasks"][0]["status"] == "running"
    assert server.status(session)["tasks"][0]["attempt"] == 1


def test_ctrl_c_is_sigterm_and_a_second_one_ends_it_at_once(data_dir: Path) -> None:
    server = ServerProcess(data_dir, shutdown_timeout=20)
    server.start()
    assert server.process is not None
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
        wait_until(lambda: server.client.get("/api/health").status_code == 200)
        server.process.send_signal(signal.SIGINT)
        wait_until(lambda: not accepts(port))
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(3) == 130
    server.close()


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_an_idle_server_ends_and_says_that_nothing_goes_on(server: ServerProcess) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(10) == 0
    assert "Nothing runs in the background." in server.log
