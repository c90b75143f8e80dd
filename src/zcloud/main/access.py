"""The access that this machine itself has to its server: for units that must work while nobody is there.

It is a user without a password and one API token of it, kept as the command line keeps a login, so that
``XDG_CONFIG_HOME`` leads any command to it.
"""

from __future__ import annotations

import json
from pathlib import Path

from zcloud.base.clock import Clock, SystemClock
from zcloud.base.config import Config
from zcloud.domain.people import Actor, Role
from zcloud.main.files import write_private
from zcloud.main.wiring import open_store
from zcloud.services.context import Services
from zcloud.services.people import add_user
from zcloud.services.signin import SignIn
from zcloud.store import Tx

USER = "this-machine"
TOKEN = "units"  # noqa: S105 - a name


def access_file(config: Config) -> Path:
    """Give the file; whoever reads it may operate all hosts and instances."""
    return config.data_dir / "machine" / "zcloud" / "cli.json"


def ensure_access(config: Config, authority: Path, clock: Clock | None = None) -> bool:
    """Have the user, its token and the file; gives whether they were made. Raises ConfigInvalid."""
    path, url = access_file(config), f"https://localhost:{config.server.port}"
    if path.exists() and json.loads(path.read_text()).get("url") == url:
        return False
    clock = clock or SystemClock()
    store = open_store(config, clock)
    try:
        actor = store.transact(_actor)
        signin = SignIn(Services(store, clock, config.zone))
        for old in signin.tokens(actor):
            signin.delete_token(actor, old.name)
        secret, _ = signin.add_token(actor, TOKEN, role=Role.OPERATOR, project="", expires_at=None)
    finally:
        store.close()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, json.dumps({"url": url, "ca": str(authority), "token": secret}).encode())
    return True


def _actor(tx: Tx) -> Actor:
    user = tx.users.find(USER) or add_user(tx, USER, "", Role.OPERATOR)
    return Actor(user.id, user.name, user.role)
