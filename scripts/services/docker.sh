#!/bin/sh
# A Docker daemon of its own for tests; see with-services.sh for how it is called. It shares nothing with a daemon of the
# machine: own data, state, socket, bridge. It touches no firewall rules, so its containers are reached from the machine
# by their address, and reach nothing beyond it.
#
# Prints OXWHISK_TEST_DOCKER, the address of its socket; OXWHISK_TEST_DOCKER_BASE, an image of Debian with Node.js and
# Python; OXWHISK_TEST_DOCKER_GATEWAY, by which containers reach this machine; and OXWHISK_TEST_DOCKER_DIR. `start` again after the daemon was killed starts it again on the same data. With
# OXWHISK_DOCKER_NO_BASE set there is no image.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$(dirname "$here")")
usage='usage: docker.sh start|stop DIR'
action=${1:?$usage}
dir=${2:?$usage}
PATH="$PATH:/usr/sbin:/sbin"
base=oxwhisk-test/base:bookworm
base_file=$root/.cache/docker/bookworm-runtimes.tar
socket=$dir/docker.sock
# Names of interfaces have at most 15 characters.
bridge=oxw$(printf '%s' "$dir" | cksum | cut -d ' ' -f 1)

cannot() {
    echo "$1" >&2
    exit 77
}

client() { docker --host "unix://$socket" "$@"; }

# One that was killed may wait for its parent a while.
runs() { grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$1/status"; }

alive() { [ -s "$dir/dockerd.pid" ] && runs "$(cat "$dir/dockerd.pid")"; }

check_machine() {
    [ "$(id -u)" -eq 0 ] || cannot 'a Docker daemon needs root'
    for program in dockerd docker containerd runc ip; do
        command -v "$program" >/dev/null 2>&1 ||
            cannot "$program is not installed (Debian packages docker.io and iproute2)"
    done
}

# An unused /24: that of no route.
make_bridge() {
    ip link show "$bridge" >/dev/null 2>&1 && return
    # With an address of its own: else it has the lowest of its ports, and whenever that changes, containers talk to the old one
    # for up to a minute.
    mac=$(printf '%s' "$dir" | cksum | awk '{ printf "02:42:%02x:%02x:%02x:%02x", $1 / 16777216, $1 / 65536 % 256, $1 / 256 % 256, $1 % 256 }')
    ip link add name "$bridge" address "$mac" type bridge || cannot 'cannot make a network bridge'
    third=$(printf '%s' "$dir" | cksum | awk '{ print $1 % 250 + 1 }')
    tries=0
    while ip -4 route show | grep -q "^10\.213\.$third\."; do
        third=$((third % 250 + 1))
        tries=$((tries + 1))
        [ "$tries" -lt 250 ] || cannot 'no free network for the bridge'
    done
    ip address add "10.213.$third.1/24" dev "$bridge"
    ip link set "$bridge" up
}

# Its own address on the bridge.
gateway() { ip -4 -oneline address show dev "$bridge" | sed -n 's|.* inet \([0-9.]*\)/.*|\1|p'; }

# Under vfs every container is a copy of its image, so it is the last resort.
storage_drivers='overlay2 vfs'

start_with() {
    # What a daemon that was killed has left is ended with it, but not always before the next one looks for it.
    for process in $(processes_of_dir); do
        case $(cat "/proc/$process/comm" 2>/dev/null) in
        containerd)
            kill -9 "$process" 2>/dev/null || true
            wait_for_end "$process" || true
            ;;
        esac
    done
    rm -f "$dir/dockerd.pid" "$dir/exec/containerd/containerd.pid"
    dockerd --config-file="$dir/daemon.json" --data-root="$dir/data" --exec-root="$dir/exec" --pidfile="$dir/dockerd.pid" \
        --host="unix://$socket" --bridge="$bridge" --iptables=false --ip6tables=false --ip-masq=false \
        --ip-forward=false --userland-proxy=false --live-restore --storage-driver="$1" \
        >>"$dir/dockerd.log" 2>&1 </dev/null &
    process=$!
    tries=0
    until client version >/dev/null 2>&1; do
        tries=$((tries + 1))
        if ! kill -0 "$process" 2>/dev/null || [ "$tries" -gt 300 ]; then
            kill -9 "$process" 2>/dev/null || true
            return 1
        fi
        sleep 0.1
    done
}

start_daemon() {
    [ -f "$dir/daemon.json" ] || printf '{}\n' >"$dir/daemon.json"
    if [ -f "$dir/driver" ]; then
        start_with "$(cat "$dir/driver")" || cannot "dockerd does not start again: $(tail -n 1 "$dir/dockerd.log")"
        return
    fi
    for driver in $storage_drivers; do
        if start_with "$driver"; then
            printf '%s' "$driver" >"$dir/driver"
            return
        fi
        rm -rf "$dir/data"
    done
    cannot "dockerd does not start here: $(tail -n 1 "$dir/dockerd.log")"
}

start() {
    check_machine
    mkdir -p "$dir"
    make_bridge
    if ! client version >/dev/null 2>&1; then
        # On its way out, if it is there at all.
        ! alive || wait_for_end "$(cat "$dir/dockerd.pid")"
        start_daemon
    fi
    echo "OXWHISK_TEST_DOCKER=unix://$socket"
    echo "OXWHISK_TEST_DOCKER_DIR=$dir"
    echo "OXWHISK_TEST_DOCKER_GATEWAY=$(gateway)"
    if [ -z "${OXWHISK_DOCKER_NO_BASE:-}" ]; then
        "$root/scripts/docker-base.sh" "$base_file" nodejs python3-minimal libpython3-stdlib
        if ! client image inspect "$base" >/dev/null 2>&1; then
            # In a chroot, for one, whose root is no mount.
            problem=$(client import "$base_file" "$base" 2>&1 >/dev/null) || cannot "dockerd takes no image here: $problem"
        fi
        echo "OXWHISK_TEST_DOCKER_BASE=$base"
    fi
}


wait_for_end() {
    tries=0
    while runs "$1"; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || kill -9 "$1" 2>/dev/null || true
        [ "$tries" -lt 250 ] || return 1
        sleep 0.1
    done
}

stop() {
    if alive; then
        containers=$(client ps --all --quiet 2>/dev/null || true)
        if [ -n "$containers" ]; then
            for container in $(client ps --quiet --filter status=paused); do client unpause "$container" >/dev/null; done
            # shellcheck disable=SC2086 # a list of words
            client rm --force --volumes $containers >/dev/null || true
        fi
        daemon=$(cat "$dir/dockerd.pid")
        kill "$daemon"
        wait_for_end "$daemon"
    fi
    # With live-restore, containerd, what holds the containers, and they themselves outlive a daemon that was killed.
    for process in $(processes_of_dir); do
        for each in $(descendants "$process"); do end "$each"; done
    done
    unmount_all
    ip link delete "$bridge" 2>/dev/null || true
    rm -rf "$dir/data" "$dir/exec"
}

# A process and everything below it.
descendants() {
    printf '%s ' "$1"
    cat /proc/"$1"/task/*/children 2>/dev/null | tr ' ' '\n' | while read -r child; do descendants "$child"; done
}

# Also if it is frozen.
end() {
    group=$(sed -n 's/^[0-9]*:freezer://p' "/proc/$1/cgroup" 2>/dev/null) || return 0
    freezer=/sys/fs/cgroup/freezer$group/freezer.state
    if [ -w "$freezer" ]; then echo THAWED >"$freezer"; fi
    kill -9 "$1" 2>/dev/null || true
}

# Processes that were started with a path in the directory.
processes_of_dir() {
    for cmdline in /proc/[0-9]*/cmdline; do
        process=${cmdline#/proc/}
        process=${process%/cmdline}
        [ "$process" != $$ ] || continue
        name=$(cat "/proc/$process/comm" 2>/dev/null) || continue
        case $name in
        dockerd | containerd | containerd-shim*) ;;
        *) continue ;;
        esac
        if tr '\0' '\n' <"$cmdline" 2>/dev/null | grep -qF "$dir/"; then echo "$process"; fi
    done
}

unmount_all() {
    awk -v dir="$dir/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r point; do umount --lazy "$point" 2>/dev/null || true; done
}

case $action in
start) start ;;
stop) stop ;;
*)
    echo "$usage" >&2
    exit 64
    ;;
esac
