# Takes the cluster off a machine that stays: what kubeadm, Flannel and kube-proxy left, and Clouder's marks of it.
# Packages, images and their marks stay, so that the next cluster on the machine is there sooner.

KEPT="base packages containerd criu images"

probe() { [ ! -e /etc/kubernetes/kubelet.conf ] && [ ! -e /etc/kubernetes/admin.conf ]; }

apply() {
    if command -v kubeadm >/dev/null; then
        kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock
    fi
    rm -rf /var/lib/cni /run/flannel /var/lib/etcd/member /var/lib/clouder/addons
    rm -rf /etc/cni/net.d/* # not the directory itself: containerd watches it, and ends when it goes
    for device in cni0 flannel.1; do
        ip link delete "$device" 2>/dev/null || true
    done
    forget_rules
    forget_marks
}

# Only the chains of Kubernetes: the owner's rules are none of our business.
forget_rules() {
    for family in iptables ip6tables; do
        command -v "$family-save" >/dev/null || continue
        "$family-save" >rules
        if grep -Eq 'KUBE-|FLANNEL-|CNI-' rules; then
            grep -Ev 'KUBE-|FLANNEL-|CNI-' rules | "$family-restore"
        fi
    done
}

forget_marks() {
    rm -f /var/lib/clouder/init.begun
    for marker in /var/lib/clouder/steps/*; do
        case " $KEPT " in
            *" ${marker##*/} "*) ;;
            *) rm -f "$marker" ;;
        esac
    done
}

verify() { probe; }
