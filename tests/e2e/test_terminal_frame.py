"""The frame of a terminal in a real browser: typing, several clients, sizes, reconnects, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.conditions import wait_until
from tests.e2e.conftest import AXE, log_in, watch
from tests.integration.server import ServerProcess

OpenTerminal = Callable[..., Page]


def new_terminal(server: ServerProcess, **fields: object) -> str:
    answer = server.client.post("/api/terminals", json={"shell": "/bin/bash", **fields})
    assert answer.is_success, answer.text
    return str(answer.json()["data"]["terminalId"])


def described(server: ServerProcess, terminal_id: str) -> Any:
    return server.client.get(f"/api/terminals/{terminal_id}").json()["data"]


def text_of(page: Page) -> str:
    return str(page.evaluate("window.terminalFrame ? terminalFrame.text() : ''"))


def shows(page: Page, text: str, timeout: float = 20) -> None:
    wait_until(lambda: text in text_of(page), timeout, 0.05)


def cells(page: Page) -> Any:
    return page.evaluate("terminalFrame.cells()")


def size(page: Page) -> tuple[int, int]:
    rows = cells(page)["rows"]
    return len(rows), len(rows[0])


def is_connected(page: Page) -> None:
    expect(page.locator("body")).to_have_attribute("data-connection", "connected")


def open_frame(page: Page, server: ServerProcess, terminal_id: str) -> Page:
    page.goto(f"{server.url}/t/{terminal_id}/frame")
    is_connected(page)
    # Frame and terminal agree on a size: nothing moves any more.
    wait_until(lambda: described(server, terminal_id)["sizeOwner"] is not None, 20, 0.05)
    return page


def at_prompt(page: Page) -> None:
    wait_until(lambda: re.search(r"[$#]\s*$", text_of(page)), 20, 0.05)


@pytest.fixture
def terminal(context: BrowserContext, live_server: ServerProcess) -> OpenTerminal:
    """`terminal(command=...)` opens the frame of a new terminal; its id is `id_of(page)`."""
    log_in(context, live_server)

    def open_new(**fields: object) -> Page:
        return open_frame(context.new_page(), live_server, new_terminal(live_server, **fields))

    return open_new


def id_of(page: Page) -> str:
    return page.url.split("/")[-2]


def paste(page: Page, text: str) -> None:
    """A paste event as the browser makes it."""
    page.evaluate(
        """(text) => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", text);
            document.querySelector(".xterm-helper-textarea").dispatchEvent(
                new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }""",
        text,
    )


def test_what_is_typed_reaches_the_shell_and_its_output_comes_back(terminal: OpenTerminal) -> None:
    page = terminal(name="first")
    said = watch(page)
    at_prompt(page)
    page.keyboard.type("echo $((6*7)) 中文\n")
    shows(page, "\n42 中文")
    page.keyboard.type("printf '\\e]2;my \\u202etitle\\a'; cat\n")
    expect(page).to_have_title("my title – bg-runner")  # without the character that turns the writing round
    page.keyboard.press("Control+d")
    page.keyboard.type("exit 3\n")
    expect(page.locator("#end")).to_have_text("The program has ended with exit code 3.")
    page.keyboard.type("x")
    expect(page.locator("#hint")).to_contain_text("The program has ended")
    assert said == []


def test_two_browsers_share_a_terminal_and_one_owns_its_size(
    terminal: OpenTerminal, browser: Browser, live_server: ServerProcess
) -> None:
    first = terminal()
    at_prompt(first)
    wait_until(lambda: size(first) != (24, 80), 20, 0.05)
    other = browser.new_context(viewport={"width": 700, "height": 500}, locale="en-US")
    log_in(other, live_server)
    second = open_frame(other.new_page(), live_server, id_of(first))
    expect(second.locator("#size-owner")).to_contain_text("size set by Chrome")
    wait_until(lambda: size(first) == size(second), 20, 0.05)
    first.keyboard.type("echo one-$((1+1))\n")
    shows(second, "one-2")
    # What the larger terminal shows fits into the smaller window.
    box = second.evaluate(
        """() => [document.querySelector(".xterm-screen"), document.querySelector("#terminal")]
            .map((element) => element.getBoundingClientRect().toJSON())"""
    )
    assert box[0]["right"] <= box[1]["right"] + 1
    assert box[0]["bottom"] <= box[1]["bottom"] + 1

    second.get_by_role("button", name="Use my size").click()
    expect(second.locator("#size-owner")).to_have_count(0)
    expect(first.locator("#size-owner")).to_be_visible()
    wait_until(lambda: size(first) == size(second), 20, 0.05)
    first.keyboard.type("echo back\n")  # typing takes it as well
    expect(first.locator("#size-owner")).to_have_count(0)
    expect(second.locator("#size-owner")).to_be_visible()
    wait_until(lambda: size(first) == size(second), 20, 0.05)
    other.close()


def test_every_number_comes_once_when_the_server_is_killed(browser: Browser, own_server: ServerProcess) -> None:
    context = browser.new_context(locale="en-US")
    log_in(context, own_server)
    page = open_frame(
        context.new_page(),
        own_server,
        new_terminal(own_server, command="for i in $(seq 1 1500); do echo n=$i.; sleep 0.004; done; echo over; cat"),
    )
    shows(page, "n=50.")
    own_server.kill()
    expect(page.locator("#connection")).to_contain_text("Reconnecting")
    page.keyboard.type("lost")
    expect(page.locator("#hint")).to_contain_text("Not connected")
    own_server.start()
    shows(page, "over", 60)
    numbers = re.findall(r"n=(\d+)\.", text_of(page))
    assert numbers == [str(number) for number in range(1, 1501)]
    page.keyboard.type("still\n")
    shows(page, "still\nstill")
    assert "lost" not in text_of(page)
    context.close()


def test_a_full_screen_program_looks_the_same_after_a_reconnect(browser: Browser, own_server: ServerProcess) -> None:
    text = own_server.data_dir / "text.py"
    text.write_text("".join(f"def function_{n}(): return '中文 {n}'  # comment\n" for n in range(200)))
    context = browser.new_context(locale="en-US")
    log_in(context, own_server)
    command = f"vim -u NONE -N -c 'syntax on | set number hlsearch mouse=a laststatus=2 background=dark' {text}"
    page = open_frame(context.new_page(), own_server, new_terminal(own_server, command=command))
    shows(page, "function_9")
    wait_until(lambda: cells(page)["kind"] == "alternate", 20, 0.05)
    page.keyboard.type("/function_5")
    page.keyboard.press("Enter")
    page.keyboard.type("jjVjj")
    shows(page, "-- VISUAL LINE --")
    page.keyboard.press("Escape")
    wait_until(lambda: "VISUAL" not in text_of(page), 20, 0.05)
    before = cells(page)
    assert any(cell[2] != "" for row in before["rows"] for cell in row)  # there is colour to lose

    own_server.kill()
    expect(page.locator("#connection")).to_contain_text("Reconnecting")
    own_server.start()
    page.evaluate("dispatchEvent(new Event('online'))")  # does not wait for the next try
    is_connected(page)
    assert cells(page) == before
    page.reload()  # from nothing: a snapshot, no output
    is_connected(page)
    wait_until(lambda: cells(page)["kind"] == "alternate", 20, 0.05)
    wait_until(lambda: cells(page) == before, 20, 0.05)
    page.keyboard.type(":q!\n")
    expect(page.locator("#end")).to_be_visible()
    context.close()


QUERIES = (
    r"\e[c\e[0c\e[>c\e[=c\e[5n\e[6n\e[?6n\e[?15n\e[?996n\e[?1$p\e[20$p\e[>q\e[x\e[?u\e[18t\e[14t\e[16t\e[21t\e[11t"
    r"\e]4;1;?\a\e]10;?\a\e]11;?\e\\\e]12;?\a\e]52;c;?\a\eP$qm\e\\\eP+q544e\e\\\e[?1004h\e[?2031h\e[?1004l"
)


def test_a_browser_answers_no_query(
    terminal: OpenTerminal, context: BrowserContext, live_server: ServerProcess
) -> None:
    sent: list[bytes] = []
    command = f"read go; printf '{QUERIES}'; echo asked; stty -echo; cat -v"
    page = terminal(command=command)
    answering = context.new_page()
    answering.on(
        "websocket",
        lambda socket: socket.on("framesent", lambda frame: sent.append(frame) if isinstance(frame, bytes) else None),
    )
    open_frame(answering, live_server, id_of(page))
    page.keyboard.type("\n")
    shows(answering, "asked")
    answering.evaluate("dispatchEvent(new Event('online'))")  # connects again
    is_connected(answering)
    page.keyboard.type("end of it\n")
    shows(answering, "end of it")
    answering.close()
    assert sent == []


def test_a_view_link_shows_and_cannot_type(
    terminal: OpenTerminal, browser: Browser, live_server: ServerProcess
) -> None:
    page = terminal(command="cat")
    made = live_server.client.post(f"/api/terminals/{id_of(page)}/shares", json={"mode": "view", "label": "a friend"})
    share = made.json()["data"]
    guest = browser.new_context(viewport={"width": 700, "height": 500}, locale="en-US").new_page()
    guest.goto(share["url"])
    guest.goto(f"{live_server.url}/share/{share['id']}/frame")
    is_connected(guest)
    expect(guest.locator("#view-only")).to_have_text("View only")
    page.keyboard.type("by the owner\n")
    shows(guest, "by the owner")
    guest.locator(".xterm-helper-textarea").focus()
    guest.keyboard.type("by the guest\n")
    expect(guest.locator("#hint")).to_contain_text("You are watching")
    paste(guest, "pasted")
    guest.keyboard.press("Tab")  # is the page's: nothing holds it
    expect(guest.locator(".xterm-helper-textarea")).not_to_be_focused()
    page.keyboard.type("once more\n")
    shows(guest, "once more\nonce more")
    assert "guest" not in text_of(page)
    assert "pasted" not in text_of(page)
    live_server.client.delete(f"/api/terminals/{id_of(page)}/shares/{share['id']}")
    expect(guest.locator("#connection")).to_have_text("This link does not open the terminal any more.")
    guest.context.close()


def test_a_phone_has_the_keys_it_lacks(browser: Browser, live_server: ServerProcess) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 700}, locale="en-US", has_touch=True, is_mobile=True, device_scale_factor=2
    )
    log_in(context, live_server)
    page = open_frame(context.new_page(), live_server, new_terminal(live_server, command="stty -echoctl; cat -v; cat"))
    keys = page.locator("#key-bar")
    expect(keys).to_be_visible()
    for name in ("Esc", "Up", "Home", "PgDn"):
        keys.get_by_role("button", name=name, exact=True).tap()
    keys.get_by_role("button", name="|").tap()
    keys.get_by_role("button", name="Alt").tap()
    page.keyboard.type("x\n")
    shows(page, "^[^[[A^[[H^[[6~|^[x")
    keys.get_by_role("button", name="Ctrl").tap()
    page.keyboard.type("d")  # ^D ends the first cat
    keys.get_by_role("button", name="Ctrl").tap()
    keys.get_by_role("button", name="Right").tap()
    page.keyboard.type("plain\n")
    shows(page, "plain")
    expect(keys.get_by_role("button", name="Ctrl")).to_have_attribute("aria-pressed", "false")
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider == 0
    context.close()


def test_the_search_reaches_the_whole_scrollback(terminal: OpenTerminal) -> None:
    page = terminal(command="for i in $(seq 1 3000); do echo line $i; done; echo Last; cat")
    shows(page, "Last")
    page.keyboard.press("Control+Shift+F")
    field, count = page.get_by_label("Search in the terminal"), page.locator("#search-bar output")
    expect(field).to_be_focused()
    field.fill("line 1\\b")
    expect(count).to_have_text("No match")
    page.get_by_role("button", name="Regular expression").click()
    expect(count).to_have_text("1 of 1")
    field.fill("line (")
    expect(count).to_have_text("Not a regular expression")
    page.get_by_role("button", name="Regular expression").click()
    field.fill("LINE 12")
    expect(count).to_have_text("111 of 111")  # the newest first
    page.keyboard.press("Enter")
    expect(count).to_have_text("110 of 111")
    page.keyboard.press("Shift+Enter")
    expect(count).to_have_text("111 of 111")
    page.get_by_role("button", name="Match case").click()
    expect(count).to_have_text("No match")
    page.keyboard.press("Escape")
    expect(field).not_to_be_visible()
    expect(page.locator(".xterm-helper-textarea")).to_be_focused()


def test_a_paste_that_runs_commands_or_hides_something_is_shown_first(terminal: OpenTerminal) -> None:
    page = terminal(command="cat -v")
    dialog = page.get_by_role("dialog")
    paste(page, "harmless ")
    paste(page, "two\r\nlines")
    expect(dialog).to_contain_text("Each of the 2 lines runs as a command at once.")
    dialog.get_by_role("button", name="Cancel").click()
    paste(page, "a\nb\n")
    dialog.get_by_role("button", name="Paste as one line").click()
    page.keyboard.type("\n")
    shows(page, "harmless a b\nharmless a b")
    paste(page, "c\x1b[201~d")
    expect(dialog).to_contain_text("1 control character")
    dialog.get_by_role("button", name="Paste without them").click()
    page.keyboard.type("\n")
    shows(page, "c[201~d\nc[201~d")
    assert "^[" not in text_of(page)


def test_the_mark_copies_by_keyboard(terminal: OpenTerminal, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = terminal(command="printf 'first\\nsecond\\n'; cat")
    shows(page, "second")
    page.keyboard.press("Control+Shift+X")
    expect(page.locator("#hint")).to_contain_text("Shift extends")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+End")
    page.keyboard.press("Enter")
    wait_until(lambda: page.evaluate("navigator.clipboard.readText()").strip() == "second", 10, 0.05)
    expect(page.locator("#hint")).to_be_hidden()


def test_a_key_leaves_the_terminal(terminal: OpenTerminal) -> None:
    page = terminal(command="cat")
    expect(page.locator("#leave-key")).to_have_text("Ctrl+Shift+. leaves the terminal")
    area = page.locator(".xterm-helper-textarea")
    expect(area).to_have_attribute("aria-describedby", "leave-key")
    area.focus()
    page.keyboard.press("Tab")
    expect(area).to_be_focused()
    page.keyboard.press("Control+Shift+Period")
    expect(page.locator("#search-button")).to_be_focused()
    for name in ("copy", "paste", "more"):
        page.keyboard.press("Tab")
        expect(page.locator(f"#{name}-button")).to_be_focused()


def test_the_text_size_is_remembered_and_moves_the_terminals_size(terminal: OpenTerminal) -> None:
    page = terminal(command="cat")
    wait_until(lambda: size(page) != (24, 80), 20, 0.05)
    before = size(page)
    page.locator(".xterm-helper-textarea").focus()
    for _ in range(4):
        page.keyboard.press("Control+=")
    wait_until(lambda: size(page) < before, 20, 0.05)
    larger = size(page)
    page.reload()
    is_connected(page)
    wait_until(lambda: size(page) == larger, 20, 0.05)
    page.locator(".xterm-helper-textarea").focus()
    page.keyboard.press("Control+0")
    wait_until(lambda: size(page) == before, 20, 0.05)


def test_links_open_only_what_the_web_has(
    terminal: OpenTerminal, context: BrowserContext, live_server: ServerProcess
) -> None:
    address = f"{live_server.url}/api/health"
    bad, good = r"\e]8;;javascript:alert(1)\e\\bad\e]8;;\e\\", rf"\e]8;;{address}\e\\innocent words\e]8;;\e\\"
    page = terminal(command=f"printf '{bad}\\n{good}\\n{address}\\n'; cat")
    shows(page, address)

    def click_row(row: int) -> None:
        box = page.locator(".xterm-screen").bounding_box()
        assert box is not None
        height = box["height"] / size(page)[0]
        page.mouse.move(box["x"] + 12, box["y"] + height * (row + 0.5))
        page.mouse.move(box["x"] + 14, box["y"] + height * (row + 0.5))
        expect(page.locator(".xterm-cursor-pointer")).to_have_count(1)
        page.mouse.click(box["x"] + 14, box["y"] + height * (row + 0.5))

    with context.expect_page() as opened:
        click_row(2)
    assert opened.value.url == address
    assert opened.value.evaluate("window.opener") is None
    page.bring_to_front()
    click_row(1)
    expect(page.get_by_role("dialog")).to_contain_text(address)  # before it is opened
    page.get_by_role("button", name="Cancel").click()
    box = page.locator(".xterm-screen").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 14, box["y"] + 5)
    page.keyboard.type("typed\n")
    shows(page, "typed\ntyped")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert len(context.pages) == 2


def test_a_login_that_ended_and_a_terminal_that_is_gone_are_said(
    terminal: OpenTerminal, context: BrowserContext, live_server: ServerProcess
) -> None:
    page = terminal(command="cat")
    context.clear_cookies()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#connection")).to_contain_text("Your login has expired")
    expect(page.locator("#connection a")).to_have_attribute("href", re.compile(r"^/login\?next=%2Ft%2F"))
    log_in(context, live_server)
    page.reload()
    is_connected(page)
    live_server.client.delete(f"/api/terminals/{id_of(page)}")
    expect(page.locator("#connection")).to_have_text("This terminal does not exist any more.")


def test_the_page_around_the_frame_is_told_and_obeyed(context: BrowserContext, live_server: ServerProcess) -> None:
    log_in(context, live_server)
    terminal_id = new_terminal(live_server)
    page = context.new_page()
    page.goto(f"{live_server.url}/demo/about.html")
    page.evaluate(
        """(source) => {
            window.heard = [];
            addEventListener("message", ({ data }) => heard.push(data));
            const frame = Object.assign(document.createElement("iframe"), { id: "framed", src: source });
            Object.assign(frame.style, { width: "900px", height: "500px" });
            document.body.replaceChildren(frame);
        }""",
        f"/t/{terminal_id}/frame",
    )

    def heard(**wanted: object) -> Any:
        return wait_until(
            lambda: next(
                (one for one in page.evaluate("heard") if all(one.get(key) == wanted[key] for key in wanted)), None
            ),
            20,
            0.05,
        )

    def tell(**message: object) -> None:
        page.evaluate("(message) => framed.contentWindow.postMessage(message)", message)

    heard(type="ready", id=terminal_id, source="bg-runner-terminal")
    heard(type="connection", state="connected")
    assert heard(type="status", mode="control")["client_id"]
    frame = page.frame(url=re.compile("/frame$"))
    assert frame is not None
    tell(type="search")  # says not where it comes from
    tell(source="bg-runner-terminal", type="focus")
    expect(frame.locator(".xterm-helper-textarea")).to_be_focused()
    page.keyboard.type("printf '\\a\\e]2;told\\a\\e]9;4;1;50\\a\\e]133;C\\a\\e]133;D;4\\a'\n")
    heard(type="bell")
    heard(type="title", title="told")
    heard(type="progress", progress={"state": "normal", "percent": 50})
    assert heard(type="command", event="done", code=4)["seconds"] >= 0
    page.keyboard.type("exit 5\n")
    heard(type="exit", code=5)
    expect(frame.locator("#search-bar")).to_be_hidden()
    tell(source="bg-runner-terminal", type="search")
    expect(frame.locator("#search-bar")).to_be_visible()
    page.keyboard.press("Control+Shift+Period")
    heard(type="leave")


STREAM_AGAINST_DIRECT_FEED = """async ({ pieces, cuts }) => {
    const { Stream } = await import("/static/js/terminal_frame/stream.js");
    const { Terminal } = await import("/static/vendor/xterm/xterm.js");
    const { bufferText } = await import("/static/js/terminal_frame/terminal.js");
    const fresh = () => new Terminal({ cols: 80, rows: 24, scrollback: 10000, allowProposedApi: true });
    const bytes = new TextEncoder().encode(pieces.join(""));
    const [direct, cut] = [fresh(), fresh()];
    await new Promise((done) => direct.write(bytes, done));
    let gaps = 0;
    const parsed = [];
    const stream = new Stream(cut, { onParsed: (cursor) => parsed.push(cursor), onGap: () => (gaps += 1) });
    stream.snapshot(0, new Uint8Array(), true);
    for (const [begin, end] of cuts) stream.output(begin, bytes.subarray(begin, end));
    stream.output(bytes.length + 5, bytes.subarray(0, 9)); // a gap: nothing of it is shown
    stream.output(bytes.length + 14, bytes.subarray(0, 9));
    await new Promise((done) => stream.afterParsing(done));
    const shown = [bufferText(cut), bufferText(direct)];
    stream.resize(10, 40); // in order: the next output is for that size
    stream.snapshot(7, new TextEncoder().encode("x".repeat(45)), true);
    stream.resize(24, 80);
    await new Promise((done) => stream.afterParsing(done));
    return { shown, gaps, end: parsed.findLast((cursor) => cursor > 7), size: bytes.length,
             wrapped: cut.buffer.active.getLine(0).translateToString(true).length, cursor: stream.cursor };
}"""


def test_output_that_comes_twice_or_cut_anywhere_is_shown_once(terminal: OpenTerminal) -> None:
    page = terminal(command="cat")
    pieces = [f"\x1b[3{n % 8}mline {n} 中文é\x1b[0m\r\n" for n in range(300)]
    length = len("".join(pieces).encode())
    # Overlapping, repeated, and cut inside characters and sequences.
    cuts = [(max(0, begin - begin % 17), min(length, begin + 31)) for begin in range(0, length, 23)]
    found = page.evaluate(STREAM_AGAINST_DIRECT_FEED, {"pieces": pieces, "cuts": cuts})
    assert found["shown"][0] == found["shown"][1]
    assert found["shown"][0].count("line") == 300
    assert found["gaps"] == 1
    assert found["end"] == found["size"]
    assert found["cursor"] == 7
    assert found["wrapped"] == 40  # of 45: neither size came too early or too late


def violations(page: Page) -> Any:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    return page.evaluate(
        """async () => (await axe.run(document, {
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
        })).violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target} ${node.failureSummary}`))"""
    )


COLOURS = r"for i in 0 1 2 3 4 5 6 7; do printf \"\e[3${i}mfg \e[9${i}mbright \e[0m\e[4${i}m bg \e[0m\"; done"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing_in_the_frame(
    browser: Browser, live_server: ServerProcess, scheme: Literal["light", "dark"], width: int
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 700}, color_scheme=scheme, locale="en-US", has_touch=width < 500
    )
    log_in(context, live_server)
    command = COLOURS.replace('\\"', '"') + "; echo over; cat"
    page = open_frame(context.new_page(), live_server, new_terminal(live_server, command=command, name="colours"))
    shows(page, "over")
    found = {"plain": violations(page)}
    page.keyboard.press("Control+Shift+F")
    page.get_by_label("Search in the terminal").fill("bright")
    expect(page.locator("#search-bar output")).to_have_text("8 of 8")
    found["search"] = violations(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Escape")
    page.get_by_role("button", name="More").click()
    found["menu"] = violations(page)
    page.get_by_role("button", name="Screen reader mode: off").click()
    page.locator(".xterm-helper-textarea").focus()
    page.keyboard.type("read me\n")
    expect(page.locator(".xterm-accessibility-tree")).to_contain_text("read me")
    found["screen reader"] = violations(page)
    page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Keys in the terminal").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    found["keys"] = violations(page)
    page.keyboard.press("Escape")
    paste(page, "one\ntwo\x1b")
    expect(page.get_by_role("dialog")).to_be_visible()
    found["paste"] = violations(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+d")
    expect(page.locator("#end")).to_be_visible()
    found["end"] = violations(page)
    context.close()
    assert {name: one for name, one in found.items() if one} == {}


def test_drawing_goes_on_when_the_graphics_card_lets_go(context: BrowserContext, live_server: ServerProcess) -> None:
    log_in(context, live_server)
    page = context.new_page()
    # Chromium's own WebGL, which the frame would leave alone if it knew that there is no card behind it.
    page.add_init_script(
        """const real = WebGL2RenderingContext.prototype.getParameter;
        WebGL2RenderingContext.prototype.getParameter = function (name) {
            return name === 0x9246 || name === this.RENDERER ? "A card" : real.call(this, name);
        };"""
    )
    open_frame(page, live_server, new_terminal(live_server, command="echo drawn; cat"))
    shows(page, "drawn")
    if page.evaluate("terminalFrame.renderer()") == "dom":
        pytest.skip("this Chromium has no WebGL 2")
    assert page.locator(".xterm-rows").count() == 0
    lose = """() => [...document.querySelectorAll("canvas")].map((canvas) => canvas.getContext("webgl2"))
        .find(Boolean).getExtension("WEBGL_lose_context").loseContext()"""
    page.evaluate(lose)
    # xterm.js waits 3 s for the context to come back.
    expect(page.locator(".xterm-rows")).to_contain_text("drawn")
    assert page.evaluate("terminalFrame.renderer()") == "dom"
    page.locator(".xterm-helper-textarea").focus()
    page.keyboard.type("and typed\n")
    expect(page.locator(".xterm-rows")).to_contain_text("and typed")


def test_only_the_frame_may_have_inline_styles(context: BrowserContext, live_server: ServerProcess) -> None:
    log_in(context, live_server)
    terminal_id = new_terminal(live_server, command="cat")

    def style_policy(path: str) -> str:
        policy = context.request.get(live_server.url + path).headers["content-security-policy"]
        return next(part.strip() for part in policy.split(";") if part.strip().startswith("style-src"))

    assert style_policy(f"/t/{terminal_id}/frame") == "style-src 'self' 'unsafe-inline'"
    assert style_policy(f"/t/{terminal_id}") == "style-src 'self'"
    missing = context.request.get(f"{live_server.url}/t/00000000-0000-4000-8000-000000000000/frame")
    assert missing.status == 404
