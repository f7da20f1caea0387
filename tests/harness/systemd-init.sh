#!/bin/bash
# Becomes systemd as PID 1 of private namespaces; run by tests/harness/systemd.rs, which made them.
#   systemd-init.sh WORK UNITS BINARY
# WORK is kept visible as /run/harness. /etc, /var/lib, /usr/local/bin and the places for temporary files
# are overlays: nothing written there outlives the run. UNITS are installed as an administrator would.
set -e
work=$1 units=$2 binary=$3
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/harness /run/overlay /run/systemd/system
mount --bind "$work" /run/harness
cp "$units"/veritable.service "$units"/veritable.socket /run/systemd/system/
touch /run/binary
mount --bind "$binary" /run/binary
cp "$work"/harness.* /run/systemd/system/
mount -t tmpfs tmpfs /var/log
for place in etc var/lib var/tmp tmp usr/local/bin; do
    layer=/run/overlay/${place//\//-}
    mkdir -p "$layer/upper" "$layer/work"
    # A folder that is missing below (of a minimal system) is one that nothing needs.
    mkdir -p "/$place"
    mount -t overlay -o "lowerdir=/$place,upperdir=$layer/upper,workdir=$layer/work" overlay "/$place"
done
chmod 1777 /tmp /var/tmp
touch /usr/local/bin/veritable
mount --bind /run/binary /usr/local/bin/veritable
install -D -m 0644 "$units"/veritable.toml /etc/veritable/veritable.toml
umount -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
ip link set lo up
export container=veritable-tests
exec /lib/systemd/systemd --log-target=journal --unit=harness.target
