"""
After a few days without a poll more than a thousand documents waited on the old axis, and a list of ours ended there: the
listing could not be read, so nothing was fetched, nothing acknowledged, and the queue only grew.
"""

import re

from connectors.kit.exchange import WireReply
from connectors.kit.judging import judge
from connectors.kit.operation import listed_requests
from connectors.kit.outcomes import Answered
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples

FOLDER = find_connectors()["axis_legacy"]
WAITING = 5_000


def test_a_long_queue_is_listed_whole() -> None:
    recorded = next(one for one in load_samples(FOLDER) if one.name == "list_document_ids.ok").reply_agency or b""
    one = re.compile(rb"<(getReceived\w+Return)>\d+</\1>")
    many = b"".join(
        b"<getReceivedMessageIdsByDocumentTypeReturn>%d</getReceivedMessageIdsByDocumentTypeReturn>" % number
        for number in range(WAITING)
    )
    body = one.sub(b"", recorded).replace(
        b"</ns1:getReceivedMessageIdsByDocumentTypeResponse>",
        many + b"</ns1:getReceivedMessageIdsByDocumentTypeResponse>",
    )
    connector = load_connector(FOLDER)
    outcome = judge(connector.operations["list_document_ids"], WireReply(200, {}, body), now=0.0, knows_us=True).outcome
    assert isinstance(outcome, Answered), outcome
    assert outcome.value is not None
    assert len(listed_requests(outcome.value, connector.operations["fetch_document"].request)) == WAITING
