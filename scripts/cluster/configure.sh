# Ports, secrets, certificates and configuration files of the cluster. Read by cluster.sh, which sets `dir`,
# `here`, `port`, `memory`, and how many of everything there are.
# shellcheck shell=sh disable=SC2154

# OpenWhisk's published keys.
guest_key=23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP
system_key=789c46b1-71f6-4ed5-8c54-816aa4f8c502:abczO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP

is_taken() {
    hex=$(printf '%04X' "$1")
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ":$hex 0*:0000 0A"
}

port_of() { sed -n "s/^$1 //p" "$dir/ports"; }

# A port for everything that listens on loopback, below those that the kernel gives to clients; other runs choose others.
choose_ports() {
    ! is_taken "$port" || fail "port $port is taken; OXWHISK_CLUSTER_PORT chooses another"
    candidate=$((11000 + ($$ * 31 + $(date +%s) * 7) % 19000))
    names='redis plain'
    for n in $(each_controller); do names="$names controller$n grpc-controller$n ops-controller$n"; done
    for n in $(each_invoker); do
        names="$names grpc-invoker$n ops-invoker$n cache-proxy$n ops-cache-proxy$n"
    done
    for name in $names; do
        candidate=$((candidate + 1))
        while is_taken "$candidate"; do candidate=$((candidate + 1)); done
        echo "$name $candidate"
    done >"$dir/ports"
}

make_secrets() {
    mkdir -p "$dir/keys"
    for ring in controllers cache-proxies; do
        printf '1:%s\n' "$(openssl rand -base64 32)" >"$dir/keys/$ring"
    done
    make_cache_secrets
}

make_certificates() {
    peers=admin/admin
    for n in $(each_controller); do peers="$peers controller/controller$n"; done
    for n in $(each_invoker); do peers="$peers invoker/invoker$n"; done
    # shellcheck disable=SC2086 # a list of words
    "$here/cluster/certificates.sh" "$dir/tls" $peers >"$dir/logs/certificates.log" 2>&1 ||
        fail "certificates cannot be made: $(tail -n 1 "$dir/logs/certificates.log")"
    # For people: what browsers and wsk -i see.
    openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=oxwhisk -keyout "$dir/tls/api.key" -out "$dir/tls/api.crt" \
        -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' >"$dir/logs/certificates.log" 2>&1 ||
        fail "a certificate cannot be made: $(tail -n 1 "$dir/logs/certificates.log")"
}

configure() {
    write_users
    for n in $(each_controller); do configure_controller "$n" >"$dir/conf/controller$n.toml"; done
    for n in $(each_invoker); do configure_invoker "$n" >"$dir/conf/invoker$n.toml"; done
    configure_nginx >"$dir/conf/nginx.conf"
}

# Beside guest and whisk.system.
write_users() {
    if [ -n "${OXWHISK_E2E_USERS:-}" ]; then
        cp "$OXWHISK_E2E_USERS" "$dir/conf/users.json" || fail "the users '$OXWHISK_E2E_USERS' cannot be read"
    else
        echo '[]' >"$dir/conf/users.json"
    fi
}

# What controllers and invokers have alike: peer, its Kafka user, its ports.
configure_common() {
    cat <<TOML
[whisk.kafka]
hosts = "$(printed kafka OXWHISK_TEST_KAFKA_SASL)"
replication-factor = 1
[oxwhisk.kafka]
tls.ca = "$(printed kafka OXWHISK_TEST_KAFKA_CA)"
sasl.username = "$2"
sasl.password-file = "$dir/kafka/$2.password"
[oxwhisk.grpc]
listen = "127.0.0.1:$(port_of "grpc-$1")"
[oxwhisk.grpc.tls]
authority = "$dir/tls/$2-$1/ca.crt"
certificate = "$dir/tls/$2-$1/tls.crt"
key = "$dir/tls/$2-$1/tls.key"
[oxwhisk.ops]
listen = "127.0.0.1:$(port_of "ops-$1")"
TOML
    configure_telemetry
}

# Every trace, where a collector is named; user events, where they are wanted.
configure_telemetry() {
    [ -z "${OXWHISK_CLUSTER_OTLP:-}" ] || cat <<TOML
[oxwhisk.tracing]
endpoint = "$OXWHISK_CLUSTER_OTLP"
sample-rate = 1
TOML
    [ -z "${OXWHISK_CLUSTER_EVENTS:-}" ] || cat <<TOML
[whisk.user-events]
enabled = true
TOML
}

configure_controller() {
    url=$(printed couchdb OXWHISK_TEST_COUCHDB)
    configure_common "controller$1" controller
    cat <<TOML
[oxwhisk]
port = $(port_of "controller$1")
controller.id = $1
users-file = "$dir/conf/users.json"
$(configure_runtimes)
[oxwhisk.tickets]
controller-keys-file = "$dir/keys/controllers"
cache-proxy-keys-file = "$dir/keys/cache-proxies"
[whisk.users]
guest = "$guest_key"
whisk-system = "$system_key"
[whisk.controller]
interface = "127.0.0.1"
[whisk.couchdb]
protocol = "http"
host = "127.0.0.1"
port = ${url##*:}
[oxwhisk.couchdb]
create = true
# Who looks at a list wants to see what has just run; this server takes documents of any size.
activation-lists = "up-to-date"
max-document-size = "64 m"
TOML
}

configure_invoker() {
    configure_common "invoker$1" invoker
    cat <<TOML
[oxwhisk]
invoker.id = $1
container-factory = "$containers"
$(configure_runtimes)
$(configure_"$containers" "$1")
$(configure_cache "$1")
[whisk.container-pool]
user-memory = "$memory"
TOML
}

# The network of sandboxes does not reach this machine's loopback.
configure_sandbox() {
    cat <<TOML
data-dir = "$dir/invoker$1"
sandbox.api-relay = "http://127.0.0.1:$(port_of plain)"
TOML
}

# Whoever calls meets the same controller, which knows best what he has running; for web actions, whose they are.
configure_nginx() {
    upstreams=$(for n in $(each_controller); do echo "        server 127.0.0.1:$(port_of "controller$n");"; done)
    cat <<CONF
user $(id -un);
worker_processes 1;
daemon off;
pid $dir/nginx/pid;
error_log $dir/logs/nginx.log warn;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path $dir/nginx/body;
    proxy_temp_path $dir/nginx/proxy;
    fastcgi_temp_path $dir/nginx/fastcgi;
    uwsgi_temp_path $dir/nginx/uwsgi;
    scgi_temp_path $dir/nginx/scgi;
    map \$uri \$web_namespace {
        default \$remote_addr;
        "~^/api/v1/web/(?<namespace>[^/]+)/" \$namespace;
    }
    map \$http_authorization \$caller {
        default \$http_authorization;
        "" \$web_namespace;
    }
    upstream controllers {
        hash \$caller consistent;
$upstreams
        keepalive 64;
    }
    server {
        listen 127.0.0.1:$port ssl;
        # For actions, by the invokers' relay.
        listen 127.0.0.1:$(port_of plain);
        $(listen_for_docker)
        ssl_certificate $dir/tls/api.crt;
        ssl_certificate_key $dir/tls/api.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        client_max_body_size 64m;
        client_body_buffer_size 1m;
        # Tests put their own locations here.
        include $dir/conf/edge/*.conf;
        location / {
            proxy_pass http://controllers;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host \$http_host;
            proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto \$scheme;
            # Longer than any blocking call.
            proxy_read_timeout 75s;
            proxy_buffer_size 16k;
            proxy_buffers 8 64k;
            proxy_busy_buffers_size 128k;
        }
    }
}
CONF
}

# For the person who started it.
tell() {
    endpoint=127.0.0.1:$(port_of grpc-controller0)
    cat <<TEXT

The cluster is ready.

  API host      https://127.0.0.1:$port   (its certificate is of this cluster's own making: wsk -i, curl -k)
  guest         $guest_key
  whisk.system  $system_key
  logs          $dir/logs/*.log
  admin         wskadmin --endpoint $endpoint --tls-dir $dir/tls/admin-admin invoker list

Point wsk at it:
  wsk property set --apihost https://127.0.0.1:$port --auth $guest_key
  wsk -i action list

The end-to-end tests, on a cluster of their own: scripts/cluster-test.sh

Stop it with: make cluster-down
TEXT
}
