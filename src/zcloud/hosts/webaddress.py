"""Where a download may go: which URLs are taken, and which addresses may be connected to."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from zcloud.domain.errors import AddressForbidden, InvalidInput

Resolve = Callable[[str, int], Sequence[str]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS = {"http": 80, "https": 443}
_MAX_URL = 2048
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that IANA has given out


class Target(NamedTuple):
    """A URL taken apart: scheme, host without brackets, port, and what comes after them, percent-encoded."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """The value of the Host header (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(url: str, base: str = "") -> Target:
    """Check a URL (relative to ``base`` where that is given) and take it apart; raises InvalidInput."""
    whole = urljoin(base, url) if base else url
    if len(whole) > _MAX_URL or not whole.isprintable() or any(char.isspace() for char in whole):
        raise _odd(url, "it is too long or has characters that no URL has")
    try:
        parts = urlsplit(whole)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError as error:  # UnicodeError is one
        raise _odd(url, str(error)) from error
    if parts.scheme not in PORTS:
        raise _odd(url, "only http and https are taken")
    if "@" in parts.netloc:
        raise _odd(url, "it carries a name or password")
    if not _HOST.fullmatch(host) or port == 0:
        raise _odd(url, "it has no proper host and port")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]")
    return Target(parts.scheme, host, port or PORTS[parts.scheme], f"{path}?{query}" if query else path)


def resolve(host: str, port: int) -> Sequence[str]:
    """Give the addresses of a host as the system's resolver finds them; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def allowed_addresses(host: str, found: Sequence[str], allow_private: Sequence[Network]) -> list[str]:
    """Give those of the ``found`` addresses that may be connected to; raises AddressForbidden if none is left."""
    good = [each for each in found if is_allowed(each, allow_private)]
    if not good:
        raise AddressForbidden(
            f"The host {host!r} is at {', '.join(found[:4]) or 'no address'}, which is not a public address.",
            host=host,
        )
    return good


def is_allowed(address: str, allow_private: Sequence[Network]) -> bool:
    """Tell whether an address is public, or in a network that was allowed by name.

    An IPv6 address that only carries an IPv4 one (mapped, 6to4, NAT64) is judged by that one.
    """
    try:
        inner = _carried(ipaddress.ip_address(address))
    except ValueError:
        return False
    if any(inner in network for network in allow_private):
        return True
    if isinstance(inner, ipaddress.IPv6Address) and inner not in _GLOBAL_UNICAST:
        return False
    return inner.is_global and not (inner.is_multicast or inner.is_reserved)


def _carried(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _odd(url: str, why: str) -> InvalidInput:
    return InvalidInput(f"The URL {url[:120]!r} is not taken: {why}.", field="url")
