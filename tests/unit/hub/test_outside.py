"""Nobody who writes an address can make the hub call what no operator has opened."""

import pytest

from hub.outside import LONGEST, Outside, as_sent, host_fault

OUTSIDE = Outside.receivers(["onestop.example", "*.centre.example", "10.0.0.0/8", "192.168.7.7", "fd00:1::/32"])
FILES = Outside.files("https://police.example/api", ["files.police.example", "lab.example:8443", "10.20.0.0/16"])


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
    assert FILES.fault(as_sent(url)) is not None
    assert FILES.fault(url.replace("http:", "https:").replace("onestop", "police")) is not None


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
    assert not FILES.connectable("https://police.example/")(address)


def test_into_the_internet_only_https_goes() -> None:
    for address in ("203.0.114.5", "2a00::5"):
        assert OUTSIDE.connectable("https://a.centre.example/")(address)
        assert not OUTSIDE.connectable("http://a.centre.example/")(address)


def test_a_listed_network_opens_what_lies_in_it_even_this_machine() -> None:
    opened = Outside.receivers(["localhost", "127.0.0.0/8"])
    assert opened.fault("http://127.0.0.1:80/") is None
    assert opened.connectable("http://localhost/")("127.0.0.1")
    assert not opened.connectable("http://localhost/")("::1")


def test_an_empty_list_opens_nothing() -> None:
    assert Outside.receivers([]).fault("http://onestop.example/") is not None


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


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("https://police.example/f/1?a=b%2Fc", "https://police.example:443/f/1?a=b%2Fc"),
        ("https://POLICE.example:443/f", "https://police.example:443/f"),
        ("https://files.police.example", "https://files.police.example:443/"),
        ("https://lab.example:8443/f#part", "https://lab.example:8443/f"),
        ("https://police.example/tệp 1".replace(" ", "%20"), "https://police.example:443/t%E1%BB%87p%201"),
    ],
)
def test_an_address_of_a_file_that_the_entry_names_is_taken(url: str, checked: str) -> None:
    assert FILES.checked(as_sent(url)) == checked


@pytest.mark.parametrize(
    "url",
    [
        "",
        "police.example/f",
        "//police.example/f",
        "http://police.example/f",
        "file:///etc/passwd",
        "ftp://police.example/f",
        "gopher://police.example:443/f",
        "https://police.example:8443/f",
        "https://lab.example/f",
        "https://evil.example/f",
        "https://police.example.evil.example/f",
        "https://evil.example#@police.example/f",
        "https://police.example@evil.example/f",
        "https://user:secret@police.example/f",
        "https://evil.example\\@police.example/f",
        "https://police.example\\.evil.example/f",
        "https://police.example /f",
        "https://police.example\n/f",
        "https://police.example\t.evil.example/f",
        "https://169.254.169.254/latest",
        "https://10.20.0.1/f",
        "https://2130706433/f",
        "https://[::ffff:127.0.0.1]/f",
        "https://[::1/f",
        "https://police.example:99999/f",
        "https://ｐolice.example/f",
    ],
)
def test_any_other_address_of_a_file_is_not(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|begins|names) "):
        FILES.checked(as_sent(url))


def test_an_agency_without_tls_may_link_without_tls() -> None:
    plain = Outside.files("http://police.example:8080/api", ["files.example"])
    assert plain.checked("http://police.example:8080/f")
    assert plain.checked("http://files.example/f") == "http://files.example:80/f"
    assert plain.checked("https://files.example/f")
    with pytest.raises(ValueError, match="names a host"):
        plain.checked("http://police.example/f")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1",
        "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)  # fmt: skip
def test_for_a_file_no_address_that_is_not_public_is_connected_to(address: str) -> None:
    assert not FILES.connectable("https://police.example/api")(address)


@pytest.mark.parametrize("address", ["113.160.0.1", "2405:4800::1", "10.20.255.1", "::ffff:10.20.0.1"])
def test_for_a_file_one_that_is_public_or_in_a_named_network_is(address: str) -> None:
    assert FILES.connectable("https://police.example/api")(address)


def test_an_address_that_is_named_itself_may_lie_anywhere() -> None:
    lan = Outside.files("http://10.1.2.3:8080/api", ["::1", "192.168.7.7:81"])
    may = lan.connectable("http://10.1.2.3:8080/api")
    assert [may(one) for one in ("10.1.2.3", "::1", "192.168.7.7")] == [True] * 3
    assert [may(one) for one in ("10.1.2.4", "127.0.0.1", "192.168.7.8")] == [False] * 3
    assert lan.checked("http://10.1.2.3:8080/f")
    assert lan.checked("http://[::1]/f") == "http://[::1]:80/f"
    assert lan.fault("http://[::ffff:10.1.2.3]:8080/f") is not None, "named in one form, it is meant in no other"


@pytest.mark.parametrize(
    "text",
    [
        "10.20.0.1/16",
        "10.20.0.0/40",
        "a/8",
        "host:port",
        ":80",
        "a.example:0",
        "a.example:70000",
        "[a.example]:80",
        "a@b.example",
    ],
)
def test_what_is_neither_host_nor_network_is_refused_with_advice(text: str) -> None:
    with pytest.raises(ValueError, match="write "):
        Outside.files("https://police.example", [text])


def test_a_host_of_a_domain_may_be_listed_for_files_too() -> None:
    opened = Outside.files("https://police.example/api", ["*.police.example"])
    assert opened.checked("https://a.police.example/f") == "https://a.police.example:443/f"
    assert opened.fault("https://a.police.example:8443/f") is not None


def test_files_of_an_agency_without_tls_may_lie_in_the_internet_but_not_near_us() -> None:
    may = Outside.files("http://police.example/api", []).connectable("http://police.example/api")
    assert may("113.160.0.1")
    assert not may("10.0.0.1")
