"""Ethernet frames, byte by byte, honest and forged."""

from __future__ import annotations

import socket
import struct

BROADCAST = "ff:ff:ff:ff:ff:ff"
ARP, IP, IP6, VLAN, QINQ = 0x0806, 0x0800, 0x86DD, 0x8100, 0x88A8


def raw_mac(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def ethernet(source: str, target: str, kind: int, payload: bytes) -> bytes:
    return raw_mac(target) + raw_mac(source) + struct.pack("!H", kind) + payload


def tagged(frame: bytes, vlan: int, kind: int = VLAN) -> bytes:
    """Put a VLAN tag into a frame."""
    return frame[:12] + struct.pack("!HH", kind, vlan) + frame[12:]


def llc(source: str, target: str, payload: bytes) -> bytes:
    """Give an 802.3 frame as spanning tree uses them: a length where the type would be."""
    body = b"\x42\x42\x03" + payload
    return raw_mac(target) + raw_mac(source) + struct.pack("!H", len(body)) + body


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    start = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol)
    return start + struct.pack("!H", checksum(start + b"\0\0" + addresses)) + addresses + payload


def udp(source_port: int, target_port: int, payload: bytes) -> bytes:
    return struct.pack("!HHHH", source_port, target_port, 8 + len(payload), 0) + payload


def datagram(source: str, target: str, ports: tuple[int, int], payload: bytes = b"") -> bytes:
    return ip(source, target, socket.IPPROTO_UDP, udp(*ports, payload))


def arp(operation: int, sender: tuple[str, str], target: tuple[str, str]) -> bytes:
    """Give an ARP packet; 1 asks, 2 answers; sender and target are (MAC, address)."""
    addresses = b"".join(raw_mac(mac) + socket.inet_aton(address) for mac, address in (sender, target))
    return struct.pack("!HHBBH", 1, IP, 6, 4, operation) + addresses


def icmp6(source: str, target: str, kind: int, payload: bytes) -> bytes:
    body = struct.pack("!BBH", kind, 0, 0) + payload
    addresses = [socket.inet_pton(socket.AF_INET6, address) for address in (source, target)]
    return struct.pack("!IHBB", 6 << 28, len(body), socket.IPPROTO_ICMPV6, 255) + b"".join(addresses) + body


def dhcp(mac: str, kind: int, address: str = "", mark: bytes = b"") -> bytes:
    """Give a DHCP message from a client (RFC 2131): 1 discovers, 3 requests ``address``; a mark is its server name."""
    options = bytes([53, 1, kind]) + (b"\x32\x04" + socket.inet_aton(address) if address else b"") + b"\xff"
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, 0x2C10D, 0, 0x8000) + bytes(16)
    message = head + raw_mac(mac) + bytes(10) + mark.ljust(64 + 128, b"\0") + b"\x63\x82\x53\x63" + options
    return ethernet(mac, BROADCAST, IP, datagram("0.0.0.0", "255.255.255.255", (68, 67), message))


def parse_dhcp(frame: bytes) -> tuple[int, str] | None:
    """Give the message type and the offered address of a DHCP server's answer, None for any other frame."""
    body = frame[42:]
    if frame[12:14] != b"\x08\x00" or frame[34:36] != b"\0\x43" or body[236:240] != b"\x63\x82\x53\x63":
        return None
    options, at = {}, 240
    while body[at] != 255:
        options[body[at]] = body[at + 2 : at + 2 + body[at + 1]]
        at += 2 + body[at + 1]
    return options[53][0], socket.inet_ntoa(body[16:20])
