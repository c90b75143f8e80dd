"""Anti-spoofing on one host: the table ``bridge zcloud`` (see ``guard_rules``) kept by nft, one command a change.

Every network driver admits its ports here before the guest starts and releases them after it is gone.
"""

from __future__ import annotations

from collections.abc import Iterable

from zcloud.domain.driver import Option, OptionType
from zcloud.domain.errors import CommandFailed, NeedsRoot
from zcloud.domain.network import Network, Port
from zcloud.drivers.network import guard_rules as rules
from zcloud.drivers.network.guard_rules import Difference, Element, GuardedPort, IPv6, Listing, Security
from zcloud.ports import Completed, Shell

GUARD_OPTIONS: tuple[Option, ...] = (
    Option(
        "port_security",
        OptionType.CHOICE,
        "Whether a guest may send only from its own MAC and IPv4 address (strict), or anything (off).",
        Security.STRICT.value,
        tuple(Security),
    ),
    Option(
        "ipv6",
        OptionType.CHOICE,
        "Whether guests' IPv6 is dropped (off) or passes except for router advertisements, redirects and DHCP servers.",
        IPv6.OFF.value,
        tuple(IPv6),
    ),
)

_ABSENT = b"No such file or directory"
_DENIED = b"Operation not permitted"
_LIST = ("nft", "-j", "list", "table", "bridge", "zcloud")


def guarded_port(network: Network, port: Port) -> GuardedPort:
    """Give what a port may send under its network's options; raises InvalidInput."""
    return GuardedPort(
        tap=port.tap,
        mac=port.mac,
        address=port.address,
        owner=network.id,
        security=Security(network.options.get("port_security", Security.STRICT)),
        ipv6=IPv6(network.options.get("ipv6", IPv6.OFF)),
    )


class Guard:
    """The anti-spoofing table of one host. All verbs raise CommandFailed and HostUnreachable."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def check(self) -> None:
        """Check that nft can be used; raises NeedsRoot."""
        self._list()

    def ensure_table(self) -> None:
        """Put the rules in place, or anew, in one transaction; the sets keep their elements."""
        self._apply(rules.RULES)

    def admit(self, *ports: GuardedPort) -> None:
        """Let the ports' own traffic through; twice is fine. Puts the rules in place where they are missing.

        To look costs 1 ms; to put all rules in place anew, 20.
        """
        script = rules.build_admission(ports)
        done = self._nft(script + rules.LOOK)
        if _ABSENT in done.stderr or (done.code == 0 and not rules.has_rules(done.stdout)):
            self._apply(rules.RULES + script)
        else:
            _check(done)

    def release(self, *ports: GuardedPort) -> None:
        """Forget ports; absent ones, and an absent table, are fine."""
        done = self._nft(rules.build_release(ports))
        if _ABSENT not in done.stderr:
            _check(done)

    def listing(self) -> Listing:
        """Give what the host's table holds; nothing where there is no table."""
        done = self._list()
        return rules.parse_listing(done.stdout) if done.code == 0 else Listing()

    def elements(self) -> frozenset[Element]:
        """Give what the host's sets hold."""
        return self.listing().elements

    def taps(self, owner: str) -> set[str]:
        """Give the taps of a network that the host has entries for."""
        return {element.key[0] for element in self.elements() if element.owner == owner}

    def compare(self, expected: Iterable[GuardedPort]) -> Difference:
        """Tell what ``reconcile`` would change."""
        return rules.diff(expected, self.listing())

    def compare_ports(self, expected: Iterable[GuardedPort]) -> Difference:
        """Tell what differs on the taps of these ports, whatever other taps there are."""
        ports = list(expected)
        taps = {port.tap for port in ports}
        found = self.listing()
        mine = frozenset(element for element in found.elements if element.key[0] in taps)
        return rules.diff(ports, found._replace(elements=mine))

    def mend(self, difference: Difference) -> None:
        """Put rules and elements right in one transaction."""
        self._apply(rules.build_healing(difference))

    def reconcile(self, expected: Iterable[GuardedPort]) -> Difference:
        """Make rules and sets exactly what the given ports (all of this host) need; gives what was changed."""
        difference = self.compare(expected)
        self.mend(difference)
        return difference

    def remove(self) -> None:
        """Remove all that zcloud has in nftables; absent is fine."""
        self._apply(rules.REMOVAL)

    def _list(self) -> Completed:
        done = self._shell.run(_LIST, check=False)
        return done if _ABSENT in done.stderr else _check(done)

    def _nft(self, script: str) -> Completed:
        return self._shell.run(("nft", "-f", "-"), stdin=script.encode("ascii"), check=False)

    def _apply(self, script: str) -> None:
        _check(self._nft(script))


def _check(done: Completed) -> Completed:
    if done.code == 0:
        return done
    words = done.stderr.decode(errors="replace").strip()[:500]
    if _DENIED in done.stderr:
        raise NeedsRoot(f"nft may not be used on this host: {words}")
    raise CommandFailed(f"nft refused the anti-spoofing rules: {words}", hint="Is nftables (1.0 or newer) installed?")
