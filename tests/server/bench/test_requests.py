from typing import Any

import httptools
import numpy as np
import pytest

from models.oip.requests import decode_request
from models.types import TensorSpec, classifier
from server.bench.requests import Model, Protocol, requests_of
from server.bench.target import Target
from server.codecs import kserve_v1

NUMBERS = TensorSpec("numbers", "FP32", (-1, 2), ("a", "b"), nullable=True)
WORD = TensorSpec("word", "BYTES", (-1, 1), ("w",))
SIGNATURE = classifier((NUMBERS, WORD), ("no", "yes"))
MODEL = Model("a model/1", (NUMBERS, WORD))
ROWS: list[list[Any]] = [[1.5, None, "x"], [3.0, 4.0, "y"], [5.0, 6.0, "z"]]


class Read:
    """A request as a server would read it."""

    def __init__(self, raw: bytes) -> None:
        self.url, self.body, self.headers, self.done = b"", b"", dict[str, str](), False
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(raw)
        assert self.done
        assert parser.should_keep_alive()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        assert name.decode().lower() not in self.headers
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.done = True


def made(protocol: Protocol, **more: Any) -> list[Read]:
    return [Read(raw) for raw in requests_of(Target.at("http://[::1]:80/base/"), MODEL, ROWS, protocol, **more)]


def inputs(read: Read, protocol: Protocol) -> Any:
    if protocol == "v1":
        return kserve_v1.decode(read.body, SIGNATURE, "", "")[0].inputs
    length = read.headers.get("inference-header-content-length")
    return decode_request(read.body, int(length) if length else None, SIGNATURE).inputs


@pytest.mark.parametrize("protocol", ["v1", "v2", "v2-binary"])
def test_every_protocol_holds_the_same_rows(protocol: Protocol) -> None:
    reads = made(protocol, rows_each=2, headers={"X-Request-Timeout-Ms": "50"})
    assert len(reads) == 3
    for number, read in enumerate(reads):
        found = inputs(read, protocol)
        rows = [ROWS[number], ROWS[(number + 1) % 3]]
        np.testing.assert_array_equal(found["numbers"], np.array([row[:2] for row in rows], np.float32))
        assert found["word"].tolist() == [[row[2]] for row in rows]
        assert read.headers["x-request-timeout-ms"] == "50"
        assert read.headers["host"] == "[::1]:80"
        assert read.url.startswith(b"/base/v")
        assert b"a%20model%2F1" in read.url


def test_what_else_is_asked_goes_with_the_rows() -> None:
    asked = {"quorum": 2, "members": "a,b"}
    (first, *_) = made("v1", parameters=asked)
    call, _ = kserve_v1.decode(first.body, SIGNATURE, "", "")
    assert (call.parameters.quorum, call.parameters.members) == (2, ("a", "b"))
    (first, *_) = made("v2", parameters=asked)
    assert decode_request(first.body, None, SIGNATURE).parameters == asked
    (first, *_) = made("v2-binary", parameters=asked)
    decoded = decode_request(first.body, int(first.headers["inference-header-content-length"]), SIGNATURE)
    assert asked.items() <= decoded.parameters.items()
    assert decoded.wanted == {"predictions": True, "probabilities": True}


def test_different_requests_are_made_up_to_a_bound_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.bench.requests.MOST_BYTES", 300)
    assert len(made("v1")) == 2


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        requests_of(Target.at("http://x"), MODEL, [], "v1")
    with pytest.raises(ValueError, match=r"."):
        requests_of(Target.at("http://x"), MODEL, [["a", 1, "w"]], "v2")
