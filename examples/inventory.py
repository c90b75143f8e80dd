"""All running instances as an Ansible inventory, or as lines for /etc/hosts.

ansible -i examples/inventory.py all -m ping      # groups: each tag, each image, each project
python examples/inventory.py --hosts >> /etc/hosts
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from typing import Any

from zcloud.client import connect
from zcloud.client.types import Instance


def main() -> int:
    """Print the inventory in the form that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="as Ansible calls it")
    parser.add_argument("--host", help="as Ansible calls it; all is in --list already")
    parser.add_argument("--hosts", action="store_true", help="lines for /etc/hosts")
    given = parser.parse_args()
    if given.host:
        print("{}")
        return 0
    with connect() as cloud:
        running = [each for each in cloud.instances.list(status="running") if address_of(each)]
    if given.hosts:
        print("\n".join(f"{address_of(each)} {each['name']}" for each in running))
    else:
        print(json.dumps(inventory(running), indent=2))
    return 0


def address_of(instance: Instance) -> str:
    """Give the first address that zcloud gave to the instance, or nothing."""
    return next((nic["address"] for nic in instance["nics"] if nic["address"]), "")


def inventory(instances: list[Instance]) -> dict[str, Any]:
    """Give the form that Ansible reads from scripts."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    variables = {}
    for each in instances:
        variables[each["name"]] = {"ansible_host": address_of(each), "ansible_user": each["default_user"] or "root"}
        for kind, names in (("tag", each["tags"]), ("image", [each["image"]]), ("project", [each["project"]])):
            for name in filter(None, names):
                groups[re.sub(r"\W", "_", f"{kind}_{name}")].append(each["name"])
    return {
        "_meta": {"hostvars": variables},
        "all": {"children": sorted(groups)},
        **{name: {"hosts": hosts} for name, hosts in groups.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
