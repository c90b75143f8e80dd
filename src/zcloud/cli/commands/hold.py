"""``zcloud instance pause``, ``resume``, ``reset``, ``save``, ``restore`` and ``discard-saved``."""

from __future__ import annotations

from zcloud.cli.asking import confirm, name_argument, wait_option, yes_option
from zcloud.cli.base import command
from zcloud.cli.many import Which, ask_each, do, several, verb
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain


@command
@several
@wait_option
def pause(app: App, which: Which, wait: bool) -> None:
    """Hold instances as they are; they keep CPU and memory, and go on when they are resumed."""
    do(app, which, "pause", _("{name} is paused."), wait=wait)


@command
@several
@wait_option
def resume(app: App, which: Which, wait: bool) -> None:
    """Let paused instances go on."""
    do(app, which, "resume", _("{name} runs."), wait=wait)


@command
@several
@wait_option
def reset(app: App, which: Which, wait: bool) -> None:
    """Press the reset button of instances; their guests are not asked."""
    do(app, which, "reset", _("{name} boots again."), wait=wait)


@command
@several
@wait_option
def save(app: App, which: Which, wait: bool) -> None:
    """Save instances' memory to disk, and give their CPU and memory back."""
    do(app, which, "save", _("{name} is saved."), wait=wait)


@command
@several
@wait_option
def restore(app: App, which: Which, wait: bool) -> None:
    """Let saved instances go on from where they were."""
    do(app, which, "restore", _("{name} goes on."), wait=wait)


@command
@name_argument("instances", many=True)
@yes_option
@wait_option
def discard_saved(app: App, name: tuple[str, ...], yes: bool, wait: bool) -> None:
    """Forget instances' saved memory, as if their plug had been pulled."""
    confirm(_("Forget the saved memory of {names}?").format(names=", ".join(map(plain, name))), yes=yes)
    ask_each(app, name, verb(app, "discard-saved"), _("The saved memory of {name} is gone."), wait=wait)
