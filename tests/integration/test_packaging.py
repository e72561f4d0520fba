"""What `pip install .` gives, straight from a clean copy and by way of a source distribution."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scripts.console import CHECKOUT
from scripts.page_assets import vendor_files
from tests.conditions import wait_until

PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def run(command: list[str], *, cwd: Path, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"


@pytest.fixture(scope="module")
def clean_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git has or would take, and nothing that set-up made of them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
    )
    copy = tmp_path_factory.mktemp("clean") / "bg-runner"
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (CHECKOUT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, copy / name)
    assert not (copy / "static" / "vendor").exists()
    return copy


@pytest.fixture(scope="module")
def wheel(clean_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that pip built by itself in its own build environment, on a machine without npm."""
    source = tmp_path_factory.mktemp("direct") / "bg-runner"
    shutil.copytree(clean_copy, source)
    empty, out = tmp_path_factory.mktemp("path"), tmp_path_factory.mktemp("wheel")
    run([*PIP, "wheel", "--no-deps", "-w", str(out), "."], cwd=source, env={**os.environ, "PATH": str(empty)})
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel_from_sdist(clean_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that was built from a source distribution where neither npm nor a network is."""
    out, unpacked = tmp_path_factory.mktemp("sdist"), tmp_path_factory.mktemp("unpacked")
    run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(out)], cwd=clean_copy)
    with tarfile.open(next(out.glob("*.tar.gz"))) as sdist:
        sdist.extractall(unpacked, filter="data")
    isolated = {**os.environ, "PATH": str(tmp_path_factory.mktemp("path")), "PIP_NO_INDEX": "1"}
    source = next(unpacked.iterdir())
    run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(out), "."], cwd=source, env=isolated)
    return next(out.glob("*.whl"))


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


@pytest.mark.slow
def test_wheel_carries_pages_assets_and_translations(wheel: Path, clean_copy: Path) -> None:
    names = names_in(wheel)
    expected = {f"bg_runner/{path.relative_to(CHECKOUT)}" for path in vendor_files().values()}
    for top in ("templates", "static"):
        files = [path for path in (clean_copy / top).rglob("*") if path.is_file()]
        assert files, top
        expected |= {f"bg_runner/{path.relative_to(clean_copy)}" for path in files}
    catalogues = list((clean_copy / "bg_runner" / "translations").glob("*/LC_MESSAGES/messages.po"))
    assert catalogues
    expected |= {str(path.relative_to(clean_copy).with_suffix(".mo")) for path in catalogues}
    # Shell integration: a wheel takes dot files, too.
    expected |= {f"bg_runner/terminals/integration/{name}" for name in ("bash.sh", "zsh/.zshrc")}
    assert not expected - names


@pytest.mark.slow
def test_wheel_carries_nothing_else(wheel: Path) -> None:
    tops = {name.split("/", 1)[0] for name in names_in(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bg_runner"}


@pytest.mark.slow
def test_wheel_by_way_of_an_sdist_is_the_same(wheel: Path, wheel_from_sdist: Path) -> None:
    assert names_in(wheel) == names_in(wheel_from_sdist)


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> dict[str, str]:
    """An environment in which `import bg_runner` is the installed wheel and not this checkout."""
    site = tmp_path / "site"
    run([*PIP, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)], cwd=tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("XDG_")},
        "PYTHONPATH": str(site),
        "HOME": str(home),
        "PATH": f"{site / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }


@pytest.mark.slow
def test_installed_wheel_makes_its_tables(installed: dict[str, str], tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from bg_runner.db.engine import Database; from bg_runner.db.migrate import migrate; "
    )
    program += "database = Database(None, pathlib.Path(sys.argv[1])); assert migrate(database); database.close()"
    run([sys.executable, "-c", program, str(tmp_path / "data")], cwd=tmp_path, env=installed)


@pytest.fixture
def served(installed: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The address that `bg-runner serve` prints when it is started in an empty directory."""
    empty = tmp_path / "empty"
    empty.mkdir()
    output = tmp_path / "output"
    with output.open("wb") as sink:
        command = ["bg-runner", "serve", "--port", "0"]
        server = subprocess.Popen(command, cwd=empty, env=installed, stdout=sink, stderr=subprocess.STDOUT)

    def address() -> str | None:
        printed = output.read_text(encoding="utf-8")
        assert server.poll() is None, printed
        return next((word for word in printed.split() if word.startswith("http://127.0.0.1:")), None)

    try:
        yield wait_until(address, timeout=20) or ""
        assert not list(empty.iterdir())
    finally:
        server.terminate()
        server.wait(15)


@pytest.mark.slow
def test_installed_wheel_serves_from_an_empty_directory(served: str, tmp_path: Path) -> None:
    base = httpx.URL(served).copy_with(path="/", query=None, fragment=None)
    with httpx.Client(base_url=base, trust_env=False) as client:
        assert client.get("/api/health").status_code == 200
        token = (tmp_path / "home" / ".local" / "share" / "bg-runner" / "token").read_text(encoding="ascii").strip()
        client.headers["Authorization"] = f"Bearer {token}"
        page = client.get("/", follow_redirects=True)
        assert page.status_code == 200
        assert "start-background-button" in page.text
        assert client.get("/static/vendor/swagger-ui.css").status_code == 200
