"""``python -m zcloud.lab``: the lab's parts for people and scripts."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import suppress
from pathlib import Path

from zcloud.domain.errors import ZcloudError
from zcloud.imagebuild.cache import DEFAULT_CACHE
from zcloud.imagebuild.kernel import fetch_kernel
from zcloud.imagebuild.probekit import build_probe_kit
from zcloud.lab import libvirtd
from zcloud.lab.hosts import Lab
from zcloud.lab.tiny import tiny_image


def _tiny(options: argparse.Namespace) -> None:
    print(tiny_image(options.cache))


def _probekit(options: argparse.Namespace) -> None:
    print(build_probe_kit(fetch_kernel(options.cache), options.directory, cache=options.cache))


def _hosts(options: argparse.Namespace) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), Lab(options.count) as lab:
        for host in lab.hosts:
            print(f"{host.name} address={host.address} ssh_key={host.ssh_key} host_key={host.host_key!r}")
            print(f"  socket={host.libvirt_socket}")
            print(f"  enter: nsenter --target {host.pid} --all")
        print("Ctrl-C ends them.", flush=True)
        signal.pause()


def _libvirtd(options: argparse.Namespace) -> None:
    if options.action == "stop":
        print("stopped:", ", ".join(libvirtd.stop()) or "nothing, for nothing was started here")
    else:
        started = libvirtd.ensure_running()
        print(started.socket, "was there already" if started.already else "started")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m zcloud.lab", description=__doc__)
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="where built things are kept")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    tiny = verbs.add_parser("tiny", help="build the tiny guest's disk and print its path")
    tiny.set_defaults(do=_tiny)
    kit = verbs.add_parser("probekit", help="write the KVM probe kit to a directory")
    kit.add_argument("directory", type=Path)
    kit.set_defaults(do=_probekit)
    hosts = verbs.add_parser("hosts", help="run namespace hosts until Ctrl-C")
    hosts.add_argument("--count", type=int, default=2)
    hosts.set_defaults(do=_hosts)
    daemon = verbs.add_parser("libvirtd", help="run the system's libvirtd where no service manager runs")
    daemon.add_argument("action", choices=("start", "stop"))
    daemon.set_defaults(do=_libvirtd)
    return parser


def main() -> int:
    """Run one verb; give 0, or 1 after an error has been told."""
    options = _parser().parse_args()
    try:
        options.do(options)
    except ZcloudError as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
