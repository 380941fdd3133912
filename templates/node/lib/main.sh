# Entry point on a host: does the steps of ./list in order, in the mode of ./mode, and reports in lines that
# begin with the word of ./nonce. Constant: values arrive in <step>/env, rendered files beside it.
set -u
umask 077
MARKERS=${CLOUDER_RUN_DIR:-/var/lib/clouder}/steps # several hosts on one machine have a directory each
mode=$(cat mode) nonce=$(cat nonce)
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 KUBECONFIG=/etc/kubernetes/admin.conf

say() { printf '::%s %s\n' "$nonce" "$*"; }

milliseconds() { date +%s%3N; }

facts() {
    say fact arch "$(uname -m)"
    say fact kernel "$(uname -r)"
    say fact os "$(. /etc/os-release && printf '%s' "${ID:-unknown}-${VERSION_ID:-unknown}")"
    if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then say fact cgroup v2; else say fact cgroup v1; fi
    # CAP_SYS_RESOURCE is bit 24 of the bounding set: without it no process may lower its oom score.
    bounding=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
    if [ $(((0x$bounding >> 24) & 1)) = 1 ]; then say fact sys_resource yes; else say fact sys_resource no; fi
    if systemd-detect-virt --quiet --container; then say fact container yes; else say fact container no; fi
    say fact machine_id "$(cat /etc/machine-id 2>/dev/null)"
    say fact hostname "$(uname -n)"
    device=$(awk '$2 == "00000000" { print $1; exit }' /proc/net/route) # that of the default route
    say fact mac "$(cat "/sys/class/net/$device/address" 2>/dev/null)"
    say fact cpus "$(nproc)"
    say fact memory "$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)" # MiB
    say fact disk "$(df -Pm /var/lib | awk 'NR == 2 { print $4 }')"                     # MiB that are free
    say fact clock "$(date +%s)"
}

probe_step() {
    marker=$(cat "$MARKERS/$1" 2>/dev/null) || marker=-
    if sh run.sh probe "$1" >/dev/null 2>&1; then say probe "$1" passes "$marker"; else say probe "$1" fails "$marker"; fi
}

# The marker is the proof that a step is whole: it is written only after verify, and appears in one piece.
mark() {
    mkdir -p "$MARKERS"
    printf '%s\n' "$2" >"$MARKERS/.$1" && sync "$MARKERS/.$1" && mv "$MARKERS/.$1" "$MARKERS/$1"
}

apply_step() {
    started=$(milliseconds)
    say step "$1" start
    if sh run.sh apply "$1" && sh run.sh verify "$1"; then
        [ "$2" = - ] || mark "$1" "$2" || return 1
        give_out "$1"
        say step "$1" ok $(($(milliseconds) - started))
    else
        code=$?
        say step "$1" failed "$code"
        return "$code"
    fi
}

give_out() {
    for file in "$1"/out/*; do
        [ -f "$file" ] || continue
        base64 -w 2000 "$file" | while read -r piece; do say out "$1" "${file##*/}" "$piece"; done
    done
}

if [ "$mode" = probe ]; then
    # sshd answers before the services are up; a probe that comes too early finds nothing running.
    timeout 60 systemctl is-system-running --wait >/dev/null 2>&1
    facts
fi
while read -r name marker; do
    if [ "$mode" = probe ]; then
        probe_step "$name"
    else
        apply_step "$name" "$marker" </dev/null || exit
    fi
done <list
