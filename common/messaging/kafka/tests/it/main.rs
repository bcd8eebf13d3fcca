//! The bus against a real Kafka. Run through `scripts/with-services.sh kafka -- cargo test -p oxwhisk-kafka`.

mod broker;
mod chunks;
mod conformance;
mod faults;
mod fixture;
mod groups;
mod lane_death;
mod lanes;
mod security;
mod start;
