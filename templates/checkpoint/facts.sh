# On any node: what a checkpoint records of it and what a restore depends on. IMAGE_REF is the image that a restore
# needs, empty when none is meant.
set -eu
# shellcheck source=/dev/null
. ./lib.sh

say since "$(date +%s)"
say kernel "$(uname -r)"
say machine "$(uname -m)"
grep -m 1 -E '^(model name|CPU part)' /proc/cpuinfo | sed 's/^[^:]*: *//' | give cpu
grep -m 1 -E '^(flags|Features)' /proc/cpuinfo | sed 's/^[^:]*: *//' | give flags
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then say cgroup v2; else say cgroup v1; fi
criu --version 2>&1 | give criu
runc --version 2>&1 | give runc
containerd --version 2>&1 | give containerd
kubelet --version 2>&1 | give kubelet
crictl info 2>/dev/null | give crictl || true
# The kubelet signs its own serving certificate, unless the cluster's authority signs it (then the other file is there).
if [ ! -e /var/lib/kubelet/pki/kubelet-server-current.pem ]; then
    if [ -e /var/lib/kubelet/pki/kubelet.crt ]; then give certificate </var/lib/kubelet/pki/kubelet.crt; fi
fi
if [ -n "$IMAGE_REF" ]; then
    code=0
    criu check >check.txt 2>&1 || code=$?
    say check_code "$code"
    give check <check.txt
    ctr --namespace k8s.io images list --quiet "name==$IMAGE_REF" | give image
fi
