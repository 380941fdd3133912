# On any node: what it says of itself. IMAGE_REF is the image that a restore needs, empty when none is meant.
set -eu
# shellcheck source=/dev/null
. ./lib.sh

node_facts
# The kubelet signs its own serving certificate, unless the cluster's authority does (then the other file is there).
if [ -e /var/lib/kubelet/pki/kubelet.crt ] && [ ! -e /var/lib/kubelet/pki/kubelet-server-current.pem ]; then
    give certificate </var/lib/kubelet/pki/kubelet.crt
fi
if [ -n "$IMAGE_REF" ]; then
    criu_check
    ctr --namespace k8s.io images list --quiet "name==$IMAGE_REF" | give image
fi
