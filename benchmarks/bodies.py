"""What is sent: the rows of the breast cancer data, as a client would write them."""

from collections.abc import Sequence
from itertools import cycle, islice

import msgspec
import numpy as np

from models.datasets import dataset_called
from models.oip.requests import encode_request
from models.types import PROBABILITIES, Array, InferRequest, TensorSpec

Rows = Sequence[Sequence[float]]


def real_rows() -> list[list[float]]:
    """All rows of the data set, with the digits that were measured: 17.99, not 17.989999771118164."""
    return [[float(str(value)) for value in row] for row in dataset_called("breast-cancer").x]


def repeated(rows: Rows, count: int) -> list[Sequence[float]]:
    """So many rows, from the first again after the last."""
    return list(islice(cycle(rows), count))


def json_body(rows: Rows) -> bytes:
    """KServe's first protocol."""
    return msgspec.json.encode({"instances": rows})


def binary_body(rows: Rows, name: str = "features") -> tuple[bytes, int]:
    """The Open Inference Protocol with raw bytes in and out, and the length of the JSON header before them."""
    x: Array = np.array(rows, np.float32)
    spec = TensorSpec(name, "FP32", (-1, x.shape[1]))
    body, length = encode_request(InferRequest({name: x}), [spec], [PROBABILITIES])
    assert length is not None
    return body, length
