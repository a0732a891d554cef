"""A class as its people see it, in real browsers: two trainees and the instructor, logged in at the same time.

The tests tell one lesson and run in their order: what a trainee does in the lab panel is on the instructor's page
at once, and what the instructor does reaches the trainee.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect
from school import PAGE, School, school
from views import VIEWS, axe, chromium

pytestmark = pytest.mark.classroom
SECONDS = 240
"""The longest wait for anything: the host may be slow, and a server starts on it."""
LAB = ".lp"
expect.set_options(timeout=60_000)


@dataclass
class People:
    """Everybody's page."""

    school: School
    browser: Browser
    one: Page
    two: Page
    instructor: Page
    elsewhere: list[str]
    """Requests to another host."""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """Both trainees and the instructor, logged in; their servers start side by side."""
    with school(tmp_path_factory.mktemp("school"), 2) as made, chromium() as browser:
        elsewhere: list[str] = []
        one, two, instructor = (new_page(browser, made, elsewhere) for _ in range(3))
        made.log_in(one, "trainee01")
        made.log_in(two, "trainee02")
        made.log_in(instructor, "instructor")
        expect(instructor.locator("#all")).to_contain_text("2 logged in", timeout=SECONDS * 1000)
        for page in (one, two):
            open_lab(page)
        yield People(made, browser, one, two, instructor, elsewhere)


def new_page(browser: Browser, made: School, elsewhere: list[str], view: str = "desktop") -> Page:
    """A page of a browser of its own, which knows the class's certificate."""
    page = browser.new_context(**VIEWS[view], ignore_https_errors=True).new_page()
    page.set_default_timeout(SECONDS * 1000)
    own = (made.address, made.address.replace("https", "wss"), "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(own) else elsewhere.append(r.url))
    return page


def open_lab(page: Page) -> None:
    """Wait for JupyterLab with the panel. Chromium drops what it loads when a network comes or goes on the host, as
    those of sandboxes do; then one loads the page again.
    """
    for _ in range(3):
        try:
            expect(page.locator(".lp-chapter")).to_have_count(16, timeout=SECONDS * 1000 / 3)
            return
        except AssertionError:
            page.reload()
    raise AssertionError("JupyterLab did not come up with the panel")


def press(page: Page, button: str, group: str = "Chapter 1") -> None:
    """A button of the panel."""
    page.get_by_role("group", name=group, exact=True).get_by_role("button", name=button).click()


def ended(page: Page, state: str) -> None:
    """Wait for the end of the command in the panel."""
    expect(page.locator(".lp-code")).to_have_text(state, timeout=SECONDS * 1000)


def seen(people: People, words: str, trainee: str = "trainee01") -> None:
    """Wait until the instructor's page says so of a trainee's first chapter; nobody loads it again."""
    cell = people.instructor.locator(f"#cell-{trainee}-1 .words")
    expect(cell).to_have_text(words)


def told(page: Page, text: str) -> None:
    """Wait for a message: as a notification, and in the panel's list."""
    expect(page.locator(".jp-toast-message", has_text=text).first).to_be_visible(timeout=60_000)
    expect(page.locator(".lp-messages li", has_text=text)).to_have_count(1)


def test_all_are_there(people: People) -> None:
    """The instructor's first page is the class; both trainees are on it."""
    expect(people.instructor.locator("#live")).to_have_text("live")
    expect(people.instructor.locator("#all")).to_contain_text("2 trainees, 2 logged in, 0 of 32")
    expect(people.instructor.locator("#machine-trainee02")).to_have_text("running")
    expect(people.one.get_by_role("tab", name="01-the-lab.ipynb")).to_be_visible()


def test_a_check_fails_and_a_hint_helps(people: People) -> None:
    """Each step of the trainee is on the instructor's page a moment later; the other trainee is not touched."""
    press(people.one, "Check")
    ended(people.one, "not yet")
    expect(people.one.locator(".lp-lines .lp-no")).to_have_count(2)
    seen(people, "working, 1 check")
    press(people.one, "Hint 1 of", "Exercise of chapter 1")
    ended(people.one, "done")
    expect(people.one.locator(".lp-hints").first).to_contain_text("openssl rand")
    seen(people, "working, 1 check, 1 hint, exercise working")
    seen(people, "not begun", "trainee02")


def test_the_notebook_is_run_and_the_check_passes(people: People) -> None:
    """All cells of chapter 1, by JupyterLab's own menu."""
    people.one.get_by_role("menuitem", name="Run", exact=True).click()
    people.one.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    people.one.wait_for_function(
        """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
            .every(prompt => /\\[\\d+\\]/.test(prompt.textContent))"""
    )
    press(people.one, "Check")
    ended(people.one, "done")
    expect(people.one.locator(".lp-head")).to_contain_text("1 of 16 passed")
    seen(people, "passed, 2 checks, 1 hint, exercise working")


def test_the_solution_is_behind_a_click(people: People) -> None:
    """It is shown when asked for, and run after a question; then the exercise's check passes."""
    group = "Exercise of chapter 1"
    expect(people.one.locator(".lp-solution").first).to_be_hidden()
    press(people.one, "Solution", group)
    expect(people.one.locator(".lp-solution").first).to_contain_text("umask 077")
    press(people.one, "Do it for me", group)
    people.one.get_by_role("button", name="Do it", exact=True).click()
    ended(people.one, "done")
    press(people.one, "Check", group)
    expect(people.one.locator(".lp-output h3")).to_have_text("lab check 1 --exercise")
    ended(people.one, "done")
    seen(people, "passed, 2 checks, 1 hint, exercise passed")


def test_reset_asks_first(people: People) -> None:
    """Who cancels keeps the machine; who confirms has it as the chapter found it."""
    press(people.one, "Reset")
    people.one.get_by_role("button", name="Cancel").click()
    expect(people.one.locator(".lp-output h3")).to_have_text("lab check 1 --exercise")
    press(people.one, "Reset")
    people.one.locator(".jp-Dialog").get_by_role("button", name="Reset").click()
    expect(people.one.locator(".lp-output h3")).to_have_text("lab reset 1")
    ended(people.one, "done")
    seen(people, "working, 2 checks, 1 hint")
    press(people.one, "Check")
    ended(people.one, "not yet")


def test_messages_arrive(people: People) -> None:
    """One to everybody, one to the trainee who was chosen and to no other."""
    page = people.instructor
    page.get_by_label("Message").fill("Five more minutes")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#told")).to_have_text("sent to everybody")
    page.get_by_label("Choose Trainee 2").check()
    page.get_by_label("Message").fill("See <b>chapter</b> 1")
    page.get_by_label("Message").press("Enter")
    expect(page.locator("#told")).to_have_text("sent to trainee02")
    told(people.two, "Five more minutes")
    told(people.two, "See <b>chapter</b> 1")
    told(people.one, "Five more minutes")
    expect(people.one.locator(".lp-messages li")).to_have_count(1)


def test_goto_asks_first_and_tells_the_trainee(people: People) -> None:
    """The trainee chosen is taken along; the answer comes when the machine is there."""
    page = people.instructor
    page.get_by_role("button", name="Go to").click()
    expect(page.get_by_role("dialog")).to_contain_text("Chapter 1 for Trainee 2?")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Go to").click()
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.locator("#told")).to_have_text(
        "trainee02 at the start of chapter 1", timeout=60_000
    )
    told(people.two, "put your machine to the start of chapter 1")
    seen(people, "working", "trainee02")


def test_a_terminal_is_looked_at_and_takes_no_input(people: People) -> None:
    """What it shows arrives; neither keys nor a message on the socket get there; its owner sees who looks."""
    trainee, page = people.one, people.instructor
    trainee.get_by_role("menuitem", name="File", exact=True).click()
    trainee.get_by_text("New", exact=True).hover()
    trainee.get_by_role("menuitem", name="Terminal", exact=True).click()
    terminal = trainee.locator(".jp-Terminal")
    expect(terminal.locator(".xterm-screen")).to_be_visible()
    page.goto(f"{people.school.address}{PAGE}trainee/trainee01")
    with page.expect_websocket() as opened:
        page.get_by_role("button", name="Terminal 1").click()
    expect(trainee.locator(".lp-watched")).to_be_visible(timeout=60_000)
    expect(trainee.locator(".lp-watched")).to_have_text(re.compile("instructor is looking"))

    typed = "echo sum$((1000+337))"
    trainee.locator(".jp-Terminal textarea").focus()
    trainee.keyboard.type(f"{typed}\n")
    expect(page.locator("#screen")).to_contain_text("sum1337")

    page.locator("#screen").click()
    page.keyboard.type("echo from$((40+2))keys\n")
    stdin = json.dumps(["stdin", "echo from$((40+2))socket\r"])
    page.evaluate(
        """([address, text]) => new Promise(done => {
            const socket = new WebSocket(address);
            socket.onopen = () => { socket.send(text); setTimeout(() => { socket.close(); done(); }, 1500); };
        })""",
        [opened.value.url, stdin],
    )
    trainee.keyboard.type("echo last$((7*6))one\n")
    expect(page.locator("#screen")).to_contain_text("last42one")
    expect(page.locator("#screen")).not_to_contain_text("from42")
    assert axe(page) == ()
    page.get_by_role("button", name="Terminal 1").click()
    expect(trainee.locator(".lp-watched")).to_be_hidden(timeout=60_000)


def test_a_server_is_stopped_and_started(people: People) -> None:
    """From the trainee's page; its state there follows."""
    page = people.instructor
    page.goto(f"{people.school.address}{PAGE}trainee/trainee02")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.locator("#server-trainee02")).to_have_text("stopped", timeout=60_000)
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#server-trainee02")).to_have_text("running", timeout=SECONDS * 1000)


def test_no_trainee_is_an_instructor(people: People) -> None:
    """Neither the page nor its orders, nor another's terminal, are for trainees."""
    page = new_page(people.browser, people.school, people.elsewhere)
    people.school.log_in(page, "trainee01", PAGE)
    expect(page.locator("body")).to_contain_text("403")
    assert page.locator("#class").count() == 0
    answers = people.one.evaluate(
        """async () => Promise.all([
            fetch('/services/class/say', {method: 'POST', body: '{"trainees": "all", "text": "I"}'}),
            fetch('/services/class/class.csv'),
            fetch('/user/trainee02/lab-panel/chapters'),
        ].map(answer => answer.then(a => a.status)))"""
    )
    assert all(status in (403, 404) for status in answers), answers


def test_both_faces_are_for_everybody(people: People) -> None:
    """axe finds nothing in the panel, in light and dark, nor on the page on any screen; nothing is asked of others."""
    people.one.bring_to_front()
    assert axe(people.one, LAB) == ()
    people.one.evaluate("document.body.dataset.jpThemeLight = 'false'")
    for view in VIEWS:
        page = new_page(people.browser, people.school, people.elsewhere, view)
        people.school.log_in(page, "instructor", PAGE)
        expect(page.locator("#live")).to_have_text("live")
        assert axe(page) == (), view
        page.context.close()
    assert people.elsewhere == []
