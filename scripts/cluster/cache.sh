# The cache of the cluster: beside each invoker a Redis on a unix socket and a cache-proxy before it, and one Redis for all. Read by
# cluster.sh, which sets `dir`, `binaries` and how many of everything there are.
# shellcheck shell=sh disable=SC2154

# What each Redis has for itself; the proxies make room in it before it is full.
redis_memory=128mb

make_cache_secrets() {
    openssl rand -hex 24 >"$dir/keys/redis"
    for n in $(each_invoker); do openssl rand -hex 24 >"$dir/keys/redis$n"; done
}

# Before any of them starts: without a configuration it would take its usual port, and no password.
configure_caches() {
    mkdir -p "$dir/redis"
    {
        echo 'bind 127.0.0.1'
        echo "port $(port_of redis)"
        configure_redis redis
    } >"$dir/conf/redis.conf"
    for n in $(each_invoker); do
        mkdir -p "$dir/redis$n"
        {
            echo 'port 0'
            echo "unixsocket $dir/redis$n/redis.sock"
            echo 'unixsocketperm 700'
            configure_redis "redis$n"
        } >"$dir/conf/redis$n.conf"
        configure_cache_proxy "$n" >"$dir/conf/cache-proxy$n.toml"
    done
}

configure_redis() {
    cat <<CONF
requirepass $(cat "$dir/keys/$1")
dir $dir/$1
maxmemory $redis_memory
maxmemory-policy noeviction
client-output-buffer-limit normal $redis_memory 0 0
save ""
appendonly no
daemonize no
CONF
}

# Clients come from the networks of containers, which are made when their invoker starts: so it listens everywhere.
configure_cache_proxy() {
    cat <<TOML
[oxwhisk.cache]
listen = "0.0.0.0:$(port_of "cache-proxy$1")"
[oxwhisk.cache.redis]
address = "unix:$dir/redis$1/redis.sock"
password-file = "$dir/keys/redis$1"
[oxwhisk.cache.global-redis]
address = "127.0.0.1:$(port_of redis)"
password-file = "$dir/keys/redis"
[oxwhisk.tickets]
cache-proxy-keys-file = "$dir/keys/cache-proxies"
[oxwhisk.grpc]
listen = "unix:$dir/redis$1/tokens.sock"
[oxwhisk.ops]
listen = "127.0.0.1:$(port_of "ops-cache-proxy$1")"
TOML
}

# Of the invoker beside it.
configure_cache() {
    cat <<TOML
[oxwhisk.cache]
proxy = "unix:$dir/redis$1/tokens.sock"
port = $(port_of "cache-proxy$1")
TOML
    [ "$containers" = sandbox ] ||
        echo "url = \"redis://$(printed docker OXWHISK_TEST_DOCKER_GATEWAY):$(port_of "cache-proxy$1")\""
}
