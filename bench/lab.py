"""
Lab copies of the connectors, and the processes of a run: sandbox, hub, naive gateway. Read `overhead.py` first.

A manifest holds the most that any installation may claim, about ten calls a second; a benchmark of the hub wants to
be held up by the hub alone, so it works on copies whose contracts are raised beyond reach.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from bench import processes
from connectors.kit.registry import find_connectors
from connectors.kit.samples import Sample, load_samples
from connectors.kit.sandbox.server import Play, Sandbox, serve_sandbox
from hub.cli.sandbox import invented_settings, snippet

HERE = Path(__file__).parent
OPERATIONS = {"police": "lookup_citizen.found", "npsp": "lookup_procedure.ok", "archive": "lookup_dossier.found"}
"""What is asked of each agency, as a sample of its connector."""
RAISED = {
    "calls_per_second": 10_000,
    "calls_per_day": 100_000_000,
    "calls_at_once": 512,
    "queue_calls": 10_000,
    "queue_seconds": 30,
    "backlog_calls": 10_000_000,
}
ADMIN_KEY = "bench-admin-key"
UNITS = "unit,valid_from,valid_to,agency,code\nH32,2020-01-01,,npsp,000.00.14.H32\n"
OFFICERS = "officer,unit,valid_from,valid_to,agency,account\nhub-duty,H32,2020-01-01,,police,000080000099\n"
PURPOSE = 'officer="hub-duty", unit="H32", intake="TN-000001"'
_PAPER = (
    "<a:TaiLieu><a:Id>{n:06d}</a:Id><a:Ten>Giấy tờ số {n}, bản chụp từ bản chính.pdf</a:Ten><a:DaXoa>False</a:DaXoa>"
    "<a:MaThanhPhan>KQ.G00.{n:06d}</a:MaThanhPhan><a:DuongDan>https://files.centre.example/{n}</a:DuongDan>"
    "<a:SoHoa>1</a:SoHoa><a:TuKho>0</a:TuKho><a:ThayThe>KQ.G00.000001</a:ThayThe></a:TaiLieu>"
)


def copies(folder: Path) -> Path:
    """Lay lab copies of all connectors into *folder*; return the folder of folders."""
    place = folder / "connectors"
    for name, source in (find_connectors() | {"archive": HERE / "connectors" / "archive"}).items():
        shutil.copytree(source, place / f"{name}_lab")
        manifest = place / f"{name}_lab" / "manifest.toml"
        text = manifest.read_text("utf-8")
        for key, value in RAISED.items():
            text = re.sub(rf"(?m)^{key}\s*=\s*[\d_]+", f"{key} = {value}", text)
        manifest.write_text(re.sub(_LOOK_UP, _each_its_own, text), "utf-8")
    _sample_of_the_archive(place / "archive_lab")
    return place


_LOOK_UP = re.compile(r'(?ms)^\[operations\.\w+\]\nkind\s*=\s*"lookup".*?(?=^\[|\Z)')


def _each_its_own(table: re.Match[str]) -> str:
    """Make each call its own exchange: all calls of a run ask the same, and what may be repeated may be shared."""
    return re.sub(r"(?m)^(repeat_safe|fresh)\b.*\n", "", table[0]).rstrip("\n") + "\nrepeat_safe = false\n\n"


def sample_of(folder: Path, agency: str) -> Sample:
    """Return the conversation that is measured at *agency*."""
    return next(one for one in load_samples(folder / f"{agency}_lab") if one.name == OPERATIONS[agency])


def plays(folder: Path, *more: str) -> list[Play]:
    """Return what is played of the lab copies in *folder*: what is measured here, and *more*."""
    return [
        Play(name, folder / f"{name}_lab", invented_settings(folder / f"{name}_lab"), session_seconds=86_400)
        for name in (*OPERATIONS, *more)
    ]


def _sample_of_the_archive(folder: Path) -> None:
    place = folder / "samples" / "lookup_dossier.found"
    place.mkdir(parents=True)
    code = "000.00.14.H32-261123-0001"
    envelope = (
        '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        '{}</s:Body></s:Envelope>'
    )  # fmt: skip
    papers = "".join(_PAPER.format(n=number) for number in range(1, 59))
    reply = (
        f'<a:KetQua xmlns:a="http://archive.example"><a:HoSo><a:MaHoSo>{code}</a:MaHoSo><a:MaTTHC>1.001776</a:MaTTHC>'
        "<a:TenTTHC>Thủ tục thử nghiệm</a:TenTTHC><a:ChuHoSo>Trần Thị Không</a:ChuHoSo><a:LoaiDoiTuong>citizen</a:LoaiDoiTuong>"
        "<a:SoGiayTo>000180000011</a:SoGiayTo><a:TrichYeu>Hồ sơ thử nghiệm</a:TrichYeu>"
        f"<a:NgayTiepNhan>20261123093000</a:NgayTiepNhan><a:TrangThai>received</a:TrangThai>{papers}</a:HoSo></a:KetQua>"
    )
    request = f'<a:LayHoSo xmlns:a="http://archive.example"><a:MaHoSo>{code}</a:MaHoSo></a:LayHoSo>'
    (place / "request.agency.xml").write_text(envelope.format(request), "utf-8")
    (place / "reply.agency.xml").write_text(envelope.format(reply), "utf-8")
    (place / "request.canonical.json").write_text(json.dumps({"code": code}), "utf-8")


class Child:
    """A process of the run, and the CPU it has used."""

    def __init__(self, process: asyncio.subprocess.Process, said: Mapping[str, Any]) -> None:
        self._process = process
        self.said = said
        """Its ready line."""
        self._reading = asyncio.ensure_future(_drain(process))

    @classmethod
    async def start(cls, *words: str, folder: Path, **environ: str) -> "Child":
        """Start `python -m ...` and wait for the line of JSON that says it is ready."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *words, cwd=folder, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(HERE.parent), **environ},
        )  # fmt: skip
        assert process.stdout is not None
        async for line in process.stdout:
            said = json.loads(line)
            if "ready" in (said.get("event"), *said):
                return cls(process, said)
        raise RuntimeError(f"{words[0]} ended before it was ready")

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu(self) -> float:
        """Return the CPU seconds used so far, of all its threads."""
        return processes.read(Path(f"/proc/{self.pid}/stat").read_text()).own

    async def stop(self, patience: float = 90.0) -> None:
        """Let it end gently for *patience* seconds, then not."""
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), patience)
            except TimeoutError:
                self._process.kill()
        await self._process.wait()
        await self._reading


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while await process.stdout.read(1 << 16):
        pass


async def hub(folder: Path, lab: Path, urls: Mapping[str, str]) -> tuple[Child, str, str]:
    """Start the hub before the played agencies at *urls*; return it, its address and a caller's key."""
    played = plays(lab)
    for play in played:
        play.base_url = urls[play.name]
    child = await serve(folder, lab, snippet(played))
    return child, f"http://{child.said['listen']}", await introduce(child)


async def introduce(hub: Child) -> str:
    """Tell *hub* of the unit and the officer on whose behalf is asked, and of a caller; return the caller's key."""
    async with operator(hub) as http:
        for register, content in (("units", UNITS), ("officers", OFFICERS)):
            (await http.put(f"/admin/v1/{register}", content=content.encode())).raise_for_status()
        return await add_caller(http, "bench", "counter")


async def serve(folder: Path, connectors: Path, agencies: str, **more: str) -> Child:
    """
    Start `hub serve` in *folder*, with connectors beside the installed ones and the lines of hub.toml for *agencies*.

    *more* are keys of its table `[hub]`.
    """
    head = (
        '[hub]\nlisten = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\nadmin_key = "env:BENCH_KEY"\n'
        f'connectors = "{connectors.as_posix()}"\n'
    )
    head += "".join(f'{key} = "{value}"\n' for key, value in more.items())
    (folder / "hub.toml").write_text(head + agencies, "utf-8")
    return await Child.start("hub.cli", "serve", folder=folder, HUB_CONFIG="hub.toml", BENCH_KEY=ADMIN_KEY)


def operator(hub: Child) -> httpx2.AsyncClient:
    """Return what speaks to the admin doors of *hub*."""
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    return httpx2.AsyncClient(base_url=f"http://{hub.said['admin']}", headers=headers, timeout=60)


async def add_caller(http: httpx2.AsyncClient, name: str, top_class: str) -> str:
    """Add a caller whose quota is out of the way; return its key."""
    made = {"name": name, "allowed": ["*"], "top_class": top_class, "calls_per_minute": 1_000_000}
    key: str = (await http.post("/admin/v1/callers", json=made)).raise_for_status().json()["key"]
    return key


if (
    __name__ == "__main__"
):  # the sandbox of a run, as a process of its own: `python -m bench.lab <folder of lab copies> [more agencies]`

    def _ready(sandbox: Sandbox) -> None:
        addresses = {one["agency"]: one["base_url"] for one in sandbox.plays_shown()}
        print(json.dumps({"event": "ready", "urls": addresses}), flush=True)

    asyncio.run(
        serve_sandbox(
            plays(Path(sys.argv[1]), *sys.argv[2:]),
            now=time.time,
            chance=random.Random(7),
            validate=False,
            ready=_ready,
        )
    )
