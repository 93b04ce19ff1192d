import pytest

from server.origin import is_own

HERE = "127.0.0.1:8080"


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, HERE),
        ("http://127.0.0.1:8080", HERE),
        ("http://localhost:8080", "localhost:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("https://10.0.0.5", "10.0.0.5"),
    ],
)
def test_who_is_no_page_or_our_own_may(origin: str | None, host: str) -> None:
    assert is_own(origin, host, None)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example", HERE),
        ("http://127.0.0.1:9090", HERE),
        ("http://localhost:8080", HERE),
        ("null", HERE),
        ("", HERE),
        ("http://[", HERE),
        ("file://", ""),
        ("ftp://127.0.0.1:8080", HERE),
        ("http://evil.example:8080", "evil.example:8080"),  # a name that was made to point here
        ("http://127.0.0.1:8080@evil.example", HERE),
    ],
)
def test_a_page_of_another_site_may_not(origin: str, host: str) -> None:
    assert not is_own(origin, host, None)


@pytest.mark.parametrize(
    ("site", "may"), [("same-origin", True), ("none", True), ("same-site", False), ("cross-site", False)]
)
def test_what_the_browser_says_of_the_site_counts(site: str, may: bool) -> None:
    assert is_own(None, HERE, site) is may
