"""
Each unknown member of `Hub-Purpose` was compared with the known ones, in hope of a typing error: with thousands of
them that took a second, and the answer named them all. And a purpose could hold what its reader cannot see.
"""

import time

import pytest

from hub.errors import RequestInvalid
from hub.web.headers import Headers


def faults(*headers: tuple[bytes, bytes]) -> list[tuple[str, str]]:
    began = time.process_time()
    with pytest.raises(RequestInvalid) as refused:
        Headers().read(headers)
    assert time.process_time() - began < 0.5, "it took seconds"
    return [(fault.pointer, fault.rule) for fault in refused.value.faults]


def test_a_longer_header_than_any_is_refused_unread() -> None:
    members = ",".join(f"offic{number}=1" for number in range(30_000)).encode()
    assert faults((b"hub-purpose", members)) == [("Hub-Purpose", "is longer than 8192 characters")]
    assert faults((b"priority", b"u=1," * 50_000)) == [("Priority", "is longer than 8192 characters")]


def test_many_lines_of_one_header_are_one_long_header() -> None:
    assert faults(*[(b"prefer", b"wait=1")] * 30_000) == [("Prefer", "is longer than 8192 characters")]


def test_of_many_unknown_members_the_first_are_told() -> None:
    told = faults((b"hub-purpose", ",".join(f"offic{number}" for number in range(800)).encode()))
    assert len(told) == 20
    assert {rule for _, rule in told} == {"has a member of unknown name; did you mean officer?"}


@pytest.mark.parametrize("hidden", ["%00", "%0a", "%1b[2J", "%e2%80%ae", "%c2%85"])
def test_a_purpose_holds_only_what_its_reader_can_see(hidden: str) -> None:
    ((pointer, rule),) = faults((b"hub-purpose", f'officer="cb-102", dossier=%"a{hidden}b"'.encode()))
    assert pointer == "Hub-Purpose"
    assert rule.startswith("dossier is a text")


def test_a_purpose_in_vietnamese_is_read() -> None:
    asked = Headers().read([(b"hub-purpose", b'unit="H32", dossier=%"h%e1%bb%93 s%c6%a1"')])
    assert asked.purpose.dossier == "hồ sơ"
