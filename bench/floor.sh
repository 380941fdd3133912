#!/bin/sh
# The floor: the same cluster by hand, with nothing but docker run, kubeadm init, kubeadm join and kubectl apply.
# floor.sh IMAGE WORKERS KUBERNETES_VERSION FLANNEL_MANIFEST; prints the seconds; leaves nothing behind.
set -eu
IMAGE=$1 WORKERS=$2 VERSION=$3 FLANNEL=$4
NET=floor-$$
trap 'docker rm -fv $(docker ps -aq --filter label=floor=$$) >/dev/null; docker network rm $NET >/dev/null' EXIT

capabilities() {
    bounding=$((0x$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)))
    if [ $((bounding >> 24 & 1)) = 1 ]; then
        echo --privileged
    else
        echo --cap-add ALL --cap-drop SYS_RESOURCE
    fi
}

node() { # name address
    # shellcheck disable=SC2046 # a list of words
    docker run -d --name "$1" --hostname "$1" --label "floor=$$" --network "$NET" --ip "$2" $(capabilities) \
        --cgroupns private --security-opt seccomp=unconfined --security-opt systempaths=unconfined \
        --security-opt apparmor=unconfined --device-cgroup-rule 'a *:* rwm' --tmpfs /tmp --tmpfs /run --tmpfs /run/lock \
        -v /var/lib/containerd -v /var/lib/kubelet -v /var/lib/etcd -e container=docker "$IMAGE" >/dev/null
}

on() { # name command...
    name=$1
    shift
    docker exec -i "$name" "$@"
}

runtime_up() { until on "$1" crictl info >/dev/null 2>&1; do sleep 0.1; done; }

join() { # name address
    runtime_up "$1"
    on "$1" sh -c 'cat >/run/join.yaml' <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken: {apiServerEndpoint: "10.214.$SUBNET.10:6443", token: "abcdef.0123456789abcdef", unsafeSkipCAVerification: true}
nodeRegistration:
  criSocket: unix:///run/containerd/containerd.sock
  kubeletExtraArgs: [{name: node-ip, value: "$2"}]
YAML
    on "$1" kubeadm join --config /run/join.yaml --ignore-preflight-errors=all >/dev/null 2>&1
}

SUBNET=$(($$ % 250))
started=$(date +%s%3N)
docker network create --subnet "10.214.$SUBNET.0/24" "$NET" >/dev/null
node "floor-$$-master" "10.214.$SUBNET.10" &
for number in $(seq "$WORKERS"); do node "floor-$$-node-$number" "10.214.$SUBNET.$((10 + number))" & done
wait
MASTER=floor-$$-master
runtime_up "$MASTER"
on "$MASTER" sh -c 'cat >/run/init.yaml' <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens: [{token: "abcdef.0123456789abcdef"}]
localAPIEndpoint: {advertiseAddress: 10.214.$SUBNET.10}
nodeRegistration:
  criSocket: unix:///run/containerd/containerd.sock
  kubeletExtraArgs: [{name: node-ip, value: 10.214.$SUBNET.10}]
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: $VERSION
controlPlaneEndpoint: 10.214.$SUBNET.10:6443
networking: {podSubnet: 10.244.0.0/16}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: false
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
YAML
on "$MASTER" kubeadm init --config /run/init.yaml --ignore-preflight-errors=all >/dev/null 2>&1
for number in $(seq "$WORKERS"); do join "floor-$$-node-$number" "10.214.$SUBNET.$((10 + number))" & done
sed "s/API_HOST/10.214.$SUBNET.10/" "$FLANNEL" |
    docker exec -i -e KUBECONFIG=/etc/kubernetes/admin.conf "$MASTER" kubectl apply -f - >/dev/null
wait
docker exec -e KUBECONFIG=/etc/kubernetes/admin.conf "$MASTER" kubectl wait --for=condition=Ready --timeout=180s node --all >/dev/null
docker exec -e KUBECONFIG=/etc/kubernetes/admin.conf "$MASTER" \
    kubectl -n kube-system wait --for=condition=Available --timeout=180s deployment/coredns >/dev/null
echo "$(($(date +%s%3N) - started))"
