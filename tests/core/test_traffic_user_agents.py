"""Real-looking User-Agent headers, and the one system and the one browser that each counts as."""

from typing import get_args

import pytest

from engine.definition import ContentRule, Policy
from engine.rollout.traffic import matches, rules_of

SYSTEMS = ("ios", "android", "windows", "macos", "linux")
BROWSERS = ("chrome", "360", "ie", "safari", "sogou", "edge")
WIN = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
MAC_BLINK = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
IPAD = "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
IPAD_DESKTOP = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_4) AppleWebKit/605.1.15 (KHTML, like Gecko) "
PIXEL = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "

AGENTS = [
    ("iPhone Safari", IPHONE + "Version/17.1 Mobile/15E148 Safari/604.1", "ios", "safari"),
    ("iPhone Chrome", IPHONE + "CriOS/120.0.6099.50 Mobile/15E148 Safari/604.1", "ios", "chrome"),
    ("iPhone Firefox", IPHONE + "FxiOS/120.0 Mobile/15E148 Safari/605.1.15", "ios", None),
    ("iPhone Edge", IPHONE + "Version/17.0 EdgiOS/120.0.2210.61 Mobile/15E148 Safari/604.1", "ios", "edge"),
    ("iPhone Sogou", IPHONE + "Version/11.0 SogouMobileBrowser/5.12.5 Mobile/15E148 Safari/604.1", "ios", "sogou"),
    ("iPhone DuckDuckGo", IPHONE + "Version/17.1 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15", "ios", None),
    ("iPhone app", IPHONE + "Mobile/15E148", "ios", None),
    (
        "iPod",
        "Mozilla/5.0 (iPod touch; CPU iPhone OS 12_0 like Mac OS X) Version/12.0 Mobile/1 Safari/1",
        "ios",
        "safari",
    ),
    ("iPad, mobile pages", IPAD + "Version/16.6 Mobile/15E148 Safari/604.1", "ios", "safari"),
    (
        "iPad, desktop pages: cannot be told from a Mac",
        IPAD_DESKTOP + "Version/16.6 Safari/605.1.15",
        "macos",
        "safari",
    ),
    ("iPad Chrome, desktop pages", IPAD_DESKTOP + "CriOS/120 Version/11.1.1 Safari/605.1.15", "ios", "chrome"),
    ("iPad Firefox, desktop pages", IPAD_DESKTOP + "FxiOS/120.0 Safari/605.1.15", "ios", None),
    ("iPad Edge, desktop pages", IPAD_DESKTOP + "Version/16.0 EdgiOS/120.0 Safari/605.1.15", "ios", "edge"),
    ("Android Chrome", PIXEL + "Chrome/120.0.0.0 Mobile Safari/537.36", "android", "chrome"),
    ("Android Edge", PIXEL + "Chrome/120.0.0.0 Mobile Safari/537.36 EdgA/120.0.2210.61", "android", "edge"),
    ("Android Firefox", "Mozilla/5.0 (Android 14; Mobile; rv:120.0) Gecko/120.0 Firefox/120.0", "android", None),
    ("Samsung", PIXEL + "SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36", "android", None),
    ("Android 360", PIXEL + "Version/4.0 Chrome/62.0 Mobile Safari/537.36 QihooBrowser/4.0", "android", "360"),
    ("Android stock", "Mozilla/5.0 (Linux; U; Android 4.0) Version/4.0 Mobile Safari/534.30", "android", None),
    (
        "Android web view",
        PIXEL.replace("Pixel 8", "Pixel 8; wv") + "Version/4.0 Chrome/120.0 Mobile Safari/537.36",
        "android",
        None,
    ),
    ("WeChat", PIXEL + "Version/4.0 Chrome/107 Mobile Safari/537.36 MicroMessenger/8.0", "android", None),
    ("Windows Chrome", WIN + "Chrome/120.0.0.0 Safari/537.36", "windows", "chrome"),
    ("Windows Edge", WIN + "Chrome/120.0.0.0 Safari/537.36 Edg/120.0.2210.77", "windows", "edge"),
    ("Legacy Edge", WIN + "Chrome/70.0.3538.102 Safari/537.36 Edge/18.19582", "windows", "edge"),
    ("Windows Opera", WIN + "Chrome/119.0.0.0 Safari/537.36 OPR/105.0.0.0", "windows", None),
    ("Windows 360SE", WIN + "Chrome/86.0.4240.198 Safari/537.36 360SE", "windows", "360"),
    ("Windows QIHU", WIN + "Chrome/69.0.3497.100 Safari/537.36 QIHU 360EE", "windows", "360"),
    ("Windows QIHU SE", WIN + "Chrome/86.0.4240.198 Safari/537.36 QIHU 360SE/13.1", "windows", "360"),
    ("360 on IE", "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 5.1; Trident/4.0; 360SE)", "windows", "360"),
    ("Windows Sogou", WIN + "Chrome/80.0.3987.87 Safari/537.36 SE 2.X MetaSr 1.0", "windows", "sogou"),
    (
        "Sogou on IE",
        "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; SE 2.X MetaSr 1.0; rv:11.0) like Gecko",
        "windows",
        "sogou",
    ),
    ("IE 8", "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; WOW64; Trident/4.0; SLCC2)", "windows", "ie"),
    ("IE 11", "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko", "windows", "ie"),
    ("Opera as IE", "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; en) Opera 8.50", "windows", None),
    ("Windows Firefox", "Mozilla/5.0 (Windows NT 10.0; Win64; rv:120.0) Gecko/20100101 Firefox/120.0", "windows", None),
    (
        "Windows Phone 8.1",
        "Mozilla/5.0 (Mobile; Windows Phone 8.1; Android 4.0; Trident/7.0; IEMobile/11.0) like iPhone Mobile Safari/5",
        "windows",
        "ie",
    ),
    ("macOS Safari", MAC + "Version/17.1 Safari/605.1.15", "macos", "safari"),
    ("macOS Chrome", MAC_BLINK + "Chrome/120.0.0.0 Safari/537.36", "macos", "chrome"),
    ("macOS Edge", MAC_BLINK + "Chrome/120.0.0.0 Safari/537.36 Edg/120.0", "macos", "edge"),
    ("macOS Firefox", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:120.0) Gecko/1 Firefox/120.0", "macos", None),
    ("macOS Opera", MAC_BLINK + "Chrome/119.0.0.0 Safari/537.36 OPR/105.0.0.0", "macos", None),
    ("Linux Firefox", "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0", "linux", None),
    ("Linux Chrome", LINUX + "Chrome/120.0.0.0 Safari/537.36", "linux", "chrome"),
    ("Linux Edge", LINUX + "Chrome/120.0.0.0 Safari/537.36 Edg/120.0", "linux", "edge"),
    ("headless Chrome", LINUX + "HeadlessChrome/120.0.0.0 Safari/537.36", "linux", None),
    ("GNOME Web", LINUX + "Version/17.0 Safari/605.1.15 Epiphany/605.1.15", "linux", None),
    (
        "ChromeOS",
        "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/120.0 Safari/537.36",
        None,
        "chrome",
    ),
    ("Googlebot", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", None, None),
    ("Bingbot as Edge", WIN + "Chrome/100.0 Safari/537.36 Edg/100.0 (compatible; bingbot/2.0)", "windows", "edge"),
    ("Sogou spider", "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)", None, None),
    ("360 spider", "Mozilla/5.0 (compatible; 360Spider; +https://www.so.com/help)", None, None),
    ("curl", "curl/8.5.0", None, None),
    ("Go", "Go-http-client/1.1", None, None),
    ("empty", "", None, None),
]


def named(key: str, headers: dict[str, str], choices: tuple[str, ...]) -> list[str]:
    return [name for name in choices if matches(rules_of(Policy.model_validate({"content": [{key: [name]}]})), headers)]


@pytest.mark.parametrize(("agent", "system", "browser"), [row[1:] for row in AGENTS], ids=[row[0] for row in AGENTS])
def test_a_user_agent_counts_as_one_system_and_one_browser(agent: str, system: str | None, browser: str | None) -> None:
    headers = {"User-Agent": agent}
    assert named("systems", headers, SYSTEMS) == [name for name in (system,) if name]
    assert named("browsers", headers, BROWSERS) == [name for name in (browser,) if name]


def test_a_request_without_a_user_agent_counts_as_nothing() -> None:
    assert named("systems", {}, SYSTEMS) == []
    assert named("browsers", {}, BROWSERS) == []


def test_every_system_and_browser_that_a_definition_can_name_is_in_the_table() -> None:
    fields = ContentRule.model_fields
    assert get_args(get_args(fields["systems"].annotation)[0]) == SYSTEMS
    assert get_args(get_args(fields["browsers"].annotation)[0]) == BROWSERS
    assert {row[2] for row in AGENTS} == {*SYSTEMS, None}
    assert {row[3] for row in AGENTS} == {*BROWSERS, None}
