//! "did you mean": the known name that is closest to a mistyped one.

/// The candidate most like `name`, if it is like enough to be a typo of it.
pub(crate) fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(name, candidate);
    let most = (name.chars().count() / 5).clamp(2, 5);
    candidates
        .into_iter()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_key_and_a_stranger_finds_none() {
        let keys = ["whisk.time-limit.max", "whisk.time-limit.min", "whisk.memory.max"];
        assert_eq!(closest("whisk.time-limt.max", keys), Some("whisk.time-limit.max"));
        assert_eq!(closest("whisk.timelimit.mni", keys), Some("whisk.time-limit.min"));
        assert_eq!(closest("no_such_key", keys), None);
    }
}
