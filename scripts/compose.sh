#!/bin/sh
# Checks compose.yaml and what it mounts, as far as this machine can: `docker compose config` where that is there, the
# references within it with Python's YAML, certificates with openssl, nginx's configuration with nginx. What cannot be
# checked is said as `skipped: what: why`.
set -eu

cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
PATH="$PATH:/usr/sbin:/sbin"

skip() { echo "skipped: compose: $1: $2"; }

check_with_compose() {
    if docker compose version >/dev/null 2>&1; then
        docker compose --file compose.yaml config --quiet
    else
        skip 'docker compose config' 'docker compose is not installed'
    fi
}

check_references() {
    if ! python3 -c 'import yaml' 2>/dev/null; then
        skip references 'Python has no yaml (Debian package python3-yaml)'
        return
    fi
    python3 - <<'PYTHON'
import os, sys, yaml

file = yaml.safe_load(open("compose.yaml"))
services, faults = file["services"], []

def known(what, name, among):
    if name not in among:
        faults.append(f"{what}: there is no '{name}'")

for name, service in services.items():
    if "image" not in service:
        faults.append(f"{name}: has no image")
    for other, how in service.get("depends_on", {}).items():
        known(name, other, services)
        if how["condition"] == "service_healthy" and "healthcheck" not in services.get(other, {}):
            faults.append(f"{name}: waits for the health of '{other}', which has no check")
    for network in service.get("networks", []):
        known(name, network, file["networks"])
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("./"):
            if not os.path.isfile(source):
                faults.append(f"{name}: there is no file {source}")
        elif not source.startswith("/"):
            known(name, source, file["volumes"])
    for variable, value in service.get("environment", {}).items():
        if not isinstance(value, str):
            faults.append(f"{name}: {variable} is not a text")
# Each of ours has a certificate of its own and shares it with nobody but the one who makes it.
for volume in (name for name in file["volumes"] if name.endswith("-tls")):
    users = [name for name, service in services.items() if any(v.split(":")[0] == volume for v in service.get("volumes", []))]
    if [user for user in users if user not in ("certificates", volume[: -len("-tls")])]:
        faults.append(f"{volume} is mounted by {users}")
for fault in faults:
    print(f"compose.yaml: {fault}", file=sys.stderr)
sys.exit(1 if faults else 0)
PYTHON
}

check_nginx() {
    for program in nginx openssl; do
        command -v "$program" >/dev/null 2>&1 || { skip nginx.conf "$program is not installed"; return; }
    done
    scripts/cluster/certificates.sh "$scratch/tls" nginx/nginx=nginx,localhost kafka/kafka=kafka
    openssl verify -CAfile "$scratch/tls/nginx-nginx/ca.crt" "$scratch/tls/nginx-nginx/tls.crt" "$scratch/tls/kafka-kafka/tls.crt" >/dev/null
    # Names of other containers mean nothing here, and folders of the machine's nginx are its own.
    temporary=$(for name in client_body proxy fastcgi uwsgi scgi; do printf '%s_temp_path %s; ' "$name" "$scratch/$name"; done)
    sed -e "s|^http {|http { $temporary|" -e "s|/tls/|$scratch/tls/nginx-nginx/|" -e 's|controller[0-9]:|127.0.0.1:|' -e "s|^pid .*|pid $scratch/pid;|" \
        scripts/compose/nginx.conf >"$scratch/nginx.conf"
    nginx -t -q -p "$scratch" -c "$scratch/nginx.conf" -e "$scratch/log"
}

check_with_compose
check_references
check_nginx
for script in scripts/compose/*.sh; do sh -n "$script"; done
echo 'compose.yaml: ok'
