# A Docker daemon of the cluster's own, with this project's images of runtimes, for OXWHISK_CLUSTER_CONTAINERS=docker. Read by
# cluster.sh, which sets `dir`, `here`, `binaries`, `containers`, and reads cluster/configure.sh.
# shellcheck shell=sh disable=SC2154

# Nothing can be fetched by it: what containers are made of is built here.
start_docker() {
    say 'starting Docker and building the images of runtimes'
    start_service docker
    host=$(printed docker OXWHISK_TEST_DOCKER)
    BINARIES=$binaries BASE=$(printed docker OXWHISK_TEST_DOCKER_BASE) ENGINE_ARGS="--host $host" REPOSITORY=oxwhisk TAG=cluster \
        "$here/images.sh" nodejs python native >"$dir/logs/images.log" 2>&1 ||
        fail "the images of runtimes cannot be built: $(tail -n 1 "$dir/logs/images.log")"
    # By this name wsk asks for native actions.
    docker --host "$host" tag oxwhisk/native:cluster openwhisk/dockerskeleton:latest
    docker_manifest >"$dir/conf/runtimes.json"
}

# The kinds that everybody knows, in the images that are here.
docker_manifest() {
    sed -e 's|"name": "action-nodejs-[^"]*", "tag": "[^"]*"|"name": "nodejs", "tag": "cluster"|' \
        -e 's|"name": "action-python-[^"]*", "tag": "[^"]*"|"name": "python", "tag": "cluster"|' \
        -e '/"tag": "cluster"/s|"prefix": "openwhisk"|"prefix": "oxwhisk"|' "$here/../common/settings/runtimes.json"
}

# Of controllers and invokers; without it they have the built-in manifest.
configure_runtimes() { [ "$containers" = sandbox ] || echo "runtimes-manifest-file = \"$dir/conf/runtimes.json\""; }

# Containers reach this machine by the bridge.
listen_for_docker() { [ "$containers" = sandbox ] || echo "listen $(printed docker OXWHISK_TEST_DOCKER_GATEWAY):$(port_of plain);"; }

configure_docker() {
    cat <<TOML
docker.host = "$(printed docker OXWHISK_TEST_DOCKER)"
[whisk.config]
whisk-api-host-proto = "http"
whisk-api-host-name = "$(printed docker OXWHISK_TEST_DOCKER_GATEWAY)"
whisk-api-host-port = $(port_of plain)
TOML
}
