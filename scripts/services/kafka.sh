#!/bin/sh
# Apache Kafka: one node, broker and controller (KRaft), 256 MB of heap.
#
#     kafka.sh start DIR [LISTENER-PORTS]   starts it with all its files in DIR and prints what its users must know
#     kafka.sh stop DIR                     stops it; its data stays
#     kafka.sh kill DIR                     as a crash would
#     kafka.sh acls DIR ARGUMENT...         Kafka's own kafka-acls, as the super user
#     kafka.sh read DIR TOPIC               prints what is on a topic, from its beginning, until it is stopped
#
# Started again in the same DIR it has the same data, ports, certificates and passwords. Listeners, all on 127.0.0.1, in
# the order of LISTENER-PORTS (four numbers, free ones by default):
#   plain text, where everybody is a super user: for tests that are not about permissions;
#   TLS with SASL/SCRAM-SHA-512, users admin (super user), controller and invoker, and ACLs;
#   TLS with client certificates, principal = common name, and ACLs;
#   the controller's own.
# Jars come from Maven Central, once, into .cache/kafka (or OXWHISK_CACHE/kafka).
set -eu

VERSION=4.1.0
here=$(cd "$(dirname "$0")" && pwd)
cache=${OXWHISK_CACHE:-$here/../../.cache}/kafka
jars=$cache/$VERSION
USERS='admin controller invoker'

usage() {
    echo 'usage: kafka.sh start DIR [PORTS] | stop DIR | kill DIR | acls DIR ARGUMENT... | read DIR TOPIC' >&2
    exit 64
}

unavailable() {
    echo "$1" >&2
    exit 77
}

# Jars

fetch() {
    [ ! -e "$jars/.complete" ] || return 0
    command -v mvn >/dev/null 2>&1 || unavailable 'no mvn on PATH to fetch it with (Debian package: maven)'
    mkdir -p "$cache"
    # Two runs at once must not fetch into the same folder.
    fetching=$(mktemp -d "$cache/fetching.XXXXXX")
    cat >"$fetching/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>oxwhisk</groupId><artifactId>kafka-for-tests</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$VERSION</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$VERSION</version>
      <exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
XML
    if ! mvn -B -q -f "$fetching/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$fetching/jars" >"$fetching/mvn.log" 2>&1; then
        reason=$(grep -m 1 ERROR "$fetching/mvn.log" || echo 'mvn failed')
        rm -rf "$fetching"
        unavailable "Kafka $VERSION cannot be fetched: $reason"
    fi
    touch "$fetching/jars/.complete"
    # Whoever comes second finds it done.
    [ -e "$jars/.complete" ] || mv "$fetching/jars" "$jars" 2>/dev/null || [ -e "$jars/.complete" ]
    rm -rf "$fetching"
}

java_options="-XX:+UseSerialGC -XX:TieredStopAtLevel=${OXWHISK_KAFKA_TIERS:-1} -Xshare:auto -Djava.awt.headless=true"

# Instead of this shell.
exec_java() {
    # shellcheck disable=SC2086 # a list of options
    exec java $java_options -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*" "$@"
}

run_java() { (exec_java "$@"); }

# Ports

is_taken() {
    hex=$(printf '%04X' "$1")
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ":$hex 0*:0000 0A"
}

# A port below those that the kernel gives to clients, from the process id and the clock: other runs choose others.
free_ports() {
    candidate=$((10000 + ($$ * 37 + $(date +%s) * 11 + $1 * 101) % 20000))
    found=
    for _ in 1 2 3 4; do
        candidate=$((candidate + 1))
        while is_taken "$candidate"; do candidate=$((candidate + 1)); done
        found="$found $candidate"
    done
    echo "$found"
}

# Certificates: an authority, the server's for 127.0.0.1 and localhost, and one for a client called "tls-client".

certificate() {
    openssl req -newkey rsa:2048 -nodes -keyout "$2.key" -out "$2.csr" -subj "/CN=$1" >/dev/null 2>&1
    openssl x509 -req -in "$2.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -out "$2.pem" \
        -extfile "$3" >/dev/null 2>&1
    # What Kafka reads is one file: key and certificate.
    cat "$2.key" "$2.pem" >"$2.both.pem"
}

make_certificates() {
    mkdir -p tls
    (
        cd tls
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3650 \
            -subj '/CN=Kafka for tests' >/dev/null 2>&1
        printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n' >server.ext
        printf 'extendedKeyUsage=clientAuth\n' >client.ext
        certificate localhost server server.ext
        certificate tls-client client client.ext
        chmod 600 ./*.key ./*.both.pem
    )
}

secret() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# A random UUID as Kafka writes them, which no option parser takes for an option.
cluster_id() { printf 'x%s' "$(head -c 30 /dev/urandom | base64 | tr -d '+/=\n' | cut -c1-20)Q"; }

configure() {
    read -r plain sasl tls controller <ports
    cat >server.properties <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$plain,SASL_SSL://127.0.0.1:$sasl,SSL://127.0.0.1:$tls,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$plain,SASL_SSL://127.0.0.1:$sasl,SSL://127.0.0.1:$tls
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$dir/data

ssl.keystore.type=PEM
ssl.keystore.location=$dir/tls/server.both.pem
ssl.truststore.type=PEM
ssl.truststore.location=$dir/tls/ca.pem
listener.name.ssl.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*\$/\$1/,DEFAULT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;

authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:admin
allow.everyone.if.no.acl.found=false

auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=4
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=8388608
log.index.size.max.bytes=1048576
log.segment.bytes=67108864
PROPERTIES
}

prepare() {
    command -v openssl >/dev/null 2>&1 || unavailable 'no openssl on PATH (Debian package: openssl)'
    make_certificates
    for user in $USERS; do secret >"$user.password"; done
    echo "${1:-$(free_ports 0)}" >ports
    configure
    scram=
    for user in $USERS; do
        scram="$scram --add-scram SCRAM-SHA-512=[name=$user,password=$(cat "$user.password")]"
    done
    # shellcheck disable=SC2086 # a list of options
    run_java kafka.tools.StorageTool format -t "$(cluster_id)" -c server.properties $scram >format.log 2>&1 || {
        cat format.log >&2
        exit 1
    }
    touch prepared
}

is_running() { [ -e "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; }

# Starts the broker and waits until it serves. Fails when it ends instead.
launch() {
    # Every partition has some files open.
    ulimit -n "$(ulimit -H -n)" 2>/dev/null || true
    log=$dir/kafka.log
    : >"$log"
    # shellcheck disable=SC2086 # a list of options
    setsid java -Xms64m -Xmx256m $java_options \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true \
        -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info \
        -Dorg.slf4j.simpleLogger.log.org.apache.kafka.server.KafkaRaftServer=info \
        -cp "$jars/*" kafka.Kafka server.properties >"$log" 2>&1 </dev/null &
    echo $! >pid
    waited=0
    while ! grep -q 'Kafka Server started' "$log"; do
        is_running || return 1
        waited=$((waited + 1))
        if [ "$waited" -gt 1200 ]; then
            stop
            echo 'Kafka was not ready within 2 minutes' >&2
            return 1
        fi
        sleep 0.1
    done
}

start() {
    command -v java >/dev/null 2>&1 || unavailable 'no java on PATH (Debian package: openjdk-17-jre-headless)'
    fetch
    mkdir -p "$dir"
    cd "$dir"
    is_running && {
        echo "Kafka runs in $dir already" >&2
        exit 1
    }
    fresh=
    if [ ! -e prepared ]; then
        prepare "${1:-}"
        fresh=yes
    fi
    attempt=0
    until launch; do
        attempt=$((attempt + 1))
        # Another program may have taken a port between the choice and the start; only new data can move to others.
        if [ -n "$fresh" ] && [ -z "${1:-}" ] && [ "$attempt" -lt 4 ] && grep -q BindException kafka.log; then
            free_ports "$attempt" >ports
            configure
        else
            tail -n 30 kafka.log >&2
            exit 1
        fi
    done
    read -r plain sasl tls _ <ports
    cat <<ENVIRONMENT
OXWHISK_TEST_KAFKA=127.0.0.1:$plain
OXWHISK_TEST_KAFKA_SASL=127.0.0.1:$sasl
OXWHISK_TEST_KAFKA_TLS=127.0.0.1:$tls
OXWHISK_TEST_KAFKA_CA=$dir/tls/ca.pem
OXWHISK_TEST_KAFKA_DIR=$dir
ENVIRONMENT
    for user in $USERS; do
        printf 'OXWHISK_TEST_KAFKA_%s_PASSWORD=%s\n' "$(printf '%s' "$user" | tr '[:lower:]' '[:upper:]')" \
            "$(cat "$user.password")"
    done
}

# TERM, and after ten seconds KILL.
stop() {
    is_running || return 0
    kill "$(cat "$dir/pid")" 2>/dev/null || true
    waited=0
    while is_running && [ "$waited" -lt 100 ]; do
        waited=$((waited + 1))
        sleep 0.1
    done
    if is_running; then kill -9 "$(cat "$dir/pid")" 2>/dev/null || true; fi
    rm -f "$dir/pid"
}

crash() {
    is_running || return 0
    kill -9 "$(cat "$dir/pid")"
    while is_running; do sleep 0.05; done
    rm -f "$dir/pid"
}

[ $# -ge 2 ] || usage
command=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
shift 2
case $command in
start) start "${1:-}" ;;
stop) stop ;;
kill) crash ;;
acls)
    read -r plain _ <"$dir/ports"
    run_java org.apache.kafka.tools.AclCommand --bootstrap-server "127.0.0.1:$plain" "$@"
    ;;
read)
    [ $# -eq 1 ] || usage
    read -r plain _ <"$dir/ports"
    # So that whoever stops this process stops the reader.
    exec_java org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "127.0.0.1:$plain" \
        --topic "$1" --from-beginning
    ;;
*) usage ;;
esac
