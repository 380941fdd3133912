# On a control plane: makes the pod in ./pod.json (when CREATE is yes) and follows it for TIMEOUT seconds. Gives the
# state: ready, failed or waiting; and what is there when it is not ready. The caller asks again while it is waiting,
# so that no run holds this host for long.
set -eu
# shellcheck source=/dev/null
. ./lib.sh
if [ "$CREATE" = yes ]; then kubectl create -f pod.json >/dev/null; fi
result=0
follow || result=$?
case $result in
    0) say state ready ;;
    1) say state failed ;;
    *) say state waiting ;;
esac
if [ "$result" != 0 ]; then give_pod "$POD"; fi
