# Every node is Ready, and DNS answers.

probe() {
    kubectl get nodes --no-headers $NODES >nodes.txt
    ! awk '{print $2}' nodes.txt | grep -qvx Ready
    [ "$(kubectl -n kube-system get deployment coredns -o 'jsonpath={.status.conditions[?(@.type=="Available")].status}')" = True ]
}

apply() {
    sed 's|^|node/|' expected | xargs kubectl wait --for=condition=Ready --timeout=180s ||
        { kubectl get nodes -o wide && kubectl get pods -A -o wide && return 1; }
    kubectl -n kube-system wait --for=condition=Available --timeout=180s deployment/coredns ||
        { kubectl get pods -A -o wide && return 1; }
}

verify() { :; }
