//! What `INFO` says of a scope: enough for clients that look before they go on, and nothing of the server or of others.

use std::fmt::Write as _;

/// What there is to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) database: u32,
    pub(crate) keys: u64,
    /// Of the namespace, in this tier.
    pub(crate) namespace_bytes: u64,
    pub(crate) namespace_keys: u64,
    pub(crate) namespace_budget: u64,
    /// Of the namespace, at this proxy.
    pub(crate) connections: u64,
    pub(crate) commands: u64,
}

const SECTIONS: [&str; 6] = ["server", "clients", "memory", "persistence", "stats", "keyspace"];
/// Words for all of them.
const ALL: [&str; 3] = ["default", "all", "everything"];

/// In the sections that are asked for, all if there are none.
pub(crate) fn info(sections: &[Vec<u8>], facts: &Facts) -> String {
    let wanted = |section: &str| {
        sections.is_empty()
            || sections.iter().any(|asked| {
                asked.eq_ignore_ascii_case(section.as_bytes())
                    || ALL.iter().any(|all| asked.eq_ignore_ascii_case(all.as_bytes()))
            })
    };
    let mut text = String::new();
    for section in SECTIONS.into_iter().filter(|section| wanted(section)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        // Writing to a string cannot fail.
        let _ = write(&mut text, section, facts);
    }
    text
}

fn write(text: &mut String, section: &str, facts: &Facts) -> std::fmt::Result {
    match section {
        "server" => write!(text, "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n"),
        "clients" => write!(text, "# Clients\r\nconnected_clients:{}\r\n", facts.connections),
        "memory" => write!(
            text,
            "# Memory\r\nused_memory:{}\r\nmaxmemory:{}\r\n",
            facts.namespace_bytes, facts.namespace_budget
        ),
        "persistence" => write!(text, "# Persistence\r\nloading:0\r\n"),
        "stats" => write!(text, "# Stats\r\ntotal_commands_processed:{}\r\n", facts.commands),
        _ => {
            write!(text, "# Keyspace\r\n")?;
            if facts.keys == 0 {
                return Ok(());
            }
            // Everything here has an expiry.
            write!(text, "db{}:keys={},expires={},avg_ttl=0\r\n", facts.database, facts.keys, facts.keys)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_those_that_are_asked_for() {
        let facts = Facts { keys: 3, ..Facts::default() };
        let ask = |sections: &[&str]| {
            info(&sections.iter().map(|section| section.as_bytes().to_vec()).collect::<Vec<_>>(), &facts)
        };
        let all = ask(&[]);
        assert!(all.contains("loading:0\r\n") && all.contains("db0:keys=3,expires=3"));
        assert_eq!(all, ask(&["Everything"]));
        assert_eq!(ask(&["keyspace"]), "# Keyspace\r\ndb0:keys=3,expires=3,avg_ttl=0\r\n");
        assert_eq!(ask(&["replication"]), "");
        assert_eq!(info(&[b"keyspace".to_vec()], &Facts::default()), "# Keyspace\r\n");
    }
}
