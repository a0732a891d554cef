"""The log line about the way of a recipient: a fact in the life of every message.

Written by smar, or by qmgr when it remembers the answer and asks nobody.
"""

from __future__ import annotations

from meta1 import maillog
from meta1.messages import RouteResolved


def log_route(transaction_id: str, forward_path: str, answer: RouteResolved) -> None:
    """Say which way a recipient goes, or why there is none."""
    hops = {one.next_hop.key for one in answer.targets}
    maillog.routed(
        transaction_id, to=forward_path, host=" ".join(sorted(hops)),
        code=answer.code or None, status=answer.enhanced_code, text=answer.text,
    )  # fmt: skip
