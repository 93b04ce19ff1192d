"""Calls between processes of one machine: many at once over one Unix socket, answered in any order, without HTTP.

`Channel` is the end that asks, `answering` the one that answers. What a kind of call means, and what its bytes are, is
agreed between them; here they are just bytes.
"""

from backends.channel.answering import Handler, answering
from backends.channel.calling import Channel
from backends.channel.frames import Buffer

__all__ = ["Buffer", "Channel", "Handler", "answering"]
