"""What a case is: one program, driven against the module, and what came of it. Standard library
only. It never starts anything itself."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from typing import Any


class Failed(Exception):
    """The program did not do what it should."""


class Skipped(Exception):
    """The case cannot be run here, and why."""


@dataclasses.dataclass
class Row:
    """A line of the table."""

    case: str
    program: str
    version: str = ""
    did: str = ""
    tls12: str = ""
    tls13: str = ""
    always_authenticate: str = ""
    dialog: str = ""
    logins: str = ""
    verifies: str = ""
    signatures: str = ""
    result: str = "FAIL"
    reason: str = ""
    seconds: float = 0.0
    # The card was harmed: a try was lost, or it was left verified.
    harmed: bool = False


@dataclasses.dataclass(frozen=True)
class Case:
    """A program and the function that drives it."""

    name: str
    program: str
    did: str
    run: Callable[[Any], None]
    version: Callable[[], str]
    needs: Sequence[str]
    timeout: int
    card: Sequence[str]
    mounts: bool

    def missing(self) -> list[str]:
        """Commands that the case needs and this machine has not."""
        return [command for command in self.needs if not shutil.which(command)]


CASES: dict[str, Case] = {}


def case(
    name: str,
    program: str,
    did: str,
    *,
    version: Callable[[], str],
    needs: Sequence[str] = (),
    timeout: int = 90,
    card: Sequence[str] = (),
    mounts: bool = False,
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Registers the function below as a case.

    `card`: options of tests/virtual-pcscd. `mounts`: the case runs in a mount namespace of its own
    and may put things over the system's folders."""

    def register(run: Callable[[Any], None]) -> Callable[[Any], None]:
        CASES[name] = Case(name, program, did, run, version, needs, timeout, card, mounts)
        return run

    return register
