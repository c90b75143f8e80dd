"""What an image built from packages is like inside, whoever started it."""

from __future__ import annotations

import re

from zcloud.imagebuild.recipes import Recipe

ARCHIVES = {"debian": "deb.debian.org", "ubuntu": "archive.ubuntu.com"}
FACTS = """\
cloud-init status --long | sed 's/^/ci: /'
echo "fact root: $(passwd -S root | cut -d' ' -f1,2)"
echo "fact keys: $(ls /etc/ssh/ssh_host_*_key | wc -l)"
echo "fact machine-id: $(wc -c < /etc/machine-id)"
echo "fact root-mib: $(df --output=size -m / | tail -1)"
echo "fact failed-units: $(systemctl --failed --plain --no-legend | wc -l)"
systemctl --failed --plain --no-legend
echo "fact resolver: $(readlink /etc/resolv.conf)"
echo "fact user: $(id -un 1000)"
echo "fact apt: $(grep -h URIs /etc/apt/sources.list.d/* | sort | tr '\\n' ' ')"
echo "fact left: $(ls /etc/apt/apt.conf.d/99mmdebstrap /etc/dpkg/dpkg.cfg.d/99mmdebstrap 2>/dev/null | wc -l)"
"""
"""A script for root, once cloud-init is done; no line holds more than one fact."""


def check_facts(said: str, recipe: Recipe, least_mib: int) -> None:
    """Check what ``FACTS`` printed; the root file system has grown to ``least_mib``."""
    facts = dict(re.findall(r"^fact ([a-z-]+): (.*?)\s*$", said, re.MULTILINE))
    assert "ci: status: done" in said, said[-3000:]
    assert "ci: errors: []" in said or "ci: errors" not in said
    assert facts["root"] == "root L"
    assert int(facts["keys"]) == 2
    assert facts["machine-id"] == "33"
    assert int(facts["root-mib"]) > least_mib
    assert facts["failed-units"] == "0", said[-3000:]
    assert facts["resolver"].endswith("systemd/resolve/stub-resolv.conf")
    assert facts["user"] == recipe.default_user
    assert ARCHIVES[recipe.family] in facts["apt"]
    assert facts["left"] == "0"
