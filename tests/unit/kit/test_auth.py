"""Handshakes: what is sent, what is missing, and nothing secret in any error."""

import base64

import pytest

from connectors.kit.auth import HANDSHAKES, handshake, placed, same
from mappings.errors import MappingFailed

C06 = {"service_path": "/csdldc/1.0", "user_name": "centre", "secret_key": "s3cret"}
NOW = 1_795_400_000.123


def password(headers: dict[str, str]) -> str:
    return base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode()


def test_c06_sends_the_hash_of_path_user_moment_and_secret() -> None:
    headers = dict(handshake("c06").headers(C06, NOW))
    assert headers["Timestamp"] == "1795400000123"
    # sha256 of "/csdldc/1.0centre1795400000123s3cret", computed with coreutils
    assert password(headers) == "centre:8731124409e95f8532ee82d21c8ffa41081ee320feec70acea13a2982027e26a"
    assert set(headers) == {"Timestamp", "Authorization"}


def test_c06_takes_seconds_and_header_names_as_settings() -> None:
    headers = dict(handshake("c06").headers(C06 | {"timestamp_unit": "s", "timestamp_header": "timestamp"}, NOW))
    assert headers["timestamp"] == "1795400000"
    assert password(headers) == "centre:d529ba1f8b9d98042d5184fefd5bb953cf2c86ab47433113d7162ab82750721c"


def test_c06_names_gateway_client_and_key_when_they_are_set() -> None:
    settings = C06 | {
        "x_road_client": "VN/GOV/H32",
        "api_key": "key-1",
        "esb_source": "yes",
        "api_key_header": "apikey",
    }
    headers = handshake("c06").headers(settings, NOW)
    assert headers["X-Road-Client"] == "VN/GOV/H32"
    assert headers["apikey"] == "key-1"
    assert headers["ESB_SOURCE_TYPE"] == headers["ESB_SOURCE_USERNAME"] == "centre"


def test_every_missing_setting_is_named_at_once_and_no_value_is_told() -> None:
    with pytest.raises(MappingFailed) as failed:
        handshake("c06").headers({"secret_key": "s3cret", "user_name": ""}, NOW)
    assert [fault.place for fault in failed.value.faults] == ["settings.service_path", "settings.user_name"]
    assert "s3cret" not in str(failed.value)


def test_values_that_the_scheme_does_not_know_are_named_at_once() -> None:
    with pytest.raises(MappingFailed) as failed:
        handshake("c06").headers(C06 | {"timestamp_unit": "us", "esb_source": "true"}, NOW)
    assert [fault.place for fault in failed.value.faults] == ["settings.timestamp_unit", "settings.esb_source"]


def test_a_misspelt_scheme_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'c06'"):
        handshake("c6")
    with pytest.raises(ValueError, match="known schemes: basic, bearer, c06"):
        handshake("zzz")


@pytest.mark.parametrize("scheme", HANDSHAKES)
def test_a_handshake_names_each_setting_once(scheme: str) -> None:
    names = HANDSHAKES[scheme].settings + HANDSHAKES[scheme].optional
    assert len(set(names)) == len(names)


def test_a_bearer_token_is_placed_with_the_word_before_it_and_nothing_else_is() -> None:
    put = {"header:authorization": "auth.token", "header:X-Session": "auth.token"}
    result = placed(put, {"auth.token": "t-1"}, before=handshake("bearer").before)
    assert result.headers == {"authorization": "Bearer t-1", "X-Session": "t-1"}
    assert handshake("bearer").headers({}, NOW) == {}


def test_what_put_places_is_split_by_side() -> None:
    put = {"header:X-Session": "auth.session", "query:key": "settings.key", "Envelope/version": "=1"}
    result = placed(put, {"auth.session": "s-1", "settings.key": "k-1"})
    assert (result.headers, result.query, result.body) == (
        {"X-Session": "s-1"},
        {"key": "k-1"},
        {"Envelope/version": "1"},
    )


def test_a_source_without_a_value_is_named_with_its_place() -> None:
    with pytest.raises(MappingFailed, match=r"header:X-Session: auth\.session has no value"):
        placed({"header:X-Session": "auth.session"}, {"auth.session": None})


def test_secrets_are_compared_whole_and_in_any_script() -> None:
    assert same("khoá", "khoá")
    assert not same("khoá", "khoa")
    assert not same("a", "ab")


class TestBasic:
    def test_name_and_password_are_shown_as_they_are(self) -> None:
        headers = handshake("basic").headers({"user_name": "trung-tam", "password": "mật:khẩu"}, NOW)
        shown = headers["Authorization"].removeprefix("Basic ")
        assert base64.b64decode(shown).decode() == "trung-tam:mật:khẩu"

    def test_a_name_that_another_side_would_cut_is_refused(self) -> None:
        with pytest.raises(MappingFailed, match=r"settings\.user_name"):
            handshake("basic").headers({"user_name": "a:b", "password": "x"}, NOW)
