import pytest

from server.bench.target import Target
from tests.scripted import scripted


def test_an_address_has_what_a_url_says() -> None:
    assert Target.at("http://127.0.0.1:8080/") == Target("127.0.0.1", 8080)
    assert Target.at("https://models.example/a/b/") == Target("models.example", 443, "/a/b", encrypted=True)
    assert Target.at("http://[::1]:1") == Target("::1", 1)


@pytest.mark.parametrize("url", ["", "x", "ftp://x", "http://", "http://x:0", "http://x:port", "http://x?y"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Target.at(url)


@pytest.mark.sockets
async def test_of_several_addresses_the_one_that_answers_is_taken() -> None:
    async with scripted() as server:
        port = Target.at(server.url).port
        address = await Target.at(f"http://localhost:{port}").resolved()
    assert (address.host, address.port) == ("127.0.0.1", port)


@pytest.mark.sockets
async def test_a_name_without_an_address_is_an_error() -> None:
    with pytest.raises(OSError, match=r"."):
        await Target.at("http://no-such-name.invalid").resolved()
