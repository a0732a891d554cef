"""smar, qmgr and smtpc together: mail arrives, waits, comes back, and survives a killed process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from daemons import SOURCE, Daemons, Smtps
from servers import Manners, Server

from meta1.maps.berkeley import write_hash

sys.path.insert(0, str(Path(__file__).parents[1] / "smar"))
from dns_server import Zone, start

Talk = Callable[[Daemons, Smtps, Server], Awaitable[None]]


def with_daemons(directory: Path, talk: Talk, *, qmgr: str = "", smar: str = "") -> Daemons:
    """Run a talk with all three running and an LMTP server behind them."""

    async def run() -> Daemons:
        server = Server(Manners(lmtp=True))
        remote = Server(Manners())
        listening, port = await remote.listen_tcp()
        zone = Zone().add("far.test", "MX", "10 mx.far.test.").add("mx.far.test", "A", "127.0.0.1")
        zone.add("null.test", "MX", "0 .")
        names, dns = await start(zone)
        daemons = Daemons(directory, dns=dns, port=port, qmgr=qmgr, smar=smar)
        lmtp = await server.listen_unix(daemons.spool / "lmtp")
        smtps = Smtps(daemons.spool)
        server.remote = remote  # type: ignore[attr-defined]
        try:
            await daemons.start()
            smtps.link.start()
            await smtps.until(lambda: smtps.link.is_open)
            await talk(daemons, smtps, server)
            smtps.link.stop()
            await asyncio.sleep(0.05)
            daemons.stop()
        finally:
            daemons.abandon()
            for one in (lmtp, listening):
                one.close()
            names.close()
        return daemons

    return asyncio.run(run())


def tool(daemons: Daemons, *command: str) -> subprocess.CompletedProcess[str]:
    """Run mailq or qmgrctl."""
    name, *arguments = command
    return subprocess.run(
        [sys.executable, "-m", f"meta1.tools.{name}", "-f", str(daemons.config), *arguments],
        capture_output=True, text=True, env={"PYTHONPATH": str(SOURCE)}, timeout=60, check=False,
    )  # fmt: skip


def test_mail_arrives(tmp_path: Path) -> None:
    """Local over LMTP, far over SMTP by MX; content files go away; the queue is empty."""

    async def talk(daemons: Daemons, smtps: Smtps, server: Server) -> None:
        remote: Server = server.remote  # type: ignore[attr-defined]
        names = {smtps.submit("user@local.test", "x@far.test") for _ in range(50)}
        await smtps.until(lambda: names <= smtps.committed)
        await server.until(lambda: len(server.mails) == 50)
        await remote.until(lambda: len(remote.mails) == 50)
        await smtps.until(lambda: len(smtps.removed) == 50)
        shown = await asyncio.to_thread(tool, daemons, "mailq")
        assert shown.returncode == 0 and shown.stdout == "The queue is empty.\n"

    with_daemons(tmp_path, talk)


@pytest.mark.whole
def test_each_program_names_the_message(tmp_path: Path) -> None:
    """The way, the delivery and its end stand in the log under the id of the message."""

    async def talk(daemons: Daemons, smtps: Smtps, server: Server) -> None:
        name = smtps.submit("user@local.test")
        await server.until(lambda: len(server.mails) == 1)
        await smtps.until(lambda: f"{name} finished" in daemons.log.read_text())
        lines = [line for line in daemons.log.read_text().splitlines() if name in line]
        facts = sorted(line.split(f"{name} ")[1].split()[0] for line in lines)
        assert facts == ["attempted", "finished", "handed_over", "routed"]
        assert any("routed to=user@local.test host=lmtp" in one for one in lines)
        assert any("host=lmtp recipients=1 code=250" in one for one in lines)

    with_daemons(tmp_path, talk)


@pytest.mark.whole
def test_a_known_way_is_named_as_well(tmp_path: Path) -> None:
    """qmgr remembers a way for a moment and asks smar once, but each message has its line."""

    async def talk(daemons: Daemons, smtps: Smtps, server: Server) -> None:
        names = []
        for _ in range(3):
            names.append(smtps.submit("user@local.test"))
            await server.until(lambda: len(server.mails) == len(names))
        await smtps.until(
            lambda: all(f"{name} finished" in daemons.log.read_text() for name in names)
        )
        routed = [line for line in daemons.log.read_text().splitlines() if " routed " in line]
        assert [sum(name in line for line in routed) for name in names] == [1, 1, 1]
        assert all("routed to=user@local.test host=lmtp" in line for line in routed)

    with_daemons(tmp_path, talk)


def test_failures_come_back_as_reports(tmp_path: Path) -> None:
    """An unknown user and a domain without mail: reports reach the sender with the header."""

    async def talk(daemons: Daemons, smtps: Smtps, server: Server) -> None:
        server.manners.replies["no@local.test"] = "550 5.1.1 no such user"
        smtps.submit("no@local.test", sender="a@local.test")
        smtps.submit("x@null.test", sender="a@local.test")
        await server.until(lambda: len(server.mails) == 2)
        texts = sorted(mail.content.decode() for mail in server.mails)
        assert all(mail.sender == "" for mail in server.mails)
        assert all("multipart/report" in text and "\r\nbody\r\n" in text for text in texts)
        assert any("Status: 5.1.1" in text for text in texts)
        assert any("Status: 5.1.10" in text for text in texts)
        await smtps.until(lambda: len(smtps.removed) == 2)

    with_daemons(tmp_path, talk)


@pytest.mark.whole
def test_deferred_mail_is_tried_again_also_after_kill(tmp_path: Path) -> None:
    """A server that is busy gets the mail later, though qmgr, smtpc and smar were killed."""

    async def talk(daemons: Daemons, smtps: Smtps, server: Server) -> None:
        server.manners.replies["user@local.test"] = "451 4.2.0 later"
        names = {smtps.submit("user@local.test") for _ in range(5)}
        await smtps.until(lambda: names <= smtps.committed)
        await server.until(lambda: sum(one.startswith("RCPT") for one in server.commands) >= 5)
        shown = await asyncio.to_thread(tool, daemons, "mailq")
        assert "451 4.2.0 later" in shown.stdout and "5 messages" in shown.stdout
        for name in ("qmgr", "smtpc", "smar"):
            daemons.kill(name)
            await daemons.start(name)
        del server.manners.replies["user@local.test"]
        await server.until(lambda: len(server.mails) == 5, 20)

    with_daemons(tmp_path, talk)


@pytest.mark.whole
def test_kill_under_load_loses_nothing(tmp_path: Path) -> None:
    """Whoever is killed while mail flows: all that was committed arrives."""

    async def talk(daemons: Daemons, smtps: Smtps, server: Server) -> None:
        sent: set[str] = set()
        for name in ("qmgr", "smtpc", "smar", "qmgr", "smtpc"):
            sent |= {smtps.submit("user@local.test") for _ in range(40)}
            await asyncio.sleep(0.02)
            daemons.kill(name)
            await daemons.start(name)
            await smtps.until(lambda: smtps.link.is_open)

        def arrived() -> set[str]:
            subjects = (mail.content.split(b"\r\n", 1)[0] for mail in server.mails)
            return {subject.decode().split(" ")[1] for subject in subjects}

        await server.until(lambda: smtps.committed <= arrived(), 30)
        assert len(smtps.committed) >= 100

    with_daemons(tmp_path, talk)


@pytest.mark.whole
@pytest.mark.parametrize(
    ("verb", "way"), [("RCPT", Daemons.kill), ("DOT", Daemons.end)], ids=["killed", "ended"]
)
def test_a_new_qmgr_repeats_nothing(
    tmp_path: Path, verb: str, way: Callable[[Daemons, str], None]
) -> None:
    """smtpc breaks off what a killed qmgr asked for; one that ends in order hears the reports."""

    async def talk(daemons: Daemons, smtps: Smtps, server: Server) -> None:
        server.manners.pauses[verb] = 0.5
        names = {smtps.submit("user@local.test") for _ in range(5)}
        await smtps.until(lambda: names <= smtps.committed)
        await smtps.until(lambda: any(one.startswith(verb) for one in server.commands))
        await asyncio.to_thread(way, daemons, "qmgr")
        server.manners.pauses.clear()
        await daemons.start("qmgr")
        await server.until(lambda: len(server.mails) >= 5)
        await asyncio.sleep(1.0)
        assert len(server.mails) == 5

    with_daemons(tmp_path, talk)


@pytest.mark.whole
def test_content_that_cannot_be_read_now_is_not_lost(tmp_path: Path) -> None:
    """What the system refuses to open waits, and goes out when it can be opened."""

    async def talk(daemons: Daemons, smtps: Smtps, server: Server) -> None:
        server.manners.replies["user@local.test"] = "451 4.2.0 later"
        smtps.submit("user@local.test")
        await server.until(lambda: any(one.startswith("RCPT") for one in server.commands))
        (content,) = (daemons.spool / "cdb").iterdir()
        content.rename(tmp_path / "content")
        content.symlink_to(tmp_path / "content")  # refused even to root
        server.manners.replies.clear()
        await smtps.until(lambda: "content not readable" in daemons.log.read_text())
        (tmp_path / "content").replace(content)
        await server.until(lambda: len(server.mails) == 1)
        assert "content lost" not in daemons.log.read_text()

    with_daemons(tmp_path, talk)


@pytest.mark.whole
def test_operator_tools(tmp_path: Path) -> None:
    """hold, status, release, delete by the real programs; errors have an exit status."""

    async def talk(daemons: Daemons, smtps: Smtps, server: Server) -> None:
        def run(*command: str) -> subprocess.CompletedProcess[str]:
            return tool(daemons, *command)

        server.manners.replies["user@local.test"] = "451 4.2.0 later"
        name = smtps.submit("user@local.test")
        other = smtps.submit("user@local.test")
        await server.until(lambda: sum(one.startswith("RCPT") for one in server.commands) >= 2)
        held = await asyncio.to_thread(run, "qmgrctl", "hold", name, other)
        assert held.returncode == 0 and f"{name} held" in held.stdout, held.stderr
        status = await asyncio.to_thread(run, "qmgrctl", "status")
        assert "messages held               2" in status.stdout
        del server.manners.replies["user@local.test"]
        gone = await asyncio.to_thread(run, "qmgrctl", "delete", other)
        assert gone.returncode == 0
        await asyncio.to_thread(run, "qmgrctl", "release", name)
        await server.until(lambda: len(server.mails) == 1)
        wrong = await asyncio.to_thread(run, "qmgrctl", "hold", "S1")
        assert wrong.returncode == 1 and "no message S1" in wrong.stdout
        await smtps.until(lambda: len(smtps.removed) == 2)

    daemons = with_daemons(tmp_path, talk)
    absent = tool(daemons, "mailq")
    assert absent.returncode == 69 and "control.sock" in absent.stderr


@pytest.mark.whole
def test_aliases_and_access_map_are_read_again(tmp_path: Path) -> None:
    """A map that is rebuilt while smar runs is used for the next message."""

    async def talk(daemons: Daemons, smtps: Smtps, server: Server) -> None:
        write_hash(tmp_path / "aliases.db", [("list", "one, two")])
        smtps.submit("list@local.test")
        await server.until(lambda: sum(len(mail.recipients) for mail in server.mails) == 2)
        write_hash(tmp_path / "aliases.db", [("list", "three")])
        await asyncio.sleep(1.1)
        smtps.submit("list@local.test")
        await server.until(
            lambda: any(mail.recipients == ["three@local.test"] for mail in server.mails)
        )

    with_daemons(tmp_path, talk)


@pytest.mark.whole
def test_a_full_queue_refuses(tmp_path: Path) -> None:
    """AQ_max_entries: 452, and what was accepted is delivered all the same."""

    async def talk(daemons: Daemons, smtps: Smtps, server: Server) -> None:
        for _ in range(300):
            smtps.submit("user@local.test")
        await smtps.until(lambda: len(smtps.committed) + len(smtps.refused) == 300)
        assert {one.code for one in smtps.refused} == {452} and smtps.committed
        await server.until(lambda: len(server.mails) == len(smtps.committed))

    with_daemons(tmp_path, talk, qmgr="AQ_max_entries = 10;")


@pytest.mark.whole
@pytest.mark.parametrize("command", [["-V"], ["-VVVV"], ["--help"]])
@pytest.mark.parametrize("name", ["qmgr", "smtpc", "smar"])
def test_programs_explain_themselves(name: str, command: list[str]) -> None:
    """-V and --help work without a configuration that can be used."""
    found = subprocess.run(
        [sys.executable, "-m", f"meta1.{name}", "-f", "/dev/null", *command],
        capture_output=True, text=True, env={"PYTHONPATH": str(SOURCE)}, timeout=60, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert found.stdout
