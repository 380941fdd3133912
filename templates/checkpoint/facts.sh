# On any node: what it says of itself. IMAGE_REF is the image that a restore needs, empty when a checkpoint is to be
# made. Each program that need not start makes both faster.
set -eu
# shellcheck source=/dev/null
. ./lib.sh

if [ -n "$IMAGE_REF" ]; then
    node_facts criu containerd
    runtime_facts
    criu_check
    ctr --namespace k8s.io images list --quiet "name==$IMAGE_REF" | give image
    exit
fi
node_facts criu runc containerd kubelet
# The kubelet signs its own serving certificate, unless the cluster's authority does (then the other file is there).
if [ -e /var/lib/kubelet/pki/kubelet.crt ] && [ ! -e /var/lib/kubelet/pki/kubelet-server-current.pem ]; then
    give certificate </var/lib/kubelet/pki/kubelet.crt
fi
