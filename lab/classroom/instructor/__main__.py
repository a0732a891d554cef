"""Run the instructor's page: ``python -m lab.classroom.instructor``, started by JupyterHub as one of its services."""

from __future__ import annotations

import asyncio
import hashlib
import os
from urllib.parse import urlparse

from lab.classroom import place
from lab.classroom.client import Broker
from lab.classroom.instructor.handlers import Shared, application
from lab.classroom.instructor.hub import Hub
from lab.classroom.instructor.live import Live


async def main() -> None:
    """Serve until the hub ends us."""
    broker = Broker(place.instructor_socket())
    shared = Shared(broker, Hub.of_service(), Live(broker), os.environ["JUPYTERHUB_SERVICE_PREFIX"])
    address = urlparse(os.environ["JUPYTERHUB_SERVICE_URL"])
    # A service that starts again knows the pages that were open: the secret of its cookies comes from its token.
    secret = hashlib.sha256(f"cookies {shared.hub.token}".encode()).digest()
    application(shared, secret).listen(address.port or 80, address.hostname or "")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
