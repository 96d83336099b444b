"""Every recorded notice as the played agency sends it: what one side writes, the other believes, reads and answers."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic_core import to_json

from connectors.kit.binding import BoundAgency, bind
from connectors.kit.http import CannedSender
from connectors.kit.inbox import NotTaken, Understood, WireNotice
from connectors.kit.outcomes import Unavailable
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import Sample, load_samples
from connectors.kit.sandbox.telling import Push, Tell, Teller

FOLDERS = find_connectors()
CONNECTORS = {name: load_connector(folder) for name, folder in FOLDERS.items()}
PUSHED = [
    (name, sample)
    for name, folder in FOLDERS.items()
    for sample in load_samples(folder)
    if sample.result == "taken" and CONNECTORS[name].notices[sample.operation].about.fetched_by is None
]
every_push = pytest.mark.parametrize(("name", "sample"), PUSHED, ids=[f"{one}:{two.name}" for one, two in PUSHED])


def settings_of(name: str, sample: Sample) -> dict[str, str]:
    declared = CONNECTORS[name].manifest.settings.items()
    recorded = {key.partition(".")[2]: value for key, value in sample.sources.items() if key.startswith("settings.")}
    return {key: one.default or f"key-of-{key}" for key, one in declared} | recorded


def office(name: str, sample: Sample) -> BoundAgency:
    connector = CONNECTORS[name]
    return bind(
        connector,
        name=name,
        base_url="https://agency.example",
        settings=settings_of(name, sample),
        sender=CannedSender(lambda _: Unavailable("connect")),
        now=lambda: 1_795_392_000.0,
        contract=connector.manifest.contract,
    )


def told(name: str, sample: Sample, **how: Any) -> Push:
    teller = Teller(FOLDERS[name], settings_of(name, sample))
    (push,) = teller.pushes(Tell(samples=[sample.name], to="https://hub.example/in/agency/", **how))
    return push


def heard(name: str, sample: Sample, push: Push) -> Understood | NotTaken:
    inbox = office(name, sample).inbox
    assert inbox is not None
    headers = {key.lower(): value for key, value in push.headers.items()}
    came = WireNotice(headers, dict(parse_qsl(urlsplit(push.url).query)), push.body)
    return inbox.read_soap(came) if push.url.partition("?")[0].endswith("/soap") else inbox.read(push.notice, came)


@every_push
def test_what_the_played_agency_sends_is_read_as_recorded_and_twice_the_same(name: str, sample: Sample) -> None:
    first, again = (heard(name, sample, told(name, sample)) for _ in range(2))
    assert isinstance(first, Understood), first
    assert isinstance(again, Understood)
    model = CONNECTORS[name].notices[sample.operation].about.model
    recorded = [model.model_validate_json(to_json(one)) if model and one else None for one in sample.request]
    assert [one.value for one in first.told] == recorded
    assert [one.unique for one in first.told] == [one.unique for one in again.told]
    assert all(one.drift == () for one in first.told)


@every_push
def test_what_does_not_prove_the_agency_is_denied(name: str, sample: Sample) -> None:
    shown = CONNECTORS[name].manifest.notices[sample.operation].auth is not None
    found = heard(name, sample, told(name, sample, wrong="secret" if shown else "signature"))
    assert isinstance(found, NotTaken)
    assert found.way == "denied"
