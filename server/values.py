"""What a value of chorus.toml may be; each type carries the words that a mistake is explained with."""

from typing import Annotated

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1, description="a string that is not empty")]
Label = Annotated[str, Meta(min_length=1, description="a label")]
Model = Annotated[str, Meta(min_length=1, description="the name of a model")]
Function = Annotated[str, Meta(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="a function, 'module:function'")]
Port = Annotated[int, Meta(ge=0, le=65535, description="an integer from 0 to 65535")]
Count = Annotated[int, Meta(ge=1, le=2**31, description="a positive integer")]
Fronts = Annotated[int, Meta(ge=1, le=64, description="an integer from 1 to 64")]
CountOrNone = Annotated[int, Meta(ge=0, le=2**31, description="an integer that is not negative")]
Share = Annotated[float, Meta(gt=0, le=1, description="a number over 0 and at most 1")]
Spread = Annotated[float, Meta(ge=0, le=1e280, description="a number that is not negative")]
Weight = Annotated[float, Meta(gt=0, le=1e9, description="a positive number, at most 1e9")]
Cost = Annotated[float, Meta(ge=0, le=1e9, description="a number that is not negative")]
Temperature = Annotated[float, Meta(ge=0.2, le=5, description="a number from 0.2 to 5")]
Seconds = Annotated[float, Meta(gt=0, le=86_400, description="positive seconds, at most a day")]
Processes = Annotated[int, Meta(ge=1, le=64, description="an integer from 1 to 64")]
Rate = Annotated[int, Meta(ge=1, le=1_000_000, description="an integer from 1 to 1000000")]
Portion = Annotated[float, Meta(ge=0, le=1, description="a number from 0 to 1")]
KeyName = Annotated[str, Meta(pattern=r"^(inputs|parameters)\..+$", description="inputs.NAME or parameters.NAME")]
Milliseconds = Annotated[float, Meta(gt=0, le=86_400_000, description="positive milliseconds, at most a day")]
"""Finite, and small enough for uvloop, whose timers are in whole milliseconds and overflow."""


Patience = Annotated[float, Meta(ge=0, le=86_400_000, description="milliseconds, at most a day, or 0")]


class BatchSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`batch`: requests that come while others are under way are asked as one, of at most `max_rows` rows.

    At most `max_waiting` wait for the next one.
    """

    max_rows: Count = 256
    max_waiting: Count = 1024


class CacheSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`cache`: answers are given again for `ttl_s`; so many at most, and no more than fit."""

    entries: Count = 10_000
    ttl_s: Seconds = 60.0
    max_bytes: Count = 64 * 2**20
