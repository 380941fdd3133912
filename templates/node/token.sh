# A join token for the nodes that join now; it lives for 15 minutes and goes when they have joined. A node that was
# made again under its old name is forgotten first, else kubeadm refuses the name.

probe() { false; }

apply() {
    xargs -r kubectl delete node --ignore-not-found --wait=false <joining
    kubeadm token create --ttl 15m --description clouder --print-join-command >printed
    sed -n 's/.*--token \([^ ]*\).*/\1/p' printed | tr -d '\n' >out/token
    sed -n 's/.*--discovery-token-ca-cert-hash \([^ ]*\).*/\1/p' printed | tr -d '\n' >out/ca-hash
    rm printed
}

verify() { [ -s out/token ] && [ -s out/ca-hash ]; }
