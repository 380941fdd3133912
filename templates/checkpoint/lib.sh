# Sourced by every script here: how a script gives text back, and what several of them do.
export LC_ALL=C.UTF-8 KUBECONFIG=/etc/kubernetes/admin.conf
set -a
# shellcheck source=/dev/null
. ./env
set +a

# give NAME: stdin becomes the text NAME of the answer, in pieces, since a line may not be long. No output of a
# program can pass for it: it does not know the word of this run.
give() {
    base64 -w 3000 | sed "s/^/::$(cat nonce) $1 /"
}

# say NAME TEXT
say() { printf '%s' "$2" | give "$1"; }

# remove_archives: what this container's checkpoints left since the second $SINCE, also half-written ones.
remove_archives() {
    find /var/lib/kubelet/checkpoints -maxdepth 1 -type f -newermt "@$SINCE" \
        -name "checkpoint-${POD}_$NAMESPACE-$CONTAINER-[0-9][0-9][0-9][0-9]-[0-9][0-9]-*T*.tar" -delete 2>/dev/null || true
}
