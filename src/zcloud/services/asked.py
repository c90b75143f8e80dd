"""What a launch asked for, as it is kept: plain values in its operation, and secrets sealed beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from zcloud.domain.attachment import limits_of
from zcloud.domain.guest import SECRETS, GuestSecrets
from zcloud.domain.install import InstallRequest
from zcloud.domain.instance import DiskRequest, Firmware, InstanceSpec, NicRequest
from zcloud.store import Tx


def to_plain(spec: InstanceSpec) -> dict[str, Any]:
    """Give what was asked for as plain JSON values, without what is sealed."""
    return {key: value for key, value in dataclasses.asdict(spec).items() if key not in SECRETS}


def recall(asked: Mapping[str, Any], secrets: GuestSecrets) -> InstanceSpec:
    """Give the spec that ``to_plain`` wrote down."""
    firmware = Firmware(asked["firmware"]) if asked["firmware"] else None
    values = {**asked, **{name: getattr(secrets, name) for name in SECRETS}, "firmware": firmware}
    values["nics"] = tuple(NicRequest(**each) for each in asked["nics"])
    values["disks"] = tuple(
        DiskRequest(**{**each, "limits": limits_of(each.get("limits", {}))}) for each in asked["disks"]
    )
    if values.get("install"):
        values["install"] = InstallRequest(**values["install"])
    for name in ("ssh_keys", "tags"):
        values[name] = tuple(asked[name])
    return InstanceSpec(**values)


def secrets_of(spec: InstanceSpec) -> GuestSecrets:
    """Give what is sealed of it."""
    return GuestSecrets(**{name: getattr(spec, name) for name in SECRETS})


def seal(tx: Tx, instance_id: str, spec: InstanceSpec) -> None:
    """Keep what is sealed of it."""
    for kind, value in secrets_of(spec).pack().items():
        tx.secrets.put(f"instance.{kind}", instance_id, value)
