"""Which operating system and which browser a request comes from, by its User-Agent header.

The danger: every browser claims to be another one. Edge, 360 and Sogou say "Chrome" too, Chrome says "Safari",
Android says "Linux", an old Windows phone says "Android" and "iPhone". RE2 cannot look ahead, so one expression
cannot say "Chrome but not Edge".

So every name is a pair: a mark that must be in the header, and marks of others that must not. What cannot be known is
decided once: Safari on an iPad asks for desktop pages with exactly the header of a Mac, so it counts as macos; other
browsers there still name their iOS edition, and count as ios. A browser built on Chrome or Safari that gives a name
of its own (Samsung, Opera, an app's web view) is neither. A crawler counts as what it says it is.
"""

from engine.rollout.fleet import HeaderTest, Matcher

HEADER = "user-agent"

_IOS = r"iPhone|iPad|iPod|CriOS/|FxiOS/|EdgiOS/|OPiOS/"
_PHONE = r"Windows Phone"
_EDGE = r"\b(?:Edge|Edg|EdgA|EdgiOS)/"
_360 = r"\b(?:360SE|360EE|360ENT|360Browser|360 Aphone Browser|360 Alitephone Browser|QIHU|QihooBrowser|QHBrowser)"
_SOGOU = r"\b(?:MetaSr|SogouMobileBrowser|SogouMSE|SogouBrowser)"
_OTHERS = (
    r"\b(?:OPR|OPT|OPiOS|OPX|Opera|SamsungBrowser|YaBrowser|Vivaldi|UCBrowser|UBrowser|MiuiBrowser|HuaweiBrowser|"
    r"HeyTapBrowser|VivoBrowser|M?QQBrowser|QQ|MicroMessenger|baiduboxapp|BIDUBrowser|LBBROWSER|Maxthon|DuckDuckGo|Ddg|"
    r"Whale|Silk|Puffin|Focus|Brave|GSA|Instagram|Line|Electron|HeadlessChrome|PhantomJS|Epiphany)/|"
    r"\b(?:TheWorld|2345Explorer|FBAN|FBAV|Konqueror)\b|; wv\)|^Opera|\bOpera "
)

_SYSTEMS: dict[str, tuple[str, str]] = {
    "ios": (_IOS, _PHONE),
    "android": (r"\bAndroid\b", _PHONE),
    "windows": (r"\bWindows\b", ""),
    "macos": (r"\bMacintosh\b", rf"{_IOS}|\bMobile/"),
    "linux": (r"\bLinux\b", rf"\bAndroid\b|{_PHONE}"),
}
_BROWSERS: dict[str, tuple[str, str]] = {
    "chrome": (r"\b(?:Chrome|CriOS)/", rf"{_EDGE}|{_360}|{_SOGOU}|{_OTHERS}"),
    "360": (_360, ""),
    "ie": (r"\bMSIE [0-9]|\bTrident/", rf"{_360}|{_SOGOU}|{_EDGE}|{_OTHERS}"),
    "safari": (
        r"\bVersion/[0-9.]+ .*\bSafari/",
        rf"{_EDGE}|{_360}|{_SOGOU}|{_OTHERS}|\bAndroid\b|\b(?:Chrome|Chromium|CriOS|FxiOS)/",
    ),
    "sogou": (_SOGOU, ""),
    "edge": (_EDGE, ""),
}


def system_tests(name: str) -> tuple[HeaderTest, ...]:
    """Give the tests that together tell an operating system."""
    return _tests(*_SYSTEMS[name])


def browser_tests(name: str) -> tuple[HeaderTest, ...]:
    """Give the tests that together tell a browser."""
    return _tests(*_BROWSERS[name])


def _tests(mark: str, not_mark: str) -> tuple[HeaderTest, ...]:
    wanted = HeaderTest(HEADER, Matcher.REGEX, f".*(?:{mark}).*")
    if not not_mark:
        return (wanted,)
    return wanted, HeaderTest(HEADER, Matcher.REGEX, f".*(?:{not_mark}).*", negate=True)
