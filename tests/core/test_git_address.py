"""What is given to git as an address or a name, and what never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Refused
from engine.forges.address import Transport, check_ref, parse_address

GOOD = [
    ("https://git.example.com/team/service.git", Transport.HTTPS),
    ("https://Git.Example.com:8443/team/service", Transport.HTTPS),
    ("https://[::1]:8443/team/service", Transport.HTTPS),
    ("ssh://git@git.example.com:2222/team/service.git", Transport.SSH),
    ("git@git.example.com:team/service.git", Transport.SSH),
    ("git.example.com:team/service.git", Transport.SSH),
]
BAD = [
    "",
    " ",
    "service",
    "./service",
    "../service",
    "~/service",
    "-oProxyCommand=touch hacked",
    "--upload-pack=touch hacked",
    "ext::sh -c touch% hacked",
    "EXT::sh",
    "fd::17",
    "transport::https://git.example.com/a",
    "git://git.example.com/a",
    "http://git.example.com/a",
    "ftp://git.example.com/a",
    "data:text/plain,a",
    "data://text/plain,a",
    "javascript://a/b",
    "/srv/git/service",
    "file:///srv/git/service",
    "https://git.example.com",
    "https://git.example.com/",
    "https:///team/service",
    "https://-git.example.com/a",
    "https://git.example.com:0/a",
    "https://git.example.com:99999/a",
    "https://git.example.com:/a",
    "https://git.example.com/a\nhelper",
    "https://git.example.com/a\0",
    "https://git.example.com/a%0ahost=evil",
    "https://git.example.com/a b",
    "https://git.example.com/a?token=x",
    "https://git.example.com/a#main",
    "https://exa_mple;rm/a",
    "ssh://-oProxyCommand=x/a",
    "ssh://git@-oProxyCommand=x/a",
    "ssh://-oProxyCommand=x@git.example.com/a",
    "ssh://git.example.com/-x",
    "-oProxyCommand=x:team/service",
    "git@-oProxyCommand=x:team/service",
    "git@git.example.com:-x",
    "https://" + "a" * 3000 + "/a",
]


@pytest.mark.parametrize(("text", "transport"), GOOD)
def test_https_and_ssh_addresses_are_used(text: str, transport: Transport) -> None:
    assert parse_address(text).transport is transport


@pytest.mark.parametrize("text", BAD)
def test_any_other_address_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        parse_address(text)
    assert refusal.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "https://ann:hunter2@git.example.com/team/service.git",
        "https://hunter2@git.example.com/team/service.git",
        "http://ann:hunter2@git.example.com/team/service.git",
        "ssh://git:hunter2@git.example.com/team/service.git",
        "git:hunter2@git.example.com:team/service.git",
        "ftp://ann:hunter2@git.example.com/a",
        "https://git.example.com/a?private_token=hunter2",
        "https://ann:hunter2@git.example.com/a\nb",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        parse_address(text)
    assert "hunter2" not in f"{refusal.value} {refusal.value.hint}"


def test_local_paths_and_http_need_the_setting() -> None:
    assert parse_address("/srv/git/a b", allow_local=True).url == "/srv/git/a b"
    assert parse_address("file:///srv/git/a", allow_local=True).url == "/srv/git/a"
    assert parse_address("http://127.0.0.1:8000/a", allow_http=True).origin == "http://127.0.0.1:8000"


@pytest.mark.parametrize("text", ["file://host/a", "file:///a%0ab", "/a/../b", "a/b", "--x", "ext::/a"])
def test_a_local_path_is_absolute_and_plain(text: str) -> None:
    with pytest.raises(Refused):
        parse_address(text, allow_local=True)


def test_a_credential_belongs_to_scheme_host_and_port() -> None:
    assert parse_address("https://Git.Example.com:8443/team/a").origin == "https://git.example.com:8443"


@pytest.mark.parametrize("name", ["main", "release/1.x", "v1.0-rc.1", "prüfung", "a@b", "x/-y", "#12", "a'b"])
def test_names_that_git_allows_are_used(name: str) -> None:
    assert check_ref("branch", name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-x",
        "--upload-pack=x",
        "a..b",
        "a b",
        "a\nb",
        "a\0b",
        "a~1",
        "a^",
        "a:b",
        "+a:b",
        "a?",
        "a*",
        "a[b",
        "a\\b",
        "a@{1}",
        "@",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "a.lock",
        "a.lock/b",
        "a.",
        "HEAD",
        "x" * 300,
        "\ud800",
    ],
)
def test_names_that_git_forbids_or_misreads_are_refused(name: str) -> None:
    with pytest.raises(Refused):
        check_ref("tag", name)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        address = parse_address(text, allow_local=True, allow_http=True)
    except Refused:
        return
    assert not address.url.startswith("-")
    assert "\n" not in address.url
    assert "::" not in address.url.partition("/")[0] or address.url.startswith("[")
