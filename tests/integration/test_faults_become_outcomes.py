"""Every fault an agency can show, through sockets and the whole kit, ends as one of the five outcomes."""

import json
import random
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from connectors.kit.connector import Connector
from connectors.kit.exchange import Agency
from connectors.kit.http import HttpSender
from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Result, StaleCredentials, Unavailable
from connectors.kit.registry import bind, find_connectors, load_connector
from connectors.kit.samples import load_samples
from connectors.kit.sandbox.faults import FAULTS, Fault
from connectors.kit.sandbox.server import Play, Sandbox

SETTINGS: Mapping[str, dict[str, str]] = MappingProxyType(
    {
        "police": {
            "service_code": "DVC-TEST",
            "user_name": "centre",
            "secret_key": "0000-invented",
            "service_path": "/dancu",
        },
        "npsp": {"user_name": "centre", "password": "0000-invented"},
    }
)
SAMPLES: Mapping[str, str] = MappingProxyType({"police": "lookup_citizen.found", "npsp": "lookup_procedure.ok"})
Seen = Callable[[Any], bool]


def ended(*kinds: type) -> Seen:
    return lambda outcome: isinstance(outcome, kinds)


def answered(outcome: Any) -> bool:
    return isinstance(outcome, Answered) and outcome.result is Result.OK


ENDS: Mapping[str, Seen] = MappingProxyType(
    {
        "latency": answered,
        "hang": ended(InDoubt),
        "reset_before": ended(InDoubt),
        "reset_after": ended(InDoubt),
        "429": ended(Busy),
        "500": ended(InDoubt, Broken),
        "502": ended(InDoubt),
        "503": ended(InDoubt),
        "504": ended(InDoubt),
        "html_200": ended(Broken),
        "soap_fault_200": ended(InDoubt, Broken),
        "soap_fault_500": ended(InDoubt, Broken),
        "truncated": ended(InDoubt),
        "wrong_charset": ended(Broken),
        "added_element": lambda outcome: answered(outcome) and bool(outcome.drift),
        "big_body": ended(InDoubt),
        "slow_drip": ended(InDoubt),
        "expired_session": ended(StaleCredentials),
        "close_idle": answered,
    }
)
CONNECTORS = {name: load_connector(folder) for name, folder in find_connectors().items() if name in SETTINGS}


async def outcome_under(fault: Fault | None, name: str, *, within: float = 5.0, deaf: bool = False) -> Any:
    """Return what one look-up ends in while *fault* strikes it; *deaf*: after the agency closed its door."""
    connector = CONNECTORS[name]
    sandbox = Sandbox([Play(name, connector.folder, SETTINGS[name])], now=time.time, chance=random.Random(7))
    await sandbox.start()
    agency = bound(connector, name, sandbox.base_url(name))
    try:
        kept = await agency.log_in({}, timeout=5.0)
        assert isinstance(kept, Mapping), kept
        sample = next(one for one in load_samples(connector.folder) if one.name == SAMPLES[name])
        request = connector.operations[sample.operation].request.model_validate_json(json.dumps(sample.request))
        settings = {f"settings.{key}": value for key, value in SETTINGS[name].items()}
        wire = agency.render(sample.operation, request, {**sample.sources, **settings, **kept})
        if fault is not None:
            sandbox.misbehave(name, fault)
        if deaf:
            await sandbox.stop()
        return await agency.send(sample.operation, wire, timeout=within)
    finally:
        await agency.close()
        await sandbox.stop()


def bound(connector: Connector, name: str, base_url: str) -> Agency:
    return bind(
        connector,
        name=name,
        base_url=base_url,
        settings=SETTINGS[name],
        sender=HttpSender(),
        now=time.time,
        contract=connector.manifest.contract,
    )


def test_every_fault_has_its_end() -> None:
    assert set(ENDS) == set(FAULTS)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_ends_in_its_outcome(fault: str, name: str) -> None:
    struck = Fault(fault=fault, seconds=0.05, bytes=20_000_000)  # type: ignore[arg-type]
    outcome = await outcome_under(struck, name, within=0.3 if fault in ("hang", "slow_drip") else 5.0)
    assert ENDS[fault](outcome), outcome


@pytest.mark.parametrize(
    ("status", "retry_after", "expected"), [("429", "5", 5.0), ("429", None, None), ("503", "7", 7.0)]
)
async def test_being_asked_to_slow_down_is_busy_with_the_seconds_that_were_said(
    status: str, retry_after: str | None, expected: float | None
) -> None:
    outcome = await outcome_under(Fault(fault=status, retry_after=retry_after), "npsp")  # type: ignore[arg-type]
    assert isinstance(outcome, Busy)
    assert outcome.retry_after == expected


async def test_a_door_that_is_shut_is_unavailable() -> None:
    assert isinstance(await outcome_under(None, "police", deaf=True), Unavailable)
