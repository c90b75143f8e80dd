"""A libvirt secret (https://libvirt.org/formatsecret.html); its value is never part of it."""

from __future__ import annotations

from zcloud.libvirtxml.fields import Text, YesNo
from zcloud.libvirtxml.mapping import Node


class Secret(Node):
    """What a secret is for: ``name`` tells it for Ceph, ``target`` for iSCSI."""

    TAG = "secret"
    ephemeral = YesNo("./@ephemeral")
    private = YesNo("./@private")
    uuid = Text("./uuid")
    usage = Text("./usage/@type")
    name = Text("./usage/name")
    target = Text("./usage/target")
