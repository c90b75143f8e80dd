"""What the mapping's descriptors do: read, write, remove, keep order and layout, refuse."""

from __future__ import annotations

import pytest

from zcloud.domain.errors import InvalidXml
from zcloud.libvirtxml.fields import Bytes, Flag, Hex, Int, OnOff, Text, Texts, YesNo
from zcloud.libvirtxml.mapping import Children, Group, Node, Required
from zcloud.libvirtxml.paths import parse_path


class Leaf(Node):
    TAG = "leaf"
    id = Int("./@id")
    name = Text(".")


class Box(Node):
    TAG = "box"
    kind = Text("./@kind")
    deep = Text("./inner/deeper/@value")
    slot = Hex("./address/@slot", digits=2)


class Tree(Node):
    TAG = "tree"
    title = Required(Text("./title"))
    count = Int("./count")
    live = YesNo("./count/@live")
    power = OnOff("./power/@state")
    size = Bytes("./size", unit="MiB")
    tick = Text("./clock/timer[@name='rtc']/@policy")
    marked = Text("./zcloud:instance/@name")
    box = Group("./box", Box)
    leaves = Children("./branch/leaf", Leaf)
    quiet = Flag("./branch/quiet")
    words = Texts("./words/word")


def tree(inner: str = "") -> Tree:
    return Tree.parse(f"<tree>{inner}</tree>")


def test_absent_values() -> None:
    empty = tree()
    assert {empty.count, empty.live, empty.power, empty.size, empty.tick, empty.box.deep} == {None}
    assert (len(empty.leaves), empty.quiet, empty.words, empty.box.element) == (0, False, (), None)
    with pytest.raises(InvalidXml, match="title is missing"):
        _ = empty.title
    assert empty.to_xml() == "<tree/>"


def test_read() -> None:
    full = tree(
        "<title>a<!-- b -->c</title><count live='yes'> 7 </count><power state='off'/><size unit='GiB'>2</size>"
        "<clock><timer name='pit' policy='x'/><timer name='rtc' policy='y'/></clock>"
        "<box kind='k'><inner><deeper value='v'/></inner><address slot='0x1f'/></box>"
        "<branch><leaf id='1'>one</leaf><quiet/><leaf id='2'>two</leaf></branch><words><word>w</word><word/></words>"
    )
    assert (full.title, full.count, full.live, full.power, full.size) == ("ac", 7, True, False, 2 << 30)
    assert (full.tick, full.box.kind, full.box.deep, full.box.slot) == ("y", "k", "v", 31)
    assert [(leaf.id, leaf.name) for leaf in full.leaves] == [(1, "one"), (2, "two")]
    assert (full.leaves[-1].name, [leaf.id for leaf in full.leaves[:1]]) == ("two", [1])
    assert (full.quiet, full.words) == (True, ("w", ""))


def test_elements_come_in_the_order_of_their_lines() -> None:
    made = Tree.create()
    made.words = ("w",)
    made.quiet = True
    made.leaves.add().name = "one"
    made.box.slot = 31
    made.box.deep = "v"
    made.marked = "m"
    made.tick = "y"
    made.size = 3 << 20
    made.live = True
    made.count = 7
    made.title = "t"
    assert made.to_xml() == (
        '<tree><title>t</title><count live="yes">7</count><size unit="MiB">3</size>'
        '<clock><timer name="rtc" policy="y"/></clock>'
        '<zcloud:instance xmlns:zcloud="urn:zcloud:instance:1" name="m"/>'
        '<box><inner><deeper value="v"/></inner><address slot="0x1f"/></box>'
        "<branch><leaf>one</leaf><quiet/></branch><words><word>w</word></words></tree>"
    )


def test_unknown_siblings_keep_their_places() -> None:
    made = tree("<alien/><!-- note --><count>1</count><alien/>tail<words/>")
    made.title = "t"
    made.size = 5
    assert made.to_xml() == (
        "<tree><alien/><!-- note --><title>t</title><count>1</count>"
        '<size unit="bytes">5</size><alien/>tail<words/></tree>'
    )


def test_layout_is_kept() -> None:
    text = "<tree>\n  <count>1</count>\n  <words/>\n</tree>"
    made = Tree.parse(text)
    made.title, made.size = "t", 1 << 20
    made.box.kind = "k"
    assert made.to_xml() == (
        '<tree>\n  <title>t</title>\n  <count>1</count>\n  <size unit="MiB">1</size>\n'
        '  <box kind="k"/>\n  <words/>\n</tree>'
    )
    made.size = made.box.kind = None
    made.title = ""
    del made.count
    made.words = ()
    assert made.to_xml() == "<tree>\n  <title/>\n  <words/>\n</tree>"


def test_removing_takes_what_it_leaves_empty_and_no_more() -> None:
    made = tree(
        "<count live='no'>1</count><box kind='k'><inner><deeper value='v'/></inner></box>text<power state='on'/>"
    )
    made.count = None
    assert made.to_xml().startswith('<tree><count live="no"/><box')
    made.live = None
    made.box.deep = None
    assert made.to_xml() == '<tree><box kind="k"/>text<power state="on"/></tree>'
    del made.box
    del made.power
    assert made.to_xml() == "<tree>text</tree>"
    made.quiet = True
    made.quiet = False
    made.quiet = False
    del made.box
    assert made.to_xml() == "<tree>text</tree>"


def test_children_are_added_and_removed() -> None:
    made = tree("<branch><leaf>one</leaf><quiet/></branch>")
    second = made.leaves.add()
    second.name = "two"
    assert [leaf.name for leaf in made.leaves] == ["one", "two"]
    made.leaves.remove(made.leaves[0])
    assert made.to_xml() == "<tree><branch><leaf>two</leaf><quiet/></branch></tree>"
    with pytest.raises(ValueError, match="not one of"):
        made.leaves.remove(Leaf.create())


def test_setting_the_same_text_keeps_its_form() -> None:
    made = tree("<title><![CDATA[a<b]]></title>")
    made.title = "a<b"
    assert made.to_xml() == "<tree><title><![CDATA[a<b]]></title></tree>"
    made.title = "other"
    assert made.to_xml() == "<tree><title>other</title></tree>"


@pytest.mark.parametrize(
    ("inner", "name"),
    [
        ("<count>many</count>", "count"),
        ("<count>1_000</count>", "count"),
        ("<count>٣</count>", "count"),
        ("<count/>", "count"),
        ("<count live='on'/>", "live"),
        ("<power state='yes'/>", "power"),
        ("<size unit='XiB'>1</size>", "size"),
        ("<size>1.5</size>", "size"),
    ],
)
def test_values_of_the_wrong_form_are_refused_when_read(inner: str, name: str) -> None:
    made = tree(inner)
    with pytest.raises(InvalidXml):
        getattr(made, name)
    assert made.to_xml() == tree(inner).to_xml()


@pytest.mark.parametrize("text", ["\0", "\x1b", "\ud800", "\uffff"])
def test_text_that_xml_cannot_hold_is_refused_before_anything_is_written(text: str) -> None:
    made = tree()
    with pytest.raises(InvalidXml):
        made.title = text
    with pytest.raises(InvalidXml):
        made.box.kind = text
    with pytest.raises(InvalidXml):
        made.words = ("fine", text)
    with pytest.raises(InvalidXml):
        made.box.slot = -1
    assert made.to_xml() == "<tree/>"


@pytest.mark.parametrize("path", ["", "title", "/tree", "./a/@b/c", "./a[1]", "./a[@b=c]", ".//a", "./a b"])
def test_a_path_of_another_form_fails_when_declared(path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        parse_path(path)


@pytest.mark.parametrize(
    ("unit", "size"), [("b", 1), ("bytes", 1), ("KB", 1000), ("k", 1024), ("KiB", 1024), ("MB", 10**6), ("T", 1 << 40)]
)
def test_libvirts_units(unit: str, size: int) -> None:
    assert tree(f"<size unit='{unit}'>3</size>").size == 3 * size


def test_another_document_is_refused() -> None:
    with pytest.raises(InvalidXml, match="is a <pool>, not a <tree>"):
        Tree.parse("<pool/>")
