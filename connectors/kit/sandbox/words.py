"""
What the samples of a connector give a played agency to say, and which records they show to be there.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lxml import etree
from pydantic_core import from_json, to_json

from connectors.kit.samples import Sample
from connectors.kit.sandbox.faults import SOAP_FAULT
from connectors.kit.sandbox.hearing import Heard, Hearing, Signature
from connectors.kit.sandbox.payloads import found, put_payload, soap_body
from connectors.kit.sandbox.spoken import Spoken
from connectors.kit.sandbox.wire import Reply

_XML, _JSON = "text/xml; charset=utf-8", "application/json; charset=utf-8"
_FILE = "application/octet-stream"


class Words:
    """Replies by operation, by case and by what was asked. Made ready once, so that a sample costs nothing per request."""

    def __init__(
        self, samples: Iterable[Sample], operations: Mapping[str, Spoken], hearing: Hearing, *, xml: bool
    ) -> None:
        self._xml = xml
        self._replies: dict[tuple[str, str], Reply] = {}
        self._exact: dict[tuple[str, Signature], tuple[Reply, str]] = {}
        self._heard: list[tuple[Heard, str, Reply]] = []
        # of samples that ask the same, as all do of an operation that sends nothing, the one that went well is said
        for sample in sorted(samples, key=lambda one: one.result != "ok"):
            operation = operations.get(sample.operation)
            if operation is None or sample.reply_agency is None:
                continue
            kind = _XML if xml else _FILE if sample.is_file else _JSON
            reply = Reply(sample.http, sample.reply_agency, kind)
            for name in (sample.case, sample.result):
                self._replies.setdefault((sample.operation, name), reply)
            self._replies.setdefault(("", sample.result), reply)
            heard = hearing.sample(operation, sample.request_agency, sample.request or {})
            if heard is not None:
                self._heard.append((heard, sample.result, reply))
                if sample.result != "login":  # said when the handshake fails, whoever is asked about
                    self._exact.setdefault((sample.operation, heard.signature), (reply, sample.result))

    def reply(self, operation: str, *names: str) -> Reply | None:
        """Return the reply of the first sample of *operation* whose case or result is one of *names*, in their order."""
        return next((reply for name in names if (reply := self._replies.get((operation, name)))), None)

    def not_admitted(self, operation: str) -> Reply:
        """Return how the agency says that it does not know us."""
        return (
            self.reply(operation, "login") or self._replies.get(("", "login")) or self.improvised(401, "not admitted")
        )

    def exact(self, heard: Heard) -> tuple[Reply, str] | None:
        """Return reply and result of the sample that asks just what *heard* asks."""
        return self._exact.get((heard.operation.name, heard.signature))

    def recorded(self, *results: str) -> Iterator[tuple[Heard, Reply]]:
        """Give request and reply of every sample with one of *results*."""
        return ((heard, reply) for heard, result, reply in self._heard if result in results)

    def record_in(self, operation: Spoken, reply: Reply) -> Any:
        """Return the record that *reply* of a look-up holds; None when it cannot be found by a plain place."""
        if self._xml or not operation.reply:
            return None
        return next(iter(found(from_json(reply.body), tuple(step.name for step in operation.reply))), None)

    def with_record(self, operation: Spoken, record: Any) -> Reply | None:
        """Return the reply of a successful look-up that holds *record*, as far as a sample shows where."""
        reply = self.reply(operation.name, "ok")
        if reply is None or operation.reply is None:
            return None
        tree = self.tree(reply)
        here = soap_body(tree) if self._xml else tree
        return self.written(reply, tree) if put_payload(here, operation.reply, record) else None

    def tree(self, reply: Reply) -> Any:
        """Return the whole body of *reply*, to be changed and written again."""
        return etree.fromstring(reply.body) if self._xml else from_json(reply.body)

    def written(self, reply: Reply, tree: Any) -> Reply:
        """Return *reply* with *tree* as its body."""
        body = etree.tostring(tree, xml_declaration=True, encoding="UTF-8") if self._xml else to_json(tree)
        return Reply(reply.status, body, reply.content_type, reply.headers)

    def improvised(self, status: int, text: str) -> Reply:
        """Return a reply for which no sample has words."""
        if self._xml:
            told = SOAP_FAULT.replace("s:Server", "s:Client").replace(
                "Lỗi hệ thống", text.replace("&", "&amp;").replace("<", "&lt;")
            )
            return Reply(500 if status < 500 and status not in (401, 404) else status, told.encode(), _XML)
        return Reply(status, to_json({"message": text}), _JSON)
