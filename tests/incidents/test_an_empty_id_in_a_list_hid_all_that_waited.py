"""
One empty element among the ids that wait on the old axis made the whole list unreadable, for as long as the axis wrote it:
nothing was fetched, nothing acknowledged. An axis that says "nothing waits" by one empty element was called broken.
"""

import re

import pytest

from connectors.kit.exchange import WireReply
from connectors.kit.judging import judge
from connectors.kit.operation import listed_requests
from connectors.kit.outcomes import Answered
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples

FOLDER = find_connectors()["axis_legacy"]
LISTED = next(one for one in load_samples(FOLDER) if one.name == "list_document_ids.ok").reply_agency or b""
ID = re.compile(rb"<(getReceived\w+Return)>(\d+)</\1>")


def listed(body: bytes) -> tuple[list[str], tuple[str, ...]]:
    connector = load_connector(FOLDER)
    outcome = judge(connector.operations["list_document_ids"], WireReply(200, {}, body), now=0.0, knows_us=True).outcome
    assert isinstance(outcome, Answered), outcome
    assert outcome.value is not None
    wanted = listed_requests(outcome.value, connector.operations["fetch_document"].request)
    return [one.model_dump()["message"] for one in wanted], outcome.drift


@pytest.mark.parametrize("empty", [rb"<\1/>", rb"<\1> </\1>", rb"<\1></\1>"])
def test_an_empty_id_is_passed_over_and_the_others_are_fetched(empty: bytes) -> None:
    ids = [number.decode() for _, number in ID.findall(LISTED)]
    assert listed(LISTED) == (ids, ())
    found, drift = listed(ID.sub(empty, LISTED, count=1))
    assert found == ids[1:]
    assert drift == ("getReceivedMessageIdsByDocumentTypeReturn[]",)


def test_a_single_empty_id_is_an_empty_queue() -> None:
    body = ID.sub(b"", LISTED).replace(b"</ns1:", b"<getReceivedMessageIdsByDocumentTypeReturn/></ns1:", 1)
    assert listed(body)[0] == []
