"""What the guest's system, as its image tells it, changes of the hardware that it is born with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zcloud.domain.errors import InvalidInput
from zcloud.domain.hardware import guess_os, normal, settle
from zcloud.domain.instance import Firmware, InstanceSpec
from zcloud.drivers.guest.osinfo import Default, OsInfo, choose_firmware, hardware_defaults, list_refused


@dataclass(frozen=True, slots=True)
class Fitted:
    """A spec with its system's hardware; ``defaults`` has the ``value`` and the ``why`` of each that nobody chose.

    ``warnings``: with what it does not start, as far as osinfo knows.
    """

    spec: InstanceSpec
    firmware: Firmware
    defaults: Mapping[str, Mapping[str, Any]]
    warnings: tuple[str, ...]


def fit(spec: InstanceSpec, os_id: str, system: OsInfo | None) -> Fitted:
    """Give the spec with what its system needs where nothing was chosen; raises InvalidInput."""
    chosen = dict(spec.hardware)
    if spec.headless:
        chosen["screen"] = "none"
    if (guessed := guess_os(os_id)) != "linux":
        chosen.setdefault("os", guessed)
    kind = settle(chosen).os
    _check_password(spec, kind)
    if spec.firmware is Firmware.BIOS:
        chosen.setdefault("secure_boot", False)
    defaults = {name: each for name, each in hardware_defaults(system, kind).items() if name not in chosen}
    chosen |= {name: each.value for name, each in defaults.items()}
    secure = "secure_boot" in defaults and bool(chosen["secure_boot"])
    firmware, why = choose_firmware(system, spec.firmware, secure_boot=secure)
    if why:
        defaults["firmware"] = Default(firmware.value, why)
    return Fitted(
        dataclasses.replace(spec, hardware=normal(chosen)),
        firmware,
        {name: dataclasses.asdict(each) for name, each in defaults.items()},
        tuple(list_refused(system, firmware)),
    )


def _check_password(spec: InstanceSpec, kind: str) -> None:
    if spec.password and kind == "linux":
        hint = "Give password_hash, a crypt(3) hash."
        raise InvalidInput("Only guests with Windows take a password itself.", hint=hint, field="password")
    if spec.password_hash and kind != "linux":
        raise InvalidInput("Windows takes no hash of a password.", hint="Give password.", field="password_hash")
