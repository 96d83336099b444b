"""
What 200 MB of documents cost on their way through: `python -m bench.files [--quick]`.

They are handed in, kept, and sent to an agency in base64, two at a time. The aim is about memory: a hub that held a
document as text would need four times its size for each. Printed with the aim, met or missed; kept in `results/`.
"""

import argparse
import asyncio
import base64
import json
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import uvloop
from aiohttp import web

from bench import lab
from bench.aims import Aim, machine, verdicts
from hub.client import HubClient, Purpose
from mappings.canonical.dossier_parts import Document

RESULTS = Path(__file__).parent / "results"
CONNECTORS = Path(__file__).parent / "connectors"
MB = 1_000_000
FLAT_MB = 50.0
"""Megabytes by which the memory of the hub may grow."""
AT_ONCE = 2
REGISTERS = {
    "units": "unit,valid_from,valid_to,agency,code\nH32,2020-01-01,,,\n",
    "officers": "officer,unit,valid_from,valid_to,agency,account\nhub-duty,H32,2020-01-01,,,\n",
}
WHY = Purpose(officer="hub-duty", unit="H32", dossier="000.00.14.H32-261123-0001")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run saw."""

    files: int
    file_mb: int
    before_mb: float
    """Memory of the hub when it had carried one small document."""
    most_mb: float
    """The most that it had occupied when it had sent documents."""
    in_seconds: float
    out_seconds: float
    answers: int
    answer_mb: int
    most_after_mb: float
    """The most that it had occupied when it had also read documents in base64, out of answers."""
    back_seconds: float

    @property
    def aims(self) -> list[Aim]:
        out, back = self.files * self.file_mb, self.answers * self.answer_mb
        return [
            Aim(f"MB by which memory grew, {out} MB sent in base64", self.most_mb - self.before_mb, FLAT_MB),
            Aim(
                f"MB by which it grew further, {back} MB read out of answers",
                self.most_after_mb - self.most_mb,
                FLAT_MB,
            ),
        ]


class Papers:
    """The played agency: counts what comes, and keeps nothing."""

    def __init__(self, answer_mb: int) -> None:
        self.came = 0
        self._bytes = answer_mb * MB
        self._given = 0

    async def find(self, _: web.Request) -> web.Response:
        self._given += 1
        content = b"".join([piece async for piece in _pieces(-self._given, 1)]) * (self._bytes // MB)
        return web.json_response({"Ten": "Giấy tờ", "Tep": base64.b64encode(content).decode()})

    async def take(self, request: web.Request) -> web.Response:
        async for piece in request.content.iter_any():
            self.came += len(piece)
        return web.json_response({})


async def measure(files: int, file_mb: int, answers: int, answer_mb: int) -> Measured:
    """Run everything."""
    papers = Papers(answer_mb)
    runner = web.AppRunner(_app(papers))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as name:
        hub = await lab.serve(Path(name), CONNECTORS, f'[agencies.papers]\nbase_url = "http://127.0.0.1:{port}"\n')
        try:
            async with lab.operator(hub) as http:
                for register, content in REGISTERS.items():
                    (await http.put(f"/admin/v1/{register}", content=content.encode())).raise_for_status()
                key = await lab.add_caller(http, "bench", "counter")
            async with HubClient(f"http://{hub.said['listen']}", key, patience=60) as client:
                await _through(client, [(await client.upload(b"%PDF-1.7 small")).file])
                before, came = _memory(hub.pid, "VmRSS"), papers.came
                began = time.monotonic()
                kept = [await client.upload(_pieces(number, file_mb)) for number in range(files)]
                handed_in = time.monotonic()
                await _through(client, [one.file for one in kept])
                ended = time.monotonic()
                most = _memory(hub.pid, "VmHWM")
                assert papers.came - came >= files * file_mb * MB * 4 / 3, "all of it came"
                asked = time.monotonic()
                for _ in range(answers):
                    found = await client.call("papers.lookup_paper", Document(name="a"), answer=Document, purpose=WHY)
                    assert found.value is not None
                    assert found.value.url is not None, "it names the file"
                back, most_after = time.monotonic() - asked, _memory(hub.pid, "VmHWM")
        finally:
            await hub.stop()
            await runner.cleanup()
    return Measured(
        files, file_mb, before, most, handed_in - began, ended - handed_in, answers, answer_mb, most_after, back
    )


def _app(papers: Papers) -> web.Application:
    app = web.Application(client_max_size=1 << 30)
    app.add_routes([web.post("/papers", papers.take), web.post("/find", papers.find)])
    return app


async def _through(client: HubClient, files: list[str]) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(file: str) -> None:
        async with room:
            paper = Document(name="Giấy tờ thử nghiệm", url=file)
            ticket = await client.file("papers.file_paper", paper, answer=Document, purpose=WHY, key=file)
            answer = await ticket.result(wait=60)
            assert answer is not None, "it is settled within a minute"
            assert answer.result == "ok"

    await asyncio.gather(*(one(file) for file in files))


async def _pieces(number: int, file_mb: int) -> AsyncIterator[bytes]:
    """Give a document that no other equals, and that nothing could compress."""
    for place in range(file_mb * MB // 100_000):
        yield sha256(b"%d %d" % (number, place)).digest() * 3_125


def _memory(pid: int, what: str) -> float:
    """Return `VmRSS`, the memory that process *pid* occupies, or `VmHWM`, the most it did, in megabytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / MB for line in lines if line.startswith(f"{what}:"))


def page(seen: Measured) -> str:
    """Return the page of results."""
    size = seen.files * seen.file_mb
    return "\n".join(
        [
            "# Documents through base64",
            "",
            f"{seen.files} documents of {seen.file_mb} MB, handed in one after the other, then sent to an agency {AT_ONCE} at a time; "
            f"then {seen.answers} of {seen.answer_mb} MB read out of its answers, one after the other.",
            "",
            f"Machine: {machine()}",
            "",
            verdicts(seen.aims),
            "",
            f"Memory before: {seen.before_mb:.0f} MB. Handed in at {size / seen.in_seconds:.0f} MB/s, each part on disk before the "
            f"next is read; sent at {size / seen.out_seconds:.0f} MB/s of documents; read out of answers at "
            f"{seen.answers * seen.answer_mb / seen.back_seconds:.0f} MB/s.",
            "",
        ]
    )


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0].strip())
    parser.add_argument("--quick", action="store_true", help="one tenth, and nothing is kept")
    quick = parser.parse_args().quick
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = runner.run(measure(*((4, 5, 4, 2) if quick else (10, 20, 40, 5))))
    print(page(seen))
    if not quick:
        (RESULTS / "files.md").write_text(page(seen), "utf-8")
        (RESULTS / "files.json").write_text(json.dumps(asdict(seen), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
