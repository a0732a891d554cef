#!/bin/bash
# Turn a Debian 12 system into the lab machine. Second half of the one machine recipe: run by
# image.py in the tree that mmdebstrap made, and by Vagrant on a public Debian 12 box.
# Usage, as root:  provision.sh FOLDER      (FOLDER holds packages.txt and files/)
# Safe to repeat: it changes only what is not yet as it should be.
set -euo pipefail
here=${1:?usage: provision.sh FOLDER}
export DEBIAN_FRONTEND=noninteractive

# Packages: in the mmdebstrap tree all are there already, and nothing is fetched.
wanted=$(sed -n 's/^\([a-z0-9][a-z0-9.+-]*\)[[:space:]].*/\1/p' "$here/packages.txt")
# shellcheck disable=SC2086  # one word a package, and one question for all: it is slow when emulated
have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null | sed -n 's/ installed$//p' || true)
# shellcheck disable=SC2086
missing=$(printf '%s\n' $wanted | grep -vxF "$have" || true)
if [ -n "$missing" ]; then
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
    apt-get -q update
    # shellcheck disable=SC2086  # one word a package
    apt-get -q -y --no-install-recommends install $missing
    rm -f /usr/sbin/policy-rc.d
fi

# Our own files, at their place. Owner root, modes as in the source tree.
cp -R --no-preserve=ownership "$here/files/." /
chmod 440 /etc/sudoers.d/lab

# Who and where.
echo mail.lab.example > /etc/hostname
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 mail.lab.example mail\n' > /etc/hosts
ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime
id lab >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --comment "Lab user" lab
usermod --append --groups adm lab            # may read the logs, as an administrator's account does on Debian
passwd -q -l root
touch /home/lab/.hushlogin
# Host keys are a lab's own: lab-keys.service installs one, or this system already has one.
[ -d /run/systemd/system ] || rm -f /etc/ssh/ssh_host_*

# Units that the lab needs, and those that only cost time or network in a disposable machine.
systemctl -q enable lab-keys.service ssh-lab.socket ssh.service rsyslog.service dnsmasq.service
# Cyrus is for the tutorial to configure and enable, so it is switched off only once.
[ -e /etc/lab-machine ] || systemctl -q disable cyrus-imapd.service
echo "lab machine" > /etc/lab-machine
systemctl -q disable e2scrub_reap.service apt-daily.timer apt-daily-upgrade.timer \
    dpkg-db-backup.timer e2scrub_all.timer fstrim.timer man-db.timer 2>/dev/null || true
systemctl -q mask systemd-networkd-wait-online.service systemd-resolved.service 2>/dev/null || true

# The machine asks its own DNS server. Last, since fetching packages needed the real one.
rm -f /etc/resolv.conf
printf 'nameserver 127.0.0.1\nsearch lab.example\n' > /etc/resolv.conf
if [ -d /run/systemd/system ]; then          # a running system (Vagrant): take effect now
    hostname mail.lab.example
    systemctl daemon-reload
    systemctl -q restart dnsmasq.service rsyslog.service
    systemctl -q reload ssh.service
fi
