"""The part of the offline script that sets up the network, in whichever way the system does that. Pure.

Cards are known by their MAC addresses. What the system had is kept beside it, with ``.before-zcloud`` at its end.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Sequence
from uuid import NAMESPACE_OID, uuid5

from zcloud.domain.customization import PlacedFile
from zcloud.domain.guest import GuestNic
from zcloud.drivers.guest.cloudinit import network_config

Place = Callable[[PlacedFile], str]

_KEEP = """
keep() { for each in "$@"; do if [ -f "$each" ]; then mv -f "$each" "$each.before-zcloud"; fi; done; }
if [ -d /etc/cloud/cloud.cfg.d ]; then
    echo 'network: {config: disabled}' >/etc/cloud/cloud.cfg.d/99-zcloud-network.cfg
fi
"""
_NETWORKD = "/lib/systemd/system/systemd-networkd.service"


def script(nics: Sequence[GuestNic], place: Place) -> str:
    """Give the lines; the first way that the system has is taken, and said."""
    ways = (
        ("netplan", "[ -d /etc/netplan ] && has netplan", _netplan(nics, place)),
        ("ifcfg", "ls /etc/sysconfig/network-scripts/ifcfg-* 2>/dev/null | grep -vq 'ifcfg-lo$'", _ifcfg(nics, place)),
        ("NetworkManager", "has NetworkManager && [ -d /etc/NetworkManager ]", _manager(nics, place)),
        ("ifupdown", "has ifup && [ -e /etc/network/interfaces ]", _ifupdown(nics, place)),
        ("systemd-networkd", f"[ -e {_NETWORKD} ] || [ -e /usr{_NETWORKD} ]", _networkd(nics, place)),
    )
    blocks = [f"if {test}; then\necho 'network: {name}'\n{body}" for name, test, body in ways]
    return _KEEP + "el".join(blocks) + "else\nfail 'No way is known in which its network could be set up.'\nfi\n"


def _netplan(nics: Sequence[GuestNic], place: Place) -> str:
    document = json.dumps({"network": network_config(tuple(nics))}, indent=1)  # JSON is YAML, too
    file = PlacedFile("/etc/netplan/50-zcloud.yaml", document.encode() + b"\n", 0o600)
    return "keep /etc/netplan/*.yaml\n" + place(file)


def _networkd(nics: Sequence[GuestNic], place: Place) -> str:
    files = []
    for number, nic in enumerate(nics):
        lines = ["[Match]", f"MACAddress={nic.mac}", "", "[Network]"]
        lines += [f"Address={each}" for each in nic.addresses] or ["DHCP=yes"]
        lines += [f"Gateway={each}" for each in (nic.gateway, nic.gateway6) if each]
        lines += [f"DNS={each}" for each in nic.dns] + [f"Domains={' '.join(nic.search)}"] * bool(nic.search)
        lines += ["", "[Link]", f"MTUBytes={nic.mtu}"] if nic.mtu else []
        for route in nic.routes:
            lines += ["", "[Route]", f"Destination={route.to}", f"Gateway={route.via}"]
            lines += [f"Metric={route.metric}"] if route.metric else []
        files.append(PlacedFile(f"/etc/systemd/network/10-zcloud-{number}.network", _text(lines)))
    enable = "wanted systemd-networkd.service /lib/systemd/system\n"
    return "keep /etc/systemd/network/*.network\n" + "".join(map(place, files)) + enable


def _manager(nics: Sequence[GuestNic], place: Place) -> str:
    files = []
    for number, nic in enumerate(nics):
        identity = uuid5(NAMESPACE_OID, f"zcloud {nic.mac}")
        lines = ["[connection]", f"id=zcloud-{number}", f"uuid={identity}", "type=ethernet", "", "[ethernet]"]
        lines += [f"mac-address={nic.mac.upper()}"] + ([f"mtu={nic.mtu}"] if nic.mtu else [])
        for version, gateway in ((4, nic.gateway), (6, nic.gateway6)):
            lines += ["", f"[ipv{version}]", *_manager_addresses(nic, version, gateway)]
        path = f"/etc/NetworkManager/system-connections/zcloud-{number}.nmconnection"
        files.append(PlacedFile(path, _text(lines), 0o600))
    return "keep /etc/NetworkManager/system-connections/*.nmconnection\n" + "".join(map(place, files))


def _manager_addresses(nic: GuestNic, version: int, gateway: str) -> list[str]:
    addresses = [each for each in nic.addresses if ipaddress.ip_interface(each).version == version]
    if not addresses:
        return ["method=auto" if not nic.addresses else "method=disabled"]
    lines = ["method=manual", *(f"address{at}={each}" for at, each in enumerate(addresses, 1))]
    lines += [f"gateway={gateway}"] if gateway else []
    dns = [each for each in nic.dns if ipaddress.ip_address(each).version == version]
    lines += [f"dns={';'.join(dns)};"] if dns else []
    lines += [f"dns-search={';'.join(nic.search)};"] if nic.search else []
    routes = [each for each in nic.routes if ipaddress.ip_network(each.to).version == version]
    return lines + [f"route{at}={each.to},{each.via},{each.metric}" for at, each in enumerate(routes, 1)]


def _ifcfg(nics: Sequence[GuestNic], place: Place) -> str:
    files = []
    for number, nic in enumerate(nics):
        lines = [f"NAME=zcloud-{number}", "TYPE=Ethernet", f"HWADDR={nic.mac.upper()}", "ONBOOT=yes"]
        lines += [f"BOOTPROTO={'none' if nic.addresses else 'dhcp'}"] + ([f"MTU={nic.mtu}"] if nic.mtu else [])
        old = [ipaddress.ip_interface(each) for each in nic.addresses]
        plain = [each for each in old if each.version == 4]
        for at, each in enumerate(plain):
            lines += [f"IPADDR{at or ''}={each.ip}", f"PREFIX{at or ''}={each.network.prefixlen}"]
        lines += [f"GATEWAY={nic.gateway}"] if nic.gateway else []
        lines += [f"DNS{at}={each}" for at, each in enumerate(nic.dns, 1)]
        lines += [f'DOMAIN="{" ".join(nic.search)}"'] if nic.search else []
        new = [str(each) for each in old if each.version == 6]
        if new:
            lines += ["IPV6INIT=yes", "IPV6_AUTOCONF=no", f"IPV6ADDR={new[0]}"]
            lines += [f'IPV6ADDR_SECONDARIES="{" ".join(new[1:])}"'] if new[1:] else []
            lines += [f"IPV6_DEFAULTGW={nic.gateway6}"] if nic.gateway6 else []
        files.append(PlacedFile(f"/etc/sysconfig/network-scripts/ifcfg-zcloud{number}", _text(lines)))
        if nic.routes:
            routes = [f"{each.to} via {each.via}" + f" metric {each.metric}" * bool(each.metric) for each in nic.routes]
            files.append(PlacedFile(f"/etc/sysconfig/network-scripts/route-zcloud{number}", _text(routes)))
    aside = (
        "mkdir -p /etc/sysconfig/before-zcloud\nfor each in /etc/sysconfig/network-scripts/ifcfg-*; do\n"
        'case "$each" in *-lo|*-zcloud*) ;; *) mv -f "$each" /etc/sysconfig/before-zcloud/ ;; esac\ndone\n'
    )
    return aside + "".join(map(place, files))


def _ifupdown(nics: Sequence[GuestNic], place: Place) -> str:
    """Ifupdown knows cards by name only, so udev gives them names by their MAC addresses."""
    lines, rules = ["auto lo", "iface lo inet loopback"], []
    for number, nic in enumerate(nics):
        name = f"zc{number}"
        rules.append(f'SUBSYSTEM=="net", ACTION=="add", ATTR{{address}}=="{nic.mac}", NAME="{name}"')
        lines += ["", f"auto {name}"]
        if not nic.addresses:
            lines.append(f"iface {name} inet dhcp")
        for each in map(ipaddress.ip_interface, nic.addresses):
            gateway = nic.gateway if each.version == 4 else nic.gateway6
            lines += [f"iface {name} inet{'' if each.version == 4 else '6'} static", f"    address {each}"]
            lines += [f"    gateway {gateway}"] if gateway else []
            lines += [f"    mtu {nic.mtu}"] if nic.mtu else []
            lines += [f"    dns-nameservers {' '.join(nic.dns)}"] if nic.dns else []
            lines += [f"    dns-search {' '.join(nic.search)}"] if nic.search else []
            lines += [
                f"    up ip route add {route.to} via {route.via}" + f" metric {route.metric}" * bool(route.metric)
                for route in nic.routes
                if ipaddress.ip_network(route.to).version == each.version
            ]
    resolver = _text([f"search {' '.join(nics[0].search)}"] * bool(nics and nics[0].search)
                     + [f"nameserver {each}" for nic in nics for each in nic.dns])  # fmt: skip
    names = (
        f"if ! has resolvconf && [ ! -L /etc/resolv.conf ]; then\n{place(PlacedFile('/etc/resolv.conf', resolver))}fi\n"
    )
    return (
        "keep /etc/network/interfaces /etc/network/interfaces.d/*\n"
        + place(PlacedFile("/etc/network/interfaces", _text(lines)))
        + place(PlacedFile("/etc/udev/rules.d/70-zcloud-net.rules", _text(rules)))
        + (names if any(nic.dns for nic in nics) else "")
    )


def _text(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
