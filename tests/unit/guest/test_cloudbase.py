"""What a guest with Windows is told: by cloudbase-init's names, and nothing that only cloud-init reads."""

from __future__ import annotations

import pytest
import yaml

from zcloud.domain.guest import GuestNic, GuestOptions, GuestSpec
from zcloud.drivers.guest.cloudinit import build_seed
from zcloud.drivers.guest.seed import build_iso, read_iso

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8Dcyui7IRzE1bbVJNdfzcqyXBlgAjUOe5VFjwYTFhY me@here"
SPEC = GuestSpec(
    instance_id="5a2e6a4c-7d1f-4c62-9f0e-000000000001",
    hostname="win",
    ssh_keys=(KEY,),
    password="Correct-Horse-1",
    windows=True,
    nics=(GuestNic("52:54:00:00:00:01", addresses=("192.0.2.7/24",), gateway="192.0.2.1", dns=("192.0.2.1",)),),
)


def test_the_metadata_has_what_cloudbase_init_reads() -> None:
    files = build_seed(SPEC)
    assert yaml.safe_load(files.meta_data) == {
        "instance-id": SPEC.instance_id,
        "local-hostname": "win",
        "public-keys": [KEY],
        "admin-password": "Correct-Horse-1",
    }
    assert files.user_data == b""
    network = yaml.safe_load(files.network_config)
    assert network["ethernets"]["nic0"]["match"] == {"macaddress": "52:54:00:00:00:01"}
    assert set(read_iso(build_iso(files))) == {"meta-data", "user-data", "network-config"}


def test_the_owner_s_script_is_passed_on_as_it_is() -> None:
    script = "#ps1_sysnative\nNew-Item C:\\hello.txt\n"
    assert build_seed(GuestSpec("i", "win", windows=True, user_data=script)).user_data == script.encode()


def test_a_time_zone_is_set_where_the_owner_has_no_data_of_their_own() -> None:
    options = GuestOptions(timezone="Europe/Berlin")
    data = build_seed(GuestSpec("i", "win", windows=True, options=options)).user_data.decode()
    assert data.startswith("#cloud-config\n")
    assert yaml.safe_load(data) == {"set_timezone": "Europe/Berlin"}


@pytest.mark.parametrize("shown", [repr(SPEC), str(SPEC), repr(build_seed(SPEC))])
def test_no_password_is_shown(shown: str) -> None:
    assert "Correct-Horse-1" not in shown
