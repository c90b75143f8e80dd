"""Clones and snapshots on each kind of pool, beside what people type there by hand."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench import stands
from bench.lab import MEMORY_MIB, RawHost, real_cloud
from bench.machines import nested_cloud
from bench.measure import MS, Check, Cost, Figure, Part, at_most, ratio, scaled
from bench.peers import define_golden, image_with_data, virt_clone
from bench.served import Served
from bench.stands import Stand
from zcloud.lab.ceph import Ceph

_MOST_ROUNDS = 8
_AT_ONCE = 20
_DEEDS = {"snapshot": "Snapshot", "linked": "Linked clone", "full": "Whole copy"}
ABOUT = (
    "Whole commands, as a person types them, in turns. zcloud's come back when the operation is done, which is durable "
    "and shared with others; a command by hand on the host does the bare deed and knows nothing of instances. zcloud's "
    "linked clone is a whole instance with name, address and seed, of a template; its copies are volumes. Directory "
    "and Ceph (one OSD) are on a namespace host; NFS (its own kernel's server) and LVM within a machine whose two "
    "processors are emulated, where each command takes many times as long: compare the ratios."
)


def measure(rounds: int) -> Part:
    """Measure all kinds."""
    rounds = min(rounds, _MOST_ROUNDS)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="zcloud-bench-storage-") as place:
        image = image_with_data(Path(place), scaled(rounds, 512, 16))
        with real_cloud() as (server, raw):
            ours = Ours(server, image)
            figures += ours.beside(stands.directory(raw, image), rounds)
            figures.append(_at_once(ours, raw, image, scaled(rounds, _AT_ONCE, 2), min(rounds, 2)))
            with Ceph(f"{raw.host.address.rpartition('.')[0]}.254") as ceph:
                figures += ours.beside(stands.rbd(ceph, image), rounds)
        small = image_with_data(Path(place), scaled(rounds, 64, 16))
        with nested_cloud() as (server, machine):
            ours = Ours(server, small)
            for stand in (stands.nfs, stands.lvm, stands.lvmthin):
                figures += ours.beside(stand(machine, small), min(rounds, 4))
    return Part("storage", "Clones and snapshots by kind of pool", ABOUT, figures)


class Ours:
    """zcloud's command line, over a server whose image is ``golden``."""

    def __init__(self, server: Served, image: Path) -> None:
        self._server = server
        server.client.images.upload(image, "golden", public=True).wait()

    def beside(self, stand: Stand, rounds: int) -> list[Figure]:
        """Measure a pool of one kind beside the commands by hand; the pool is gone afterwards."""
        with self._pool(stand):
            return [self._one(stand, deed, rounds) for deed in _DEEDS if deed in stand.deeds]

    @contextmanager
    def _pool(self, stand: Stand) -> Iterator[None]:
        """Have a pool with an instance that is off and a template."""
        kind, post = stand.kind, self._server.client.post
        if kind != "directory":
            self._server.done(post("/v1/pools", {"name": kind, **stand.pool}))
        pool = "default" if kind == "directory" else kind
        self.launch(f"plain-{kind}", pool)
        self.make_template(f"template-{kind}", pool)
        yield
        for name in (f"plain-{kind}", f"template-{kind}"):
            self.remove(name)
        if kind != "directory":
            self._server.done(self._server.client.delete(f"/v1/pools/{kind}"))

    def make_template(self, name: str, pool: str = "default") -> None:
        """Make a template."""
        self.launch(name, pool)
        self._server.done(self._server.client.post(f"/v1/instances/{name}/template", {"on": True}))

    def launch(self, name: str, pool: str) -> None:
        """Make an instance that is not started."""
        size = ("--vcpus", "1", "--memory", f"{MEMORY_MIB}M", "--disk-size", f"{stands.SIZE_MIB}M", "--quiet")
        self._server.cli("launch", name, "--image", "golden", "--pool", pool, "--no-start", *size)

    def _one(self, stand: Stand, deed: str, rounds: int) -> Figure:
        kind, hand = stand.kind, stand.deeds[deed]
        do, undo = self._ways(kind)[deed]
        title = {"snapshot": "zcloud snapshot create", "linked": "zcloud clone --linked", "full": "zcloud volume clone"}
        times: dict[str, list[float]] = {title[deed]: [], hand.title: []}
        for number in range(rounds + 1):
            name = f"{deed}-{number}"
            ours = do(name).wall
            undo(name)
            theirs = stand.run(hand.do(name)).wall
            stand.run(hand.undo(name))
            if number:
                times[title[deed]].append(ours * MS)
                times[hand.title].append(theirs * MS)
        return Figure(f"storage.{kind}.{deed}", f"{_DEEDS[deed]}, {kind}", "ms", times, _checks(kind, deed, times))

    def _ways(self, kind: str) -> Mapping[str, tuple[Callable[[str], Cost], Callable[[str], object]]]:
        """Give what does and undoes each deed."""
        cli, plain = self._server.cli, f"plain-{kind}"
        return {
            "snapshot": (
                lambda name: cli("snapshot", "create", plain, name, "--quiet"),
                lambda name: cli("snapshot", "delete", plain, name, "--yes", "--quiet"),
            ),
            "linked": (lambda name: self.clone(f"template-{kind}", name), self.remove),
            "full": (
                lambda name: cli("volume", "clone", f"{plain}-root", name, "--quiet"),
                lambda name: cli("volume", "delete", name, "--yes", "--quiet"),
            ),
        }

    def clone(self, template: str, *names: str) -> Cost:
        """Make linked clones that are not started."""
        return self._server.cli("clone", template, *names, "--linked", "--no-start", "--quiet")

    def remove(self, *names: str) -> None:
        """Remove instances at once."""
        for accepted in [self._server.client.delete(f"/v1/instances/{name}", purge=True) for name in names]:
            self._server.done(accepted)


def _at_once(ours: Ours, raw: RawHost, image: Path, count: int, rounds: int) -> Figure:
    """Measure many clones of one guest at once, beside as many one after the other by virt-clone."""
    define_golden(raw, image)
    times: dict[str, list[float]] = {"zcloud clone --linked, one command": [], "virt-clone, one after the other": []}
    ours.make_template("many")
    for number in range(rounds):
        names = [f"many-{number}-{each}" for each in range(count)]
        took = ours.clone("many", *names).wall
        ours.remove(*names)
        copies = sum(virt_clone(raw, name).wall for name in names)
        for name in names:
            raw.remove(name)
        for title, each in zip(times, (took, copies), strict=True):
            times[title].append(each)
    ours.remove("many")
    return Figure("storage.many", f"{count} clones at once, directory", "s", times)


def _checks(kind: str, deed: str, times: Mapping[str, list[float]]) -> list[Check]:
    ours, theirs = times.values()
    if (kind, deed) == ("directory", "linked"):
        return [at_most("at most 150 ms", median(ours), 150)]
    if (kind, deed) == ("rbd", "linked"):
        return [ratio("at most 3 x `rbd clone`", ours, theirs, 3.0)]
    return []
