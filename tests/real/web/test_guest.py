"""The web console at a real guest: from the first sign-in to what its serial console and its screen answer."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import browser

from zcloud.lab.hosts import wait_for
from zcloud.lab.trial import Trial, command, environment

ANSWER_MS = 60_000
SPICE = "import gi; gi.require_version('SpiceClientGLib', '2.0')"

__all__ = ["browser"]


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    """Give a cloud of one host with a guest named ``web``."""
    with tempfile.TemporaryDirectory(prefix="zlw-", dir="/tmp") as short:  # sockets have short paths
        made = Trial(Path(short) / "lab")
        try:
            run(command("lab", "up", "--hosts", "1", "--dir", str(made.directory)))
            run(command("launch", "web", "--image", "tiny", "--vcpus", "1", "--memory", "128M", "--wait=ready"), made)
            yield made
        finally:
            made.end()


def run(argv: list[str], trial: Trial | None = None) -> None:
    env = environment() | (settings(trial) if trial else {})
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False, start_new_session=True)
    assert done.returncode == 0, done.stdout + done.stderr


def settings(trial: Trial) -> dict[str, str]:
    """Give what a shell of the trial's has in its environment."""
    lines = trial.environment.read_text().splitlines()
    return dict(shlex.split(line.removeprefix("export "))[0].split("=", 1) for line in lines if "=" in line)


@pytest.fixture(scope="module")
def page(browser: Browser, trial: Trial) -> Iterator[Page]:
    """Give a browser's page where the admin has signed in."""
    context = browser.new_context(ignore_https_errors=True)
    found = context.new_page()
    found.set_default_timeout(ANSWER_MS)
    found.goto(f"{_url(trial)}/")
    found.fill("input[name=name]", "admin")
    found.fill("input[name=password]", (trial.directory / "admin-password").read_text().strip())
    found.click("button[type=submit]")
    found.wait_for_url("**/overview")
    yield found
    context.close()


def _url(trial: Trial) -> str:
    return settings(trial)["ZCLOUD_URL"]


def _console(page: Page, trial: Trial, kind: str) -> None:
    page.goto(f"{_url(trial)}/instances/web/console?kind={kind}")
    expect(page.locator("[data-status]")).to_have_text("Connected", timeout=ANSWER_MS)


def test_the_serial_console_answers(page: Page, trial: Trial) -> None:
    _console(page, trial, "serial")
    page.keyboard.type("\necho it is $((40+2))\n")
    expect(page.locator("[data-screen]")).to_contain_text("it is 42", timeout=ANSWER_MS)


def test_the_screen_changes_when_keys_are_pressed(page: Page, trial: Trial) -> None:
    _console(page, trial, "vnc")
    canvas = page.locator("[data-screen] canvas")
    expect(canvas).to_be_visible()
    seen: set[str] = set()

    def picture() -> str:
        return str(canvas.evaluate("each => each.toDataURL()"))

    def still() -> bool:
        page.wait_for_timeout(300)
        now = picture()
        known = now in seen
        seen.add(now)
        return known

    wait_for(still, 30, "a picture that stays")
    page.keyboard.type("echo hello\n")
    wait_for(lambda: picture() not in seen, 30, "another picture")


def test_a_host_shows_what_it_has(page: Page, trial: Trial) -> None:
    page.goto(f"{_url(trial)}/hosts")
    page.locator("#list tbody a").first.click()
    expect(page.locator("header .zc-pill")).to_contain_text("Up")
    for card, text in (("numa", "Node 0"), ("kvm", "kvm"), ("machine", "x86_64"), ("guests", "web")):
        expect(page.locator(f"section[aria-labelledby={card}]")).to_contain_text(text, ignore_case=True)


def test_a_network_is_made_and_deleted(page: Page, trial: Trial) -> None:
    page.goto(f"{_url(trial)}/networks/new")
    page.fill("[name=name]", "second")
    page.fill("[name=cidr]", "10.211.7.0/24")
    page.get_by_role("button", name="Add the network").click()
    expect(page.locator("header .zc-pill")).to_contain_text("Ready", timeout=ANSWER_MS)
    page.get_by_role("button", name="Delete…").click()
    page.locator("dialog[open]").get_by_role("button", name="Delete").click()
    expect(page.locator("header .zc-pill")).to_contain_text("Succeeded", timeout=ANSWER_MS)


def test_a_file_is_sent_and_becomes_an_image(page: Page, trial: Trial, tmp_path: Path) -> None:
    file = tmp_path / "empty.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", str(file), "64M"])
    page.goto(f"{_url(trial)}/images/new")
    page.get_by_label("This computer").check()
    page.set_input_files("[data-file]", file)
    page.get_by_role("button", name="Add the image").click()
    expect(page.locator("header .zc-pill")).to_contain_text("Ready", timeout=ANSWER_MS)
    expect(page.get_by_role("heading", level=1)).to_have_text("empty")


def test_it_is_stopped_and_its_page_says_so(page: Page, trial: Trial) -> None:
    page.goto(f"{_url(trial)}/instances/web")
    page.get_by_role("button", name="Stop…").click()
    page.locator("#dialog").get_by_role("button", name="Stop").click()
    expect(page.locator("header .zc-pill")).to_contain_text("Stopped", timeout=ANSWER_MS)


def test_a_spice_viewer_gets_a_picture_through_the_ticket(trial: Trial, tmp_path: Path) -> None:
    """The guest that is off by now gets another kind of screen; a real client opens the connection file."""
    if subprocess.run(["/usr/bin/python3", "-c", SPICE], capture_output=True, check=False).returncode:
        pytest.skip("the library of SPICE viewers is not installed (gir1.2-spiceclientglib-2.0)")
    run(command("instance", "hardware", "web", "--set", "screen=spice"), trial)
    run(command("start", "web"), trial)
    file = tmp_path / "web.vv"
    opened = subprocess.Popen(
        command("console", "web", "--spice", "--vv", str(file)), env=environment() | settings(trial)
    )
    try:
        wait_for(lambda: file.exists() and "type=spice" in file.read_text(), 60, "the connection file")
        viewer = ["/usr/bin/python3", str(Path(__file__).with_name("spice_viewer.py")), str(file)]
        seen = subprocess.run(viewer, capture_output=True, text=True, check=False, timeout=120)
        kind, width, height = seen.stdout.split() or ["", "0", "0"]
        assert (kind, int(width) >= 320, int(height) >= 200) == ("spice", True, True), seen
    finally:
        opened.terminate()
        opened.wait()
