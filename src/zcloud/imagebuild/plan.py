"""Decides what building an image runs and writes (pure: recipes in, arguments and files out)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from zcloud.imagebuild.disk import GRUB_CONFIG
from zcloud.imagebuild.recipes import Keyring, Recipe, Source

# Asks apt which sources this machine uses, whether or not their lists were ever downloaded.
MACHINE_SOURCES = ("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")

APT_HELPER = "/usr/lib/apt/apt-helper"

# Written into the tree before any package is configured: kernels link themselves as /boot/vmlinuz.
KERNEL_LINKS = "do_symlinks = yes\nlink_in_boot = yes\n"

# What a package or mmdebstrap leaves and an image must not carry, relative to its root.
UNWANTED = (
    "etc/ssh/ssh_host_*",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/*",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "var/lib/systemd/random-seed",
    "var/log/*.log",
    "var/log/apt/*",
)

LINKS = {
    "etc/resolv.conf": "../run/systemd/resolve/stub-resolv.conf",
    "var/lib/dbus/machine-id": "/etc/machine-id",
    # They look after snapshots in LVM, which no image has, and ran at every boot.
    "etc/systemd/system/e2scrub_all.timer": "/dev/null",
    "etc/systemd/system/e2scrub_reap.service": "/dev/null",
}

_DOCUMENTATION = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
_COPYRIGHT = "/usr/share/doc/*/copyright"
_DATASOURCES = ("NoCloud", "ConfigDrive", "OpenStack", "Ec2", "None")
_HOST_KEYS = ("ed25519", "ecdsa")  # every client has one of them; RSA's primes take an emulated processor 6 s


@dataclass(frozen=True, slots=True)
class Places:
    """Files and directories of one build."""

    tree: str
    kernel_links: str
    keyring: str


def machine_mirrors(listing: str) -> dict[str, str]:
    """Read ``MACHINE_SOURCES``' output: the last part of a mirror's path -> the mirror."""
    mirrors: dict[str, str] = {}
    for line in listing.splitlines():
        address = line.strip().rstrip("/")
        parts = urlsplit(address)
        if parts.scheme in {"http", "https"} and parts.hostname:
            mirrors.setdefault(parts.path.rsplit("/", 1)[-1], address)
    return mirrors


def choose_sources(recipe: Recipe, mirror: str, machine: dict[str, str]) -> tuple[Source, ...]:
    """Give the sources to build from.

    The ``mirror`` a person named comes first (for the suites of the main archive), then this machine's
    own mirror of the same archive, then the distribution's default.
    """
    main = recipe.sources[0].mirror

    def place(source: Source) -> str:
        if mirror and source.mirror == main:
            return mirror.rstrip("/")
        return machine.get(source.mirror.rsplit("/", 1)[-1], source.mirror)

    return tuple(Source(place(source), source.suite) for source in recipe.sources)


def mmdebstrap_argv(recipe: Recipe, sources: Iterable[Source], places: Places) -> tuple[str, ...]:
    """Give the command that gets the packages and unpacks them into ``places.tree``.

    Documentation is left out of the image, but not of what its users install later: the options are
    removed from it again (``UNWANTED``).
    """
    components = " ".join(recipe.components)
    excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in _DOCUMENTATION]
    upload = f"upload {shlex.quote(places.kernel_links)} /etc/kernel-img.conf"
    return (
        "mmdebstrap",
        "--mode=root",
        "--format=directory",
        "--variant=minbase",
        f"--keyring={places.keyring}",
        '--aptopt=Acquire::Languages "none"',
        "--aptopt=Acquire::Retries 3",
        "--dpkgopt=force-unsafe-io",  # the tree is thrown away when anything fails
        *excluded,
        f"--dpkgopt=path-include={_COPYRIGHT}",
        f"--essential-hook={upload}",
        f"--include={','.join(recipe.packages)}",
        recipe.suite,
        places.tree,
        *(f"deb {source.mirror} {source.suite} {components}" for source in sources),
    )


def keyring_argvs(keyring: Keyring, mirror: str, package: str, directory: str) -> tuple[tuple[str, ...], ...]:
    """Give the commands that get the archive's keys from its own mirror into ``directory``.

    apt's helper uses this machine's proxy and refuses a package with another checksum.
    """
    download = (APT_HELPER, "download-file", f"{mirror}/{keyring.pool_file}", package, f"SHA256:{keyring.sha256}")
    return download, ("dpkg-deb", "-x", package, directory)


def mke2fs_argv(tree: str, image: str, uuid: str, size: int) -> tuple[str, ...]:
    """Give the command that makes the root file system of ``size`` bytes from a directory."""
    options = ("-q", "-t", "ext4", "-L", "root", "-U", uuid, "-m", "1", "-d", tree)
    return ("mke2fs", *options, image, f"{size // 1024}k")


def convert_argv(raw: str, qcow2: str) -> tuple[str, ...]:
    """Give the command that makes the compressed image."""
    return (
        "qemu-img",
        "convert",
        "-c",
        "-m",
        "4",
        "-W",
        "-O",
        "qcow2",
        "-o",
        "compression_type=zstd",
        raw,
        qcow2,
    )


def image_files(recipe: Recipe, root_uuid: str) -> dict[str, str]:
    """Give the files of the image that are ours: path -> text (mode 0644, owner root)."""
    return {
        "etc/machine-id": "",
        "etc/hostname": f"{recipe.family}\n",
        "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
        "etc/fstab": f"UUID={root_uuid} / ext4 rw,discard,errors=remount-ro 0 1\n",
        f"etc/apt/sources.list.d/{recipe.family}.sources": _apt_sources(recipe),
        "etc/cloud/cloud.cfg.d/90_image.cfg": _cloud_config(),
        GRUB_CONFIG: _grub_config(root_uuid),
    }


def _cloud_config() -> str:
    """Name the datasources, NoCloud first, and keep the image's package sources (JSON is YAML).

    The locale is the one that needs no generating; cloud-init's own default would fail without that. There is no
    GRUB package whose questions could be answered.
    """
    settings = {
        "datasource_list": list(_DATASOURCES),
        "apt": {"preserve_sources_list": True},
        "grub_dpkg": {"enabled": False},
        "locale": "C.UTF-8",
        "ssh_genkeytypes": list(_HOST_KEYS),
    }
    return f"#cloud-config\n{json.dumps(settings, indent=2)}\n"


def _grub_config(root_uuid: str) -> str:
    """Boot the newest kernel by its link, so that a kernel upgrade needs no new configuration.

    BIOS takes the kernel's 16-bit entry: with the other one GRUB moves it about byte by byte, 1 s when emulated.
    """
    options = f"root=UUID={root_uuid} ro console=tty0 console=ttyS0,115200"
    entries = "".join(
        f'menuentry "{title}" {{\n  linux$bits /boot/vmlinuz{old} {options}\n  initrd$bits /boot/initrd.img{old}\n}}\n'
        for title, old in (("Linux", ""), ("Linux, the kernel before", ".old"))
    )
    serial = "serial --unit=0 --speed=115200\nterminal_input console serial\nterminal_output console serial\n"
    bits = 'if [ "$grub_platform" = pc ]; then\n  set bits=16\nfi\n'
    return f"{serial}{bits}set default=0\nset fallback=1\nset timeout=1\n{entries}"


def _apt_sources(recipe: Recipe) -> str:
    """Give deb822 sources with the distribution's own mirrors, whatever mirror the build used."""
    suites: dict[str, list[str]] = {}
    for source in recipe.sources:
        suites.setdefault(source.mirror, []).append(source.suite)
    stanzas = [
        f"Types: deb\nURIs: {mirror}\nSuites: {' '.join(names)}\n"
        f"Components: {' '.join(recipe.components)}\nSigned-By: {recipe.keyring.path}\n"
        for mirror, names in suites.items()
    ]
    return "\n".join(stanzas)
