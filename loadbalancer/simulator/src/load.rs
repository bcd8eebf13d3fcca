//! Work that resembles what platforms report: few actions get most calls, durations spread over orders of magnitude
//! (Shahrad et al., "Serverless in the Wild", 2020).

use std::sync::Arc;

use oxwhisk_core::id::Revision;
use oxwhisk_core::name::{EntityName, FullyQualifiedName, NameError};
use oxwhisk_invoker_api::offers::WorkKey;
use rand::Rng;
use rand::rngs::StdRng;

use crate::Job;

/// An action that a namespace calls.
///
/// # Errors
/// When a name is none.
pub fn key(namespace: &str, action: &str, memory: u64, slots: u32) -> Result<Arc<WorkKey>, NameError> {
    let namespace = EntityName::new(namespace)?;
    let action = FullyQualifiedName::parse(&format!("{namespace}/{action}"), &namespace)?;
    let (revision, kind) = (Revision("1-a".to_owned()), "nodejs:20".to_owned());
    Ok(Arc::new(WorkKey { namespace, action, revision, kind, blackbox: false, memory, slots }))
}

#[derive(Clone, Copy, Debug)]
pub struct LoadSettings {
    pub jobs: usize,
    pub actions: usize,
    /// Share of the fleet's memory that the work needs on average.
    pub load: f64,
    /// Megabytes of the whole fleet.
    pub memory: u64,
    pub controllers: usize,
}

struct Action {
    key: Arc<WorkKey>,
    /// Mean duration in microseconds.
    mean: f64,
}

/// Jobs in the order of their arrival.
///
/// # Errors
/// When a name is none, which its making rules out.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "random numbers of the simulation"
)]
pub fn jobs(settings: LoadSettings, rng: &mut StdRng) -> Result<Vec<Job>, NameError> {
    let actions = actions(settings.actions, rng)?;
    // Zipf with exponent 1: the action of rank r is called 1/r as often as the first.
    let weights: Vec<f64> = (1..=actions.len()).map(|rank| 1.0 / rank as f64).collect();
    let all: f64 = weights.iter().sum();
    let work: f64 = actions
        .iter()
        .zip(&weights)
        .map(|(action, w)| w / all * action.mean * action.key.memory as f64)
        .sum();
    let gap = work / (settings.memory as f64 * settings.load);
    let mut sums = Vec::with_capacity(weights.len());
    let mut sum = 0.0;
    for weight in &weights {
        sum += weight / all;
        sums.push(sum);
    }
    let mut at = 0.0;
    let mut jobs = Vec::with_capacity(settings.jobs);
    for _ in 0..settings.jobs {
        at += exponential(gap, rng);
        let drawn: f64 = rng.random();
        let action = &actions[sums.partition_point(|sum| *sum < drawn).min(actions.len() - 1)];
        jobs.push(Job {
            key: Arc::clone(&action.key),
            arrives: at as u64,
            runs: exponential(action.mean, rng) as u64 + 200,
            controller: rng.random_range(0..settings.controllers),
        });
    }
    Ok(jobs)
}

fn actions(count: usize, rng: &mut StdRng) -> Result<Vec<Action>, NameError> {
    let action = |number: usize| {
        let memory = [128, 256, 256, 512][rng.random_range(0..4)];
        // From a millisecond to ten seconds, evenly by order of magnitude.
        let mean = 10_f64.powf(rng.random_range(3.0..7.0));
        let namespace = format!("ns{}", number % 50);
        Ok(Action { key: key(&namespace, &format!("action{number}"), memory, 1)?, mean })
    };
    (0..count).map(action).collect()
}

fn exponential(mean: f64, rng: &mut StdRng) -> f64 {
    -mean * (1.0 - rng.random::<f64>()).ln()
}
