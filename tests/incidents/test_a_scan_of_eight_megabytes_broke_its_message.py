"""
A message with a scan of more than seven and a half megabytes was broken: in base64 it is one text of more than ten million
bytes, at which the XML parser gives up by itself, whatever the contract lets through.
"""

import pytest

from connectors.kit.texts import Unreadable, parse_xml
from mappings.enclosed import enclosure
from mappings.xml_text import Hostile, parsed

SCAN = b"JVBERi0x" * 1_400_000
"""In base64."""


def nested(depth: int) -> bytes:
    return b"<a>" * depth + SCAN + b"</a>" * depth


def test_a_text_is_as_long_as_the_contract_lets_it_be() -> None:
    assert parse_xml(b"<file>" + SCAN + b"</file>", {}).text == SCAN.decode()


def test_so_is_one_in_a_message_that_is_a_text_itself() -> None:
    (message,) = enclosure(("xml text",)).open(f"<file>{SCAN.decode()}</file>", "")
    assert message.text == SCAN.decode()


def test_what_is_long_may_not_be_deeper_than_what_is_short() -> None:
    assert parsed(nested(256)) is not None
    with pytest.raises(Hostile, match="deeper than 256"):
        parsed(nested(257))
    with pytest.raises(Unreadable, match="deeper than 256"):
        parse_xml(nested(257), {})


def test_what_is_long_has_no_document_type_either() -> None:
    with pytest.raises(Unreadable, match="has a DTD"):
        parse_xml(b'<!DOCTYPE a [<!ENTITY b "c">]>' + nested(1), {})
