# On the node: imports the image in DIRECTORY under the name IMAGE, and keeps the kubelet from clearing it away: the
# restored container needs it whenever it starts again, though it then runs under the name of its base image.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
trap 'rm -rf "$DIRECTORY"' EXIT
ctr --namespace k8s.io images import "$DIRECTORY/image.tar" >/dev/null
ctr --namespace k8s.io images label "$IMAGE" io.cri-containerd.pinned=pinned >/dev/null
