# The pod network.

probe() { kubectl -n kube-flannel get daemonset kube-flannel-ds; }

apply() { kubectl apply --server-side --force-conflicts --field-manager clouder -f flannel.yaml; }

verify() { probe; }
