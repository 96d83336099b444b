"""Nobody who writes an address can make the hub call what no operator has opened."""

import pytest

from hub.outside import LONGEST, Outside, host_fault

OUTSIDE = Outside(["onestop.example", "*.centre.example", "10.0.0.0/8", "192.168.7.7", "fd00:1::/32"])


@pytest.mark.parametrize(
    "url",
    [
        "http://onestop.example",
        "https://OneStop.Example:8443/hooks/hub?x=1&y=%C3%A2",
        "http://a.centre.example/",
        "http://a.b.centre.example/",
        "http://10.1.2.3:8000/hooks",
        "http://192.168.7.7/",
        "http://[fd00:1::5]/",
        "http://[::ffff:10.1.2.3]/",
    ],
)
def test_what_is_listed_may_be_called(url: str) -> None:
    assert OUTSIDE.fault(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://onestop.example/",
        "file:///etc/passwd",
        "//onestop.example/",
        "http://user@onestop.example/",
        "http://onestop.example@evil.example/",
        "http://evil.example\\@onestop.example/",
        "http://onestop.example#@evil.example/",
        "http://onestop.example /",
        "http://onestop.example\n/",
        "http://onestop.example:0/",
        "http://onestop.example:65536/",
        "http://ônestop.example/",
        "http://centre.example/",
        "http://evilcentre.example/",
        "http://onestop.example.evil.example/",
        "http://onestop.example./",
        "http://.centre.example/",
        "http://evil.example/",
        "http://11.0.0.1/",
        "http://192.168.7.8/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://10.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://[onestop.example]/",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost/",
        "http://onestop.example/" + LONGEST * "a",
    ],
)
def test_what_is_not_listed_or_could_be_read_in_two_ways_is_refused(url: str) -> None:
    assert OUTSIDE.fault(url) is not None


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.168.1.1", "172.16.0.1", "fd00::1", "fd00:1::1", "::ffff:10.0.0.1"]
)
def test_a_name_may_lead_into_private_networks(address: str) -> None:
    assert OUTSIDE.connectable("http://a.centre.example/")(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "240.0.0.1",
        "100.100.100.200", "::1", "::", "fe80::1", "fe80::1%eth0", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:1::1", "no address", "",
    ],
)  # fmt: skip
def test_no_name_leads_to_this_machine_its_link_or_to_many(address: str) -> None:
    assert not OUTSIDE.connectable("https://a.centre.example/")(address)


def test_into_the_internet_only_https_goes() -> None:
    for address in ("203.0.114.5", "2a00::5"):
        assert OUTSIDE.connectable("https://a.centre.example/")(address)
        assert not OUTSIDE.connectable("http://a.centre.example/")(address)


def test_a_listed_network_opens_what_lies_in_it_even_this_machine() -> None:
    opened = Outside(["localhost", "127.0.0.0/8"])
    assert opened.fault("http://127.0.0.1:80/") is None
    assert opened.connectable("http://localhost/")("127.0.0.1")
    assert not opened.connectable("http://localhost/")("::1")


def test_an_empty_list_opens_nothing() -> None:
    assert Outside([]).fault("http://onestop.example/") is not None


@pytest.mark.parametrize(
    "entry", ["onestop.example", "*.centre.example", "onestop", "10.0.0.0/8", "10.0.0.1", "fd00::/8"]
)
def test_an_entry_is_a_host_hosts_of_a_domain_or_a_network(entry: str) -> None:
    assert host_fault(entry) is None


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "*",
        "*.",
        "a.*.example",
        "10.0.0.1/8",
        "10.0.0.0/40",
        "http://a.example",
        "a.example:80",
        "10.1",
        "ô.example",
    ],
)
def test_any_other_entry_is_told_how_to_be_written(entry: str) -> None:
    assert host_fault(entry) is not None
