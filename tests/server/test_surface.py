"""Every route, and every way to ask wrongly, over real sockets."""

import select
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from models.registry import Registry
from tests.running import MEMBERS, Running, until, write_config

pytestmark = pytest.mark.processes

MIB = 1 << 20


@pytest.fixture(scope="module")
def server(trained: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    with Running(write_config(folder, trained.path, inline=True), folder) as running:
        yield running


@pytest.fixture(scope="module")
def row(trained: Registry) -> list[float]:
    return trained.manifest("breast-cancer/logreg").examples[0]


def v2(row: list[float], **more: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "features", "shape": [1, 30], "datatype": "FP32", "data": row}], **more}


def raw_request(server: Running, text: bytes, later: bytes = b"", *, pause: float = 0) -> bytes:
    """Bytes as they are on a socket, `later` after a pause; what comes back first."""
    split = urlsplit(server.origin)
    with socket.create_connection((split.hostname, split.port), timeout=20) as client:
        client.sendall(text)
        select.select([client], [], [], pause)
        client.sendall(later)
        received = b""
        while chunk := client.recv(1 << 16):
            received += chunk
            if b"\r\n\r\n" in received:
                break
        return received


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/", "models"),
        ("/v1/models", "models"),
        ("/v1/models/log_pool", "ready"),
        ("/v2", "extensions"),
        ("/v2/health/live", "live"),
        ("/v2/health/ready", "ready"),
        ("/v2/models", "models"),
        ("/v2/models/forest", "inputs"),
        ("/v2/models/forest/versions/1", "inputs"),
        ("/v2/models/forest/ready", "ready"),
        ("/v2/models/forest/versions/1/ready", "ready"),
        ("/debug/backends", "backends"),
        ("/debug/backends/forest", "name"),
    ],
)
def test_what_is_there_is_told(server: Running, path: str, key: str) -> None:
    status, answer = server.ask(path)
    assert status == 200
    assert answer[key]


def test_examples_are_shown_to_whom_the_server_trusts(server: Running, row: list[float]) -> None:
    for name in ("forest", "log_pool"):
        status, shown = server.ask(f"/debug/backends/{name}/examples")
        assert status == 200
        assert shown["instances"][0] == row
        assert len(shown["instances"]) == 3
        assert server.ask(f"/v1/models/{name}:predict", shown)[0] == 200
    assert server.ask("/debug/backends/nobody/examples")[0] == 404


def test_probes_answer_in_plain_text(server: Running) -> None:
    assert server.ask("/livez") == (200, b"ok\n")
    assert server.ask("/readyz") == (200, b"ready\n")


def test_the_index_lists_models_routes_and_an_example_that_works(server: Running) -> None:
    _, index = server.ask("/")
    assert index["default"] == "log_pool"
    assert set(index["models"]) == {"log_pool", "soft", "hard", *MEMBERS}
    assert "POST /predict" in index["routes"]
    assert server.ask("/predict", index["models"]["log_pool"]["example"])[0] == 200


def test_metadata_names_tensors_labels_and_features(server: Running) -> None:
    _, metadata = server.ask("/v2/models/soft")
    assert metadata["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 30]}]
    assert metadata["outputs"][1] == {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]}
    assert metadata["parameters"]["labels"] == ["malignant", "benign"]
    assert metadata["parameters"]["features"][0] == "mean radius"


def test_a_row_may_be_an_object_by_feature_name(server: Running, row: list[float]) -> None:
    features = server.ask("/v2/models/soft")[1]["parameters"]["features"]
    named = dict(reversed(list(zip(features, row, strict=True))))
    _, by_name = server.ask("/predict", {"instances": [named, row]})
    assert by_name["probabilities"][0] == by_name["probabilities"][1]


def test_the_answer_has_the_documented_shape(server: Running, row: list[float]) -> None:
    status, answer = server.ask("/predict", {"instances": [row, row]}, {"X-Request-Id": "my-id"})
    assert status == 200
    assert set(answer) == {"predictions", "labels", "probabilities", "agreement", "entropy", "outcome", "members"}
    assert answer["predictions"] == ["benign", "benign"]
    expected = {"model": "log_pool", "request_id": "my-id", "status": "complete", "asked": 5, "answered": 5}
    assert {key: answer["outcome"][key] for key in expected} == expected
    assert set(answer["members"]) == set(MEMBERS)
    assert set(answer["members"]["forest"]) == {"fate", "elapsed_ms", "weight", "version"}


def test_the_open_inference_protocol_in_json(server: Running, row: list[float]) -> None:
    status, answer = server.ask("/v2/models/log_pool/infer", v2(row, id="42"))
    assert (status, answer["model_name"], answer["id"]) == (200, "log_pool", "42")
    outputs = {output["name"]: output for output in answer["outputs"]}
    assert outputs["predictions"] == {"name": "predictions", "shape": [1], "datatype": "BYTES", "data": ["benign"]}
    assert outputs["probabilities"]["shape"] == [1, 2]
    assert answer["parameters"]["status"] == "complete"
    assert answer["parameters"]["members.forest.fate"] == "ok"


def test_both_protocols_say_the_same(server: Running, row: list[float]) -> None:
    _, one = server.ask("/predict", {"instances": [row]})
    _, other = server.ask("/v2/models/log_pool/infer", v2(row))
    probabilities = next(o["data"] for o in other["outputs"] if o["name"] == "probabilities")
    assert one["probabilities"][0] == probabilities


def test_a_subset_a_quorum_and_early_can_be_asked_in_both_protocols(server: Running, row: list[float]) -> None:
    parameters = {"members": ["forest", "mlp"], "quorum": 1, "early": False, "timeout_ms": 5000}
    _, one = server.ask("/predict", {"instances": [row], "parameters": parameters})
    assert set(one["members"]) == {"forest", "mlp"}
    _, other = server.ask(
        "/v2/models/log_pool/infer", v2(row, parameters=parameters | {"members": "forest,mlp", "timeout": 5_000_000})
    )
    assert (other["parameters"]["asked"], other["parameters"]["quorum"]) == (2, 1)


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/predict", b"{", 400, "not JSON"),
        ("/predict", b"", 400, "not JSON"),
        ("/predict", b"[]", 400, "object"),
        ("/predict", {}, 400, "instances"),
        ("/predict", {"instances": []}, 400, "$.instances"),
        ("/predict", {"instances": [[1.0] * 29]}, 400, "$.instances[0]: "),
        ("/predict", {"instances": [[1.0] * 30, [1.0] * 7 + ["x"] + [1.0] * 22]}, 400, "$.instances[1][7]"),
        ("/predict", {"instances": [[1.0] * 7 + [None] + [1.0] * 22]}, 400, "$.instances[0][7]"),
        ("/predict", b'{"instances": [[' + b"1e999," * 29 + b"1]]}", 400, "$.instances[0][0]"),
        ("/predict", b'{"instances": [[NaN]]}', 400, "not JSON"),
        ("/predict", b"[" * 400_000, 400, "$"),
        ("/predict", {"instances": [{"mean radius": 1}]}, 400, "missing features"),
        ("/predict", {"instances": [{"mean radios": 1}]}, 400, "did you mean 'mean radius'"),
        ("/predict", {"instances": [[1.0] * 30], "parameters": {"quorm": 2}}, 400, "did you mean 'quorum'"),
        ("/predict", {"instances": [[1.0] * 30], "parameters": {"quorum": 9}}, 400, "$.parameters.quorum"),
        ("/predict", {"instances": [[1.0] * 30], "parameters": {"timeout_ms": 0}}, 400, "$.parameters.timeout_ms"),
        ("/predict", {"instances": [[1.0] * 30], "parameters": {"members": ["x"]}}, 400, "$.parameters.members[0]"),
        ("/v1/models/forest:predict", {"instances": [[1.0] * 30], "parameters": {"quorum": 1}}, 400, "one model"),
        ("/v1/models/forrest:predict", {"instances": []}, 404, "did you mean 'forest'"),
        ("/v2/models/forest/versions/7/infer", {"inputs": []}, 404, "version 1, not '7'"),
        ("/v2/models/forest/infer", {"inputs": []}, 400, "missing input: features"),
        ("/v2/models/forest/infer", {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]}, 400, "$.inputs[0]"),
        ("/nowhere", {}, 404, "GET / lists"),
        ("/livez", {}, 405, "GET"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong_and_where(
    server: Running, path: str, body: Any, status: int, said: str
) -> None:
    got, problem = server.ask(path, body)
    assert got == status
    assert said in problem["error"]
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(problem)
    assert "Traceback" not in str(problem)


@pytest.mark.parametrize("value", ["soon", "-1", "0", "nan", "inf", ""])
def test_a_timeout_header_must_be_a_positive_number(server: Running, row: list[float], value: str) -> None:
    status, problem = server.ask("/predict", {"instances": [row]}, {"X-Request-Timeout-Ms": value})
    assert (status, problem["where"]) == (400, "header X-Request-Timeout-Ms")


def test_a_deadline_that_has_passed_asks_nobody(server: Running, row: list[float]) -> None:
    before = server.ask("/debug/backends/forest")[1]["asked"]
    body = msgspec.json.encode({"instances": [row]})
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nX-Request-Timeout-Ms: 5\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = raw_request(server, head.encode(), body, pause=0.05)  # the body's time counts
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert b"deadline_exceeded" in answer
    assert server.ask("/debug/backends/forest")[1]["asked"] == before


def test_a_body_that_is_too_large_is_refused_before_it_is_read(server: Running) -> None:
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {99 * MIB}\r\n"
    refused = raw_request(server, f"{head}\r\n".encode())
    assert refused.startswith(b"HTTP/1.1 413 ")
    expecting = raw_request(server, f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert expecting.startswith(b"HTTP/1.1 413 ")
    for answer in (refused, expecting):
        problem = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])
        assert problem["code"] == "request_entity_too_large"
        assert problem["detail"] == f"the body is over {16 * MIB} bytes, the most that [server] max_body_bytes allows"


def test_many_rows_are_answered_as_few_are(server: Running, trained: Registry) -> None:
    rows = trained.manifest("breast-cancer/logreg").examples
    few, many = server.ask("/predict", {"instances": rows})[1], server.ask("/predict", {"instances": rows * 400})[1]
    assert many["probabilities"] == few["probabilities"] * 400
    tensor = {"name": "features", "shape": [len(rows) * 400, 30], "datatype": "FP32", "data": rows * 400}
    outputs = server.ask("/v2/models/log_pool/infer", {"inputs": [tensor]})[1]["outputs"]
    (said,) = (one["data"] for one in outputs if one["name"] == "probabilities")
    assert said == [share for row in many["probabilities"] for share in row]
    rows_and_a_mistake = {"instances": [*rows * 400, [*rows[0][:-1], "x"]]}
    assert server.ask("/predict", rows_and_a_mistake)[1]["where"] == f"$.instances[{len(rows) * 400}][29]"


def test_a_chunked_body_that_grows_too_large_is_refused(server: Running) -> None:
    chunk = b"%x\r\n%s\r\n" % (MIB, b" " * MIB)
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 413 " in raw_request(server, head + chunk * 17 + b"0\r\n\r\n").split(b"\r\n")[0]


def test_a_name_that_was_made_to_point_here_reads_no_debug_pages(server: Running) -> None:
    status, problem = server.ask("/debug/backends", headers={"Host": "evil.example:80"})
    assert (status, problem["code"]) == (403, "foreign_host")
    for own in ("localhost:1", "127.0.0.1", "[::1]:8080"):
        assert server.ask("/debug/backends", headers={"Host": own})[0] == 200


def test_load_balancers_may_probe_with_head(server: Running) -> None:
    for path in (b"/livez", b"/readyz", b"/"):
        assert raw_request(server, b"HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n" % path).startswith(b"HTTP/1.1 200 ")


def test_who_expects_to_be_told_is_told_to_go_on(server: Running) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    assert raw_request(server, head).startswith(b"HTTP/1.1 100 ")


def test_a_compressed_body_is_refused(server: Running) -> None:
    status, problem = server.ask("/predict", b"\x1f\x8b", {"Content-Encoding": "gzip"})
    assert (status, problem["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("given", ["x" * 65, "a b", "a\tb", "é"])
def test_a_request_id_that_could_do_harm_is_replaced(server: Running, row: list[float], given: str) -> None:
    _, answer = server.ask("/predict", {"instances": [row]}, {"X-Request-Id": given})
    assert answer["outcome"]["request_id"] != given
    assert len(answer["outcome"]["request_id"]) == 26


def test_every_request_is_one_line_of_the_log(server: Running, row: list[float]) -> None:
    server.ask("/predict", {"instances": [row]}, {"X-Request-Id": "find-me"})
    until(lambda: "find-me" in server.log, "the line")
    (line,) = [line for line in server.log.splitlines() if "find-me" in line]
    assert line.startswith("{")
