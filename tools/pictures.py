"""Makes the pictures of docs/tour.md and README anew: ``python -m tools.pictures [DIRECTORY]``; needs Chromium.

They show a made-up cloud (``tools/pictures_cloud.py``) in a real browser; nothing of it runs.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from tests.api.conftest import make_parts
from tests.api.serving import serve
from tests.conftest import open_store
from tools.pictures_cloud import Scene, build

from zcloud.api.app import create_app, end_streams
from zcloud.api.parts import ApiParts
from zcloud.base.clock import SystemClock
from zcloud.services.tickets import Grant
from zcloud.tunnel import Tunnel
from zcloud.web.app import PAGES
from zcloud.web.notices import SEEN
from zcloud.web.render import COOKIE, THEME

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
MOST_BYTES = 150 << 10
WIDE, PHONE = (1440, 820), (390, 844)
ANSWERS = (
    "d-i debian-installer/locale string en_GB.UTF-8%0Ad-i keyboard-configuration/xkb-keymap select gb%0A"
    "d-i time/zone string UTC%0Ad-i netcfg/get_hostname string crm%0Ad-i partman-auto/method string lvm%0A"
    "tasksel tasksel/first multiselect ssh-server%0Ad-i debian-installer/exit/poweroff boolean true"
)
CONSOLE = (
    b"\x1b[2J\x1b[H[    2.114021] Run /init as init process\r\nLoading additional components ... done\r\n"
    b"Retrieving preseed file /preseed.cfg ... done\r\nConfiguring the network with DHCP ... 10.20.0.19\r\n"
    b"Partitions formatting ... done\r\n\r\n\x1b[1mInstalling the base system\x1b[0m\r\n"
    b"  Unpacking linux-image-6.1.0-39-amd64 (6.1.153-1) ...\r\n  Setting up systemd (252.39-1~deb12u1) ...\r\n"
    b"  Setting up grub-pc (2.06-13+deb12u1) ...\r\n\r\n\x1b[1mSelect and install software\x1b[0m\r\n"
    b"  Unpacking openssh-server (1:9.2p1-2+deb12u7) ...\r\n  Setting up openssh-server (1:9.2p1-2+deb12u7) ...\r\n"
)


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture: its name, the page (``{NAME}`` is an instance's id), and how it is looked at."""

    name: str
    path: str
    dark: bool = False
    size: tuple[int, int] = WIDE


SHOTS = (
    Shot("overview-light", "/overview"),
    Shot("overview-dark", "/overview", dark=True),
    Shot("instances", "/instances"),
    Shot("launch", f"/launch?source=install&name=crm&flavor=large&root=40&nic_network=office&answers={ANSWERS}"),
    Shot("install", "/instances/{erp}/console", dark=True),
    Shot("instance", "/instances/{shop-db}", dark=True),
    Shot("snapshots", "/instances/{shop-db}/snapshots"),
    Shot("phone", "/instances", dark=True, size=PHONE),
)


class Installer:
    """A console on which an installer has written, and which stays open."""

    def __init__(self) -> None:
        self._told, self._closed = False, threading.Event()

    def read(self, limit: int = 65536) -> bytes:
        """Give what it has written, then wait for the end."""
        if not self._told:
            self._told = True
            return CONSOLE[:limit]
        self._closed.wait()
        return b""

    def write(self, data: bytes) -> None:
        """Take keys, and do nothing."""

    def close(self) -> None:
        """End."""
        self._closed.set()


def _console(parts: ApiParts) -> Tunnel:
    def open_console(grant: Grant, force: bool) -> Installer:
        del grant, force
        return Installer()

    return Tunnel(parts.tickets, open_console)


@contextmanager
def served() -> Iterator[tuple[str, Scene]]:
    """Serve the made-up cloud; gives its address and what is in it."""
    with tempfile.TemporaryDirectory() as directory:
        store = open_store(f"sqlite:///{directory}/pictures.db")
        store.migrate()
        parts = make_parts(store, Path(directory))
        scene = build(store, parts)
        parts = replace(parts, console=_console(parts).route())
        app = create_app(parts, PAGES)
        with serve(app, ws="websockets-sansio") as url:
            yield url, scene
            end_streams(app)
        store.close()


def take(browser: Browser, url: str, scene: Scene, shot: Shot, target: Path) -> None:
    """Take one picture."""
    width, height = shot.size
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-GB", timezone_id="UTC")
    seen = SystemClock().now().isoformat()
    cookies = {COOKIE: scene.token, THEME: "dark" if shot.dark else "light", SEEN: seen}
    context.add_cookies([{"name": name, "value": value, "url": url} for name, value in cookies.items()])
    page = context.new_page()
    page.goto(url + shot.path.format_map(scene.instances))
    page.wait_for_timeout(1500)  # charts, the plan beside a form, the console's first lines
    page.screenshot(path=target)
    context.close()


def main() -> int:
    """Take all pictures; gives 1 where one is too large for a page that people load."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    directory.mkdir(parents=True, exist_ok=True)
    large = 0
    with served() as (url, scene), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for shot in SHOTS:
            target = directory / f"{shot.name}.png"
            take(browser, url, scene, shot, target)
            size = target.stat().st_size
            large += size > MOST_BYTES
            print(f"{target.name}: {size >> 10} KiB{' (too large)' if size > MOST_BYTES else ''}")
        browser.close()
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main())
