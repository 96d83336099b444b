"""
What an installation decides, as one frozen model: `hub.toml`, then the environment over it. Used by `app.py`.

Every key is declared once, below. `HUB__AGENCIES__POLICE__BASE_URL` overrides `[agencies.police] base_url`. Secrets are
references (`env:`, `file:`, `cmd:`), followed when the hub is built (`references.py`) and masked when printed.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    field_validator,
    model_validator,
)

from hub.outside import host_fault
from hub.route_tables import KINDS, SERVICE, Route
from hub.tables import Address, Count, FileHost, Name, Number, Table
from hub.tables import number as _number
from mappings.errors import FileFault, FilesRefused
from mappings.table_faults import faults_of, read_toml

PREFIX = "HUB__"
MISSING = "is missing; create it (`hub sandbox police npsp` prints lines to begin with), or name another with --config"
SQLITE = "sqlite:///"
POSTGRESQL = "postgresql://"
REFERENCES = ("env:", "file:", "cmd:")


class Hub(Table):
    """The process itself: where it listens and where it keeps its records."""

    listen: Address = Field("127.0.0.1:8080", description="Where callers reach the hub", examples=["0.0.0.0:8080"])
    admin: Address = Field(
        "127.0.0.1:9108", description="Where operators reach the admin doors and /metrics", examples=["127.0.0.1:9108"]
    )
    admin_key: str = Field(
        "",
        description="Key of the admin doors, by reference; without one a key is made and kept beside an SQLite store",
        examples=["env:HUB_ADMIN"],
    )
    store: str = Field(
        SQLITE + "hub.db",
        pattern=rf"^({SQLITE}|{POSTGRESQL}|env:|file:|cmd:).+",
        description="Where calls are kept: a file for one process, PostgreSQL for several; or a reference to the address",
        examples=["sqlite:///hub.db", "postgresql://hub@db.example/hub"],
    )
    connectors: str = Field(
        "",
        description="Folder of connector folders beside those that are installed: data only, without hooks",
        examples=["connectors"],
    )
    request_bytes: Count = Field(
        10 << 20, le=1 << 30, description="Largest body of a request, in bytes", examples=[10_485_760]
    )
    late_seconds: Number = Field(
        0.05,
        description="Lag of the event loop (p99 of a second) above which bulk is refused, and normal above four times as much",
        examples=[0.05],
    )
    queued_bytes: Count = Field(
        256 << 20,
        description="Bytes of requests that may wait in all lines; above, only the counter is served",
        examples=[268_435_456],
    )
    memory_bytes: Count | None = Field(
        None,
        description="Memory of the process above which only the counter is served; four fifths of the machine's, or of its cgroup's",
        examples=[2_000_000_000],
    )
    redis: str = Field(
        "",
        pattern=r"^(|rediss?://.+|env:.+|file:.+|cmd:.+)$",
        description="Where nodes count their calls together, with PostgreSQL; without it each node keeps to its share",
        examples=["redis://cache.example:6379/0"],
    )
    store_bytes: Count | None = Field(
        None,
        description="Size of the store above which no more durable calls are taken; four fifths of what its disk can hold",
        examples=[200_000_000_000],
    )
    node: Name = Field(
        "hub", max_length=63, description="Name of this process in leases and lines, up to 63 signs", examples=["hub"]
    )
    file_bytes: Count = Field(
        20 << 20, le=1 << 30, description="Largest file that callers may hand in, in bytes", examples=[20_971_520]
    )
    public_url: str = Field(
        "",
        pattern=r"^(|https?://[^\s?#]+)$",
        description="Where agencies reach this hub, for links to files; needed where a connector writes such links",
        examples=["https://hub.centre.example"],
    )
    signing_key: str = Field(
        "",
        description="Key that signs links to files and what is pushed, by reference; without one a key is made and kept beside an SQLite store",
        examples=["env:HUB_SIGNING_KEY"],
    )
    sealing_key: str = Field(
        "",
        description="Key that seals who denounces, by reference; without one a key is made and kept beside an SQLite store",
        examples=["env:HUB_SEALING_KEY"],
    )
    link_days: Count = Field(
        7, le=365, description="Days for which an agency can fetch a file by its link", examples=[7]
    )
    codes: str = Field(
        "",
        description="Folder of code tables that stand in for shared ones of the same name: communes.csv, completed by a province",
        examples=["codes"],
    )

    @model_validator(mode="after")
    def _redis_is_for_several(self) -> "Hub":
        if self.redis and self.store.startswith(SQLITE):
            raise ValueError(
                "`redis` is for several nodes, and they share a PostgreSQL; name one in `store`, or leave it out"
            )
        return self


class Retention(Table):
    """For how many days what has ended is kept. What waits, is in doubt or needs a person is kept whatever its age."""

    lookups_days: Count = Field(
        30, le=3650, description="Look-ups after their end, with the answers of durable ones", examples=[30]
    )
    filings_days: Count = Field(
        365,
        ge=31,
        le=3650,
        description="Filings after their end, with request and answer; their idempotency keys hold for 30 days in any case",
        examples=[365],
    )
    notices_days: Count = Field(90, le=3650, description="What agencies told us", examples=[90])
    references_days: Count = Field(
        3650,
        ge=365,
        le=36_500,
        description="What agencies call our dossiers, and after that as long as a call of the dossier is kept",
        examples=[3650],
    )
    journal_days: Count = Field(
        3650,
        ge=365,
        le=36_500,
        description="Entries of the journal; what is cut off leaves its last hash",
        examples=[3650],
    )
    files_days: Count = Field(
        90,
        ge=31,
        le=3650,
        description="Files after a caller last handed them in or got them; filings that wait longer lose theirs",
        examples=[90],
    )
    handling_days: Count = Field(
        1095,
        ge=31,
        le=36_500,
        description="How agencies handled dossiers, for `/v1/handling`: codes and moments, after the last one",
        examples=[1095],
    )


def _list(value: object) -> object:
    """Read a list that the environment gave as text, or that TOML gave."""
    value = _number(value)
    return tuple(value) if isinstance(value, list) else value


class Push(Table):
    """Pushing what callers are told to where they want it."""

    hosts: Annotated[tuple[str, ...], BeforeValidator(_list)] = Field(
        (),
        description="Who may be pushed to: hosts, hosts of a domain (*.centre.example), networks (10.0.0.0/8) for addresses without a name; without any, nobody",
        examples=[["*.centre.example", "10.0.0.0/8"]],
    )
    ca_file: str | None = Field(
        None,
        description="PEM file of the authorities that receivers are trusted by instead of the machine's",
        examples=["centre.pem"],
    )

    @field_validator("hosts")
    @classmethod
    def _hosts_can_be_read(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        faults = [fault for fault in map(host_fault, hosts) if fault is not None]
        if faults:
            raise ValueError("; ".join(faults))
        return hosts


XRoadService: TypeAlias = Annotated[str, Field(pattern=SERVICE)]


class ScheduledAs(Table):
    """On whose behalf the hub itself asks an agency."""

    officer: str = Field(description="Id of the register of officers", examples=["hub-duty"])
    unit: str = Field(description="Id of the register of units", examples=["H32"])


class AgencyEntry(BaseModel):
    """One agency. What is not declared here is a setting of its connector, checked against the connector's manifest."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")
    __pydantic_extra__: dict[str, str]

    connector: Name | None = Field(
        None, description="Folder of its kind; of the same name unless given", examples=["water"]
    )
    route: Name | None = Field(None, description="The road it shares, from [routes]", examples=["lgsp"])
    base_url: str = Field(
        pattern=r"^https?://[^\s?#]+$", description="Where the agency is", examples=["https://lgsp.example/dancu"]
    )
    ca_file: str | None = Field(
        None, description="PEM file of the authorities to trust instead of the machine's", examples=["lgsp.pem"]
    )
    scheduled_as: ScheduledAs | None = Field(None, description="On whose behalf the hub itself asks")
    reconcile: str | None = Field(
        None,
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="When (+07:00) what was filed the day before is compared with what the agency has; without it, when somebody wants it",
        examples=["02:30"],
    )
    file_hosts: Annotated[tuple[FileHost, ...], Strict(False), BeforeValidator(_number)] | None = Field(
        None,
        description="Hosts beside base_url's from which its files may be fetched, each `host`, `host:port` or `*.domain`, and networks"
        " in which they may lie though they are not public",
        examples=[["files.police.example", "10.20.0.0/16"]],
    )
    ndxp_destination: str | None = Field(
        None, min_length=1, description="Over `ndxp`: its code, in the header dstcode", examples=["G01"]
    )
    xroad_service: XRoadService | None = Field(
        None,
        description="Over X-Road: id of its service, INSTANCE/CLASS/MEMBER/SUBSYSTEM/SERVICE; of SOAP `*` for the operation's element, and a version may follow",
        examples=["VN/GOV/G01/dan-cu/tra-cuu"],
    )
    xroad_services: dict[str, XRoadService] | None = Field(
        None,
        description="Over X-Road: ids of operations that have a service of their own",
        examples=[{"lookup_citizen": "VN/GOV/G01/dan-cu/tra-cuu"}],
    )
    contract: dict[str, Annotated[Any, BeforeValidator(_number)]] = Field(
        {}, description="What it lowers of the connector's contract", examples=[{"calls_per_second": 5}]
    )

    @property
    def settings(self) -> Mapping[str, str]:
        """The connector's settings as written, references not followed."""
        return self.__pydantic_extra__


class Settings(Table):
    """Everything an installation decides."""

    hub: Hub = Field(Hub(), description="The process itself")
    retention: Retention = Field(Retention(), description="For how long records are kept")
    routes: dict[Name, Route] = Field({}, description="Roads that agencies share")
    agencies: dict[Name, AgencyEntry] = Field({}, description="The agencies this hub calls")
    push: Push = Field(Push(), description="Pushing what callers are told to where they want it")

    folder: Path = Field(
        Path(), exclude=True, description="Where the file lies; relative paths start there", examples=["."]
    )

    def path(self, text: str) -> Path:
        """Return *text* as a path; a relative one starts where `hub.toml` lies."""
        return self.folder / text

    def store_file(self) -> Path | None:
        """Return the file of the embedded store, None when `hub.store` names PostgreSQL or is a reference."""
        return self.path(self.hub.store.removeprefix(SQLITE)) if self.hub.store.startswith(SQLITE) else None


def load_settings(environ: Mapping[str, str], file: Path | None = None) -> Settings:
    """
    Read *file*, else what `HUB_CONFIG` names, else `hub.toml` here; then lay the environment over it.

    Raises:
        FilesRefused: Every fault of file and environment at once, with key path or variable and the nearest known key.
    """
    path = file or Path(environ.get("HUB_CONFIG") or "hub.toml")
    given = {
        tuple(name[len(PREFIX) :].lower().split("__")): name for name in sorted(environ) if name.startswith(PREFIX)
    }
    if not given and not path.exists():
        raise FilesRefused([FileFault(f"{path.absolute().parent.name}/{path.name}", "", MISSING)])
    lines = read_toml(path.absolute()) if path.exists() else {}
    faults = _overlay(lines, {keys: environ[name] for keys, name in given.items()}, given)
    lines["folder"] = path.absolute().parent
    try:
        settings = Settings.model_validate(lines)
    except ValidationError as error:
        faults += [_without_kind(fault) for fault in faults_of(error, Settings, path.name)]
    else:
        faults += _unknown_routes(settings, path.name)
    if faults:
        raise FilesRefused([_from_environment(fault, given) for fault in faults])
    return settings


def _overlay(
    lines: dict[str, Any], values: Mapping[tuple[str, ...], str], given: Mapping[tuple[str, ...], str]
) -> list[FileFault]:
    faults = []
    for keys, text in values.items():
        table: Any = lines
        for key in keys[:-1]:
            table = table.setdefault(key, {}) if isinstance(table, dict) else None
        if isinstance(table, dict) and len(keys) > 1 and all(keys):
            table[keys[-1]] = text
        else:
            faults.append(
                FileFault(
                    given[keys], "", "names no key; write it as HUB__HUB__LISTEN or HUB__AGENCIES__POLICE__BASE_URL"
                )
            )
    return faults


def _unknown_routes(settings: Settings, file: str) -> list[FileFault]:
    known = ", ".join(sorted(settings.routes)) or "none yet"
    return [
        FileFault(file, f"agencies.{name}.route", f"is not in [routes]; known there: {known}")
        for name, agency in settings.agencies.items()
        if agency.route is not None and agency.route not in settings.routes
    ]


def _without_kind(fault: FileFault) -> FileFault:
    """Take out the kind of a route, which pydantic puts into the path of what is wrong with it."""
    found = re.fullmatch(rf"(routes\.[^.]+)\.(?:{'|'.join(KINDS)})((?:\..+)?)", fault.key)
    return replace(fault, key=found[1] + found[2]) if found else fault


def _from_environment(fault: FileFault, given: Mapping[tuple[str, ...], str]) -> FileFault:
    variable = given.get(tuple(fault.key.split(".")))
    return FileFault(variable, "", fault.says) if variable else fault
