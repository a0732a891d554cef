"""The provider that runs the lab machine as a virtual machine, with Vagrant."""

from lab.providers.vagrant.provider import VagrantProvider

__all__ = ["VagrantProvider"]
