"""Seed 000's scenarios 1 to 4, as it tells them, in real browsers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.conditions import wait_until
from tests.e2e.terminals import MakeTerminal, open_pane, panel, shows, tab, terminal_maker, text_of
from tests.integration.server import ServerProcess
from tests.integration.terminal_calls import Terminal

PHONE = {"width": 360, "height": 740}


@pytest.fixture
def make(live_server: ServerProcess) -> Iterator[MakeTerminal]:
    with terminal_maker(live_server) as maker:
        yield maker


def device(browser: Browser, **options: object) -> BrowserContext:
    return browser.new_context(**{"locale": "zh-CN", "reduced_motion": "reduce", **options})  # type: ignore[arg-type]


def status(server: ServerProcess, terminal: Terminal) -> dict[str, object]:
    """Seed 000's question, with the token in the address as the seed has it."""
    answer = server.client.get(f"/api/v1/terminal/session/{terminal.id}/status", params={"token": server.token})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def left_alone(server: ServerProcess, terminal: Terminal) -> None:
    wait_until(lambda: status(server, terminal)["running_in_background"], 30)


def type_in(page: Page, terminal: Terminal, text: str) -> None:
    panel(page, terminal).locator("iframe").click()
    page.keyboard.type(text)


def test_scenario_1_a_long_build(
    browser: Browser, live_server: ServerProcess, make: MakeTerminal, tmp_path: Path
) -> None:
    go_on = tmp_path / "go on"
    terminal = make(name="编译任务", cwd=str(tmp_path), shell="/bin/sh")
    laptop = device(browser)
    page = open_pane(laptop, live_server, terminal)
    script = f"seq 1 40; until [ -e {shlex.quote(str(go_on))} ]; do sleep 0.05; done; seq 41 80; echo built in $PWD"
    (tmp_path / "build.sh").write_text(script)
    type_in(page, terminal, "sh ./build.sh\n")
    shows(page, terminal, "40")
    laptop.close()  # 关闭浏览器

    left_alone(live_server, terminal)
    assert status(live_server, terminal)["alive"]
    go_on.touch()
    terminal.wait_for("^built in /")
    phone = device(browser, viewport=PHONE)
    page = open_pane(phone, live_server, terminal)
    shows(page, terminal, f"built in {tmp_path}"[:30])
    lines = text_of(page, terminal.id).split()
    assert [number for number in lines if number.isdigit()] == [str(number) for number in range(1, 81)]
    expect(panel(page, terminal).locator(".term-tag")).to_have_text(["运行中", "1 个客户端"])
    phone.close()


def test_scenario_2_several_people(browser: Browser, live_server: ServerProcess, make: MakeTerminal) -> None:
    terminal = make(name="生产部署", command="cat")
    device_1, device_2 = device(browser), device(browser)
    user_a = open_pane(device_1, live_server, terminal)
    type_in(user_a, terminal, "typed by A\n")
    user_b = open_pane(device_2, live_server, terminal)
    shows(user_b, terminal, "typed by A\ntyped by A")  # the echo, and what cat says
    type_in(user_b, terminal, "and by B\n")
    for page in (user_a, user_b):
        shows(page, terminal, "and by B\nand by B")
        expect(panel(page, terminal).locator(".term-tag.many")).to_have_text("2 个客户端")
    wait_until(lambda: text_of(user_a, terminal.id).strip() == text_of(user_b, terminal.id).strip(), 30)
    assert status(live_server, terminal)["connected_clients"] == 2
    device_1.close()
    device_2.close()


def test_scenario_3_watching_in_the_background(
    browser: Browser, live_server: ServerProcess, make: MakeTerminal, tmp_path: Path
) -> None:
    log = tmp_path / "app.log"
    log.write_text("first line\n")
    terminal, other = make(name="tail", command=f"tail -f {shlex.quote(str(log))}"), make(name="other", command="cat")
    office = device(browser)
    page = open_pane(office, live_server, terminal)
    shows(page, terminal, "first line")
    office.close()

    left_alone(live_server, terminal)
    with log.open("a") as file:
        file.write("written while nobody looked\n")
    terminal.wait_for("while nobody looked")
    back = device(browser)
    page = open_pane(back, live_server, other)
    expect(tab(page, terminal).locator(".term-tag")).to_have_text(["运行中", "后台运行中"])
    tab(page, terminal).click()
    shows(page, terminal, "written while nobody looked")
    expect(tab(page, terminal).locator(".term-tag")).to_have_text(["运行中", "1 个客户端"])
    back.close()


def test_scenario_4_from_device_to_device(browser: Browser, live_server: ServerProcess, make: MakeTerminal) -> None:
    terminal = make(name="npm run dev", command='seq 1 300; echo ready; while read line; do echo "built $line"; done')
    office = device(browser)
    page = open_pane(office, live_server, terminal)
    shows(page, terminal, "ready")
    type_in(page, terminal, "at the office\n")
    shows(page, terminal, "built at the office")
    office.close()

    home = device(browser, viewport=PHONE)
    page = open_pane(home, live_server, terminal)
    shows(page, terminal, "built at the office")
    wait_until(lambda: text_of(page, terminal.id).split()[:300] == [str(number) for number in range(1, 301)], 30)
    type_in(page, terminal, "at home\n")
    shows(page, terminal, "built at home")
    home.close()
