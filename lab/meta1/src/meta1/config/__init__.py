"""The configuration file meta1.conf: ``load(path)`` gives typed sections or raises ConfigError."""

from meta1.config.errors import ConfigError, Fault, Place
from meta1.config.load import DEFAULT_FILE, load, parse_config
from meta1.config.schema import Section
from meta1.config.sections.common import ListenSocket, Log, Module, TlsFiles
from meta1.config.sections.mcp import Mcp
from meta1.config.sections.qmgr import ClientLimits, Qmgr
from meta1.config.sections.root import Config
from meta1.config.sections.smar import Access, Lookup, Mailertable, Map, Smar
from meta1.config.sections.smtpc import ClientTls, Smtpc
from meta1.config.sections.smtps import Auth, PolicyMilter, ServerTls, Smtps

__all__ = [
    "DEFAULT_FILE", "Access", "Auth", "ClientLimits", "ClientTls", "Config", "ConfigError",
    "Fault", "ListenSocket", "Log", "Lookup", "Mailertable", "Map", "Mcp", "Module", "Place",
    "PolicyMilter", "Qmgr", "Section", "ServerTls", "Smar", "Smtpc", "Smtps", "TlsFiles", "load",
    "parse_config",
]  # fmt: skip
