"""The shell script that customizes a system from within its own root, while nobody runs it. Pure.

One script for every Linux that has a POSIX shell: it looks which way the system sets up its network (netplan, ifcfg
files, NetworkManager, ifupdown, systemd-networkd) and who makes its GRUB configuration. Whatever comes from people is
quoted, or goes through base64. It may run twice.
"""

from __future__ import annotations

import base64
import posixpath
import shlex
from collections.abc import Iterator

from zcloud.domain.customization import Customization, PlacedFile
from zcloud.domain.errors import InvalidInput
from zcloud.domain.guest import GuestSpec, GuestUser
from zcloud.domain.names import check_name
from zcloud.drivers.guest import offlinechecks, offlinenet
from zcloud.drivers.guest.cloudinit import build_seed, ready_marker

_HEAD = r"""#!/bin/sh
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
umask 022
fail() { echo "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
put() {  # FILE MODE, its content comes in base64
    mkdir -p "$(dirname "$1")"
    base64 -d >"$1.zcloud-new" || fail "$1 cannot be written."
    chmod "$2" "$1.zcloud-new"
    mv -f "$1.zcloud-new" "$1"
}
line() {  # FILE LINE: have it in the file
    grep -qxF -e "$2" "$1" 2>/dev/null || printf '%s\n' "$2" >>"$1"
}
wanted() {  # UNIT: have systemd start it
    mkdir -p /etc/systemd/system/multi-user.target.wants
    ln -sf "$2/$1" "/etc/systemd/system/multi-user.target.wants/$1"
}
"""
_FRESH = """
[ -e /etc/machine-id ] && : >/etc/machine-id
[ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /var/lib/systemd/random-seed
rm -f /etc/udev/rules.d/70-persistent-net.rules /var/lib/dhcp/*.leases /var/lib/NetworkManager/*.lease
has ssh-keygen && ssh-keygen -A >/dev/null
"""
_USER = """
if ! id -u {name} >/dev/null 2>&1; then
    if has useradd; then useradd -m -s {shell} {name}; else adduser -D -s {shell} {name}; fi
fi
home=$(awk -F: -v name={name} '$1 == name {{ print $6 }}' /etc/passwd)
"""
_CONSOLE = r"""
if has grubby; then
    grubby --update-kernel=ALL --args='console=tty0 console=ttyS0,115200'
elif [ -e /etc/default/grub ]; then
    grep -q 'console=ttyS0' /etc/default/grub || cat >>/etc/default/grub <<'END'
GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX console=tty0 console=ttyS0,115200"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
END
    GRUB_DISABLE_OS_PROBER=true
    export GRUB_DISABLE_OS_PROBER
    if has update-grub; then update-grub
    elif [ -d /boot/grub2 ]; then grub2-mkconfig -o /boot/grub2/grub.cfg
    else grub-mkconfig -o /boot/grub/grub.cfg; fi
else
    fail "It has no GRUB whose configuration could be changed."
fi
"""
_READY = """[Unit]
Description=Tells zcloud that the system is up
After=network-online.target ssh.service sshd.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo {word} >/dev/ttyS0'

[Install]
WantedBy=multi-user.target
"""
_TAIL = r"""
if grep -qsE '^SELINUX=(enforcing|permissive)' /etc/selinux/config; then : >/.autorelabel; fi
"""


def build_script(what: Customization) -> bytes:
    """Give the script; raises InvalidInput naming the field."""
    offlinechecks.check(what)
    return "".join(_blocks(what)).encode()


def check_birth(spec: GuestSpec, default_user: str) -> None:
    """See that a new machine can be told what it is to be told, by its seed or on its disk; raises as these do."""
    if spec.options.offline:
        build_script(at_birth(spec, default_user))
    else:
        build_seed(spec)


def at_birth(spec: GuestSpec, default_user: str) -> Customization:
    """Give what a new machine without cloud-init is told on its disk, in place of a seed; raises InvalidInput.

    ``default_user`` is the image's, empty: root.
    """
    options = spec.options
    unable = {
        "user_data": spec.user_data,
        "disks": spec.disks,
        "guest.packages": options.packages,
        "guest.package_update": options.package_update,
        "guest.package_upgrade": options.package_upgrade,
        "guest.locale": options.locale,
        "guest.ntp": options.ntp,
        "guest.apt_proxy": options.apt_proxy,
        "guest.dnf_proxy": options.dnf_proxy,
        "hardware.os": spec.windows,
    }
    for name, value in unable.items():
        if value:
            raise InvalidInput(
                f"A guest that is customized offline takes no {name}: there is no cloud-init that would heed it.",
                hint="Use an image with cloud-init, or commands.",
                field=name,
            )
    person = GuestUser(default_user or "root", spec.ssh_keys, spec.password_hash, sudo=bool(default_user))
    return Customization(
        fresh=True,
        hostname=spec.hostname,
        fqdn=spec.fqdn,
        nics=spec.nics,
        timezone=options.timezone,
        users=(person, *spec.users),
        commands=spec.commands,
        ready_word=ready_marker(spec.instance_id),
    )


def _blocks(what: Customization) -> Iterator[str]:
    yield _HEAD
    if what.fresh:
        yield _FRESH
    yield from _names(what)
    if what.nics is not None:
        yield offlinenet.script(what.nics, _place)
    if what.timezone:
        zone = shlex.quote(what.timezone)
        yield f"ln -sf /usr/share/zoneinfo/{zone} /etc/localtime\nprintf '%s\\n' {zone} >/etc/timezone\n"
    for user in what.users:
        yield from _user(user)
    for each in what.passwords:
        yield f"printf '%s\\n' {shlex.quote(f'{each.user}:{each.text}')} | chpasswd\n"
    if what.serial_console:
        yield _CONSOLE
    for file in what.files:
        yield _place(file)
    if what.ready_word:
        unit = _READY.format(word=what.ready_word).encode()
        yield "if [ -d /etc/systemd/system ]; then\n"
        yield _place(PlacedFile("/etc/systemd/system/zcloud-ready.service", unit))
        yield "wanted zcloud-ready.service ..\nfi\n"
    for command in what.commands:
        yield f"sh -c {shlex.quote(command)} </dev/null\n"
    yield _TAIL


def _names(what: Customization) -> Iterator[str]:
    if what.hostname:
        name = check_name(what.hostname, "hostname")
        names = f"{what.fqdn} {name}" if what.fqdn and what.fqdn != name else name
        yield f"printf '%s\\n' {name} >/etc/hostname\n"
        yield "if [ -e /etc/sysconfig/network ]; then sed -i '/^HOSTNAME=/d' /etc/sysconfig/network; fi\n"
        yield "[ -e /etc/hosts ] || printf '127.0.0.1 localhost\\n::1 localhost\\n' >/etc/hosts\n"
        yield "sed -i '/^127\\.0\\.1\\.1[[:space:]]/d' /etc/hosts\n"
        yield f"line /etc/hosts {shlex.quote(f'127.0.1.1 {names}')}\n"
    for entry in what.hosts:
        yield f"line /etc/hosts {shlex.quote(' '.join((entry.address, *entry.names)))}\n"


def _user(user: GuestUser) -> Iterator[str]:
    name = shlex.quote(user.name)
    yield _USER.format(name=name, shell=shlex.quote(user.shell))
    for group in user.groups:
        yield f"if grep -q {shlex.quote(f'^{group}:')} /etc/group; then usermod -a -G {shlex.quote(group)} {name}; fi\n"
    if user.password_hash:
        yield f"printf '%s\\n' {shlex.quote(f'{user.name}:{user.password_hash}')} | chpasswd -e\n"
    if user.ssh_keys:
        yield 'mkdir -p "$home/.ssh"\nchmod 700 "$home/.ssh"\n'
        for key in user.ssh_keys:
            yield f'line "$home/.ssh/authorized_keys" {shlex.quote(key)}\n'
        yield f'chmod 600 "$home/.ssh/authorized_keys"\nchown -R {name}: "$home/.ssh"\n'
    if user.sudo and user.name != "root":
        yield "[ -d /etc/sudoers.d ] || fail 'It has no sudo.'\n"
        rule = f"{user.name} ALL=(ALL) NOPASSWD:ALL\n".encode()
        yield _place(PlacedFile(f"/etc/sudoers.d/90-zcloud-{user.name}", rule, 0o440))


def _place(file: PlacedFile) -> str:
    """Give the lines that write a file."""
    text = base64.encodebytes(file.content).decode()
    path = shlex.quote(posixpath.normpath(file.path))
    return f"put {path} {file.mode:04o} <<'END'\n{text}END\n"
