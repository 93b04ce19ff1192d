"""Tensors may come in any order; what they are passed on in is the signature's."""

import msgspec

from models.oip.requests import decode_request
from models.types import TensorSpec, classifier

AGE = TensorSpec("age", "FP32", (-1, 1), ("age",))
BMI = TensorSpec("bmi", "FP32", (-1, 1), ("bmi",))


def test_inputs_are_in_the_order_of_the_signature() -> None:
    tensors = [
        {"name": name, "shape": [1, 1], "datatype": "FP32", "data": [at]} for at, name in enumerate(("bmi", "age"))
    ]
    decoded = decode_request(msgspec.json.encode({"inputs": tensors}), None, classifier((AGE, BMI), ("a", "b")))
    assert {name: array.tolist() for name, array in decoded.inputs.items()} == {"age": [[1]], "bmi": [[0]]}
    assert list(decoded.inputs) == ["age", "bmi"]
