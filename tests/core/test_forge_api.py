"""How forges are asked: with patience that ends, and tokens of apps that are renewed in time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from engine.forges import api as forge_api
from engine.forges.api import ForgeApi
from engine.forges.credential import Credential
from engine.forges.github_app import InstallationToken
from engine.forges.hosting import Access, ForgeAway, ForgeBroken, ForgeName, RateLimited
from engine.forges.hosts import forge_at, git_origin, repository_path
from engine.forges.huawei_signature import sign

ORIGIN = "https://git.example.com"


def asking(answer: Callable[[httpx.Request], httpx.Response], waited: list[float] | None = None) -> ForgeApi:
    async def sleep(seconds: float) -> None:
        (waited if waited is not None else []).append(seconds)

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return ForgeApi(client, ORIGIN, f"{ORIGIN}/api", sleep=sleep)


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "60"},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999999999999"},
        {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"},
        {"Retry-After": "soon"},
    ],
    ids=str,
)
async def test_a_limit_is_said_with_how_long_it_holds_and_never_for_ever(headers: dict[str, str]) -> None:
    api = asking(lambda _: httpx.Response(403, headers=headers, json={"message": "API rate limit exceeded"}))
    with pytest.raises(RateLimited) as limited:
        await api.get("/user", "say who it is")
    assert timedelta(0) <= limited.value.after <= timedelta(minutes=15)


async def test_a_short_wait_is_waited_for_once() -> None:
    waited: list[float] = []
    answers = [httpx.Response(429, headers={"Retry-After": "2"}), httpx.Response(200, json={"ok": True})]
    reply = await asking(lambda _: answers.pop(0), waited).get("/user", "say who it is")
    assert (reply.data, waited) == ({"ok": True}, [2.0])


async def test_an_answer_without_end_is_given_up() -> None:
    big = b"x" * (forge_api.LONGEST_ANSWER + 1)
    with pytest.raises(ForgeBroken, match="no end"):
        await asking(lambda _: httpx.Response(200, content=big)).get("/user", "say who it is")


async def test_a_forge_that_hangs_or_breaks_off_is_away() -> None:
    def breaks(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("secret-token", request=request)

    with pytest.raises(ForgeAway) as away:
        await asking(breaks).get("/user", "say who it is")
    assert "secret-token" not in str(away.value)


async def test_a_redirect_within_the_forge_is_followed_and_one_elsewhere_is_not() -> None:
    def moved(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/old":
            return httpx.Response(301, headers={"Location": "/api/new"})
        return httpx.Response(200, json={"path": request.url.path})

    assert (await asking(moved).get("/old", "look")).data == {"path": "/api/new"}
    for place in ("https://evil.example/", "http://git.example.com/", "https://git.example.com:444/", "/api/old"):
        around = asking(lambda _, place=place: httpx.Response(302, headers={"Location": place}))  # type: ignore[misc]
        with pytest.raises(ForgeBroken):
            await around.get("/old", "look")


async def test_the_token_of_an_installation_is_kept_and_renewed_before_it_ends() -> None:
    now = datetime.now(UTC)
    made: list[int] = []
    spans = [timedelta(hours=1), timedelta(minutes=4), timedelta(hours=1)]

    def make(_request: httpx.Request) -> httpx.Response:
        made.append(len(made))
        until = (now + spans[len(made) - 1]).isoformat()
        return httpx.Response(201, json={"token": f"ghs_{len(made)}", "expires_at": until})

    kept = InstallationToken(asking(make), "77")
    assert [await kept.get(), await kept.get()] == ["ghs_1", "ghs_1"]
    short = InstallationToken(asking(make), "77")
    assert [await short.get(), await short.get(), await short.get()] == ["ghs_2", "ghs_3", "ghs_3"]
    assert "ghs" not in repr(short)


def test_huaweis_signature_is_that_of_the_example_in_its_signing_guide() -> None:
    query = "limit=2&marker=13551d6b-755d-4757-b956-536f674975c0"
    url = f"https://service.region.example.com/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs?{query}"
    request = httpx.Request("GET", url, headers={"Content-Type": "application/json"})
    at = datetime(2019, 11, 15, 3, 36, 55, tzinfo=UTC)
    sign(request, "QTWAOYTTINDUT2QVKYUC", "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc", at)
    assert request.headers["Authorization"] == (
        "SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, SignedHeaders=content-type;host;x-sdk-date, "
        "Signature=7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"
    )


@pytest.mark.parametrize(
    ("url", "forge", "path"),
    [
        ("https://github.com/shop/api.git", "github", "shop/api"),
        ("git@gitlab.com:group/sub/api.git", "gitlab", "group/sub/api"),
        ("https://gitee.com/shop/api", "gitee", "shop/api"),
        ("https://codehub.devcloud.cn-north-4.huaweicloud.com/p/api.git", "devcloud", "p/api"),
        ("ssh://git@git.example.com:2222/shop/api.git", "", "shop/api"),
        ("/srv/git/shop", "", "srv/git/shop"),
    ],
)
def test_an_address_tells_its_forge_and_its_repository(url: str, forge: str, path: str) -> None:
    assert (forge_at(url), repository_path(url)) == (forge, path)


def test_devclouds_repositories_are_at_another_host_than_its_api() -> None:
    origin = "https://codehub-ext.cn-north-4.myhuaweicloud.com"
    access = Access(ForgeName.DEVCLOUD, origin, origin, "a b")
    assert git_origin(access) == "https://codehub.devcloud.cn-north-4.huaweicloud.com"
    assert "s3cret" not in repr(Credential("ann", "s3cret"))
