"""The tiny guest: a bootable disk of some 35 MiB whose system lives in RAM and is ready in seconds.

It stands in for a cloud image in tests and demos: it reads a NoCloud seed (host name, SSH keys, users,
``runcmd``, scripts, network-config version 2 matched by MAC address), runs an SSH server, the guest agent
with its file commands, a web server on port 80 and a root shell on the serial console, and powers off
cleanly on the ACPI button. It needs 96 MiB of memory by BIOS, and 256 MiB by UEFI, whose GRUB finds no room
for the kernel in less. Once started it never touches its root disk ``/dev/vda``, so a test may write there;
whatever lies behind ``IMAGE_SIZE`` may be overwritten without harming the next boot.

On the console: ``TINY-INIT``, ``TINY-STATIC nic addresses``, ``TINY-DHCP nic address``,
``TINY-READY hostname``, ``TINY-DOWN``, each followed by ``up=seconds``, and the seed's ``final_message``.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from importlib.resources import files
from pathlib import Path
from uuid import UUID

from zcloud.domain.errors import BuildFailed
from zcloud.imagebuild.cache import DEFAULT_CACHE, cached
from zcloud.imagebuild.commands import Command, run
from zcloud.imagebuild.disk import GRUB_CONFIG, MIB, HybridDisk, assemble
from zcloud.imagebuild.initramfs import Archive
from zcloud.imagebuild.kernel import Kernel, fetch_kernel
from zcloud.imagebuild.packages import unpacked
from zcloud.imagebuild.probekit import busybox

IMAGE_NAME = "tiny.qcow2"
ESP_SIZE = 32 * MIB
IMAGE_SIZE = 35 * MIB  # what HybridDisk makes of ESP_SIZE; the image's virtual size in bytes
CMDLINE = "console=tty0 console=ttyS0 quiet panic=-1 net.ifnames=0 random.trust_cpu=on"
READY_WORD = "TINY-READY"

_MODULES = (
    *("virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio-rng", "virtio_balloon"),
    *("isofs", "ext4", "virtio_scsi", "sd_mod", "sr_mod", "button", "evdev"),
)
# Loaded in any case; the rest waits until its device or file system is seen.
_ALWAYS = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio-rng", "button", "evdev")
_PROGRAMS = {  # package: the programs to take from it
    "dropbear-bin": ("usr/sbin/dropbear",),
    "qemu-guest-agent": ("usr/sbin/qemu-ga",),
}
_FILES = {  # our file: where it goes, and its mode
    "init": ("/init", 0o755),
    "tiny.sh": ("/lib/tiny.sh", 0o644),
    "flatten.awk": ("/lib/flatten.awk", 0o644),
    "udhcpc.sh": ("/etc/udhcpc.sh", 0o755),
    "hotplug": ("/etc/hotplug", 0o755),
    "shutdown": ("/sbin/shutdown", 0o755),
    "chpasswd": ("/sbin/chpasswd", 0o755),
}
_TEXTS = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "/etc/group": "root:x:0:\n",
    "/etc/shadow": "root:*:19000:0:99999:7:::\n",
    "/etc/shells": "/bin/sh\n",
    "/etc/resolv.conf": "",
    "/etc/profile": "export PS1='\\h:\\w# '\n",
    "/etc/os-release": 'ID=tiny\nNAME=Tiny\nPRETTY_NAME="Tiny guest"\nVERSION_ID=1\n',
}
_APPLETS_AT = {"/sbin/poweroff": "/sbin/shutdown", "/bin/sh": "/bin/busybox", "/sbin/hwclock": "/bin/busybox"}


def tiny_image(cache: Path = DEFAULT_CACHE) -> Path:
    """Give the tiny guest's disk (qcow2, read-only to its users), built when it is not cached.

    Raises ``BuildFailed`` (or one of its kin) when a package cannot be fetched or a tool is missing.
    """
    kernel = fetch_kernel(cache)
    archive = tiny_initramfs(kernel, cache)
    digest = hashlib.sha256(archive.build() + str(kernel.vmlinuz).encode() + _grub_config().encode())
    entry = cache / f"tiny-{digest.hexdigest()[:16]}"
    return cached(entry, lambda directory: _build(directory, kernel, archive)) / IMAGE_NAME


def tiny_initramfs(kernel: Kernel, cache: Path = DEFAULT_CACHE) -> Archive:
    """Give the guest's whole system, for the modules of ``kernel``."""
    archive = Archive()
    for directory in ("/proc", "/sys", "/dev", "/run", "/tmp", "/mnt", "/etc/dropbear", "/usr/bin"):
        archive.add_directory(directory)
    _add_busybox(archive, busybox(cache))
    _add_modules(archive, kernel)
    for package, programs in _PROGRAMS.items():
        root = unpacked(package, cache)
        for program in programs:
            _add_program(archive, root / program, f"/{program}")
    for name, (path, mode) in _FILES.items():
        archive.add_file(path, files("zcloud.lab").joinpath("guest", name).read_bytes(), mode)
    for path, text in _TEXTS.items():
        archive.add_file(path, text.encode())
    archive.add_directory("/root", 0o700)
    archive.add_directory("/root/.ssh", 0o700)
    return archive


def _add_busybox(archive: Archive, binary: bytes) -> None:
    archive.add_file("/bin/busybox", binary, 0o755)
    for applet in _applets():
        archive.add_symlink(f"/bin/{applet}", "busybox")
    for path, target in _APPLETS_AT.items():
        archive.add_symlink(path, target)


def _applets() -> list[str]:
    words = files("zcloud.lab").joinpath("guest", "applets").read_text().split()
    return [word for word in words if word not in {"busybox", "poweroff"}]


def _add_modules(archive: Archive, kernel: Kernel) -> None:
    for module in kernel.modules(_MODULES):
        archive.add_file(f"/lib/modules/{module.name}.ko", module.content)
    order = [module.name for module in kernel.modules(_ALWAYS)]
    archive.add_file("/lib/modules/order", "".join(f"{name}\n" for name in order).encode())


def _add_program(archive: Archive, source: Path, path: str) -> None:
    """Add a program and the machine's own shared libraries that it needs."""
    archive.add_file(path, source.read_bytes(), 0o755)
    listing = run(Command(("ldd", str(source))))
    absent = re.findall(r"(\S+) => not found", listing)
    if absent:
        raise BuildFailed(f"{source.name} needs {', '.join(absent)}", hint="Install the package that has it.")
    for library in re.findall(r"(/\S+) \(0x", listing):
        archive.add_file(library, Path(library).read_bytes(), 0o755)


def _grub_config() -> str:
    # On BIOS the 16-bit entry saves 1.5 s under TCG: GRUB need not move the kernel about byte by byte.
    return (
        'if [ "$grub_platform" = pc ]; then\n'
        f"  linux16 /boot/vmlinuz {CMDLINE}\n  initrd16 /boot/initrd\n"
        "else\n"
        f"  linux /boot/vmlinuz {CMDLINE}\n  initrd /boot/initrd\n"
        "fi\n"
        "boot\n"
    )


def _build(directory: Path, kernel: Kernel, archive: Archive) -> None:
    initrd = archive.build_gzip()
    disk = HybridDisk(
        disk_id=UUID(bytes=hashlib.sha256(initrd).digest()[:16], version=4),
        esp_files={
            GRUB_CONFIG: _grub_config().encode(),
            "boot/vmlinuz": kernel.vmlinuz,
            "boot/initrd": initrd,
        },
        esp_size=ESP_SIZE,
    )
    work, raw = directory / "work", directory / "tiny.raw"
    work.mkdir()
    assemble(disk, raw, work)
    run(Command(("qemu-img", "convert", "-O", "qcow2", str(raw), str(directory / IMAGE_NAME))))
    raw.unlink()
    shutil.rmtree(work)
