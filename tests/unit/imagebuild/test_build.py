"""How a build ends: cleaned up, refused in advance, or with an error that says why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zcloud.domain.errors import BuildFailed, DiskFull, InvalidInput, MirrorUnreachable, NeedsRoot, ToolMissing
from zcloud.imagebuild import build, commands, plan
from zcloud.imagebuild.recipes import RECIPES

RECIPE = RECIPES["debian-12"]


@pytest.mark.parametrize(
    ("output", "kind", "word"),
    [
        ("Err:1 http://x bookworm InRelease\n  Could not resolve 'x'\n", MirrorUnreachable, "Could not resolve"),
        ("E: The repository 'http://x' does not have a Release file.\n", MirrorUnreachable, "Release file"),
        ("mke2fs: Could not allocate block in ext2 filesystem\n", DiskFull, "no space"),
        ("tar: x: Cannot write: No space left on device\nE: Failed to fetch y\n", DiskFull, "no space"),
        ("something broke\n\n", BuildFailed, "something broke"),
        ("", BuildFailed, "no output"),
    ],
)
def test_a_programs_words_become_an_error(output: str, kind: type[Exception], word: str) -> None:
    error = commands.failure("/usr/bin/program", 25, output)
    assert type(error) is kind
    assert word in error.message
    assert error.message.startswith("program")


def test_run_gives_the_output_and_its_input() -> None:
    assert commands.run(commands.Command(("cat",), stdin="hello")) == "hello"
    assert commands.run(commands.Command(("printenv", "COLOUR"), env={"COLOUR": "red"})) == "red\n"


def test_run_names_a_program_that_is_not_there() -> None:
    with pytest.raises(ToolMissing, match="no-such-program"):
        commands.run(commands.Command(("no-such-program",)))


def test_missing_tools_are_named_with_their_packages() -> None:
    with pytest.raises(ToolMissing) as caught:
        commands.require_tools({"sh": "dash", "no-such-program": "nothing-utils"})
    assert caught.value.details["programs"] == ["no-such-program"]
    assert "nothing-utils" in caught.value.hint
    assert "dash" not in caught.value.hint


def test_only_root_may_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NeedsRoot):
        build.build_image(RECIPE, tmp_path / "image.qcow2")
    assert not list(tmp_path.iterdir())


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput) as caught:
        build.find_recipe("plan9")
    assert "debian-12" in caught.value.hint


def test_finishing_removes_and_writes_within_the_tree_only(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    tree = tmp_path / "tree"
    for directory in ("etc/ssh", "etc/apt/sources.list.d", "var/lib/dbus"):
        (tree / directory).mkdir(parents=True)
    (tree / "etc/ssh/ssh_host_rsa_key").write_text("secret")
    (tree / "etc/ssh/sshd_config").write_text("kept")
    (tree / "etc/apt/sources.list.d/0000build.list").write_text("deb http://build")
    (tree / "etc/hostname").symlink_to(outside)
    (tree / "etc/resolv.conf").symlink_to("../run/not/there")
    build.finish_tree(RECIPE, tree, "uuid")
    assert outside.read_text() == "untouched"
    assert not list(tree.glob("etc/ssh/ssh_host_*"))
    assert (tree / "etc/ssh/sshd_config").exists()
    assert [path.name for path in tree.glob("etc/apt/sources.list.d/*")] == ["debian.sources"]
    assert os.readlink(tree / "etc/resolv.conf") == plan.LINKS["etc/resolv.conf"]
    assert (tree / "etc/machine-id").read_bytes() == b""
