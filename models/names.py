"""Words for a name that does not exist."""

import difflib
from collections.abc import Collection

FEW = 12  # more are no help in one line


def no_such(kind: str, name: str, known: Collection[str], otherwise: str = "there is none") -> str:
    """`no model 'forst', did you mean 'forest'? There are: forest, mlp`; with `otherwise` if nothing is `known`."""
    if not known:
        return f"no {kind} {name!r}: {otherwise}"
    near = difflib.get_close_matches(name, known, n=1)
    meant = f", did you mean {near[0]!r}?" if near else ";"
    listed = ", ".join(list(known)[:FEW]) + (", ..." if len(known) > FEW else "")
    return f"no {kind} {name!r}{meant} there are: {listed}"
