"""The kinds of composites: ways to make one backend of others. A new kind is a file of this package and a line here."""

from server.composites.cascade import CASCADE
from server.composites.chain import CHAIN
from server.composites.ensemble import ENSEMBLE
from server.composites.kind import AnyKind, CompositeSettings
from server.composites.shadow import SHADOW
from server.composites.split import SPLIT
from server.composites.switch import SWITCH

KINDS: tuple[AnyKind, ...] = (
    ENSEMBLE,
    CHAIN,
    SWITCH,
    SPLIT,
    CASCADE,
    SHADOW,
)

_BY_SETTINGS = {kind.settings: kind for kind in KINDS}


def kind_of(settings: CompositeSettings) -> AnyKind:
    """The kind that `settings` are for."""
    return _BY_SETTINGS[type(settings)]
