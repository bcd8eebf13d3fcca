//! Which partition a message goes to.

/// The hash of Kafka's own clients (murmur2 with their seed), so that other tools find the same partition for a key.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        rest.iter().enumerate().for_each(|(n, byte)| hash ^= u32::from(*byte) << (8 * n));
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// The partition of a key, of `count`.
#[must_use]
pub fn of_key(key: &str, count: u32) -> u32 {
    (murmur2(key.as_bytes()) & 0x7fff_ffff) % count.max(1)
}

/// The two partitions of a route, of `count`; the same one twice only where there is but one.
#[must_use]
pub fn of_route(route: &str, count: u32) -> [u32; 2] {
    let first = of_key(route, count);
    let step = 1 + of_key(&format!("{route}\0"), count.saturating_sub(1));
    [first, (first + step) % count.max(1)]
}

/// What producers believe of the lengths of a topic's partitions: what was found at the last look, and what was produced
/// since.
#[derive(Clone, Debug, Default)]
pub struct Lengths(Vec<u64>);

impl Lengths {
    /// They were found to be these.
    pub fn found(&mut self, lengths: Vec<u64>) {
        self.0 = lengths;
    }

    fn of(&self, partition: u32) -> u64 {
        self.0.get(partition as usize).copied().unwrap_or(0)
    }

    /// The shorter one of the two partitions of a route, for one more message.
    pub fn choose(&mut self, route: &str, count: u32) -> u32 {
        let [first, second] = of_route(route, count);
        let chosen = if self.of(second) < self.of(first) { second } else { first };
        let index = chosen as usize;
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        self.0[index] += 1;
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of Kafka's own tests (`UtilsTest.testMurmur2`).
    #[test]
    fn hashes_are_those_of_kafka() {
        let vectors: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (text, hash) in vectors {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
    }

    #[test]
    fn a_route_has_two_partitions_where_there_are_two() {
        for n in 0..1000 {
            let route = format!("namespace-{n}");
            for count in 2..70 {
                let [first, second] = of_route(&route, count);
                assert!(first != second && first < count && second < count, "{route}, {count}");
            }
            assert_eq!(of_route(&route, 1), [0, 0]);
        }
    }

    #[test]
    fn the_shorter_partition_is_taken() {
        let [first, second] = of_route("guest", 64);
        let mut lengths = Lengths::default();
        let chosen: Vec<u32> = (0..4).map(|_| lengths.choose("guest", 64)).collect();
        assert_eq!(chosen, [first, second, first, second]);
        let mut found = vec![0; 64];
        found[first as usize] = 3;
        lengths.found(found);
        let chosen: Vec<u32> = (0..5).map(|_| lengths.choose("guest", 64)).collect();
        assert_eq!(chosen, [second, second, second, first, second]);
    }
}
