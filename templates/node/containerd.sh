# containerd with the systemd cgroup driver, the pinned sandbox image, checkpoint and restore.

CONFIG=/etc/containerd/config.toml

running() { ctr version && crictl info; }

probe() { [ -e "$CONFIG" ] && running; }

apply() {
    install_file 0644 config.toml "$CONFIG"
    install_file 0644 crictl.yaml /etc/crictl.yaml
    systemctl enable --quiet containerd
    systemctl restart containerd
}

verify() { wait_for 30 "containerd" running; }
