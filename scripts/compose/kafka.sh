#!/bin/sh
# Kafka of compose.yaml: formats its folder once, then serves.
set -eu

/opt/kafka/bin/kafka-storage.sh format --ignore-formatted --cluster-id 4L6g3nShT-eMCtK--X86sw --config /compose/kafka.properties
exec /opt/kafka/bin/kafka-server-start.sh /compose/kafka.properties
