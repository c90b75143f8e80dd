"""zcloud's Python library: everything that the API does, over the standard library alone.

    from zcloud.client import connect

    with connect() as cloud:
        web = cloud.instances.create(name="web", image="debian-12", flavor="small").result()
        for instance in cloud.instances.list(tag="ci"):
            print(instance["name"], instance["status"])

``connect`` finds server and secret as the command line does (``discovery``); the command line is made of this
library. Every error is an ``ApiError`` with a stable ``code``. Records are plain dictionaries, described to type
checkers by ``zcloud.client.types``, which is generated from the API's own description.
docs/sdk.md has the whole of it.
"""

from __future__ import annotations

from zcloud.client.changes import Change
from zcloud.client.discovery import discover, load_config
from zcloud.client.errors import ApiError, Record, failed
from zcloud.client.http import ENDED, Http, check_url, parse_events, route, tls_context
from zcloud.client.http import Event as StreamEvent
from zcloud.client.instances import Images, Instances, Trash
from zcloud.client.log import Events, Operations
from zcloud.client.people import Keys, Projects, Tokens, Users
from zcloud.client.things import Flavors, Groups, Hosts, Networks, Pools, Volumes

__all__ = [
    "ENDED",
    "ApiError",
    "Change",
    "Client",
    "Record",
    "StreamEvent",
    "check_url",
    "connect",
    "failed",
    "parse_events",
    "route",
    "tls_context",
]


class Client(Http):
    """One server as one user, noun by noun; ``get``, ``post`` and their like reach every route besides.

    ``url`` is https, or http on this machine's loopback; ``token`` a session's or an API token's secret. ``ca`` is a
    file with the authority's certificate or the certificate itself (PEM): then that authority alone counts.
    ``project`` is where instances and images are looked for by name. It holds one connection and is not for several
    threads at once: give each its own.
    """

    def __init__(self, url: str, token: str = "", *, ca: str = "", project: str = "", timeout_s: float = 60.0) -> None:
        super().__init__(url, token, ca=ca, timeout_s=timeout_s)
        named = {"project": project} if project else {}
        self.instances, self.images = Instances(self, "instances", named), Images(self, "images", named)
        self.trash = Trash(self, "trash", named)
        self.hosts, self.pools, self.volumes = Hosts(self, "hosts"), Pools(self, "pools"), Volumes(self, "volumes")
        self.groups = Groups(self, "groups", named)
        self.networks, self.flavors = Networks(self, "networks"), Flavors(self, "flavors")
        self.projects, self.users = Projects(self, "projects"), Users(self, "users")
        self.keys, self.tokens = Keys(self, "keys"), Tokens(self, "tokens")
        self.operations, self.events = Operations(self, "operations"), Events(self)


def connect(url: str = "", token: str = "", *, ca: str = "", project: str = "", timeout_s: float = 60.0) -> Client:
    """Give a client of the server that is given, else of the environment's, else of the last ``zcloud login``'s.

    Nothing is sent yet. Raises ApiError for a configuration or a URL that cannot be used.
    """
    access = discover(load_config(), url, token=token, ca=ca, project=project)
    return Client(access.url, access.token, ca=access.ca, project=access.project, timeout_s=timeout_s)
