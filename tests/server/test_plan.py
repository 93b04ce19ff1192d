"""What all processes agree on."""

import numpy as np
import pytest

from backends.layout import Layout
from models.types import TensorSpec
from server.plan import LONGEST_FRAME, Plan
from server.settings import Config, ServerSettings


def plan_for(max_body_bytes: int) -> Plan:
    return Plan(Config(server=ServerSettings(max_body_bytes=max_body_bytes)), {}, {}, "")


@pytest.mark.parametrize("columns", [1, 30, 1000])
def test_whatever_fits_into_a_body_fits_into_a_call(columns: int) -> None:
    body = b"[[" + b"],[".join([b",".join([b"1"] * columns)] * 50) + b"]]"  # as short as numbers can be
    tensors = Layout((TensorSpec("x", "FP64", (-1, columns)),)).write({"x": np.ones((50, columns))})
    assert sum(map(len, tensors)) <= plan_for(len(body)).longest_call


def test_a_call_is_never_longer_than_its_header_can_say() -> None:
    assert plan_for(2**31).longest_call == LONGEST_FRAME
