"""The one recipe of the lab machine, and what is made from it: a file tree, and from that a Vagrant box."""
