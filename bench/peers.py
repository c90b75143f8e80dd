"""Whole commands beside their peers: a guest from an image by kcli, and copies of a guest by virt-clone and kcli."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from bench.kcli import Kcli
from bench.lab import IMAGES, MEMORY_MIB, RawHost, real_cloud
from bench.measure import MS, Cost, Figure, Part, at_most, command, ratio, scaled
from bench.served import Served

_MOST_ROUNDS = 8
_GOLDEN = "golden"
Way = Callable[[str], Cost]


def measure(rounds: int) -> Part:
    """Measure creates, launches and copies in turns."""
    rounds = min(rounds, _MOST_ROUNDS)
    with tempfile.TemporaryDirectory(prefix="zcloud-bench-kcli-") as place, real_cloud() as (server, raw):
        kcli = Kcli(raw, Path(place))
        size_mib = scaled(rounds, 512, 16)
        image = image_with_data(Path(place), size_mib)
        server.client.images.upload(image, _GOLDEN, public=True).wait()
        define_golden(raw, image)
        ours = Ours(server)
        ours.make_template()
        remove = {"zcloud": ours.remove, "kcli": kcli.remove, "virt-clone": raw.remove}
        figures = [
            _create(_turns({
                "zcloud launch --no-start": lambda name: ours.launch(name, "tiny", "--no-start"),
                "kcli create vm -P start=false": lambda name: kcli.create(name, start=False),
            }, remove, rounds)),
            _launch(_turns({
                "zcloud launch": lambda name: ours.launch(name, "tiny"),
                "kcli create vm": lambda name: kcli.create(name, start=True),
            }, remove, rounds)),
            _clone(_turns({
                "zcloud launch --no-start": lambda name: ours.launch(name, _GOLDEN, "--no-start"),
                "kcli clone": lambda name: kcli.clone(_GOLDEN, name),
                "virt-clone": lambda name: virt_clone(raw, name),
            }, {**remove, "kcli": raw.remove}, rounds), size_mib),  # kcli leaves the disk of a copy behind
            _linked(_turns({
                "zcloud clone --linked --no-start": ours.clone,
                "virt-clone": lambda name: virt_clone(raw, name),
            }, remove, rounds), size_mib),
            _copy(_turns({
                "zcloud volume clone": ours.copy,
                "virt-clone": lambda name: virt_clone(raw, name),
            }, {**remove, "zcloud": ours.remove_copy}, rounds), size_mib),
        ]  # fmt: skip
    return Part("peers", "Beside kcli and virt-clone", _about(kcli.version, size_mib), figures)


class Ours:
    """zcloud's command line."""

    def __init__(self, server: Served) -> None:
        self._server = server

    def launch(self, name: str, image: str, *options: str) -> Cost:
        """Make a guest from an image, and wait until that is done."""
        size = ("--vcpus", "1", "--memory", f"{MEMORY_MIB}M", "--disk-size", "1G", "--quiet")
        return self._server.cli("launch", name, "--image", image, *size, *options)

    def make_template(self) -> None:
        """Make the template of which clones are made."""
        self.launch(_GOLDEN, _GOLDEN, "--no-start")
        self._server.done(self._server.client.post(f"/v1/instances/{_GOLDEN}/template", {"on": True}))

    def clone(self, name: str) -> Cost:
        """Make a linked clone of the template."""
        return self._server.cli("clone", _GOLDEN, name, "--linked", "--no-start", "--quiet")

    def copy(self, name: str) -> Cost:
        """Make a whole copy of the template's disk."""
        return self._server.cli("volume", "clone", f"{_GOLDEN}-root", name, "--quiet")

    def remove_copy(self, name: str) -> None:
        """Remove such a copy."""
        self._server.done(self._server.client.delete(f"/v1/volumes/{name}"))

    def remove(self, name: str) -> None:
        """Remove it at once."""
        self._server.done(self._server.client.delete(f"/v1/instances/{name}", purge=True))


def _turns(ways: Mapping[str, Way], remove: Mapping[str, Callable[[str], None]], rounds: int) -> dict[str, list[float]]:
    """Go through the ways in turns, each with a name that was not used yet; the first turn does not count."""
    times: dict[str, list[float]] = {title: [] for title in ways}
    for number in range(rounds + 1):
        for place, (title, way) in enumerate(ways.items()):
            name = f"peer-{number}-{place}"
            took = way(name).wall * MS
            remove[title.split()[0]](name)
            if number:
                times[title].append(took)
    return times


def virt_clone(raw: RawHost, name: str) -> Cost:
    """Clone the golden guest by virt-clone, within the host."""
    words = ("virt-clone", "-q", "-o", _GOLDEN, "-n", name, "-f", f"{IMAGES}/{name}.qcow2")
    return command([*raw.host.daemons.enter, *words])


def image_with_data(place: Path, data_mib: int) -> Path:
    """Give an image with so much data that does not compress."""
    data, image = place / "data.raw", place / f"{_GOLDEN}.qcow2"
    with data.open("wb") as file:
        for _ in range(data_mib // 16):
            file.write(os.urandom(16 << 20))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(data), str(image)], check=True)
    return image


def define_golden(raw: RawHost, image: Path) -> None:
    """Define the guest that peers copy: off, and its disk is the image."""
    raw.create(_GOLDEN)
    raw.host.path(f"{IMAGES}/{_GOLDEN}.qcow2").write_bytes(image.read_bytes())
    raw.connection.storagePoolLookupByName("bench").refresh()


def _about(kcli: str, size_mib: int) -> str:
    return (
        "Whole commands, as a person types them, in turns on one namespace host: zcloud's over TLS, its server by SSH; "
        f"kcli's ({kcli}, from PyPI, in a virtual environment of its own) and virt-clone's inside the host. zcloud's "
        f"come back when the operation is done. The guest that is copied has {size_mib} MiB of data: zcloud makes a "
        "linked copy of its image, the others copy the data; the base that zcloud puts on the host once is made in "
        "the first turn, which does not count."
    )


def _create(times: dict[str, list[float]]) -> Figure:
    ours, kcli = times.values()
    checks = [ratio("faster than kcli", ours, kcli, 1.0)]
    return Figure("peers.create", "A guest from an image with cloud-init, not started", "ms", times, checks)


def _launch(times: dict[str, list[float]]) -> Figure:
    ours, kcli = times.values()
    return Figure("peers.launch", "The same, running", "ms", times, [ratio("faster than kcli", ours, kcli, 1.0)])


def _clone(times: dict[str, list[float]], size_mib: int) -> Figure:
    ours, kcli, virt_clone = times.values()
    checks = [
        ratio("faster than virt-clone", ours, virt_clone, 1.0),
        ratio("faster than kcli", ours, kcli, 1.0),
        at_most("a linked copy within 150 ms", median(ours), 150),
    ]
    return Figure("peers.clone", f"A copy of a guest with {size_mib} MiB of data", "ms", times, checks)


def _linked(times: dict[str, list[float]], size_mib: int) -> Figure:
    ours, virt_clone = times.values()
    checks = [ratio("faster than virt-clone", ours, virt_clone, 1.0)]
    return Figure("peers.linked", f"A linked clone of a template with {size_mib} MiB of data", "ms", times, checks)


def _copy(times: dict[str, list[float]], size_mib: int) -> Figure:
    ours, virt_clone = times.values()
    checks = [ratio("at most 1.2 x virt-clone", ours, virt_clone, 1.2)]
    return Figure("peers.copy", f"A whole copy of a disk with {size_mib} MiB of data", "ms", times, checks)
