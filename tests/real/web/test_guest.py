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


def test_it_is_stopped_and_its_page_says_so(page: Page, trial: Trial) -> None:
    page.goto(f"{_url(trial)}/instances/web")
    page.get_by_role("button", name="Stop…").click()
    page.locator("#dialog").get_by_role("button", name="Stop").click()
    expect(page.locator("header .zc-pill")).to_contain_text("Stopped", timeout=ANSWER_MS)
