"""What scripts/demo does once everything is installed. It uses zcloud as a person would: by its commands.

All state is in .state/demo of the checkout; the pool is a directory of its own. What the machine had before is
written down first, so that --clean can say whether all of it is as it was.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tools.demo_machine import DemoError, compare, machine, nft_tables, remove_libvirt_tables, run

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / ".state" / "demo"
DATA = STATE / "data"
CONFIG = STATE / "zcloud.toml"
PASSWORD = STATE / "admin-password"
PID_FILE = STATE / "serve.pid"
LOG = STATE / "serve.log"
KEY = STATE / "id_ed25519"
BEFORE = STATE / "before.json"
CLI_CONFIG = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "zcloud" / "cli.json"
CLI_BEFORE = STATE / "cli.json"  # the command line's own file, where it was signed in elsewhere
LIBVIRT_OURS = STATE / "libvirt-ours"
POOL = "/var/lib/libvirt/images/zcloud-demo"
ZCLOUD = str(ROOT / ".venv/bin/zcloud")
KVM = Path("/dev/kvm")
SUBNETS = ("192.168.150.0/24", "192.168.151.0/24", "10.115.0.0/24", "172.28.115.0/24")
IMAGE = "debian-12"
NAME = "demo"
DATA_DISK = "1G,mount=/srv/data,name=data"


def zcloud(*words: str, quiet: bool = False, check: bool = True, stdin: str = "") -> str:
    """Run a zcloud command."""
    return run([ZCLOUD, *words], quiet=quiet, check=check, stdin=stdin)


def is_there(*words: str) -> bool:
    """Say whether a ``zcloud NOUN show NAME`` finds something."""
    return bool(zcloud(*words, "-o", "json", quiet=True, check=False).strip())


def part(title: str, done: Callable[[], bool], work: Callable[[], None]) -> None:
    """Do one part unless it is done already, and say how long it took."""
    if done():
        print(f"  {title}: is there", flush=True)
        return
    print(f"  {title} ...", flush=True)
    begun = time.monotonic()
    work()
    print(f"  {title}: {time.monotonic() - begun:.1f} s", flush=True)


# -- libvirt -------------------------------------------------------------------------------------


def libvirt_answers() -> bool:
    """Say whether a system libvirt answers."""
    return any(_connects(path) for path in ("/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock"))


def _connects(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(3)
        return probe.connect_ex(path) == 0


def start_libvirt() -> None:
    """Start libvirt: by the service manager, or by ourselves where none runs."""
    if Path("/run/systemd/system").exists():
        run(["systemctl", "start", "libvirtd"])
        return
    _own_kvm()
    LIBVIRT_OURS.touch()
    run([sys.executable, "-m", "zcloud.lab", "libvirtd", "start"], quiet=True)


def _own_kvm() -> None:
    """Give /dev/kvm to the group kvm, as udev does: else libvirt and QEMU disagree whether KVM is there."""
    if KVM.exists() and KVM.stat().st_mode & 0o060 != 0o060:
        (STATE / "kvm-before").write_text(f"{KVM.stat().st_mode & 0o777:o} {KVM.stat().st_gid}")
        shutil.chown(KVM, group="kvm")
        KVM.chmod(0o660)


def stop_libvirt() -> None:
    """Stop the libvirt that we started, and give /dev/kvm back."""
    run([sys.executable, "-m", "zcloud.lab", "libvirtd", "stop"], quiet=True)
    before = STATE / "kvm-before"
    if before.exists():
        mode, group = before.read_text().split()
        os.chown(KVM, -1, int(group))
        KVM.chmod(int(mode, 8))


# -- the server ----------------------------------------------------------------------------------


def configure() -> None:
    """Write the configuration and set the installation up."""
    port = next(each for each in range(8443, 8543) if _is_free(each))
    CONFIG.write_text(f'data_dir = "{DATA}"\n\n[server]\nport = {port}\n')
    zcloud("init", "--config", str(CONFIG), "--password-file", str(PASSWORD), quiet=True)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def url() -> str:
    """Give the server's address."""
    port = CONFIG.read_text().split("port = ")[1].split()[0]
    return f"https://127.0.0.1:{port}"


def server_runs() -> bool:
    """Say whether our server is up."""
    if not PID_FILE.exists():
        return False
    command = Path(f"/proc/{PID_FILE.read_text().strip()}/cmdline")
    return command.exists() and b"serve" in command.read_bytes()


def start_server() -> None:
    """Start the server in the background, and wait until it listens."""
    with LOG.open("ab") as log:
        process = subprocess.Popen(
            [ZCLOUD, "serve", "--config", str(CONFIG)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    PID_FILE.write_text(str(process.pid))
    port = int(url().rpartition(":")[2])
    for _ in range(300):
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise DemoError(f"The server did not start; its log is {LOG}:\n{LOG.read_text()[-1500:]}")


def stop_server() -> None:
    """Stop the server by its process id."""
    if not server_runs():
        return
    pid = int(PID_FILE.read_text())
    os.kill(pid, signal.SIGTERM)
    for _ in range(200):
        if not server_runs():
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)


def login() -> None:
    """Sign the command line in."""
    if CLI_CONFIG.exists() and not CLI_BEFORE.exists() and url() not in CLI_CONFIG.read_text():
        shutil.copy2(CLI_CONFIG, CLI_BEFORE)
    authority = str(DATA / "tls/ca.pem")
    words = ("login", "--url", url(), "--ca", authority, "--user", "admin", "--password-stdin")
    zcloud(*words, quiet=True, stdin=PASSWORD.read_text())


def restore_login() -> None:
    """Give the command line its file back, or none where it had none."""
    if CLI_BEFORE.exists():
        shutil.copy2(CLI_BEFORE, CLI_CONFIG)
    elif CLI_CONFIG.exists() and url() in CLI_CONFIG.read_text():
        CLI_CONFIG.unlink()


def logged_in() -> bool:
    """Say whether the command line is signed in at our server."""
    ours = CLI_CONFIG.exists() and url() in CLI_CONFIG.read_text()
    return ours and bool(zcloud("whoami", "-o", "json", quiet=True, check=False).strip())


# -- the cloud -----------------------------------------------------------------------------------


def make_network() -> None:
    """Make the NAT network on the first subnet that is free here."""
    for subnet in SUBNETS:
        words = (
            "network",
            "create",
            "default",
            "--host",
            "local",
            "--cidr",
            subnet,
            "--default",
            "--option",
            "isolation=off",
        )
        zcloud(*words, quiet=True, check=False)
        shown = json.loads(zcloud("network", "show", "default", "-o", "json", quiet=True, check=False) or "{}")
        if shown.get("network", {}).get("state") == "ready":
            return
        zcloud("network", "delete", "default", "--yes", quiet=True, check=False)
    raise DemoError(f"None of the subnets {', '.join(SUBNETS)} is free here.")


def make_key() -> None:
    """Give your own public key to zcloud, or that of a pair that is made for the demo."""
    own = sorted((Path.home() / ".ssh").glob("id_*.pub"))
    if not own and not KEY.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "zcloud-demo", "-f", str(KEY)])
    zcloud("key", "add", "demo", str(own[0] if own else f"{KEY}.pub"), quiet=True)


def has_key() -> bool:
    """Say whether zcloud has a key of ours."""
    return any(each["name"] == "demo" for each in json.loads(zcloud("key", "list", "-o", "json", quiet=True)))


def make_host() -> None:
    """Add this machine as a host; KVM is probed."""
    zcloud("host", "add", "local", "--local")


def make_pool() -> None:
    """Make the default pool in a directory of its own."""
    zcloud("pool", "create", "default", "--host", "local", "--path", POOL, "--default")


def get_image() -> None:
    """Import the official image where there is internet, else build one from the distribution's packages."""
    words = [ZCLOUD, "image", "import", IMAGE, "--public"]
    official = subprocess.run(words, stderr=subprocess.DEVNULL, check=False)
    if official.returncode:
        print("    the official image cannot be had from here; building one from the distribution's packages")
        zcloud("image", "delete", IMAGE, "--yes", quiet=True, check=False)
        zcloud("image", "build", IMAGE, "--public")


def launch() -> None:
    """Launch the instance, and wait until its guest is ready."""
    words = ("--flavor", "tiny", "--disk", DATA_DISK, "--key", "demo", "--wait=ready")
    zcloud("launch", NAME, "--image", IMAGE, *words)


def tell() -> None:
    """Say what there is, and what to do with it."""
    shown = json.loads(zcloud("instance", "show", NAME, "-o", "json", quiet=True))
    host = json.loads(zcloud("host", "show", "local", "-o", "json", quiet=True))
    identity = f"-i {KEY.relative_to(ROOT)} " if KEY.exists() else ""
    print(f"""
{NAME} is {shown["status"]} and {shown["ready"]} on this machine ({host["accel"]}: {host["accel_reason"]})

  its address    {", ".join(port["address"] for port in shown["nics"])}
  log in         zcloud ssh {identity}{NAME}
  its console    zcloud console {NAME}     (Ctrl-] leaves it)
  all there is   zcloud list
  (zcloud is {ZCLOUD})

  in a browser   {url()}    (its certificate is of an authority of its own: {DATA / "tls/ca.pem"})
  first login    admin, password in {PASSWORD}
  the API        {url()}/v1/openapi.json
  remove it all  scripts/demo --clean
""")


# -- before and after ----------------------------------------------------------------------------


def remember() -> None:
    """Write down what the machine has, before anything is made; libvirt may still be starting networks of its own."""
    before, now, tries = None, machine(), 20
    while before != now and tries:
        time.sleep(0.5)
        before, now, tries = now, machine(), tries - 1
    BEFORE.write_text(json.dumps(now))


def clean() -> None:
    """Remove everything that the demo made, and compare the machine with what it was."""
    if not STATE.exists():
        print("There is no demo here.")
        return
    part("libvirt", libvirt_answers, start_libvirt)
    part("server", server_runs, start_server)
    part("login", logged_in, login)
    for instance in json.loads(zcloud("list", "-o", "json", quiet=True) or "[]"):
        zcloud("instance", "unprotect", instance["name"], quiet=True, check=False)
        zcloud("delete", instance["name"], "--yes", "--purge")
    zcloud("trash", "empty", "--yes", quiet=True)
    for noun, name in (("image", IMAGE), ("network", "default"), ("pool", "default"), ("host", "local")):
        if is_there(noun, "show", name):
            print(f"  {noun} {name}", flush=True)
            zcloud(noun, "remove" if noun == "host" else "delete", name, "--yes")
    stop_server()
    after, before = machine(), json.loads(BEFORE.read_text())
    if LIBVIRT_OURS.exists():
        stop_libvirt()
        remove_libvirt_tables(before["nftables"])
        after["nftables"] = nft_tables()
    restore_login()
    shutil.rmtree(STATE)
    told = compare(before, after)
    for what, heading in (("gone", "Meanwhile removed by others"), ("came", "Meanwhile made by others")):
        if told[what]:
            print(f"{heading}:\n  " + "\n  ".join(told[what]))
    if told["left"]:
        sys.exit("Still there, and was not before:\n  " + "\n  ".join(told["left"]))
    print("Everything is removed; nftables, links, networks, pools, domains and files are as they were.")


def make() -> None:
    """Make whatever of the demo is not there yet."""
    STATE.mkdir(parents=True, exist_ok=True, mode=0o700)
    begun = time.monotonic()
    part("libvirt", libvirt_answers, start_libvirt)
    part("what the machine has", BEFORE.exists, remember)
    part("installation", PASSWORD.exists, configure)
    part("server", server_runs, start_server)
    part("login", logged_in, login)
    part("this machine as a host, with the KVM probe", lambda: is_there("host", "show", "local"), make_host)
    part("default pool", lambda: is_there("pool", "show", "default"), make_pool)
    part("default network", lambda: is_there("network", "show", "default"), make_network)
    part("SSH key", has_key, make_key)
    part(f"image {IMAGE}", lambda: is_there("image", "show", IMAGE), get_image)
    part(f"instance {NAME}, until its guest is ready", lambda: is_there("instance", "show", NAME), launch)
    print(f"  all of it: {time.monotonic() - begun:.1f} s")
    tell()


if __name__ == "__main__":
    try:
        clean() if "--clean" in sys.argv[1:] else make()
    except DemoError as problem:
        sys.exit(f"error: {problem}")
