# A worker joins. One that kubeadm left half joined, or whose cluster is gone, is reset first: it holds no data.

own() { kubectl --kubeconfig /etc/kubernetes/kubelet.conf get node "$NODE"; }

probe() {
    systemctl is-active --quiet kubelet
    own
}

apply() {
    if [ -e /etc/kubernetes/kubelet.conf ] || [ -e /etc/kubernetes/bootstrap-kubelet.conf ]; then
        kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock
    fi
    kubeadm join --config join.yaml --ignore-preflight-errors="$(cat preflight)"
}

verify() { wait_for 60 "the node to register" own; }
