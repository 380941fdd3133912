# Kernel settings that Kubernetes needs: no swap, overlay and br_netfilter, forwarding.

MODULES="overlay br_netfilter"

# A container shares its kernel with the machine around it: it can use a module, but not load it or turn swap off.
in_container() { systemd-detect-virt --quiet --container; }

module_there() { grep -q "^$1 " /proc/modules || [ -d "/sys/module/$1" ] || grep -qw "$1" /proc/filesystems; }

bridge_filtered() { [ "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null)" = 1 ]; }

probe() {
    [ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ]
    in_container || [ "$(wc -l </proc/swaps)" -le 1 ]
    bridge_filtered || in_container
}

apply() {
    printf '%s\n' $MODULES >/etc/modules-load.d/clouder.conf
    for module in $MODULES; do
        module_there "$module" || modprobe "$module" || in_container
    done
    printf '%s\n' 'net.ipv4.ip_forward = 1' 'net.bridge.bridge-nf-call-iptables = 1' \
        'net.bridge.bridge-nf-call-ip6tables = 1' >/etc/sysctl.d/99-clouder.conf
    sysctl -q -e -p /etc/sysctl.d/99-clouder.conf || in_container
    in_container || disable_swap
}

disable_swap() {
    swapoff -a
    sed -i.clouder '/^[^#].*[[:space:]]swap[[:space:]]/s/^/# /' /etc/fstab
}

verify() { probe; }
