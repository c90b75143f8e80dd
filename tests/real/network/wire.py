"""Sends frames on devices of a network namespace and says who heard them. Run inside the host, told by JSON.

Input: ``{"listen": [device, ...], "udp": port, "wait_s": 0.2, "sends": [[device, hex], ...]}``.
Output: for each frame the list of ``[ear, hex]`` that were heard after it; the ear ``udp`` is the host's own socket.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

ALL_PROTOCOLS = 0x0003
OUTGOING = 4


def ear(device: str) -> socket.socket:
    """Hear what comes into a device."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    made.bind((device, ALL_PROTOCOLS))
    return made


def hear(ears: dict[str, socket.socket], wait_s: float) -> list[tuple[str, str]]:
    """Give what is heard within a time."""
    heard = []
    deadline = time.monotonic() + wait_s
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select(list(ears.values()), [], [], left)
        for name, each in ears.items():
            if each in ready:
                data, origin = each.recvfrom(65536)
                if name == "udp" or origin[2] != OUTGOING:
                    heard.append((name, data.hex()))
    return heard


def main() -> None:
    """Do what standard input says."""
    task = json.load(sys.stdin)
    ears = {name: ear(name) for name in task["listen"]}
    ears["udp"] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ears["udp"].bind(("0.0.0.0", task["udp"]))
    mouths = {name: ear(name) for name in {device for device, _ in task["sends"]}}
    hear(ears, 0.05)
    result = []
    for device, frame in task["sends"]:
        mouths[device].send(bytes.fromhex(frame))
        result.append(hear(ears, task["wait_s"]))
    json.dump(result, sys.stdout)


main()
