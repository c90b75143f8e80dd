"""libvirt's own RelaxNG schemas, for whoever generates its XML."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from lxml import etree

SCHEMAS = Path("/usr/share/libvirt/schemas")

needs_schemas = pytest.mark.skipif(
    not (SCHEMAS / "domain.rng").exists(),
    reason="libvirt's schemas are not installed (package libvirt-daemon or libvirt-common)",
)


@cache
def schema(name: str) -> etree.RelaxNG:
    """Give the schema of a document: domain, network, storagepool, capability, domaincaps."""
    return etree.RelaxNG(etree.parse(str(SCHEMAS / f"{name}.rng")))


@cache
def schema_names() -> frozenset[str]:
    """Give every name of an element or attribute that any of the schemas knows."""
    names: set[str] = set()
    for path in SCHEMAS.glob("*.rng"):
        for element in etree.parse(str(path)).iter("{*}element", "{*}attribute", "{*}name"):
            names.add(element.get("name") or (element.text or "").strip())
    return frozenset(name.rpartition(":")[2] for name in names)
