"""XML in and out, safely: libvirt's answers may carry what a guest's owner or a stranger wrote.

No DTD is accepted at all, so there are no entities to expand and nothing to fetch
(https://docs.python.org/3/library/xml.html#xml-vulnerabilities); size and depth are bounded.
"""

from __future__ import annotations

import re

from lxml import etree

from zcloud.domain.errors import InvalidXml

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64

_DOCTYPE = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_TOO_DEEP = etree.XPath("boolean(" + "/*" * (MAX_DEPTH + 1) + ")")


def parse_xml(text: str) -> etree._Element:
    """Give the root element of a document.

    Comments, processing instructions, CDATA and white space are kept. An encoding that the document
    declares is ignored: text is text. Raises InvalidXml when it is malformed, has a DTD, is larger
    than MAX_BYTES or deeper than MAX_DEPTH.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise InvalidXml("The XML holds characters that are no Unicode text.") from error
    if len(data) > MAX_BYTES:
        raise InvalidXml(f"The XML is larger than {MAX_BYTES} bytes.", limit=MAX_BYTES)
    if _DOCTYPE.search(data):
        raise InvalidXml("The XML has a document type or entity declaration; these are not accepted.")
    try:
        root = etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as error:
        raise InvalidXml(f"The XML is malformed: {error.msg}.") from error
    if _TOO_DEEP(root):
        raise InvalidXml(f"The XML is nested deeper than {MAX_DEPTH} elements.", limit=MAX_DEPTH)
    return root


def part_names(text: str, path: str = ".") -> list[str]:
    """Give the names, without their namespaces, of what is directly in the elements at ``path``; as ``parse_xml``."""
    parents = parse_xml(text).iterfind(path)
    return [etree.QName(each).localname for parent in parents for each in parent if isinstance(each.tag, str)]


def write_xml(element: etree._Element) -> str:
    """Give the element as text; for a root, comments before and after it are written too."""
    whole = element.getparent() is None
    source = element.getroottree() if whole else element
    return etree.tostring(source, encoding="unicode", with_tail=False)


def indent(element: etree._Element) -> None:
    """Lay a new document out in lines, two spaces a level (libvirt's own form)."""
    etree.indent(element, space="  ")


def _parser() -> etree.XMLParser:
    """Make a parser; each thread needs its own, so none is shared."""
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        strip_cdata=False,
        remove_comments=False,
        remove_pis=False,
    )
