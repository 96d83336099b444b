"""
The tables `[routes.<name>]` of `hub.toml`: each kind of road with all its keys, in one model. Used by `settings.py`.

What one agency needs on its road (the id of its service, its code) stands in the agency's own entry.
"""

from types import MappingProxyType
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from hub.tables import Count, Number, OptionalSecret, Secret, Table

MEMBER = r"[A-Za-z0-9'()+,.=?_-]+"
"""One part of an identifier of X-Road (PR-REST, section 4.8); the underscore is widely used."""
SERVICE = rf"^({MEMBER}/){{3,4}}(\*|{MEMBER})(/{MEMBER})?$"
"""`INSTANCE/CLASS/MEMBER/SUBSYSTEM/SERVICE`; for SOAP a version may follow, and `*` stands for the operation's element."""


class RouteContract(Table):
    """How much a road can bear that several agencies share."""

    calls_per_second: Number = Field(description="Calls a second over all its agencies", examples=[30.0])
    calls_at_once: Count = Field(description="Calls under way at one moment over all its agencies", examples=[20])
    calls_per_minute: Number | None = Field(
        None, description="Calls a minute, where the gateway counts by the minute", examples=[600.0]
    )
    calls_per_day: Count | None = Field(None, description="Calls a calendar day (+07:00)", examples=[200_000])


_KIND = (
    "How the road is taken: `direct` (a common gateway without a token), `lgsp`, `ndxp`, `xroad_rest` or `xroad_soap`"
)
_HEADER = r"^[A-Za-z0-9!#$%&'*+.^_|~-]+$"
PARTNER: MappingProxyType[str, str] = MappingProxyType(
    {
        "AccessKey": "access_key",
        "SecretKey": "secret_key",
        "AppName": "app_name",
        "PartnerCode": "partner_code",
        "PartnerCodeCus": "partner_code_cus",
    }
)
"""Members of the header `lgspaccesstoken`, and the keys of a route that give them: all, or none."""


class DirectRoute(Table):
    """A gateway that asks for nothing."""

    kind: Literal["direct"] = Field("direct", description=_KIND, examples=["lgsp"])
    contract: RouteContract = Field(description="How much it can bear")


class TokenRoute(Table):
    """A WSO2 gateway with a token for all who take it: what its kinds have in common."""

    token_url: str = Field(
        pattern=r"^https?://[^\s?#@]+$",
        description="`lgsp`, `ndxp`: where the token is asked for",
        examples=["https://lgsp.example/token"],
    )
    consumer_key: str = Field(
        min_length=1, description="`lgsp`, `ndxp`: the centre's key, from the gateway's portal", examples=["centre"]
    )
    consumer_secret: Secret = Field(
        min_length=1, description="`lgsp`, `ndxp`: the secret of that key, by reference", examples=["env:LGSP_SECRET"]
    )
    access_key: OptionalSecret = Field(
        None,
        description="`lgsp`, `ndxp`: AccessKey of the header `lgspaccesstoken`, where the province wants one; then all five",
        examples=["env:LGSP_ACCESS_KEY"],
    )
    secret_key: OptionalSecret = Field(
        None, description="`lgsp`, `ndxp`: SecretKey of that header, by reference", examples=["env:LGSP_SECRET_KEY"]
    )
    app_name: str | None = Field(None, description="`lgsp`, `ndxp`: AppName of that header", examples=["mot-cua"])
    partner_code: str | None = Field(
        None, description="`lgsp`, `ndxp`: PartnerCode of that header", examples=["000.00.00.H32"]
    )
    partner_code_cus: str | None = Field(
        None, description="`lgsp`, `ndxp`: PartnerCodeCus of that header", examples=["000.00.00.H32"]
    )
    token_header: str = Field(
        "Authorization",
        pattern=_HEADER,
        description="`lgsp`, `ndxp`: header in which the gateway looks for the token; another one where an agency needs this one",
        examples=["LGSP-Authorization"],
    )
    ca_file: str | None = Field(
        None,
        description="`lgsp`, `ndxp`: PEM file of the authorities that the token's address is trusted by",
        examples=["lgsp.pem"],
    )
    contract: RouteContract = Field(description="How much it can bear")

    @model_validator(mode="after")
    def _partner_is_whole(self) -> "TokenRoute":
        missing = [name for name in PARTNER.values() if getattr(self, name) is None]
        if 0 < len(missing) < len(PARTNER):
            raise ValueError(f"the keys of `lgspaccesstoken` belong together; write also {', '.join(missing)}")
        return self


class LgspRoute(TokenRoute):
    """A provincial LGSP."""

    kind: Literal["lgsp"] = Field(description=_KIND, examples=["lgsp"])


class NdxpRoute(TokenRoute):
    """The national platform (NDXP, NGSP): the same token, and headers of its own."""

    kind: Literal["ndxp"] = Field(description=_KIND, examples=["ndxp"])
    x_road_client: str | None = Field(
        None,
        min_length=1,
        description="`ndxp`: the centre's id in the header X-Road-Client, where the adapter wants one",
        examples=["VN/GOV/000.00.00.H32/mot-cua"],
    )
    api_key: OptionalSecret = Field(
        None,
        description="`ndxp`: key in the header ApiKey, by reference, where the adapter wants one",
        examples=["env:NDXP_API_KEY"],
    )
    destination_header: str = Field(
        "dstcode",
        pattern=_HEADER,
        description="`ndxp`: header in which an agency's `ndxp_destination` stands",
        examples=["dstcode"],
    )


class XRoadRoute(Table):
    """A security server of X-Road: what its two protocols have in common."""

    client: str = Field(
        pattern=rf"^({MEMBER}/){{2,3}}{MEMBER}$",
        description="`xroad_rest`, `xroad_soap`: the centre's own id, INSTANCE/CLASS/MEMBER/SUBSYSTEM",
        examples=["VN/GOV/000.00.00.H32/mot-cua"],
    )
    contract: RouteContract = Field(description="How much it can bear")


class XRoadRestRoute(XRoadRoute):
    """X-Road's protocol for REST."""

    kind: Literal["xroad_rest"] = Field(description=_KIND, examples=["xroad_rest"])


class XRoadSoapRoute(XRoadRoute):
    """X-Road's protocol for SOAP."""

    kind: Literal["xroad_soap"] = Field(description=_KIND, examples=["xroad_soap"])


def _kind(given: object) -> object:
    return given.get("kind", "direct") if isinstance(given, dict) else getattr(given, "kind", None)


KINDS = ("direct", "lgsp", "ndxp", "xroad_rest", "xroad_soap")
Route: TypeAlias = Annotated[
    Annotated[DirectRoute, Tag("direct")]
    | Annotated[LgspRoute, Tag("lgsp")]
    | Annotated[NdxpRoute, Tag("ndxp")]
    | Annotated[XRoadRestRoute, Tag("xroad_rest")]
    | Annotated[XRoadSoapRoute, Tag("xroad_soap")],
    Discriminator(
        _kind, custom_error_type="kind", custom_error_message=f"kind is one of {', '.join(f'`{one}`' for one in KINDS)}"
    ),
]
"""A road that several agencies share. An agency without a route has one of its own."""
