"""Arrays of the protocol's datatypes, for hypothesis."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from models.types import DTYPES, Array


def elements_of(datatype: str) -> st.SearchStrategy[Any]:
    """What a tensor of `datatype` may hold where nothing is missing."""
    if datatype == "BYTES":
        return st.text(max_size=8)
    if datatype.startswith("FP"):
        return npst.from_dtype(DTYPES[datatype], allow_nan=False, allow_infinity=False)
    return npst.from_dtype(DTYPES[datatype])


def arrays_of(datatype: str, shape: st.SearchStrategy[tuple[int, ...]]) -> st.SearchStrategy[Array]:
    """Arrays of `datatype`, each element drawn by itself."""
    return npst.arrays(DTYPES[datatype], shape, elements=elements_of(datatype), fill=st.nothing())
