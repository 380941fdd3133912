# On a control plane: asks the kubelet of NODE at ADDRESS to checkpoint a container. The API server's own client
# certificate may do that (RBAC clouder:checkpoint). ./certificate is what the kubelet shows, read over the pinned SSH.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
authority=certificate
[ -s "$authority" ] || authority=/etc/kubernetes/pki/ca.crt
code=0
curl --silent --show-error --noproxy '*' --request POST --output body.txt --write-out '%{http_code}' \
    --max-time "$((TIMEOUT + 10))" \
    --cert /etc/kubernetes/pki/apiserver-kubelet-client.crt --key /etc/kubernetes/pki/apiserver-kubelet-client.key \
    --cacert "$authority" --resolve "$NODE:10250:$ADDRESS" \
    "https://$NODE:10250/checkpoint/$NAMESPACE/$POD/$CONTAINER?timeout=$TIMEOUT" >status.txt 2>error.txt || code=$?
say code "$code"
give status <status.txt
give error <error.txt
if [ -e body.txt ]; then give body <body.txt; fi
