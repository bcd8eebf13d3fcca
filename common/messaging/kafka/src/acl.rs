//! What each role must be permitted on a Kafka that checks permissions (`StandardAuthorizer`).

use oxwhisk_messaging::{Channel, Topic};

use crate::config::Role;
use crate::names::Names;

/// One permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    pub resource: Resource,
    /// Kafka's names of what is permitted; `Write` and `Read` include `Describe`.
    pub operations: &'static [&'static str],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    Topics(Vec<String>),
    /// All consumer groups whose names begin so.
    GroupsWithPrefix(String),
}

/// The permissions of a role. An invoker node runs strangers' code, so it is assumed to be taken over one day: it may
/// add records, heartbeats and user events, and read nothing.
#[must_use]
pub fn needed(role: Role, names: &Names) -> Vec<Acl> {
    let channel = |channel| names.channel(channel);
    match role {
        Role::Invoker => {
            let topics =
                vec![names.topic(Topic::Completed), channel(Channel::Health), channel(Channel::Events)];
            vec![Acl { resource: Resource::Topics(topics), operations: &["Write"] }]
        }
        Role::Controller => {
            let mut topics: Vec<String> = Topic::ALL.map(|topic| names.topic(topic)).into();
            topics.extend([channel(Channel::Health), channel(Channel::CacheInvalidation)]);
            let groups = Resource::GroupsWithPrefix(names.group_prefix().to_owned());
            vec![
                Acl {
                    resource: Resource::Topics(topics),
                    operations: &["Create", "DescribeConfigs", "Read", "Write"],
                },
                Acl {
                    resource: Resource::Topics(vec![channel(Channel::Events)]),
                    operations: &["Create", "DescribeConfigs", "Write"],
                },
                Acl { resource: groups, operations: &["Read"] },
            ]
        }
    }
}

impl Acl {
    /// The arguments of Kafka's own `kafka-acls.sh` that grant it to a principal, `User:name`.
    #[must_use]
    pub fn arguments(&self, principal: &str) -> Vec<String> {
        let mut arguments = vec!["--add".to_owned(), "--allow-principal".to_owned(), principal.to_owned()];
        for operation in self.operations {
            arguments.extend(["--operation".to_owned(), (*operation).to_owned()]);
        }
        match &self.resource {
            Resource::Topics(topics) => {
                for topic in topics {
                    arguments.extend(["--topic".to_owned(), topic.clone()]);
                }
            }
            Resource::GroupsWithPrefix(prefix) if prefix.is_empty() => {
                arguments.extend(["--group".to_owned(), "*".to_owned()]);
            }
            Resource::GroupsWithPrefix(prefix) => {
                let prefixed = ["--resource-pattern-type", "prefixed", "--group", prefix];
                arguments.extend(prefixed.map(str::to_owned));
            }
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoker_may_write_three_topics_and_nothing_else() {
        let needed = needed(Role::Invoker, &Names::new("p.", ""));
        let [acl] = needed.as_slice() else { panic!("{needed:?}") };
        assert_eq!(
            acl.arguments("User:invoker").join(" "),
            "--add --allow-principal User:invoker --operation Write --topic p.completed --topic p.health --topic events"
        );
    }

    #[test]
    fn a_controller_reads_with_groups_of_its_prefix() {
        let arguments =
            |prefix| needed(Role::Controller, &Names::new(prefix, "")).pop().unwrap().arguments("User:c");
        assert_eq!(
            arguments("p.")[3..].join(" "),
            "--operation Read --resource-pattern-type prefixed --group p."
        );
        assert_eq!(arguments("")[3..].join(" "), "--operation Read --group *");
    }
}
