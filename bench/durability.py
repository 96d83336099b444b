"""
What it costs that nothing accepted is lost: `make durability`, or `python -m bench.durability [--quick|--long]`.

Calls are taken durably, sent to an agency that answers at once, and settled: by each form of the hub, and beside them by
taskiq and Celery, which do the same exchange from a queue on Redis. Then what a call costs while very many others wait.
Everything in one run and in turns; figures are medians with their spread, and each aim is printed with met or missed.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from bench import lab
from bench.backlogs import backlogs
from bench.durability_page import AT_ONCE, Measured, as_json, page, stands_on, weigh
from bench.forms import CODE, FORMS, ON_POSTGRES, ON_SQLITE, Form, Hub
from bench.queues import KINDS, Peer
from bench.seen import Played, System
from connectors.kit.samples import Sample, load_samples

RESULTS = Path(__file__).parent / "results"
SAMPLE, LOG_IN = "file_dossier.ok_early", "log_in.ok"
"""A filing with a body of a kilobyte, and what the agency wants before."""
PATH = "/mapi/g"


@dataclass(frozen=True, slots=True)
class Size:
    """How much one run does."""

    repeats: int
    warm: int
    accepted: int
    carried: int
    waiting: Mapping[Form, tuple[int, ...]]
    """Calls in the backlog, by form; the first is what the others are compared with."""
    beside: int
    """Whole calls of one measurement beside a backlog."""
    backlog_repeats: int


FEW, MANY = (1_000, 100_000), (1_000, 100_000, 1_000_000)
WHOLE = Size(5, 400, 2_000, 2_000, {ON_SQLITE: MANY, ON_POSTGRES: FEW}, 800, 3)
LONG = replace(WHOLE, waiting={ON_SQLITE: MANY, ON_POSTGRES: MANY})
QUICK = Size(1, 40, 100, 100, dict.fromkeys((ON_SQLITE, ON_POSTGRES), (200, 1_000)), 100, 1)


async def measure(size: Size) -> Measured:
    """Run everything."""
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as name:
        folder = Path(name)
        connectors = _laid(folder)
        samples = {sample.name: sample for sample in load_samples(connectors / "npsp_lab")}
        agency = await Played.start(folder, samples[SAMPLE].folder, samples[LOG_IN].folder)
        try:
            run = await _in_turns(size, folder, connectors, agency, samples[SAMPLE])

            for number, (form, waiting) in enumerate(size.waiting.items()):

                def hub_with(count: int, form: Form = form, number: int = number) -> Hub:
                    place = folder / f"waiting{number}-{count}"
                    return Hub(form, place, connectors, agency, samples[SAMPLE], AT_ONCE, backlog=count)

                run.backlogs += await backlogs(hub_with, waiting, size.beside, size.backlog_repeats, _say)
                if size is WHOLE and waiting is FEW:
                    run.left_out.append(
                        f"{form.name}, with {MANY[-1]:,} calls that wait, is left out: `--long` has it."
                    )
            return run
        finally:
            await agency.child.stop(1)


def _laid(folder: Path) -> Path:
    """Lay lab copies into *folder*, where everybody may enter: as root, PostgreSQL is run as somebody else."""
    folder.chmod(0o755)
    return lab.copies(folder)


async def _in_turns(size: Size, folder: Path, connectors: Path, agency: Played, sample: Sample) -> Measured:
    left_out = [
        f"{kind.name} is left out: {', '.join(kind.missing)} not installed; `pip install -e '.[bench]'` brings it."
        for kind in KINDS
        if kind.missing
    ]
    for line in left_out:
        _say(line)
    load = os.getloadavg()[0]
    async with AsyncExitStack() as stack:
        systems: list[System] = []
        for number, form in enumerate(FORMS):
            place = folder / f"form{number}"
            systems.append(await stack.enter_async_context(Hub(form, place, connectors, agency, sample, AT_ONCE)))
        for kind in KINDS:
            if not kind.missing:
                peer = Peer(kind, folder / kind.name.lower(), agency, PATH, body_of(sample), AT_ONCE)
                systems.append(await stack.enter_async_context(peer))
        run = Measured(
            {one.name: [] for one in systems}, {one.name: [] for one in systems}, [], left_out, stands_on(load)
        )
        for system in systems:
            await system.carry(size.warm)
            await system.accept(size.warm)
        for _ in range(size.repeats):
            for system in systems:  # in turn, so that a slow minute of the machine falls on all
                run.carried[system.name].append(await system.carry(size.carried))
            for system in systems:
                run.accepted[system.name].append(await system.accept(size.accepted))
        run.sent = {hub.name: await hub.sent() for hub in systems if isinstance(hub, Hub) and len(hub.nodes) > 1}
        return run


def body_of(sample: Sample) -> bytes:
    """Return the body of the exchange as the hub sends it, for a dossier whose code is as long as in the hub's calls."""
    assert sample.request_agency is not None
    small = json.dumps(json.loads(sample.request_agency), ensure_ascii=False, separators=(",", ":"))
    return small.replace(sample.request["code"], CODE.format(0)).encode()


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--quick", action="store_true", help="a smoke run: few calls, one repeat, nothing written")
    asked.add_argument(
        "--long", action="store_true", help="also a million calls that wait in PostgreSQL: five minutes more"
    )
    said = asked.parse_args()
    run = uvloop.run(measure(QUICK if said.quick else LONG if said.long else WHOLE))
    aims = weigh(run)
    text = page(run, aims)
    print(text)
    if said.quick:
        return
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "durability.md").write_text(text, "utf-8")
    (RESULTS / "durability.json").write_text(json.dumps(as_json(run, aims), indent=1, ensure_ascii=False), "utf-8")


if __name__ == "__main__":
    main()
