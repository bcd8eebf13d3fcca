# Processes of the cluster, each known by its id and by when it began, since ids are given to others in time. Read by
# cluster.sh, which sets `dir`, `patience` and `grace`.
# shellcheck shell=sh disable=SC2154

# When a process began, in ticks since the machine did.
begun() { sed -n 's/^.*) //p' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

# Runs a program in the background as NAME, with its output in logs/NAME.log.
run() {
    name=$1
    shift
    setsid "$@" </dev/null >>"$dir/logs/$name.log" 2>&1 &
    process=$!
    printf '%s %s\n' "$process" "$(begun "$process")" >"$dir/pids/$name"
}

pid_of() { cut -d ' ' -f 1 "$dir/pids/$1" 2>/dev/null; }

is_alive() {
    read -r process since 2>/dev/null <"$dir/pids/$1" || return 1
    [ -n "$since" ] && [ "$(begun "$process")" = "$since" ] && ! grep -q '^State:[[:space:]]*[ZX]' "/proc/$process/status" 2>/dev/null
}

# Names that match a pattern, in the order of the alphabet.
recorded() {
    for file in "$dir"/pids/$1; do
        [ ! -e "$file" ] || basename "$file"
    done
}

# Names of everything that runs, Kafka, CouchDB and Docker too.
running() {
    for each in $(recorded '*'); do
        ! is_alive "$each" || echo "$each"
    done
    for each in kafka couchdb docker; do
        ! kill -0 "$(cat "$dir/$each/pid" "$dir/$each/dockerd.pid" 2>/dev/null || echo none)" 2>/dev/null || echo "$each"
    done
}

# TERM. One that has ended before was killed, or failed: what it made may still be there.
ask_to_stop() {
    [ -e "$dir/pids/$1" ] || return 0
    if is_alive "$1"; then kill "$(pid_of "$1")" 2>/dev/null || true; else touch "$dir/$1.unclean"; fi
}

# Waits for the end; when the grace period is over, KILL.
stopped() {
    waited=0
    while is_alive "$1"; do
        waited=$((waited + 1))
        if [ "$waited" -eq "$grace" ]; then
            say "cluster: $1 does not end and is killed" >&2
            touch "$dir/$1.unclean"
            kill -9 "$(pid_of "$1")" 2>/dev/null || true
        fi
        sleep 0.1
    done
}

# Interfaces, groups, mounts and processes of an invoker that was killed are known to its next start, which removes them.
clean_up_after() {
    [ -e "$dir/$1.unclean" ] || return 0
    run "$1" "$binaries/invoker" --config-file "$dir/conf/$1.toml"
    waited=0
    until is_cleaned_up "$1"; do
        waited=$((waited + 1))
        if ! is_alive "$1" || [ "$waited" -ge "$patience" ]; then
            say "cluster: what $1 left could not be removed: $(tail -n 1 "$dir/logs/$1.log")" >&2
            break
        fi
        sleep 0.1
    done
    ! is_alive "$1" || kill "$(pid_of "$1")" 2>/dev/null || true
    stopped "$1"
}

# Whether its containers are up, whatever else is missing by now.
is_cleaned_up() {
    reasons=$(curl --silent --max-time 2 "http://127.0.0.1:$(port_of "ops-$1")/ready") || return 1
    case $reasons in
    *'"container pool"'*) return 1 ;;
    esac
}

# Waits until a command succeeds. Fails when the process it is about ends, or time is up.
wait_until() {
    name=$1 what=$2
    shift 2
    waited=0
    until "$@"; do
        is_alive "$name" || fail "$name has ended: $(tail -n 1 "$dir/logs/$name.log")"
        waited=$((waited + 1))
        [ "$waited" -lt "$patience" ] || fail "$name in time: $what; $(last_reason "$name")"
        sleep 0.1
    done
}

is_ready() { curl --silent --fail --max-time 2 --output /dev/null "http://127.0.0.1:$1/ready"; }

wait_ready() { wait_until "$1" 'is ready' is_ready "$2"; }

# Why a service says that it is not ready.
last_reason() { curl --silent --max-time 2 "http://127.0.0.1:$(port_of "ops-$1")/ready" 2>/dev/null || echo 'it does not answer'; }
