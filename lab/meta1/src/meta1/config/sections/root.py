"""The whole file: the sections of the modules and the options that belong to all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from meta1.buildinfo import BUILD
from meta1.config.compound import Maybe
from meta1.config.kinds import DOMAIN, PATH
from meta1.config.schema import DOCUMENTED, OURS, Section, many, option, section
from meta1.config.sections.common import Module
from meta1.config.sections.mcp import Mcp
from meta1.config.sections.qmgr import Qmgr
from meta1.config.sections.smar import Smar
from meta1.config.sections.smtpc import Smtpc
from meta1.config.sections.smtps import Smtps


@dataclass(frozen=True, slots=True)
class Config(Section):
    """A whole configuration; ``order`` has the labels of the modules as they stand in the file."""

    file: str = ""
    order: tuple[str, ...] = ()
    queue_directory: str = option(
        PATH, BUILD.spooldir, OURS, "directory of the queue; the modules run in it"
    )
    hostname: str | None = option(
        Maybe(DOMAIN, "the fully qualified name of the machine"), None, OURS,
        "name of this mail server",
    )  # fmt: skip
    mcp: Mcp = section(Mcp, OURS, "main control program")
    smtps: tuple[Smtps, ...] = many(
        Smtps, DOCUMENTED, "SMTP server; several ones each need a name: smtps NAME { ... }"
    )
    smtpc: Smtpc = section(Smtpc, DOCUMENTED, "SMTP and LMTP client")
    qmgr: Qmgr = section(Qmgr, DOCUMENTED, "queue manager")
    smar: Smar = section(Smar, DOCUMENTED, "address resolver")

    @property
    def directory(self) -> Path:
        """Where relative names of maps begin: beside the configuration file."""
        return Path(self.file).absolute().parent

    def spool(self, name: str) -> Path:
        """A path below the queue directory; an absolute name stays what it is."""
        return Path(self.queue_directory) / name

    def module(self, name: str) -> Module:
        """The section of a module by its name: ``qmgr``, or ``smtps`` or the label of one."""
        found = dict(self.modules())
        return found[name]

    def modules(self) -> tuple[tuple[str, Module], ...]:
        """Name and section of each module that the file has, in the order of the file."""
        known: dict[str, Module] = {"smtpc": self.smtpc, "qmgr": self.qmgr, "smar": self.smar}
        known |= {each.label or "smtps": each for each in self.smtps}
        return tuple((name, known[name]) for name in self.order)
