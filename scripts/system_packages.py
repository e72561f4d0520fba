"""Debian packages: installed with apt when we are root, else the exact command is printed and the set-up goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from scripts.console import run, say, warn

ADMIN = os.environ.get("PATH", os.defpath) + ":/usr/sbin"  # not on everybody's PATH
APT_LISTS = Path("/var/lib/apt/lists")


def install(why: str, packages: list[str]) -> bool:
    """Install Debian packages because of `why`. Returns whether that worked; if not, prints the command for it."""
    by_hand = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        warn(f"{why}: please install {', '.join(packages)} (Debian's names) with this system's package manager.")
        return False
    if os.geteuid() != 0:
        warn(f"{why}. As root:", by_hand)
        return False
    say(f"{why}: installing {', '.join(packages)}")
    if _apt_install(packages):
        return True
    warn(f"{why}, and apt-get could not install it. Try:", by_hand)
    return False


def _apt_install(packages: list[str]) -> bool:
    update = ["apt-get", "update", "-q"]
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    listed = any(APT_LISTS.glob("*_Packages*"))
    if not listed:
        _apt(update)
    if _apt(command):
        return True
    # An old list names versions that are gone.
    return listed and _apt(update) and _apt(command)


def _apt(command: list[str]) -> bool:
    return run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, talkative=True)


def for_tests() -> None:
    """Install what the tests drive besides the browser, each only if it is missing."""
    commands = {"tsp": "task-spooler", "ps": "procps"}
    commands |= {name: name for name in ("tmux", "screen", "git", "vim", "zsh")}
    commands |= {"sshd": "openssh-server", "ssh": "openssh-client", "ssh-keygen": "openssh-client"}
    commands |= {"zsh": "zsh", "fish": "fish"}
    missing = sorted({package for command, package in commands.items() if shutil.which(command, path=ADMIN) is None})
    if not has_chinese_font():
        missing += CHINESE_FONT
    if postgresql_programs() is None:
        missing += POSTGRESQL
    if missing:
        install("The tests need more programs", missing)


POSTGRESQL = ["postgresql"]


def postgresql_programs() -> Path | None:
    """Where `initdb` and `postgres` are, of the newest version; Debian keeps them off PATH."""
    found = [
        path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb") if (path.parent / "postgres").exists()
    ]
    if found:
        return max(found, key=lambda path: int(path.parent.name) if path.parent.name.isdigit() else 0)
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


CHINESE_FONT = ["fontconfig", "fonts-wqy-microhei"]


def has_chinese_font() -> bool:
    """Whether a page in Chinese is shown in letters rather than in empty boxes."""
    if shutil.which("fc-list") is None:
        return False
    listed = subprocess.run(["fc-list", ":lang=zh-cn", "file"], capture_output=True, check=False)
    return bool(listed.stdout.strip())
