# Takes out of a node what must not be the same in all nodes made from its image, and what none of them needs.
set -eu
systemctl stop containerd
systemctl disable --quiet ssh.socket 2>/dev/null || true
rm -rf /root/.ssh /etc/ssh/ssh_host_* /etc/clouder/machine-id /var/lib/apt/lists/* /var/cache/apt/* /var/log/journal
rm -rf /var/lib/containerd/io.containerd.snapshotter.v1.*/snapshots/* /var/lib/containerd/tmpmounts
find /var/log -type f -exec truncate -s 0 {} +
: >/etc/machine-id
sync
