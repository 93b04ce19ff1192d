"""What a check found."""

from dataclasses import dataclass, field, replace

from server.tables import Mistake


@dataclass(slots=True)
class Findings:
    """`errors` keep a configuration from being served; `warnings` are probably not meant."""

    errors: list[Mistake] = field(default_factory=list)
    warnings: list[Mistake] = field(default_factory=list)

    def add(self, other: "Findings", origin: str = "") -> None:
        """Take over what `other` found; what does not say where it comes from comes from `origin`."""
        self.errors += [located(error, origin) for error in other.errors]
        self.warnings += [located(warning, origin) for warning in other.warnings]

    def lines(self) -> list[str]:
        """As they are printed."""
        return [f"error: {error}" for error in self.errors] + [f"warning: {warning}" for warning in self.warnings]


def located(mistake: Mistake, origin: str) -> Mistake:
    """`mistake`, which says where it comes from."""
    return mistake if mistake.origin else replace(mistake, origin=origin)
