"""Builds a NoCloud seed (https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html).

Pure: the same spec always gives the same bytes. zcloud's own part comes first and the owner's are merged
into it by cloud-init itself, so a user data that brings ``users`` or ``ssh_authorized_keys`` adds to ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import yaml

from zcloud.domain.guest import GuestDisk, GuestNic, GuestOptions, GuestSpec, GuestUser
from zcloud.drivers.guest.checks import check_spec
from zcloud.drivers.guest.userdata import CLOUD_CONFIG, MERGE_TYPE, OwnerData, Part, parse_user_data

# Of these the owner's word counts; for the rest of zcloud's scalars (names, passwords) zcloud's does.
_OWNER_WINS = (
    "locale",
    "timezone",
    "ssh_pwauth",
    "manage_etc_hosts",
    "preserve_hostname",
    "ntp",
    "apt",
    "package_update",
    "package_upgrade",
)
# Once, early in a clone's first boot: cloud-init makes host keys anew by itself, but no machine id.
_NEW_MACHINE_ID = (
    "cloud-init-per instance zcloud-machine-id sh -c "
    "'rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup'"
)
_READY_WORD = "zcloud-ready"
_DUMPER = getattr(
    yaml, "CSafeDumper", yaml.SafeDumper
)  # libyaml, where the package was built with it: ten times as fast


@dataclass(frozen=True, slots=True)
class SeedFiles:
    """The three files of a NoCloud seed, as bytes."""

    meta_data: bytes = field(repr=False)  # of a guest with Windows it has the password
    user_data: bytes = field(repr=False)
    network_config: bytes


def build_seed(spec: GuestSpec) -> SeedFiles:
    """Give the seed of a guest.

    Raises InvalidInput (a value of ours, ``details["field"]`` names it) or InvalidCloudInit (the owner's
    user data, with the line where there is one).
    """
    check_spec(spec)
    if spec.windows:
        return _for_cloudbase(spec)
    owner = parse_user_data(spec.user_data)
    meta = {"instance-id": spec.instance_id, "local-hostname": spec.hostname}
    ours = "#cloud-config\n" + _dump(_cloud_config(spec, owner))
    return SeedFiles(
        meta_data=_dump(meta).encode(),
        user_data=_join(ours, owner.parts).encode(),
        network_config=_dump(network_config(spec.nics)).encode(),
    )


def _for_cloudbase(spec: GuestSpec) -> SeedFiles:
    """Give what cloudbase-init reads (https://cloudbase-init.readthedocs.io/en/latest/services.html#nocloud).

    Names, keys and the password are in its metadata; the owner's data, a script or cloud-config, is its own.
    """
    meta: dict[str, Any] = {"instance-id": spec.instance_id, "local-hostname": spec.hostname}
    if spec.ssh_keys:
        meta["public-keys"] = list(spec.ssh_keys)
    if spec.password:
        meta["admin-password"] = spec.password
    zone = {"set_timezone": spec.options.timezone} if spec.options.timezone else {}
    ours = "#cloud-config\n" + _dump(zone) if zone else ""
    return SeedFiles(
        meta_data=_dump(meta).encode(),
        user_data=(spec.user_data or ours).encode(),
        network_config=_dump(network_config(spec.nics)).encode(),
    )


def ready_marker(instance_id: str) -> str:
    """Give the line that cloud-init prints on the console when it is through."""
    return f"{_READY_WORD} {instance_id}"


def _cloud_config(spec: GuestSpec, owner: OwnerData) -> dict[str, Any]:
    message = ready_marker(spec.instance_id)
    config: dict[str, Any] = {
        "hostname": spec.hostname,
        **({"fqdn": spec.fqdn} if spec.fqdn else {}),
        "preserve_hostname": False,
        "manage_etc_hosts": "localhost",
        "users": ["default", *(_user(each) for each in spec.users)],
        **({"ssh_authorized_keys": list(spec.ssh_keys)} if spec.ssh_keys else {}),
        "ssh_pwauth": False,
        **_passwords(spec),
        **_options(spec.options),
        **_disks(spec.disks),
        **({"bootcmd": [_NEW_MACHINE_ID]} if spec.cloned else {}),
        **({"runcmd": list(spec.commands)} if spec.commands else {}),
        "final_message": f"{owner.final_message}\n{message}" if owner.final_message else message,
    }
    return {key: value for key, value in config.items() if key not in _OWNER_WINS or key not in owner.keys}


def _user(user: GuestUser) -> dict[str, Any]:
    record: dict[str, Any] = {"name": user.name, "shell": user.shell, "lock_passwd": not user.password_hash}
    if user.password_hash:
        record["hashed_passwd"] = user.password_hash
    if user.groups:
        record["groups"] = list(user.groups)
    if user.sudo:
        record["sudo"] = "ALL=(ALL) NOPASSWD:ALL"
    if user.ssh_keys:
        record["ssh_authorized_keys"] = list(user.ssh_keys)
    return record


def _passwords(spec: GuestSpec) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if spec.password_hash:
        config["password"] = spec.password_hash
    if spec.root_password_hash:
        root = {"name": "root", "password": spec.root_password_hash, "type": "hash"}
        config["chpasswd"] = {"expire": False, "users": [root]}
    elif spec.password_hash:
        config["chpasswd"] = {"expire": False}
    return config


def _options(options: GuestOptions) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if options.locale:
        config["locale"] = options.locale
    if options.timezone:
        config["timezone"] = options.timezone
    if options.ntp:
        config["ntp"] = {"enabled": True, "servers": list(options.ntp)}
    if options.apt_proxy:
        config["apt"] = {"http_proxy": options.apt_proxy, "https_proxy": options.apt_proxy}
    if options.dnf_proxy:
        line = f"proxy={options.dnf_proxy}\n"
        config["write_files"] = [{"path": "/etc/dnf/dnf.conf", "append": True, "content": line}]
    if options.packages:
        config["packages"] = list(options.packages)
    if options.package_update or options.packages:  # an image's lists are as old as the image
        config["package_update"] = True
    if options.package_upgrade:
        config["package_upgrade"] = True
    return config


def _disks(disks: tuple[GuestDisk, ...]) -> dict[str, Any]:
    """File systems on whole disks, which grow without a partition to move; ``nofail``: the guest boots without one."""
    made = [
        {"device": _by_id(disk), "filesystem": disk.filesystem, "partition": "none", "overwrite": False}
        for disk in disks
    ]
    mounts = [
        [_by_id(disk), disk.mount, disk.filesystem, "defaults,nofail", "0", "2"]
        for disk in sorted(disks, key=lambda disk: disk.mount)  # what lies below another comes after it
        if disk.mount
    ]
    return {**({"fs_setup": made} if made else {}), **({"mounts": mounts} if mounts else {})}


def _by_id(disk: GuestDisk) -> str:
    return f"/dev/disk/by-id/virtio-{disk.serial}"  # udev's 60-persistent-storage.rules


def network_config(nics: tuple[GuestNic, ...]) -> dict[str, Any]:
    """Give netplan's and cloud-init's version 2, by MAC and without set-name: a guest keeps its own names."""
    return {"version": 2, "ethernets": {f"nic{number}": _nic(nic) for number, nic in enumerate(nics)}}


def _nic(nic: GuestNic) -> dict[str, Any]:
    dynamic = not nic.addresses
    config: dict[str, Any] = {"match": {"macaddress": nic.mac}, "dhcp4": dynamic, "dhcp6": False}
    if nic.addresses:
        config["addresses"] = list(nic.addresses)
    # 0.0.0.0/0 rather than "default" or gateway4: old and new netplan and all of cloud-init's renderers take it.
    defaults = [("0.0.0.0/0", nic.gateway), ("::/0", nic.gateway6)]
    routes: list[dict[str, Any]] = [{"to": to, "via": via} for to, via in defaults if via]
    for route in nic.routes:
        metric = {"metric": route.metric} if route.metric else {}
        routes.append({"to": route.to, "via": route.via, **metric})
    if routes:
        config["routes"] = routes
    names = {"addresses": list(nic.dns), "search": list(nic.search)}
    if nic.dns or nic.search:
        config["nameservers"] = {key: value for key, value in names.items() if value}
    if nic.mtu:
        config["mtu"] = nic.mtu
    return config


def _join(ours: str, parts: tuple[Part, ...]) -> str:
    if not parts:
        return ours
    everything = (Part(CLOUD_CONFIG, ours, "zcloud"), *parts)
    digest = hashlib.sha256(repr(everything).encode()).hexdigest()
    message = MIMEMultipart("mixed", boundary=f"=={digest}==")
    for number, part in enumerate(everything):
        # Always utf-8, hence base64: no line of a part can look like a boundary or be mangled on the way.
        leaf = MIMEText(part.text, part.kind.removeprefix("text/"), "utf-8")
        leaf.add_header("Content-Disposition", "attachment", filename=part.name)
        if part.kind in {CLOUD_CONFIG, "text/jinja2"} and number:
            leaf.add_header("Merge-Type", MERGE_TYPE)
        message.attach(leaf)
    return message.as_string()


def _dump(value: Mapping[str, Any]) -> str:
    return str(yaml.dump(dict(value), Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=1000))
