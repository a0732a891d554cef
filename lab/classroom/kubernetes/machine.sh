#!/bin/sh
# Become the machine of a pod: give it a disk, a network and names of its own, and start its systemd.
# Usage: machine.sh DISK HANDED OPTIONS, as process 1 of new pid, mount, network and uts namespaces.
#
# The disk is an overlay: below lies the image's tree, as the container has it; what the machine changes lies in
# DISK/upper, so that a checkpoint is a copy of that folder. HANDED has the folders `keys` and `run`, which
# the machine gets as /lab/keys and /lab/run. Nothing of the pod's own mounts is left: neither the resolv.conf of
# the cluster nor the volumes.
set -eu
disk=$1 handed=$2 options=$3
mount --types overlay --options "${options}lowerdir=/,upperdir=$disk/upper,workdir=$disk/work" machine "$disk/root"
cd "$disk/root"
mount --types proc --options nosuid,nodev,noexec proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount --types tmpfs --options mode=755,nosuid,nodev,size=64m tmpfs run
mount --types tmpfs --options mode=1777,nosuid,nodev,size=256m tmpfs tmp
mkdir -p lab/keys lab/run
mount --bind "$handed/keys" lab/keys
mount --options remount,bind,ro lab/keys
mount --bind "$handed/run" lab/run
hostname mail.lab.example
pivot_root . .
umount --lazy .
cd /
exec env --ignore-environment container=oci PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /sbin/init
