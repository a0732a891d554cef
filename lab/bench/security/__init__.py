"""Security proofs of MeTA1 as it is installed: each an attack that must fail, and that succeeds without its defence."""

from __future__ import annotations

from lab.bench.security import (
    authenticating,
    flooding,
    injecting,
    oversize,
    relaying,
    rights,
    secrets,
    smuggling,
    starttls,
    staying,
    tls,
)
from lab.bench.security.proof import Proof, Refuted
from lab.bench.security.target import Target

__all__ = ["PROOFS", "Proof", "Refuted", "Target"]

PROOFS: tuple[Proof, ...] = (
    *starttls.PROOFS,
    *smuggling.PROOFS,
    *relaying.PROOFS,
    *injecting.PROOFS,
    *authenticating.PROOFS,
    *oversize.PROOFS,
    *flooding.PROOFS,
    *staying.PROOFS,
    *tls.PROOFS,
    *rights.PROOFS,
    # Last: it searches what all the others have left in the logs.
    *secrets.PROOFS,
)
