"""smtpc: the SMTP and LMTP client.  Takes deliveries from qmgr, content from the CDB.

The shell around `smtp.client`: a pool of connections for each destination, and the link to qmgr.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from functools import partial
from pathlib import Path
from typing import Final, cast

from meta1 import maillog
from meta1.buildinfo import BUILD
from meta1.channel import Channel
from meta1.config import Config, Module, Smtpc
from meta1.doubt import Doubt
from meta1.link import Link
from meta1.messages import CapacityChanged, Deliver, DeliveryReported, Hello, Message
from meta1.program import Service, run
from meta1.smtpc_body import Body, ContentLost
from meta1.smtpc_job import BadAddress, Job, outgoing_of, result_of
from meta1.smtpc_pool import Pool
from meta1.smtpc_terms import Patience, Terms, word
from meta1.tls import client_context

GRACE: Final = 10.0
"""How long deliveries under way may take when the process is told to end."""


class Client:
    """The running client."""

    def __init__(self, service: Service) -> None:
        """Prepare; `start` connects to qmgr."""
        self._service = service
        self._pools: dict[str, Pool] = {}
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._use(service.config, cast(Smtpc, service.section))
        self._link = Link(
            service.config.spool("qmgr/smtpc.sock"), Hello("smtpc", process=service.process),
            self._heard, self._connected, self._disconnected,
        )  # fmt: skip

    def start(self) -> None:
        """Offer our services."""
        self._link.start()

    async def finish(self) -> None:
        """Let what is under way come to its end."""
        self._link.send(CapacityChanged(0))
        try:
            await asyncio.wait_for(self._quiet.wait(), GRACE)
        except TimeoutError:
            maillog.trouble("deliveries broken off", count=self._under_way)
        for pool in list(self._pools.values()):
            pool.end()
        self._link.stop()
        await asyncio.sleep(0)

    def reload(self, config: Config, section: Module) -> None:
        """Use a new configuration for connections to come."""
        self._use(config, cast(Smtpc, section))
        self._connected_now()

    def _use(self, config: Config, section: Smtpc) -> None:
        """Take a configuration into use; raises what is wrong with the TLS files."""
        self._directory = Path(config.queue_directory)
        self._slots = config.qmgr.smtpc.max_total_connections
        self._terms = terms_of(config, section, self._service.hostname)
        for pool in self._pools.values():
            pool.terms = self._terms

    # ---- qmgr ------------------------------------------------------------------------------

    def _connected(self, channel: Channel, hello: Hello) -> None:
        """Say how much we take."""
        channel.send(CapacityChanged(self._slots))

    def _disconnected(self, channel: Channel) -> None:
        """Break off what that qmgr has asked for: nobody hears of it, and its successor asks again.

        What a server has taken already is delivered twice then; all else is not.
        """
        for pool in list(self._pools.values()):
            pool.abort()

    def _connected_now(self) -> None:
        """Say it again after a change."""
        self._link.send(CapacityChanged(self._slots))

    def _heard(self, channel: Channel, message: Message) -> None:
        """Begin with a delivery."""
        if not isinstance(message, Deliver):
            maillog.trouble("unexpected message", kind=type(message).__name__)
            return
        self._under_way += 1
        self._quiet.clear()
        self._begin(message, partial(self._report, channel))

    def _report(self, channel: Channel, report: DeliveryReported) -> None:
        """Tell qmgr what came of it; if that qmgr is gone, its successor tries again."""
        channel.send(report)
        self._under_way -= 1
        if self._under_way == 0:
            self._quiet.set()

    def _begin(self, delivery: Deliver, report: partial[None]) -> None:
        """Open the content and hand the job to the pool of its destination."""
        try:
            body = Body(self._directory, delivery)
        except ContentLost as error:
            maillog.trouble("no content", transaction=delivery.transaction_id, why=error)
            # It may come yet: qmgr knows whether to wait.
            report(_untried(delivery, 451, "4.3.0", "content not in the CDB", content_lost=True))
            return
        except OSError as error:
            # No descriptor left, no right to read, a disk in trouble: the content may be there.
            maillog.trouble("content not readable", transaction=delivery.transaction_id, why=error)
            report(_untried(delivery, 451, "4.3.0", "content cannot be read now"))
            return
        try:
            outgoing = outgoing_of(delivery, body.size)
        except BadAddress as error:
            body.close()
            address = str(error)  # with letters that SMTP does not know; one spoils the transaction
            report(_untried(delivery, 553, "5.6.7", f"{address} cannot be sent in SMTP"))
            return
        self._pool(delivery).submit(delivery.next_hop, Job(delivery, body, outgoing, report))

    def _pool(self, delivery: Deliver) -> Pool:
        """The pool of a destination."""
        key = delivery.next_hop.key
        pool = self._pools.get(key)
        if pool is None:
            pool = Pool(self._terms, self._emptied, delivery.next_hop)
            self._pools[key] = pool
        return pool

    def _emptied(self, key: str) -> None:
        """Forget a pool with nothing in it."""
        self._pools.pop(key, None)


def terms_of(config: Config, section: Smtpc, hostname: str) -> Terms:
    """What the configuration says about connecting."""
    flags = section.tls.flags if section.tls is not None else frozenset()
    context = client_context(section.tls) if BUILD.tls else None
    if context is not None and "verify" in flags:
        context.check_hostname = True
        context.verify_mode = ssl.CERT_REQUIRED
    patience = Patience(
        connect=section.connect_timeout,
        reply=section.io_timeout,
        final=section.final_timeout,
        idle=section.idle_timeout,
        max_transactions=section.max_transactions,
    )
    return Terms(
        hello=hostname, patience=patience, context=context,
        must_verify="verify" in flags, may_fall_back="fallback" in flags,
        source=str(section.source_address) if section.source_address else None,
        max_lmtp=config.qmgr.smtpc.max_lmtp_connections,
    )  # fmt: skip


def _untried(
    delivery: Deliver, code: int, enhanced_code: str, why: str, content_lost: bool = False
) -> DeliveryReported:
    """The same for every recipient, in our own words: the destination was not asked."""
    result = result_of(word(code, enhanced_code, why), False)
    results = (result,) * len(delivery.forward_paths)
    return DeliveryReported(delivery.delivery_id, results, content_lost=content_lost)


async def serve_deliveries(service: Service) -> None:
    """Run until told to stop."""
    client = Client(service)
    service.on_reload(client.reload)
    doubt = Doubt(service)
    client.start()
    service.ready()
    await service.stopping.wait()
    await client.finish()
    doubt.raise_failure()


def main(argv: list[str] | None = None) -> int:
    """Be the program smtpc."""
    return run("smtpc", serve_deliveries, argv)


if __name__ == "__main__":
    sys.exit(main())
