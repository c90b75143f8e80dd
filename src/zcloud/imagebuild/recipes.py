"""What each system's image is made from: plain data, one record per system."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1024**3

_COMMON = (
    "apt",  # a required package of Debian only
    "ca-certificates",
    "cloud-guest-utils",  # growpart: the root partition follows the disk
    "cloud-init",
    "dbus",
    "e2fsprogs",
    "fdisk",
    "initramfs-tools",
    "iproute2",
    "iputils-ping",
    "kmod",
    "less",
    "locales",  # other languages than C.UTF-8, when cloud-init is asked for one
    "libpam-systemd",  # logind, which answers the power button
    "netplan.io",
    "openssh-server",
    "qemu-guest-agent",
    "sudo",
    "systemd-resolved",
    "systemd-sysv",
    "systemd-timesyncd",
    "udev",
    "vim-tiny",
)


@dataclass(frozen=True, slots=True)
class Source:
    """One package source: a mirror and a suite on it."""

    mirror: str
    suite: str


@dataclass(frozen=True, slots=True)
class Keyring:
    """An archive's signing keys: the file, and the package that brings it.

    ``pool_file`` is that package on the archive's own mirror, believed only with ``sha256``: the way to
    the keys on a machine whose distribution does not have the package.
    """

    path: str
    package: str
    pool_file: str = ""
    sha256: str = ""


_DEBIAN_KEYS = Keyring("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring")
_UBUNTU_KEYS = Keyring(
    "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
    "ubuntu-keyring",
    "pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb",
    "36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8",
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one system's image is built.

    ``os_id`` is osinfo's short id; ``disk_bytes`` is the size of the finished disk, which a guest's
    root file system outgrows at its first boot.
    """

    name: str
    title: str
    os_id: str
    default_user: str
    suite: str
    sources: tuple[Source, ...]
    components: tuple[str, ...]
    keyring: Keyring
    packages: tuple[str, ...]
    disk_bytes: int = 2 * GIB

    @property
    def family(self) -> str:
        """The distribution, as its own tools spell it (``debian``, ``ubuntu``)."""
        return self.os_id.rstrip("0123456789.")


def _debian(number: str, suite: str) -> Recipe:
    main, security = "http://deb.debian.org/debian", "http://deb.debian.org/debian-security"
    return Recipe(
        name=f"debian-{number}",
        title=f"Debian {number} ({suite})",
        os_id=f"debian{number}",
        default_user="debian",
        suite=suite,
        sources=(
            Source(main, suite),
            Source(main, f"{suite}-updates"),
            Source(security, f"{suite}-security"),
        ),
        components=("main",),
        keyring=_DEBIAN_KEYS,
        packages=(*_COMMON, "linux-image-cloud-amd64"),
    )


def _ubuntu(number: str, suite: str, *absent: str) -> Recipe:
    mirror = "http://archive.ubuntu.com/ubuntu"
    return Recipe(
        name=f"ubuntu-{number}",
        title=f"Ubuntu {number} ({suite})",
        os_id=f"ubuntu{number}",
        default_user="ubuntu",
        suite=suite,
        sources=tuple(Source(mirror, name) for name in (suite, f"{suite}-updates", f"{suite}-security")),
        components=("main", "universe"),
        keyring=_UBUNTU_KEYS,
        packages=(*(name for name in _COMMON if name not in absent), "linux-image-virtual", "lsb-release"),
    )


_ALL = (
    _debian("12", "bookworm"),
    _debian("13", "trixie"),
    _ubuntu("22.04", "jammy", "systemd-resolved"),  # part of systemd there
    _ubuntu("24.04", "noble"),
)

RECIPES = {recipe.name: recipe for recipe in _ALL}
