# Gives back what the cluster had the cloud make, while the controllers that can unmake it still run: load balancers
# of Services, and the volumes of claims. Terraform knows of neither.

probe() {
    [ -e /etc/kubernetes/admin.conf ] || return 0 # it never came to a cluster
    services=$(load_balancers) || return 1 # an API that does not answer has not said that there is nothing
    claimed=$(claims) || return 1
    made=$(volumes) || return 1
    [ -z "$services$claimed$made" ]
}

load_balancers() {
    kubectl get services -A -o jsonpath='{range .items[?(@.spec.type=="LoadBalancer")]}{.metadata.namespace} {.metadata.name}{"\n"}{end}'
}

claims() { kubectl get persistentvolumeclaims -A -o jsonpath='{range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}'; }

# What is to outlive its claim outlives the cluster too.
volumes() {
    kubectl get persistentvolumes -o jsonpath='{range .items[?(@.spec.persistentVolumeReclaimPolicy=="Delete")]}{.metadata.name}{"\n"}{end}'
}

apply() {
    if probe; then return 0; fi
    kubectl cordon -l kubernetes.io/os=linux # nothing new starts, and asks for a volume again
    load_balancers | while read -r namespace name; do
        kubectl -n "$namespace" delete service "$name" --ignore-not-found --wait=false </dev/null
    done
    kubectl delete statefulsets -A --all --wait=false # they would make their claims anew
    claims | while read -r namespace name; do
        kubectl -n "$namespace" delete persistentvolumeclaim "$name" --ignore-not-found --wait=false </dev/null
    done
    end_users
    wait_for 300 "the cloud to take back load balancers and volumes" probe || { left && return 1; }
}

# A claim goes when no pod that runs holds it.
end_users() {
    kubectl get pods -A -o jsonpath='{range .items[?(@.spec.volumes[*].persistentVolumeClaim)]}{.metadata.namespace} {.metadata.name}{"\n"}{end}' |
        while read -r namespace name; do
            kubectl -n "$namespace" delete pod "$name" --ignore-not-found --wait=false </dev/null
        done
}

left() {
    load_balancers | sed 's/^/service /'
    claims | sed 's/^/claim /'
    kubectl get persistentvolumes --no-headers
}

verify() { :; }
