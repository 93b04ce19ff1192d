"""The kinds of composites: ways to make one backend of others. A new kind is a file of this package and a line here."""

from importlib import import_module

from server.composites.kind import AnyKind, CompositeSettings

FILES = (
    "ensemble",
    "chain",
    "switch",
    "split",
    "cascade",
    "shadow",
)
"""Each has a kind, as `KIND`."""

KINDS: tuple[AnyKind, ...] = tuple(import_module(f"{__name__}.{file}").KIND for file in FILES)

_BY_SETTINGS = {kind.settings: kind for kind in KINDS}


def kind_of(settings: CompositeSettings) -> AnyKind:
    """The kind that `settings` are for."""
    return _BY_SETTINGS[type(settings)]
