"""
Whom one exchange may serve, for every look-up of every connector: who `alike` takes for the same sends the same bytes.

The other way round too: a value that `alike` names is one that the agency sees.
"""

import pytest

from connectors.kit.exchange import WireRequest
from connectors.kit.http import CannedSender
from connectors.kit.outcomes import Unavailable
from connectors.kit.registry import bind, find_connectors, load_connector
from connectors.kit.samples import Sample, load_samples
from connectors.kit.wrap import CALL_SOURCES, PURPOSE_SOURCES
from mappings.values_files import CONTENT

FOLDERS = find_connectors()
CONNECTORS = {name: load_connector(folder) for name, folder in FOLDERS.items()}


def brings_files(name: str, operation: str) -> bool:
    """Whether what comes is stored for one caller, so that no other may have it."""
    returns = CONNECTORS[name].operations[operation].returns
    return returns is not None and CONTENT in returns.files


LOOK_UPS = [
    (name, sample)
    for name, folder in FOLDERS.items()
    for sample in load_samples(folder)
    if sample.operation in CONNECTORS[name].operations
    and CONNECTORS[name].operations[sample.operation].kind == "lookup"
    and CONNECTORS[name].operations[sample.operation].every is None  # what fetches notices is never shared
    and not brings_files(name, sample.operation)
    and sample.request is not None
]
every_look_up = pytest.mark.parametrize(
    ("name", "sample"), LOOK_UPS, ids=[f"{one}:{two.name}" for one, two in LOOK_UPS]
)
EACH_ITS_OWN = {"call.id", "call.reference", "call.accepted_at", "exchange.id", "exchange.at"}
"""What no two calls have in common, and what therefore says nothing about whether they send the same."""


def rendered(name: str, sample: Sample, **changed: str) -> WireRequest:
    connector = CONNECTORS[name]
    bound = bind(
        connector,
        name=name,
        base_url="https://agency.example",
        settings={key: setting.default or "0000" for key, setting in connector.manifest.settings.items()},
        sender=CannedSender(lambda _: Unavailable("connect")),
        now=lambda: 1_795_392_000.0,
        contract=connector.manifest.contract,
    )
    auth = connector.manifest.auth
    sources = dict.fromkeys((*CALL_SOURCES, *(f"auth.{key}" for key in (auth.keep if auth else ()))), "000")
    sources |= {"exchange.id": "01930000-0000-7000-8000-000000000001"}
    sources |= {"call.accepted_at": "2026-11-23T08:00:00+07:00", "exchange.at": "2026-11-23T08:00:01+07:00"}
    request = connector.operations[sample.operation].request.model_validate_json(_json(sample))
    return bound.render(sample.operation, request, sources | changed)


def _json(sample: Sample) -> bytes:
    return (sample.folder / "request.canonical.json").read_bytes()


def test_every_source_of_a_call_is_its_own_or_one_that_calls_may_have_in_common() -> None:
    assert set(CALL_SOURCES) - EACH_ITS_OWN == set(PURPOSE_SOURCES), "decide it for a new source, or calls fly wrongly"


@every_look_up
def test_values_that_alike_does_not_name_change_nothing_on_the_wire(name: str, sample: Sample) -> None:
    alike = CONNECTORS[name].operations[sample.operation].alike
    assert alike is not None
    others = {source: "999" for source in PURPOSE_SOURCES if source not in alike}
    assert rendered(name, sample, **others) == rendered(name, sample)


@every_look_up
def test_values_that_alike_names_are_seen_by_the_agency(name: str, sample: Sample) -> None:
    for source in CONNECTORS[name].operations[sample.operation].alike or ():
        assert rendered(name, sample, **{source: "999"}) != rendered(name, sample)
