#!/bin/sh
# Who may do what with the Kafka of compose.yaml: docs/kafka.md, "Permissions". Doing it again changes nothing.
set -eu

permit() { /opt/kafka/bin/kafka-acls.sh --bootstrap-server localhost:9095 --add "$@"; }

permit --allow-principal User:controller --operation Create --operation DescribeConfigs --operation Read --operation Write \
    --topic oxwhisk.activations --topic oxwhisk.activations.parked --topic oxwhisk.inflight --topic oxwhisk.completed \
    --topic oxwhisk.dead-letters --topic oxwhisk.health --topic oxwhisk.cacheInvalidation
permit --allow-principal User:controller --operation Create --operation DescribeConfigs --operation Write --topic events
permit --allow-principal User:controller --operation Read --resource-pattern-type prefixed --group oxwhisk.
permit --allow-principal User:invoker --operation Write --topic oxwhisk.completed --topic oxwhisk.health --topic events
