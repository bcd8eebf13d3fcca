//! Partitions and offsets in the terms of the Kafka client.

use std::time::Duration;

use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

pub(crate) fn raw(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

pub(crate) fn number(partition: i32) -> u32 {
    u32::try_from(partition).unwrap_or(0)
}

pub(super) fn numbers(partitions: &TopicPartitionList) -> Vec<u32> {
    partitions.elements().iter().map(|element| number(element.partition())).collect()
}

pub(crate) fn list(topic: &str, partitions: &[u32]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(topic, raw(*partition));
    }
    list
}

/// The first or the next offset of partitions.
pub(crate) fn ends<C: ConsumerContext, K: rdkafka::consumer::Consumer<C>>(
    consumer: &K,
    partitions: &TopicPartitionList,
    which: Offset,
    limit: Duration,
) -> KafkaResult<Vec<u64>> {
    let mut asked = partitions.clone();
    asked.set_all_offsets(which)?;
    let found = consumer.offsets_for_times(asked, limit)?;
    let mut ends = Vec::with_capacity(found.count());
    for element in found.elements() {
        element.error()?;
        ends.push(element.offset().to_raw().and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0));
    }
    Ok(ends)
}

/// The first offsets of partitions at a time, in milliseconds since the epoch; `None` where nothing is as new.
pub(crate) fn since<C: ConsumerContext, K: rdkafka::consumer::Consumer<C>>(
    consumer: &K,
    partitions: &TopicPartitionList,
    time: i64,
    limit: Duration,
) -> KafkaResult<Vec<Option<u64>>> {
    let mut asked = partitions.clone();
    asked.set_all_offsets(Offset::Offset(time))?;
    let found = consumer.offsets_for_times(asked, limit)?;
    let mut offsets = Vec::with_capacity(found.count());
    for element in found.elements() {
        element.error()?;
        offsets.push(match element.offset() {
            Offset::Offset(offset) => u64::try_from(offset).ok(),
            _ => None,
        });
    }
    Ok(offsets)
}
