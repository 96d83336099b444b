"""
Every notice of every connector keeps the promises of a notice, tried with its own recorded pushes.

That each is read and answered as recorded is a rule of `hub check`; here is what no author writes down.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from lxml import etree

from connectors.kit.checks.replay import bound_to
from connectors.kit.connector import Connector
from connectors.kit.exchange import WireReply
from connectors.kit.inbox import Inbox, NotTaken, Understood, WireNotice
from connectors.kit.manifest import NoticeTable, load_manifest
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import Sample, load_samples
from connectors.kit.sandbox.telling import Tell, Teller

FOLDERS = find_connectors()
PUSHES = [
    (name, sample)
    for name, folder in FOLDERS.items()
    for sample in load_samples(folder)
    if (notice := load_manifest(folder).notices.get(sample.operation)) is not None and notice.fetched_by is None
]
TAKEN = [(name, sample) for name, sample in PUSHES if sample.result == "taken"]
every_push = pytest.mark.parametrize(("name", "sample"), PUSHES, ids=[f"{one}:{two.name}" for one, two in PUSHES])
every_taken = pytest.mark.parametrize(("name", "sample"), TAKEN, ids=[f"{one}:{two.name}" for one, two in TAKEN])


@lru_cache
def loaded(name: str) -> Connector:
    return load_connector(FOLDERS[name])


def inbox_of(name: str, sample: Sample) -> Inbox:
    inbox = bound_to(loaded(name), sample).inbox
    assert inbox is not None
    return inbox


def came(sample: Sample) -> WireNotice:
    parts: dict[str, dict[str, str]] = {"header": {"content-type": f"application/{sample.media}"}, "query": {}}
    for source, value in sample.sources.items():
        side, _, name = source.partition(":")
        if side in parts:
            parts[side][name.lower() if side == "header" else name] = value
    return WireNotice(parts["header"], parts["query"], sample.request_agency or b"")


def read(name: str, sample: Sample, push: WireNotice) -> Understood | NotTaken:
    inbox, soap = inbox_of(name, sample), loaded(name).notices[sample.operation].soap
    return inbox.read_soap(push) if soap else inbox.read(sample.operation, push)


def table_of(name: str, sample: Sample) -> NoticeTable:
    return loaded(name).manifest.notices[sample.operation]


def spoilt(push: WireNotice, place: str) -> WireNotice:
    """Return *push* with another value at *place*: a header, a part of the query, or a place of the body."""
    side, marked, name = place.partition(":")
    if marked and side in ("header", "query"):
        beside: Mapping[str, str] = push.headers if side == "header" else push.query
        changed = {one: f"{value}x" if one.lower() == name.lower() else value for one, value in beside.items()}
        return replace(push, headers=changed) if side == "header" else replace(push, query=changed)
    body: Any = etree.fromstring(push.body) if push.body.lstrip().startswith(b"<") else json.loads(push.body)
    _spoil(body, place.split("/"))
    written = etree.tostring(body) if isinstance(body, etree._Element) else json.dumps(body).encode()
    return replace(push, body=written)


def _spoil(tree: Any, names: list[str]) -> None:
    name = names[0].rpartition("}")[2]
    if isinstance(tree, etree._Element):
        for element in tree.iter():
            if etree.QName(element).localname == names[-1].rpartition("}")[2]:
                element.text = f"{element.text or ''}x"
    elif len(names) == 1:
        tree[name] = f"{tree.get(name) or ''}x"
    else:
        _spoil(tree[name], names[1:])


def proofs(table: NoticeTable) -> Iterator[str]:
    """Give every place whose value proves who sent it, or is proven."""
    yield from table.auth.put if table.auth else ()
    if table.signed:
        yield from (place for place in (table.signed.at, *table.signed.of) if not place.startswith("settings."))


@every_taken
def test_a_push_whose_proof_was_touched_anywhere_is_denied(name: str, sample: Sample) -> None:
    for place in proofs(table_of(name, sample)):
        found = read(name, sample, spoilt(came(sample), place))
        assert isinstance(found, NotTaken), place
        assert found.way == "denied", place


@every_taken
def test_a_push_that_comes_again_is_the_same_and_its_records_are_told_apart(name: str, sample: Sample) -> None:
    once, again = (read(name, sample, came(sample)) for _ in range(2))
    assert isinstance(once, Understood)
    assert once == again
    if table_of(name, sample).unique:
        made = [one.unique for one in once.told]
        assert None not in made
        assert len(set(made)) == len(made)


@every_taken
def test_a_played_agency_is_believed_with_the_keys_of_an_installation_and_with_no_others(
    name: str, sample: Sample
) -> None:
    """The sandbox proves who it is by itself, from the manifest: both sides would have to err alike."""
    keys = {key: f"installed-{key}" for key, setting in loaded(name).manifest.settings.items() if setting.secret}
    given = {f"settings.{key}": value for key, value in keys.items()}
    installed = replace(sample, sources={**sample.sources, **given})
    table = table_of(name, sample)

    def told(**how: Any) -> Understood | NotTaken:
        (push,) = Teller(FOLDERS[name], _settings(installed)).pushes(
            Tell(samples=[sample.name], to="http://hub.example/in/x/", **how)
        )
        query = dict(parse_qsl(urlsplit(push.url).query))
        headers = {one.lower(): value for one, value in push.headers.items()}
        return read(name, installed, WireNotice(headers, query, push.body))

    assert isinstance(told(), Understood)
    drifted = told(drifted=True)
    assert isinstance(drifted, Understood)
    if loaded(name).notices[sample.operation].contract:
        assert all("TruongMoi" in one.drift for one in drifted.told)
    wrongs = [*(["secret"] if table.auth else []), *(["signature"] if table.signed else [])]
    assert all(getattr(told(wrong=wrong), "way", "") == "denied" for wrong in wrongs)


def _settings(sample: Sample) -> dict[str, str]:
    prefix = "settings."
    return {key.removeprefix(prefix): value for key, value in sample.sources.items() if key.startswith(prefix)}


@every_push
def test_a_push_that_was_cut_is_never_taken(name: str, sample: Sample) -> None:
    push = came(sample)
    whole = len(push.body.rstrip())
    for length in range(1, whole, max(1, whole // 40)):
        assert isinstance(read(name, sample, replace(push, body=push.body[:length])), NotTaken)


@every_push
def test_no_fault_and_no_reply_holds_a_secret_of_ours(name: str, sample: Sample) -> None:
    declared = loaded(name).manifest.settings
    secrets = [f"settings.{key}" for key, setting in declared.items() if setting.secret]
    values = [value for key, value in sample.sources.items() if key in secrets and len(value) > 3]
    found = read(name, sample, came(sample))
    inbox = inbox_of(name, sample)
    said: list[WireReply] = [
        inbox.reply(sample.operation, way, reason="vì thế") for way in ("refused", "denied", "busy")
    ]
    told = f"{found.faults if isinstance(found, NotTaken) else ''}{b''.join(reply.body for reply in said)!r}"
    assert not any(value in told for value in values)


@every_push
def test_every_reply_is_read_by_plain_libraries(name: str, sample: Sample) -> None:
    inbox = inbox_of(name, sample)
    for way in ("refused", "denied", "busy"):
        reply = inbox.reply(sample.operation, way, reason='vì "thế" <a> & \x07', retry_after=3.2)  # type: ignore[arg-type]
        assert json.loads(reply.body) if "json" in reply.headers["content-type"] else len(etree.fromstring(reply.body))
        assert (reply.headers.get("retry-after") == "4") == (way == "busy")
