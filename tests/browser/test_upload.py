"""A file of 300 MB is sent from a browser; its connection is cut in the middle, then its page is loaded anew."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect
from tests.browser.conftest import Tab

from zcloud.services.arrivals import ArrivalLimits

SIZE, STEP = 300 * 10**6, 1 << 20


def make(path: Path) -> str:
    """Make a file no two places of which are alike, and give its SHA-256."""
    with path.open("wb") as file:
        for number in range(SIZE // STEP):
            os.pwrite(file.fileno(), f"QFI {number}".encode(), number * STEP)
        file.truncate(SIZE)
    return digest(path)


def digest(path: Path) -> str:
    """Give a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def wait_for_bytes(path: Path, more_than: int) -> None:
    """Wait until so much of an upload is there."""
    deadline = time.monotonic() + 60
    while not path.exists() or path.stat().st_size <= more_than:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def arriving(page: Page, directory: Path) -> Path:
    """Give the file of the upload that a page has begun."""
    page.wait_for_url(lambda url: "/images/new" not in url)
    return directory / f"{page.url.rpartition('/')[2]}.part"


def test_a_cd_is_sent_to_the_library(tab: Callable[..., Tab], tmp_path: Path) -> None:
    it, source = tab(count=5), tmp_path / "Net Inst.ISO"
    source.write_bytes(bytes(4096))
    page = it.open("/media")
    page.get_by_role("link", name="Add a CD").click()
    expect(page.get_by_label("Catalogue")).to_have_count(0)
    page.set_input_files("[data-file]", source)
    page.get_by_role("button", name="Add the CD").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("net-inst")
    expect(page.locator(".zc-pill")).to_contain_text("Importing")
    it.open("/media")
    expect(page.get_by_role("link", name="net-inst")).to_be_visible()


def test_an_upload_survives_a_cut_and_a_reload(tab: Callable[..., Tab], tmp_path: Path) -> None:
    it, source = tab(count=5), tmp_path / "Big One.qcow2"
    wanted, cloud = make(source), it.site.cloud
    cloud.parts.uploads.arrivals.limits = ArrivalLimits(1 << 30, 16 << 20)
    page = it.open("/images/new")
    page.get_by_label("This computer").check()
    page.set_input_files("[data-file]", source)
    page.get_by_role("button", name="Add the image").click()
    file = arriving(page, cloud.upload_dir)
    wait_for_bytes(file, SIZE // 4)
    page.context.set_offline(True)
    expect(page.locator("[data-status]")).to_have_text("The connection is lost; it goes on by itself.")
    cut = file.stat().st_size
    assert cut < SIZE
    page.context.set_offline(False)
    wait_for_bytes(file, cut)
    page.get_by_role("button", name="Pause").click()
    it.troubles.clear()  # the browser tells of the cut in its own console
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("big-one")
    page.set_input_files("[data-file]", source)
    expect(page.locator(".zc-pill")).to_contain_text("Importing", timeout=60_000)
    assert digest(file) == wanted
