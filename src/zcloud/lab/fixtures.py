"""A pytest plugin with real parts: ``pytest_plugins = ["zcloud.lab.fixtures"]``.

``tiny_image`` and ``probe_kit`` are paths, built once and cached; ``lab_host`` is a host of the test
session; ``two_hosts`` are two more on one network. A test that breaks a host makes its own ``Lab``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.imagebuild.kernel import fetch_kernel
from zcloud.imagebuild.probekit import build_probe_kit
from zcloud.lab import tiny
from zcloud.lab.hosts import Lab, NamespaceHost


@pytest.fixture(scope="session")
def tiny_image() -> Path:
    """Give the tiny guest's disk (qcow2); make an overlay or a copy of it, never write to it."""
    return tiny.tiny_image()


@pytest.fixture(scope="session")
def probe_kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with the KVM probe's ``vmlinuz``, ``initrd`` and ``sha256``."""
    return build_probe_kit(fetch_kernel(), tmp_path_factory.mktemp("probe-kit"))


@pytest.fixture(scope="session")
def lab_host() -> Iterator[NamespaceHost]:
    """Give one host, shared by the tests of the session: leave it as you found it."""
    _need_root()
    with Lab(1) as lab:
        yield lab.hosts[0]


@pytest.fixture(scope="session")
def two_hosts() -> Iterator[tuple[NamespaceHost, NamespaceHost]]:
    """Give two hosts on one network, shared by the tests of the session."""
    _need_root()
    with Lab(2) as lab:
        yield lab.hosts[0], lab.hosts[1]


def _need_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("namespace hosts need root")
