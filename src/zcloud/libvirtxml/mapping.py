"""The language of the mapping: descriptors that read and write one attribute or element each.

A document is a ``Node`` class with one line per attribute or element, in the order in which libvirt
writes them; that order is where new elements go. What no line names is kept as it is:

    class Disk(Node):
        TAG = "disk"
        type = Text("./@type")
        file = Text("./source/@file")
        read_only = Flag("./readonly")

    class Domain(Node):
        TAG = "domain"
        name = Required(Text("./name"))
        vcpus = Int("./vcpu")
        cpu = Group("./cpu", Cpu)
        disks = Children("./devices/disk", Disk)

A value that is absent reads as None; setting None (or ``del``) removes it, and the elements that this
leaves empty. A value of the wrong form raises InvalidXml when it is read or written, not before.
No policy here: what a domain should look like is decided by whoever fills the mapping.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, Generic, Self, TypeVar, overload

from lxml import etree

from zcloud.domain.errors import InvalidXml
from zcloud.libvirtxml.parser import indent, parse_xml, write_xml
from zcloud.libvirtxml.paths import Order, Path, is_empty, own_text, parse_path, remove, set_own_text

T = TypeVar("T")
N = TypeVar("N", bound="Node")


class Node:
    """An element seen through its descriptors; a group may not exist until something in it is set."""

    TAG: ClassVar[str] = ""
    ORDER: ClassVar[Order] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        order: dict[tuple[str, ...], tuple[str, ...]] = {}
        for line in lines(cls).values():
            for depth, tag in enumerate(line.path.tags):
                known = order.get(line.path.tags[:depth], ())
                order[line.path.tags[:depth]] = known if tag in known else (*known, tag)
        cls.ORDER = order

    def __init__(self, home: etree._Element | Node, path: Path | None = None) -> None:
        self._home = home
        self._path = path

    @classmethod
    def create(cls) -> Self:
        """Give a new, empty element of this class."""
        return cls(etree.Element(cls.TAG))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a document. Raises InvalidXml if it is not XML that we accept, or another document."""
        root = parse_xml(text)
        if root.tag != cls.TAG:
            raise InvalidXml(f"The XML is a <{root.tag}>, not a <{cls.TAG}>.")
        return cls(root)

    def to_xml(self, *, pretty: bool = False) -> str:
        """Give the element as text; ``pretty`` lays a new document out in lines."""
        element = self.ensure()
        if pretty:
            indent(element)
        return write_xml(element)

    @property
    def element(self) -> etree._Element | None:
        """The element itself, None when a group does not exist."""
        if isinstance(self._home, Node):
            home = self._home.element
            return None if home is None or self._path is None else self._path.find(home)
        return self._home

    def ensure(self) -> etree._Element:
        """Give the element, making it when a group does not exist yet (``<acpi/>``-like presence)."""
        if isinstance(self._home, Node):
            home = self._home.ensure()
            return home if self._path is None else self._path.ensure(home, self._home.ORDER)
        return self._home

    def prune(self) -> None:
        """Take a group away that was left empty, and the groups that this leaves empty."""
        element = self.element
        if not isinstance(self._home, Node) or self._path is None or element is None:
            return
        home = self._home.element
        if home is not None and is_empty(element):
            self._path.prune(home, element)
            self._home.prune()


class Line:
    """What every descriptor is: a line of a Node class with its declared path."""

    name = ""

    def __init__(self, path: str) -> None:
        self.path = parse_path(path)

    def __set_name__(self, owner: type[Node], name: str) -> None:
        self.name = name

    def fault(self, why: str) -> InvalidXml:
        return InvalidXml(f"{self.path.text} {why}.", path=self.path.text)

    def check_text(self, text: str) -> None:
        """Raise InvalidXml for characters that XML cannot hold, before anything is written."""
        try:
            etree.Element("probe").text = text
        except ValueError:
            raise self.fault("cannot hold that text: it has characters that XML does not allow") from None


def lines(cls: type[Node]) -> dict[str, Line]:
    """Give a class's descriptors by name, in the order of their declaration, bases first."""
    return {
        name: value for base in reversed(cls.__mro__) for name, value in vars(base).items() if isinstance(value, Line)
    }


class Field(Line, Generic[T]):
    """One value: an attribute's, or an element's own text."""

    @abstractmethod
    def decode(self, text: str) -> T:
        """Read the value from its text. Raises ValueError when it is of the wrong form."""

    @abstractmethod
    def encode(self, value: T) -> str:
        """Give the value's text. Raises ValueError when it cannot be written."""

    def load(self, node: Node) -> T | None:
        home = node.element
        element = None if home is None else self.path.find(home)
        text = None if element is None else self._read(element)
        if text is None:
            return None
        try:
            return self.decode(text)
        except ValueError:
            raise self.fault(f"is {text[:80]!r}, which is not of the form expected") from None

    def store(self, node: Node, value: T | None) -> None:
        if value is None:
            self.clear(node)
            return
        try:
            text = self.encode(value)
        except ValueError:
            raise self.fault(f"cannot be {value!r}") from None
        self.check_text(text)
        self._write(self.path.ensure(node.ensure(), node.ORDER), text)

    def clear(self, node: Node) -> None:
        home = node.element
        element = None if home is None else self.path.find(home)
        if home is None or element is None:
            return
        self._erase(element)
        if is_empty(element):
            self.path.prune(home, element)
        node.prune()

    def _erase(self, element: etree._Element) -> None:
        if self.path.attribute is None:
            set_own_text(element, "")
        elif self.path.attribute in element.attrib:
            del element.attrib[self.path.attribute]

    def _read(self, element: etree._Element) -> str | None:
        return own_text(element) if self.path.attribute is None else element.get(self.path.attribute)

    def _write(self, element: etree._Element, text: str) -> None:
        if self.path.attribute is None:
            set_own_text(element, text)
        else:
            element.set(self.path.attribute, text)

    @overload
    def __get__(self, node: None, owner: type[Node]) -> Self: ...
    @overload
    def __get__(self, node: Node, owner: type[Node]) -> T | None: ...
    def __get__(self, node: Node | None, owner: type[Node]) -> Self | T | None:
        return self if node is None else self.load(node)

    def __set__(self, node: Node, value: T | None) -> None:
        self.store(node, value)

    def __delete__(self, node: Node) -> None:
        self.clear(node)


class Required(Line, Generic[T]):
    """A value without which the document is of no use: reading raises InvalidXml where it is absent."""

    def __init__(self, field: Field[T]) -> None:
        self.path = field.path
        self.field = field

    @overload
    def __get__(self, node: None, owner: type[Node]) -> Self: ...
    @overload
    def __get__(self, node: Node, owner: type[Node]) -> T: ...
    def __get__(self, node: Node | None, owner: type[Node]) -> Self | T:
        if node is None:
            return self
        value = self.field.load(node)
        if value is None:
            raise self.fault(f"is missing in <{type(node).TAG}>")
        return value

    def __set__(self, node: Node, value: T) -> None:
        self.field.store(node, value)


class Group(Line, Generic[N]):
    """A child element with lines of its own; always there to read and fill, made when first filled."""

    def __init__(self, path: str, of: type[N]) -> None:
        super().__init__(path)
        self.of = of

    @overload
    def __get__(self, node: None, owner: type[Node]) -> Self: ...
    @overload
    def __get__(self, node: Node, owner: type[Node]) -> N: ...
    def __get__(self, node: Node | None, owner: type[Node]) -> Self | N:
        return self if node is None else self.of(node, self.path)

    def __delete__(self, node: Node) -> None:
        home, element = node.element, self.of(node, self.path).element
        if home is not None and element is not None:
            self.path.prune(home, element)
            node.prune()


class Children(Line, Generic[N]):
    """A list of like elements."""

    def __init__(self, path: str, of: type[N]) -> None:
        super().__init__(path)
        self.of = of

    @overload
    def __get__(self, node: None, owner: type[Node]) -> Self: ...
    @overload
    def __get__(self, node: Node, owner: type[Node]) -> Nodes[N]: ...
    def __get__(self, node: Node | None, owner: type[Node]) -> Self | Nodes[N]:
        return self if node is None else Nodes(node, self.path, self.of)


class Nodes(Sequence[N]):
    """The elements of a ``Children`` line, as they are now."""

    def __init__(self, node: Node, path: Path, of: type[N]) -> None:
        self._node, self._path, self._of = node, path, of

    @overload
    def __getitem__(self, index: int) -> N: ...
    @overload
    def __getitem__(self, index: slice) -> list[N]: ...
    def __getitem__(self, index: int | slice) -> N | list[N]:
        return list(self)[index]

    def __iter__(self) -> Iterator[N]:
        home = self._node.element
        return iter([] if home is None else [self._of(found) for found in self._path.find_all(home)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def add(self) -> N:
        """Make one more element, after the others of its kind, and give it."""
        return self._of(self._path.add(self._node.ensure(), self._node.ORDER))

    def remove(self, node: N) -> None:
        """Take one of the elements away."""
        element, home = node.element, self._node.element
        if element is None or home is None or element not in self._path.find_all(home):
            raise ValueError(f"not one of {self._path.text}")
        remove(element)
