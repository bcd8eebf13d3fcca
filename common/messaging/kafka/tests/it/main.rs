//! The bus against a real Kafka. Run through `scripts/with-services.sh kafka -- cargo test -p oxwhisk-kafka`.

mod conformance;
mod fixture;
