# The first control plane. What kubeadm left of an init that was cut short is reset, for nothing can have joined
# it; a control plane that was once whole is never reset.

WHOLE=/var/lib/clouder/steps/init
BEGUN=/var/lib/clouder/init.begun

ready() { kubectl get --raw /readyz; }

probe() {
    [ -e "$WHOLE" ]
    ready
}

apply() {
    if [ -e "$WHOLE" ]; then
        restart
    elif [ -e "$BEGUN" ]; then
        kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock
        rm -rf /var/lib/etcd/member
        init
    elif [ -e /etc/kubernetes/admin.conf ] || [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]; then
        echo "this machine is already a control plane that Clouder did not make; run kubeadm reset on it first" >&2
        return 1
    else
        init
    fi
}

restart() {
    systemctl restart containerd kubelet
    wait_for 180 "the API server to come back" ready
}

init() {
    mkdir -p "${BEGUN%/*}"
    : >"$BEGUN"
    sync "$BEGUN"
    kubeadm init --config init.yaml --skip-token-print --ignore-preflight-errors="$(cat preflight)"
}

verify() { wait_for 60 "the API server" ready; }
