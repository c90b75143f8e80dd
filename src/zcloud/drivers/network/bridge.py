"""An existing Linux bridge of the host: guests are on the network that the bridge is on.

zcloud makes nothing but the anti-spoofing elements: bridge, routes, DHCP and DNS belong to the site. Guests get their
address from their seed; the DNS records are shown and exported (``domain/records.py``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from zcloud.domain.driver import Option, OptionType, check_options
from zcloud.domain.errors import InvalidInput, NetworkUnusable
from zcloud.domain.network import Network, NetworkScope, Port
from zcloud.domain.plug import NicKind, NicPlug
from zcloud.drivers.network.base import NetworkInfo
from zcloud.drivers.network.guard import GUARD_OPTIONS, Guard, guarded_port
from zcloud.ports import HostLink

_DEVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")


class BridgeNetwork:
    """A network on an existing bridge (see ``base.NetworkDriver`` for what the verbs promise)."""

    INFO: ClassVar = NetworkInfo(
        kind="bridge",
        title="Existing bridge",
        doc="Guests are plugged into a Linux bridge that the host has; addressing follows the site's network.",
        scope=NetworkScope.SHARED,
        serves_dhcp=False,
        serves_dns=False,
    )
    OPTIONS: ClassVar[tuple[Option, ...]] = (
        Option("bridge", OptionType.TEXT, "The bridge's name, the same on every host of the network."),
        *GUARD_OPTIONS,
        Option(
            "isolation",
            OptionType.CHOICE,
            "Whether guests of one host cannot reach each other; auto: yes where the network is for all projects.",
            "auto",
            ("auto", "on", "off"),
        ),
    )

    def __init__(self, network: Network, link: HostLink) -> None:
        options = check_options(self.OPTIONS, network.options)
        if not _DEVICE.fullmatch(options["bridge"]):
            raise InvalidInput(f"{options['bridge'][:40]!r} is not the name of a network device.", field="bridge")
        self._network = network
        self._bridge = options["bridge"]
        self._shell = link.shell
        self._guard = Guard(link.shell)
        self._isolated = options["isolation"] == "on" or (options["isolation"] == "auto" and not network.project_id)

    @classmethod
    def joins(cls, network: Network) -> tuple[tuple[str, str], ...]:
        """Give the bridge's name."""
        return (("bridge", str(network.options.get("bridge", ""))),)

    def check(self) -> None:
        """Check that the bridge is there, is a bridge and is up; raises NetworkUnusable with the host's bridges."""
        self._guard.check()
        links = json.loads(self._shell.run(["ip", "-j", "-d", "link", "show"]).stdout)
        problem = find_problem(self._bridge, links)
        if problem:
            bridges = sorted(link["ifname"] for link in links if _kind(link) == "bridge")
            raise NetworkUnusable(
                problem,
                hint=f"Bridges of the host: {', '.join(bridges) or 'none'}.",
                bridges=bridges,
                interfaces=sorted(link["ifname"] for link in links if not _kind(link) and link["ifname"] != "lo"),
            )

    def ensure_network(self) -> None:
        """Make the anti-spoofing table."""
        self._guard.ensure_table()

    def remove_network(self) -> None:
        """Remove nothing: the bridge is the host's."""

    def ensure_port(self, port: Port) -> NicPlug:
        """Admit the port to the anti-spoofing table."""
        self._guard.admit(guarded_port(self._network, port))
        return self.plug(port)

    def plug(self, port: Port) -> NicPlug:
        """Give how the port is plugged, without looking."""
        return NicPlug(
            port_id=port.id,
            mac=port.mac,
            tap=port.tap,
            kind=NicKind.BRIDGE,
            source=self._bridge,
            isolated=self._isolated,
            link_up=port.link_up,
        )

    def remove_port(self, port: Port) -> None:
        """Forget the port; absent is fine."""
        self._guard.release(guarded_port(self._network, port))

    def lacking(self, ports: Sequence[Port]) -> list[Port]:
        """Give no port: nothing is served here."""
        del ports
        return []

    def served(self) -> dict[str, str]:
        """Give nothing: whoever serves the bridge's network, it is not this host on zcloud's behalf."""
        return {}

    @property
    def lease_file(self) -> str:
        """Give nothing: no leases are given out here."""
        return ""

    def list_ports(self) -> set[str]:
        """Give the taps of this network that the host has entries for."""
        return self._guard.taps(self._network.id)


def find_problem(bridge: str, links: list[dict[str, Any]]) -> str:
    """Tell why a bridge cannot be used, from the answer of ``ip -j -d link show``; empty where it can."""
    found = next((link for link in links if link.get("ifname") == bridge), None)
    if found is None:
        return f"The host has no bridge {bridge}."
    if _kind(found) != "bridge":
        return f"{bridge} is not a bridge but {_kind(found) or 'a network card'}."
    if "UP" not in found.get("flags", ()):
        return f"The bridge {bridge} is down."
    return ""


def _kind(link: dict[str, Any]) -> str:
    return str(link.get("linkinfo", {}).get("info_kind", ""))
