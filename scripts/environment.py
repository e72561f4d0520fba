"""The virtual environment, the hashed locks, and the project itself as an editable install."""

from __future__ import annotations

import importlib.util
import shutil
import sys

from scripts import stamps, system_packages
from scripts.console import CHECKOUT, SetupError, run, say, warn
from scripts.stamps import VENV

PYTHON = VENV / "bin" / "python"


def make() -> None:
    """Make `.venv` unless it works. Raises: SetupError when this machine has nothing to make one with."""
    # Its scripts carry absolute paths, so a checkout that was moved needs a new one.
    key = stamps.key_of(str(VENV), _python_version())
    if PYTHON.exists() and stamps.is_current("venv", key):
        return
    foreign = PYTHON.exists() and not stamps.STAMPS.exists()
    if not (foreign and run([PYTHON, "-m", "pip", "--version"])):
        say(f"Virtual environment in {VENV.name}")
        if VENV.exists():
            shutil.rmtree(VENV)
        if not _create():
            shutil.rmtree(VENV, ignore_errors=True)
            raise SetupError("nothing here can make a virtual environment; `uv` or `virtualenv` would do, too.")
    stamps.write("venv", key)


def _venv_package() -> str:
    """Debian splits `ensurepip` off into a package of its own for each version of Python."""
    return f"python{_python_version()}-venv"


def _python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _create() -> bool:
    command = [sys.executable, "-m", "venv", str(VENV)]
    if importlib.util.find_spec("ensurepip") is None:
        # Without root there may still be another tool that brings pip along.
        for other in (["uv", "venv", "--quiet", "--seed", "--python", sys.executable], ["virtualenv", "--quiet"]):
            if shutil.which(other[0]) and run([*other, str(VENV)]):
                return True
        if importlib.util.find_spec("pip") is not None and run([*command, "--without-pip"]):
            return run([sys.executable, "-m", "pip", "--python", PYTHON, "install", "--quiet", "pip"])
        if not system_packages.install("Python's venv module is not complete", [_venv_package()]):
            return False
    return run(command)


def install_lock(name: str, *, implies: tuple[str, ...] = ()) -> None:
    """Install a hashed lock unless its content is installed; it contains the locks that it `implies`.

    Raises: SetupError when pip cannot.
    """
    lock = CHECKOUT / name
    key = stamps.key_of(lock)
    if stamps.is_current(name, key):
        return
    say(f"Python packages of {name}")
    if not _pip_install("--require-hashes", "-r", name):
        raise SetupError(f"the packages of {name} could not be installed; pip says above why.")
    for implied in implies:
        stamps.write(implied, stamps.key_of(CHECKOUT / implied))
    stamps.write(name, key)


def install_project() -> None:
    """Make `bg_runner` importable and `.venv/bin/bg-runner` start. Raises: SetupError when pip cannot."""
    key = stamps.key_of(CHECKOUT / "pyproject.toml", CHECKOUT / "bg_runner" / "__init__.py")
    if stamps.is_current("project", key, needs=[VENV / "bin" / "bg-runner"]):
        return
    say("bg-runner itself, editable")
    if not _pip_install("--no-deps", "--no-build-isolation", "--no-index", "--editable", "."):
        raise SetupError("bg-runner could not be installed into its virtual environment; pip says above why.")
    stamps.write("project", key)


def _pip_install(*arguments: str) -> bool:
    quietly = ["--quiet", "--disable-pip-version-check", "--no-input", "--root-user-action=ignore"]
    return run([PYTHON, "-m", "pip", "install", *quietly, *arguments])


def compile_translations() -> None:
    """Compile the message catalogues if one of them changed."""
    catalogues = sorted((CHECKOUT / "bg_runner" / "translations").glob("*/LC_MESSAGES/messages.po"))
    if not catalogues:
        return
    key = stamps.key_of(*catalogues)
    compiled = [path.with_suffix(".mo") for path in catalogues]
    if stamps.is_current("translations", key, needs=compiled):
        return
    say("Translations")
    if run([VENV / "bin" / "pybabel", "--quiet", "compile", "-d", "bg_runner/translations"]):
        stamps.write("translations", key)
    else:
        warn("The translations could not be compiled; the pages are in English.")
