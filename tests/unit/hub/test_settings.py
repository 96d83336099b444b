"""Settings say everything that is wrong at once, and never show a secret."""

from pathlib import Path

import pytest

from hub.masking import masked
from hub.references import NotFollowed, follow
from hub.route_tables import KINDS, DirectRoute, LgspRoute, NdxpRoute, XRoadRestRoute, XRoadSoapRoute
from hub.settings import Settings, load_settings
from mappings.errors import FilesRefused

GOOD = """
[hub]
listen = "0.0.0.0:8080"
[routes.lgsp]
kind = "direct"
contract = { calls_per_second = 30, calls_at_once = 20 }
[agencies.police]
route = "lgsp"
base_url = "https://user:hunter2@lgsp.example/dancu"
service_code = "0123"
secret_key = "env:C06_SECRET"
password = "in-the-open"
contract = { calls_per_second = 5 }
"""


def load(folder: Path, text: str, **environ: str) -> Settings:
    file = folder / "hub.toml"
    file.write_text(text, "utf-8")
    return load_settings(environ, file)


def faults(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(FilesRefused) as refused:
        load(folder, text, **environ)
    return [str(fault) for fault in refused.value.faults]


def test_a_file_is_read_into_one_frozen_model(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD)
    police = settings.agencies["police"]
    assert settings.hub.listen == "0.0.0.0:8080"
    assert settings.hub.request_bytes == 10 * 1024 * 1024
    assert police.settings == {"service_code": "0123", "secret_key": "env:C06_SECRET", "password": "in-the-open"}
    assert police.contract == {"calls_per_second": 5}
    assert settings.store_file() == tmp_path / "hub.db"


def test_any_key_is_overridable_by_the_environment(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        GOOD,
        HUB__AGENCIES__POLICE__BASE_URL="https://other.example",
        HUB__AGENCIES__POLICE__SERVICE_CODE="0456",
        HUB__AGENCIES__POLICE__CONTRACT__CALLS_PER_SECOND="2.5",
        HUB__AGENCIES__TAX__BASE_URL="https://tax.example",
        HUB__HUB__REQUEST_BYTES="1000",
        HUB__ROUTES__LGSP__CONTRACT__CALLS_AT_ONCE="4",
    )
    police = settings.agencies["police"]
    assert police.base_url == "https://other.example"
    assert police.settings["service_code"] == "0456"
    assert police.contract == {"calls_per_second": 2.5}
    assert settings.agencies["tax"].base_url == "https://tax.example"
    assert settings.hub.request_bytes == 1000
    assert settings.routes["lgsp"].contract.calls_at_once == 4


@pytest.mark.parametrize("key", ["listen", "admin"])
def test_a_port_that_no_machine_has_is_refused_where_it_stands(tmp_path: Path, key: str) -> None:
    (tmp_path / "hub.toml").write_text(f'[hub]\n{key} = "127.0.0.1:65536"\n', "utf-8")
    with pytest.raises(FilesRefused, match=rf"\[hub\.{key}\]: .*65535"):
        load_settings({}, tmp_path / "hub.toml")
    settings = load_settings({f"HUB__HUB__{key.upper()}": "127.0.0.1:65535"}, tmp_path / "none.toml")
    assert getattr(settings.hub, key) == "127.0.0.1:65535"


def test_the_environment_alone_is_enough(tmp_path: Path) -> None:
    settings = load_settings({"HUB__HUB__LISTEN": "127.0.0.1:0"}, tmp_path / "none.toml")
    assert settings.hub.listen == "127.0.0.1:0"


def test_without_file_and_environment_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FilesRefused, match="is missing; create it"):
        load_settings({"HUB_CONFIG": str(tmp_path / "none.toml")})


def test_all_faults_come_at_once_with_place_and_nearest_key(tmp_path: Path) -> None:
    said = faults(
        tmp_path,
        '[hub]\nlisten = "8080"\nadmn = "127.0.0.1:9108"\n[agencies.police]\nroute = "lgsp"\n[agencies.tax]\nbase_url = "ftp://tax.example"\nuser = 5',
        HUB__HUB__STORE="mysql://x",
        HUB__LISTEN="127.0.0.1:1",
    )
    text = "\n".join(said)
    assert "hub.toml [hub.listen]: " in text
    assert "hub.toml [hub.admn]: is not a known key; did you mean `admin`?" in text
    assert "hub.toml [agencies.police.base_url]: is missing; write it: Where the agency is" in text
    assert "hub.toml [agencies.tax.base_url]: " in text
    assert "hub.toml [agencies.tax.user]: " in text
    assert "HUB__HUB__STORE: " in text
    assert "HUB__LISTEN: names no key" in text
    assert len(said) == 7


@pytest.mark.parametrize(
    ("variable", "value", "like"),
    [
        ("HUB__HUB__REDIS", "cache.example:6379", "write it like `redis://cache.example:6379/0`. It says: Where nodes count"),
        ("HUB__HUB__STORE", "mysql://x", "write it like `sqlite:///hub.db` or `postgresql://hub@db.example/hub`. It says: Where calls"),
        ("HUB__HUB__LISTEN", "8080", "write it like `0.0.0.0:8080`. It says: Where callers"),
    ],
)  # fmt: skip
def test_a_value_of_another_form_is_told_by_an_example_and_no_pattern(
    tmp_path: Path, variable: str, value: str, like: str
) -> None:
    (said,) = faults(tmp_path, GOOD, **{variable: value})
    assert like in said
    assert said.startswith(f"{variable}: ")
    assert "^" not in said


LGSP = """
[routes.lgsp]
kind = "lgsp"
token_url = "https://lgsp.example/token"
consumer_key = "centre"
consumer_secret = "env:LGSP_SECRET"
contract = { calls_per_second = 30, calls_at_once = 20 }
"""
PARTNER = """
access_key = "env:LGSP_ACCESS"
secret_key = "in-the-open"
app_name = "mot-cua"
partner_code = "000.00.00.H32"
partner_code_cus = "000.00.00.H32"
"""


def test_a_route_is_of_one_kind_with_the_keys_of_that_kind(tmp_path: Path) -> None:
    route = load(tmp_path, LGSP).routes["lgsp"]
    assert isinstance(route, LgspRoute)
    assert (route.token_header, route.ca_file, route.access_key) == ("Authorization", None, None)
    direct = load(tmp_path, "[routes.hub]\ncontract = { calls_per_second = 1, calls_at_once = 1 }").routes["hub"]
    assert isinstance(direct, DirectRoute)


def test_every_fault_of_a_route_is_told_by_its_own_key(tmp_path: Path) -> None:
    wrong = LGSP.replace("consumer_secret", "consumer_secrt").replace("https://", "ftp://").replace("30", "0")
    said = faults(tmp_path, wrong + 'token_header = "X Y"\n', HUB__ROUTES__LGSP__CA_FILE="5")
    assert sorted(fault.partition(": ")[0] for fault in said) == [
        "hub.toml [routes.lgsp.consumer_secret]",
        "hub.toml [routes.lgsp.consumer_secrt]",
        "hub.toml [routes.lgsp.contract.calls_per_second]",
        "hub.toml [routes.lgsp.token_header]",
        "hub.toml [routes.lgsp.token_url]",
    ]
    assert "did you mean `consumer_secret`?" in "\n".join(said)


def test_a_kind_that_is_not_built_is_refused_with_those_that_are(tmp_path: Path) -> None:
    (said,) = faults(tmp_path, LGSP.replace('"lgsp"', '"vdxp"'))
    assert said.startswith("hub.toml [routes.lgsp]: kind is one of ")
    assert all(f"`{kind}`" in said for kind in KINDS)


def test_a_key_of_another_kind_is_told_from_a_slip(tmp_path: Path) -> None:
    said = faults(tmp_path, LGSP.replace('kind = "lgsp"', ""))
    assert (
        "hub.toml [routes.lgsp.token_url]: is a key of another `kind` of this table; write that kind, or take the key out"
        in said
    )


@pytest.mark.parametrize(("kind", "model"), [("xroad_rest", XRoadRestRoute), ("xroad_soap", XRoadSoapRoute)])
def test_a_route_of_x_road_is_taken_as_one_client(tmp_path: Path, kind: str, model: type) -> None:
    text = f'[routes.x]\nkind = "{kind}"\nclient = "VN/GOV/000.00.00.H32/mot-cua"\n'
    route = load(tmp_path, text + "contract = { calls_per_second = 1, calls_at_once = 1 }").routes["x"]
    assert isinstance(route, model)
    for wrong in ("VN/GOV", "VN//H32/mot-cua", "VN/GOV/H32/mot cua", "VN/GOV/H32/a/b"):
        (said,) = faults(
            tmp_path,
            text.replace("VN/GOV/000.00.00.H32/mot-cua", wrong)
            + "contract = { calls_per_second = 1, calls_at_once = 1 }",
        )
        assert said.startswith("hub.toml [routes.x.client]: is written in another way")


def test_the_key_of_ndxp_is_a_secret(tmp_path: Path) -> None:
    text = LGSP.replace('"lgsp"', '"ndxp"').replace(
        "contract", 'api_key = "hunter2"\nx_road_client = "VN/GOV/H32/a"\ncontract'
    )
    settings = load(tmp_path, text)
    assert isinstance(settings.routes["lgsp"], NdxpRoute)
    shown = masked(settings, {})["routes"]["lgsp"]
    assert (shown["api_key"], shown["x_road_client"], shown["destination_header"]) == ("***", "VN/GOV/H32/a", "dstcode")


def test_the_keys_of_a_partner_are_given_together_or_not_at_all(tmp_path: Path) -> None:
    route = load(tmp_path, LGSP.replace("contract", PARTNER + "contract")).routes["lgsp"]
    assert isinstance(route, LgspRoute)
    assert route.partner_code == "000.00.00.H32"
    said = faults(tmp_path, LGSP.replace("contract", 'access_key = "x"\ncontract'))
    assert said == [
        "hub.toml [routes.lgsp]: the keys of `lgspaccesstoken` belong together; "
        "write also secret_key, app_name, partner_code, partner_code_cus"
    ]


def test_no_secret_of_a_route_is_printed_and_references_are(tmp_path: Path) -> None:
    settings = load(
        tmp_path, LGSP.replace("contract", PARTNER + "contract"), HUB__ROUTES__LGSP__CONSUMER_SECRET="hunter4"
    )
    shown = masked(settings, {})["routes"]["lgsp"]
    assert (shown["consumer_secret"], shown["access_key"], shown["secret_key"]) == ("***", "env:LGSP_ACCESS", "***")
    assert shown["token_url"] == "https://lgsp.example/token"
    assert "hunter" not in str(shown)
    assert "in-the-open" not in str(shown)


@pytest.mark.parametrize("url", ["https://key:secret@lgsp.example/token", "https://lgsp.example/token?secret=x"])
def test_an_address_holds_no_secret(tmp_path: Path, url: str) -> None:
    (said,) = faults(tmp_path, LGSP.replace("https://lgsp.example/token", url))
    assert said.startswith("hub.toml [routes.lgsp.token_url]: ")
    assert "secret" not in said.partition(": ")[2]


def test_an_unknown_route_is_a_fault(tmp_path: Path) -> None:
    said = faults(tmp_path, GOOD.replace('route = "lgsp"', 'route = "ndxp"'))
    assert said == ["hub.toml [agencies.police.route]: is not in [routes]; known there: lgsp"]


def test_a_file_that_is_no_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    (said,) = faults(tmp_path, "[hub\n")
    assert "line 1" in said


def test_no_secret_is_printed(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD, HUB__HUB__ADMIN_KEY="hunter3", HUB__HUB__SIGNING_KEY="hunter4")
    table = masked(settings, {"police": frozenset({"service_code"})})
    assert "hunter" not in str(table)
    assert "in-the-open" not in str(table)
    assert table["agencies"]["police"] == {
        "route": "lgsp",
        "base_url": "https://***@lgsp.example/dancu",
        "contract": {"calls_per_second": 5},
        "service_code": "0123",
        "secret_key": "env:C06_SECRET",
        "password": "***",
    }


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("sqlite:///hub.db", "sqlite:///hub.db"),
        ("postgresql://hub:hunter2@db.example/hub", "postgresql://***@db.example/hub"),
        ("postgresql://db.example/hub?user=hub&password=hunter2", "postgresql://db.example/hub?***"),
        ("postgresql://db.example/hub?password=hun@ter2", "postgresql://db.example/hub?***"),
        ("postgresql://db.example/hub?sslmode=require", "postgresql://db.example/hub?sslmode=require"),
        ("postgresql://hub:hun/ter2@db.example/hub", "postgresql://***@db.example/hub"),
        ("postgresql://hub:hun@ter2@db.example/hub", "postgresql://***@db.example/hub"),
        ("postgresql://hub:hun#ter2?@db.example/hub", "postgresql://***@db.example/hub"),
        ("postgresql://hub:hunter2@[::1/hub", "postgresql://***@[::1/hub"),
        ("env:HUB_STORE", "env:HUB_STORE"),
        ("cmd:vault read hunter2", "***"),
    ],
)
def test_an_address_of_a_store_is_printed_without_its_password(tmp_path: Path, written: str, printed: str) -> None:
    settings = load(tmp_path, GOOD, HUB__HUB__STORE=written)
    assert masked(settings, {})["hub"]["store"] == printed
    assert (settings.store_file() is not None) == written.startswith("sqlite")


def test_a_store_of_another_kind_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FilesRefused) as caught:
        load(tmp_path, GOOD, HUB__HUB__STORE="mysql://db.example/hub")
    assert [fault.file for fault in caught.value.faults] == ["HUB__HUB__STORE"]


def test_references_lead_to_variables_files_and_programs(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from file\n", "utf-8")
    assert follow("env:A", {"A": "from env"}, tmp_path) == "from env"
    assert follow("file:secret", {}, tmp_path) == "from file"
    assert follow("cmd:printf 'from program'", {}, tmp_path) == "from program"
    assert follow("plain", {}, tmp_path) == "plain"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("env:A", "the variable A is not set"),
        ("file:none", "cannot be read"),
        ("file:empty", "is empty"),
        ("cmd:false", "did not give a secret"),
        ("cmd:no-such-program-here", "did not give a secret"),
        ("cmd:'", "did not give a secret"),
        ("cmd:true", "printed nothing"),
    ],
)
def test_a_reference_that_leads_nowhere_says_what_to_do(tmp_path: Path, reference: str, says: str) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(NotFollowed, match=says):
        follow(reference, {}, tmp_path)


def test_every_key_is_described() -> None:
    def described(schema: dict[str, object]) -> None:
        for name, field in schema.get("properties", {}).items():  # type: ignore[attr-defined]
            assert field.get("description"), name

    schema = Settings.model_json_schema()
    described(schema)
    for inner in schema["$defs"].values():
        described(inner)
