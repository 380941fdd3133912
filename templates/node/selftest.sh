# CRIU on this kernel, for real: a process that counts is dumped, is gone, is restored and counts on.

probe() { :; }

counting() { [ "$(wc -l <count)" -gt "$1" ]; }

apply() {
    # Builtins alone: a child that comes and goes while CRIU walks the tree would make this test fail by chance.
    cat >counter.sh <<'SH'
i=0
while :; do
    i=$((i + 1))
    echo $i >>count
done
SH
    : >count
    mkdir images
    setsid sh counter.sh </dev/null >/dev/null 2>&1 &
    counter=$!
    trap 'kill $counter 2>/dev/null || true' EXIT
    wait_for 10 "the process to count" counting 2
    criu dump --tree $counter --images-dir images --log-file dump.log --manage-cgroups=ignore ||
        { grep Error images/dump.log && return 1; }
    stopped_at=$(wc -l <count)
    criu restore --images-dir images --log-file restore.log --restore-detached --manage-cgroups=ignore ||
        { grep Error images/restore.log && return 1; }
    wait_for 10 "the restored process to count on" counting "$stopped_at"
}

verify() { :; }
