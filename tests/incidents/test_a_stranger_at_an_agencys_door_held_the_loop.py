"""
Who pushes is known only after the body was parsed, where the proof stands in it. Four megabytes of empty lists, from
anybody who knew the address, held the interpreter for half a second each time, and with it everybody at the counter.
"""

import time

import pytest

from connectors.kit.binding import BoundAgency
from connectors.kit.http import CannedSender
from connectors.kit.inbox import NotTaken, WireNotice
from connectors.kit.notice_reading import VALUES_AT_MOST
from connectors.kit.outcomes import Unavailable
from connectors.kit.registry import bind, find_connectors, load_connector
from connectors.kit.texts import Unreadable, holds_more, parse_json

MANY = 1_300_000
DEEP = b"[" * 100 + b"]" * 100
LISTS = b"[" + b"[]," * MANY + b"0]"


@pytest.fixture(scope="module")
def portal() -> BoundAgency:
    npsp = load_connector(find_connectors()["npsp"])
    return bind(
        npsp,
        name="npsp",
        base_url="https://npsp.example",
        settings={"user_name": "centre", "password": "0000-invented", "security_key": "k3y"},
        sender=CannedSender(lambda _: Unavailable("connect")),
        now=lambda: 1_795_392_000.0,
        contract=npsp.manifest.contract,
    )


@pytest.mark.parametrize(
    "data",
    [
        LISTS,
        b"[" + (DEEP + b",") * 20_000 + b"0]",
        b"{" + b'"a":0,' * 600_000 + b'"a":0}',
        b"[" + b'"",' * 1_000_000 + b"0]",
        b"[" + b'"\\",",' * 600_000 + b"0]",
    ],
    ids=["lists", "deep", "names", "texts", "commas in texts"],
)
def test_a_push_of_a_million_values_is_denied_before_it_is_parsed(portal: BoundAgency, data: bytes) -> None:
    assert portal.inbox is not None
    came = WireNotice({"content-type": "application/json"}, {}, b'{"SecurityKey":"x","Data":' + data + b"}")
    began = time.process_time()
    read = portal.inbox.read("tax_voucher_received", came)
    assert time.process_time() - began < 0.2
    assert isinstance(read, NotTaken)
    assert (read.way, [fault.rule for fault in read.faults]) == ("denied", [f"holds more than {VALUES_AT_MOST} values"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_values_are_counted_in_any_encoding(encoding: str) -> None:
    body = ('{"\\"":0,"a":' + LISTS.decode() + "}").encode(encoding)
    with pytest.raises(Unreadable, match="holds more than"):
        parse_json(body, {"content-type": f"application/json; charset={encoding}"}, VALUES_AT_MOST)


def test_what_stands_inside_texts_is_no_value() -> None:
    assert not holds_more(b'["' + rb"[{,\"" * VALUES_AT_MOST + b'"]', 10)
    assert not holds_more(b"[1,[2,{}]]", 5)
    assert holds_more(b"[1,[2,{}],3]", 5)
