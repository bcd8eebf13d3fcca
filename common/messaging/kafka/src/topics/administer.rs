//! Asking Kafka for its topics, and having them made.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::{Fault, Found, Wanted, as_many, unlike, wanted};
use crate::blocking::blocking;
use crate::config::KafkaConfig;
use crate::error::{self, ConfigError, Meaning, StartError};
use crate::names::Names;
use crate::status::{Context, Status};
use crate::{acl, options};

/// Why the topics are not known to be right.
pub(crate) enum Failure {
    /// It may work later.
    Away(String),
    /// It will not work by waiting.
    Lasting(StartError),
}

impl Failure {
    fn of(config: &KafkaConfig, status: &Status, doing: &str, error: &KafkaError) -> Self {
        match (error::meaning(error), status.refusal()) {
            (Meaning::Refused(reason), _) | (Meaning::Away(_), Some(reason)) => {
                Self::Lasting(StartError::Refused { hosts: config.hosts.clone(), reason })
            }
            (Meaning::Forbidden(reason), _) => Self::Lasting(StartError::Forbidden(format!(
                "{} may not {doing}: {reason}",
                config.security.principal()
            ))),
            (Meaning::Away(reason), None) => {
                let complaint =
                    status.complaint().map(|complaint| format!(" ({complaint})")).unwrap_or_default();
                Self::Away(format!("cannot {doing}: {reason}{complaint}"))
            }
        }
    }
}

struct Cluster {
    brokers: u32,
    /// Partitions and least replicas of the topics that exist.
    topics: HashMap<String, (u32, u32)>,
}

type Admin = Arc<AdminClient<Context>>;

/// Creates the topics that are not there and checks those that are. Returns what is worth a warning.
pub(crate) async fn prepare(config: &KafkaConfig, status: &Arc<Status>) -> Result<Vec<String>, Failure> {
    let admin = admin(config, status)?;
    let cluster = cluster(config, status, &admin).await?;
    let names = Names::of(config);
    let mut wanted = wanted(config, cluster.brokers);
    let counts = cluster.topics.iter().map(|(name, (partitions, _))| (name.clone(), *partitions)).collect();
    as_many(&names, &mut wanted, &counts);
    let missing: Vec<&Wanted> =
        wanted.iter().filter(|topic| !cluster.topics.contains_key(&topic.name)).collect();
    create(config, status, &admin, &missing).await?;
    let existing: Vec<&Wanted> =
        wanted.iter().filter(|topic| cluster.topics.contains_key(&topic.name)).collect();
    let mut topics = found(config, status, &admin, &cluster, &existing).await?;
    let faults = existing.iter().filter_map(|wanted| Some(wanted.faults(topics.get(&wanted.name)?)));
    let mut faults: Vec<Fault> = faults.flatten().collect();
    topics.extend(missing.iter().map(|wanted| (wanted.name.clone(), wanted.as_created())));
    faults.extend(unlike(&names, &topics));
    if !faults.is_empty() {
        return Err(Failure::Lasting(StartError::Topics(faults)));
    }
    status.available();
    let mut warnings = Vec::new();
    if cluster.brokers < 3 {
        warnings.push(format!(
            "Kafka has {} broker(s): with fewer than 3 a message is lost with the disk it is on",
            cluster.brokers
        ));
    }
    Ok(warnings)
}

/// Whether the topics are there that an invoker produces to. It may not ask what they are like.
pub(crate) async fn exist(config: &KafkaConfig, status: &Arc<Status>) -> Result<Vec<String>, Failure> {
    let admin = admin(config, status)?;
    let cluster = cluster(config, status, &admin).await?;
    for acl in acl::needed(config.role, &Names::of(config)) {
        let acl::Resource::Topics(topics) = acl.resource else { continue };
        if let Some(missing) = topics.iter().find(|topic| !cluster.topics.contains_key(*topic)) {
            let principal = config.security.principal();
            return Err(Failure::Away(format!(
                "the topic '{missing}' is not there, or {principal} may not see it; controllers create it"
            )));
        }
    }
    status.available();
    Ok(Vec::new())
}

fn admin(config: &KafkaConfig, status: &Arc<Status>) -> Result<Admin, Failure> {
    let lasting = |error| Failure::Lasting(StartError::Config(error));
    let options = options::admin(config).map_err(lasting)?;
    AdminClient::from_config_and_context(&options, Context(Arc::clone(status)))
        .map(Arc::new)
        .map_err(|error| lasting(ConfigError::Option(error)))
}

async fn cluster(config: &KafkaConfig, status: &Arc<Status>, admin: &Admin) -> Result<Cluster, Failure> {
    let (asking, limit) = (Arc::clone(admin), config.request_timeout);
    let metadata = blocking(move || asking.inner().fetch_metadata(None, limit)).await;
    let metadata = metadata.unwrap_or(Err(KafkaError::Canceled));
    let metadata = metadata.map_err(|error| Failure::of(config, status, "list topics", &error))?;
    let mut topics = HashMap::new();
    for topic in metadata.topics() {
        let unknown = topic.error() == Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
        if !unknown {
            let replicas = topic.partitions().iter().map(|partition| partition.replicas().len()).min();
            let shape = (topic.partitions().len() as u32, replicas.unwrap_or(0) as u32);
            topics.insert(topic.name().to_owned(), shape);
        }
    }
    Ok(Cluster { brokers: metadata.brokers().len() as u32, topics })
}

fn timeouts(limit: Duration) -> AdminOptions {
    AdminOptions::new().request_timeout(Some(limit)).operation_timeout(Some(limit))
}

async fn create(
    config: &KafkaConfig,
    status: &Status,
    admin: &Admin,
    missing: &[&Wanted],
) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    let new: Vec<NewTopic<'_>> = missing.iter().map(|wanted| new_topic(wanted)).collect();
    let created = admin.create_topics(&new, &timeouts(config.request_timeout)).await;
    let created = created.map_err(|error| Failure::of(config, status, "create topics", &error))?;
    for outcome in created {
        match outcome {
            Ok(topic) => tracing::info!(topic, "created a topic on Kafka"),
            // Another controller was quicker; it is checked at the next start.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                let doing = format!("create the topic '{topic}'");
                return Err(Failure::of(config, status, &doing, &KafkaError::AdminOp(code)));
            }
        }
    }
    Ok(())
}

fn new_topic(wanted: &Wanted) -> NewTopic<'_> {
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let replication = TopicReplication::Fixed(number(wanted.replication));
    let topic = NewTopic::new(&wanted.name, number(wanted.partitions), replication);
    wanted.settings.iter().fold(topic, |topic, setting| topic.set(setting.name, &setting.value))
}

/// What the topics are like that exist.
async fn found(
    config: &KafkaConfig,
    status: &Status,
    admin: &Admin,
    cluster: &Cluster,
    existing: &[&Wanted],
) -> Result<HashMap<String, Found>, Failure> {
    if existing.is_empty() {
        return Ok(HashMap::new());
    }
    let asked: Vec<_> = existing.iter().map(|wanted| ResourceSpecifier::Topic(&wanted.name)).collect();
    let described = admin.describe_configs(&asked, &timeouts(config.request_timeout)).await;
    let described =
        described.map_err(|error| Failure::of(config, status, "read settings of topics", &error))?;
    let mut settings: HashMap<String, HashMap<String, String>> = HashMap::new();
    for resource in described {
        let resource = resource.map_err(|code| {
            Failure::of(config, status, "read settings of topics", &KafkaError::AdminOp(code))
        })?;
        if let OwnedResourceSpecifier::Topic(topic) = resource.specifier {
            let entries = resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
            settings.insert(topic, entries.collect());
        }
    }
    let found = existing.iter().map(|wanted| {
        let (partitions, replication) = cluster.topics.get(&wanted.name).copied().unwrap_or_default();
        let settings = settings.remove(&wanted.name).unwrap_or_default();
        (wanted.name.clone(), Found { partitions, replication, settings })
    });
    Ok(found.collect())
}
