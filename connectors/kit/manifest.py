"""
What an agency team writes about one kind of agency: `manifest.toml`, every key declared once. Next: `registry.py`.

The editor's JSON Schema, the documentation of keys and every fault message derive from the fields below. A key that
is not here does not exist; the two languages together stay within 80 names (tests/unit/kit/test_manifest.py).
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.kit.hours import Hours
from mappings.errors import FileFault, FilesRefused
from mappings.table_faults import faults_of, read_toml
from mappings.values import converter

FILE = "manifest.toml"
LONGEST_CALL_SECONDS = 120.0
"""No call_timeout is above it: nobody waits longer, and what a dead node left is taken over soon after (`hub/store`)."""
VERB_NOUN = r"^[a-z]+(_[a-z0-9]+)+$"


class Table(BaseModel):
    """A table of the manifest: unknown keys and wrong types are faults."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _one_or_two(value: object) -> object:
    return (value,) if isinstance(value, str) else _tuple(value)


def _known_closed(values: tuple[str, ...]) -> tuple[str, ...]:
    Hours(values)
    return values


def _known_converter(name: str | None) -> str | None:
    if name is not None:
        converter(name)
    return name


_ONE_OR_TWO = BeforeValidator(_one_or_two, json_schema_input_type=str | list[str])
Texts: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_tuple)]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
VerbNoun: TypeAlias = Annotated[str, Field(pattern=VERB_NOUN)]
Seconds: TypeAlias = Annotated[float, Field(gt=0, le=7 * 86_400, allow_inf_nan=False)]
CallSeconds: TypeAlias = Annotated[float, Field(gt=0, le=LONGEST_CALL_SECONDS, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Template: TypeAlias = dict[str, Any]
"""A table of a payload: values are sources, or lists and tables of sources."""


class Facts(Table):
    """Who this kind of agency is, and how far its connector may be trusted."""

    title: str = Field(description="Name of the agency in English", examples=["National population database"])
    title_vi: str = Field(description="Name of the agency in Vietnamese", examples=["Cơ sở dữ liệu quốc gia về dân cư"])
    version: str = Field(
        description="Version of this connector (semver)", pattern=r"^\d+\.\d+\.\d+$", examples=["0.1.0"]
    )
    owner: str = Field(
        description="Whom to ask about this connector", examples=["Tổ liên thông, connectors@centre.example"]
    )
    protocol: Literal["rest", "soap", "desk"] = Field(
        description="How the agency is reached; `desk`: it has no interface, its people work the line off by hand",
        examples=["soap"],
    )
    maturity: Literal["draft", "stable", "retired"] = Field(description="How far it has been tried", examples=["draft"])
    like: Name | None = Field(
        None, description="Connector whose lines this one takes over and overrides", examples=["water"]
    )
    assumed: Texts = Field(
        (),
        description="Places and operations whose shape is a guess, shown wherever they appear",
        examples=[["log_in"]],
    )
    addresses: Literal["two_level", "three_level"] | None = Field(
        None, description="Whether its addresses still have a district", examples=["two_level"]
    )


class Setting(Table):
    """One value that an installation gives in `hub.toml`."""

    help: str = Field(
        description="What it is and who gives it to the centre", examples=["Service code agreed with C06"]
    )
    secret: bool = Field(False, description="Masked wherever settings are shown", examples=[True])
    default: str | None = Field(
        None, description="Value when the installation gives none; without one it is required", examples=["VPCP"]
    )
    as_: Annotated[str | None, AfterValidator(_known_converter)] = Field(
        None, alias="as", description="Converter that writes it wherever it is named as a source", examples=["md5"]
    )

    def written(self, value: str) -> str:
        """
        Return *value* as the agency wants to see it; an empty one stays empty.

        Raises:
            ValueError: It does not fit `as`; the text is the rule and holds no value.
        """
        return str(converter(self.as_).write(value)) if self.as_ and value else value


class Auth(Table):
    """How the agency knows us."""

    scheme: str | None = Field(
        None,
        description="A handshake of the kit, computed for each request; empty takes that of `like` away",
        examples=["c06"],
    )
    login: VerbNoun | None = Field(None, description="The operation that logs in", examples=["log_in"])
    keep: dict[Name, str] = Field(
        {}, description="What to keep of its answer: name = place", examples=[{"session": "session"}]
    )
    put: dict[str, str] = Field(
        {},
        description="What goes into which `header:`, `query:` or body place: place = source; on a notice what must be there",
        examples=[{"header:ApiKey": "settings.api_key"}],
    )


class Inbound(Table):
    """How much an agency may ask of us; the same keys as `[contract]`, where they make sense."""

    calls_per_second: float = Field(gt=0, le=10_000, description="Calls a second, all nodes together", examples=[5.0])
    calls_at_once: Count = Field(le=1_000, description="Calls under way at one moment", examples=[8])
    call_timeout: CallSeconds = Field(
        description="Seconds in which a call that comes in must be here whole, and be read and kept; then it is told to"
        " come again",
        examples=[30.0],
    )
    request_bytes: Count = Field(le=1 << 30, description="Largest request", examples=[1_048_576])


class Contract(Inbound):
    """How much an agency can bear. The manifest holds the most that any installation may claim; `lowered` claims less."""

    call_timeout: CallSeconds = Field(description="Seconds from name resolution to the last byte", examples=[30.0])
    calls_per_day: Count = Field(description="Calls a calendar day (+07:00)", examples=[20_000])
    queue_calls: Count = Field(le=100_000, description="Interactive calls that may wait", examples=[200])
    queue_seconds: Seconds = Field(description="Longest predicted wait of an interactive call", examples=[20.0])
    backlog_calls: Count = Field(le=10_000_000, description="Durable calls that may wait", examples=[50_000])
    reply_bytes: Count = Field(le=1 << 30, description="Largest reply we read", examples=[4_194_304])
    closed: Annotated[Texts, AfterValidator(_known_closed)] = Field(
        (),
        description="Hours of maintenance and holidays (+07:00), when nothing is sent",
        examples=[["sun 22:00-24:00", "2027-02-06..2027-02-10"]],
    )

    def lowered(self, overrides: Mapping[str, object], *, file: str = "hub.toml", key: str = "contract") -> "Contract":
        """
        Return this contract with the values of an agency's entry in their place; `closed` is added to.

        Raises:
            FilesRefused: A key is unknown, a value is of the wrong type, or one is higher than this contract allows.
        """
        mine = self.model_dump()
        wanted = mine | {name: _tuple(value) for name, value in overrides.items()}
        try:
            lower = Contract.model_validate(wanted)
        except ValidationError as error:
            raise FilesRefused(faults_of(error, Contract, file, key)) from None
        faults = [
            FileFault(
                file,
                f"{key}.{name}",
                f"is above the {mine[name]:g} that the connector's contract allows; an agency's entry only lowers",
            )
            for name in Contract.model_fields
            if name != "closed" and getattr(lower, name) > mine[name]
        ]
        if faults:
            raise FilesRefused(faults)
        return lower.model_copy(update={"closed": tuple(dict.fromkeys(self.closed + lower.closed))})


class CodePlace(Table):
    """Where a code lies and how it compares."""

    at: str = Field(description="Place of the code", examples=["error_code"])
    as_: Literal["text", "integer text"] = Field(
        "text",
        alias="as",
        description='`text`: 001 is not 01; `integer text`: 0, "0" and "00" are the same',
        examples=["integer text"],
    )


class Signature(Table):
    """A signature over fields in a fixed order."""

    scheme: str = Field(description="A signature of the kit", examples=["sha256 hex"])
    at: str = Field(description="Place of the signature", examples=["MaXacThuc"])
    of: Texts = Field(description="Places in order, settings included", examples=[["SoTien", "settings.sign_key"]])
    join: str = Field("", description="What stands between them; a value that contains it is refused", examples=["|"])


def _code_place(value: object) -> object:
    return {"at": value} if isinstance(value, str) else value


Code: TypeAlias = Annotated[CodePlace, BeforeValidator(_code_place)]


class Conversation(Table):
    """Keys that an operation and a notice share."""

    sends: Name | None = Field(
        None, description="Mapping of what we send; the file `<name>.map.toml`", examples=["citizen_query"]
    )
    returns: Name | None = Field(None, description="Mapping of what comes back", examples=["citizen"])
    personal_data: bool = Field(
        False, description="True: officer and dossier or intake number are required", examples=[True]
    )
    ref: str | dict[Name, str] | None = Field(
        None,
        description="Place of the agency's own key in its reply, remembered for the dossier; or name = place. In a notice:"
        " by which its dossier is found."
        " A place that our request fills from `call.x` or a field is a key that we give, and no reply needs to repeat it",
        examples=["MaBienNhan"],
    )
    agrees: Texts = Field(
        (), description="Our fields that must equal what the call sent", examples=[["code", "status"]]
    )
    unwrap: Texts = Field(
        (),
        description="Decoders and paths in turn that lead to the payload",
        examples=[["json", "data", "base64", "xml"]],
    )
    signed: Signature | None = Field(None, description="Signature that what we receive must carry")


class OperationTable(Conversation):
    """One thing the agency can do."""

    kind: Literal["lookup", "filing", "login"] = Field(
        description="`lookup` reads, `filing` writes, `login` opens a session", examples=["lookup"]
    )
    call: str | None = Field(
        None, description="`POST form /path/{field}`, or the SOAP element", examples=["POST /mapi/g"]
    )
    repeat_safe: bool | None = Field(
        None,
        description="True: a repeat does no harm. Look-ups are unless they say false; filings are not unless they say true",
        examples=[True],
    )
    order_by: str | None = Field(
        None,
        description="Our field: calls with the same value go one at a time, in order of acceptance",
        examples=["code"],
    )
    fresh: Seconds | None = Field(
        None, description="How old, in seconds, a cached answer may be; never with personal data", examples=[3600.0]
    )
    probe: bool = Field(False, description="Harmless: may be used to test the connection", examples=[True])
    every: Seconds | None = Field(
        None, description="Seconds between polls, and between asking again while pending", examples=[600.0]
    )
    code: Code | None = Field(
        None,
        description="Where the answer's code lies; `@Name` is an attribute of XML",
        examples=[{"at": "error_code", "as": "integer text"}],
    )
    says: str | None = Field(None, description="Where the answer's text lies", examples=["message"])
    then: dict[Literal["exists", "in_doubt", "pending"], VerbNoun] = Field(
        {}, description="Operation that goes next when the answer is this", examples=[{"exists": "update_dossier"}]
    )
    sees_writes: bool = Field(
        False, description="True: a filing that was done is found by this look-up at once", examples=[True]
    )
    wrap: Template = Field(
        {}, description="Template around `payload`", examples=[{"session": "auth.session", "data": ["payload"]}]
    )
    sign: Signature | None = Field(None, description="Signature that we put into what we send")


class Page(Table):
    """The cursor of a polled operation; of one that lists what another fetches, how many of each list are fetched."""

    size: Count = Field(description="Notices a page", examples=[100])
    after: str | None = Field(
        None,
        description="Place of the request that says after which notice; in SOAP its mapping says so, by the source `page.after`."
        " Of a list whose items are fetched one by one: it never gets shorter, and goes on behind the last one that was"
        " fetched, by the one field of its request; without it each run lists anew",
        examples=["TuId"],
    )
    next: str | None = Field(
        None, description="Place of the answer that says where the next page starts", examples=["IdCuoi"]
    )


class NoticeTable(Conversation):
    """Something the agency tells us, or asks of us."""

    kind: Literal["notice", "question"] = Field(
        "notice", description="`question`: the agency wants data back at once", examples=["question"]
    )
    select: dict[str, str] = Field(
        {}, description="Which message this is: place = text", examples=[{"Service": "ThongBaoThue"}]
    )
    unique: Texts = Field((), description="Places that make it the same message", examples=[["MA_HSO"]])
    replies: dict[Literal["taken", "seen", "refused", "denied", "busy"], Template] = Field(
        {}, description="The agency's own envelope for each way it ends", examples=[{"taken": {"error_code": "=0"}}]
    )
    from_: Annotated[tuple[VerbNoun, ...], _ONE_OR_TWO] = Field(
        (),
        alias="from",
        description="Operation that fetches these notices, instead of a push; or two in turn: the first answers with a list,"
        " and each item of it is the request of the second, whose answer is a notice. Where a filing names it in"
        " `then.pending`, nothing is fetched: what it says while the hub asks after a call is the notice",
        examples=["list_results", ["list_document_ids", "fetch_document"]],
    )
    page: Page | None = Field(None, description="Cursor of that operation")
    taken: VerbNoun | None = Field(
        None, description="Operation that acknowledges a notice once it is committed", examples=["confirm_result"]
    )
    refused: VerbNoun | None = Field(None, description="Operation that refuses a notice", examples=["refuse_result"])
    auth: Auth | None = Field(None, description="What must be there for the agency to be believed")

    @property
    def fetched_by(self) -> str | None:
        """Operation whose answers the notice reads; None: it is pushed."""
        return self.from_[-1] if self.from_ else None

    @property
    def listed_by(self) -> str | None:
        """Operation that lists what `fetched_by` is asked for, one by one; None: that is asked alone."""
        return self.from_[0] if len(self.from_) > 1 else None


class Manifest(Table):
    """All facts about one kind of agency."""

    connector: Facts = Field(description="Who it is")
    settings: dict[Name, Setting] = Field(
        {}, description="What an installation gives", examples=[{"service_code": {"help": "Given by C06"}}]
    )
    auth: Auth | None = Field(None, description="How the agency knows us")
    contract: Contract = Field(description="How much it can bear")
    inbound: Inbound | None = Field(None, description="How much it may ask of us; required with notices")
    operations: dict[VerbNoun, OperationTable] = Field({}, description="What it can do, by `verb_noun`")
    notices: dict[VerbNoun, NoticeTable] = Field({}, description="What it tells or asks, by `noun_verbed`")
    exempt: dict[str, str] = Field(
        {},
        description="Rule of `hub check` = reason why it does not apply",
        examples=[{"probe_named": "no harmless call"}],
    )

    def sources(self, values: Mapping[str, str]) -> dict[str, str]:
        """
        Return the settings *values* as sources, `settings.x`, each as the agency wants to see it.

        Raises:
            ValueError: One does not fit its `as`; whoever binds an agency has said so before.
        """
        declared = self.settings
        return {
            f"settings.{name}": declared[name].written(value) if name in declared else value
            for name, value in values.items()
        }


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of `manifest.toml`, for editors."""
    return Manifest.model_json_schema()


def load_manifest(folder: Path) -> Manifest:
    """
    Read *folder*'s `manifest.toml`, over the lines of the connector it is `like`.

    Raises:
        FilesRefused: The file is missing, is not TOML, or breaks rules; every fault at once.
    """
    lines = read_toml(folder / FILE)
    facts = lines.get("connector")
    like = facts.get("like") if isinstance(facts, dict) else None
    if isinstance(like, str):
        lines = _overridden(_like(folder, like), lines)
    try:
        return Manifest.model_validate(lines)
    except ValidationError as error:
        raise FilesRefused(faults_of(error, Manifest, f"{folder.name}/{FILE}")) from None


def _like(folder: Path, like: str) -> dict[str, Any]:
    fault = partial(FileFault, f"{folder.name}/{FILE}", "connector.like")
    base = folder.parent / like / FILE
    if like == folder.name or not base.is_file():
        raise FilesRefused([fault("names no other connector beside this one")])
    lines = read_toml(base)
    if "like" in lines.get("connector", {}):
        raise FilesRefused([fault(f"`{like}` is itself like another; take over that one, one level is all there is")])
    return lines


def _overridden(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _overridden(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
