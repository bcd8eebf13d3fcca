//! What a message costs on the embedded bus: a record on the caller's thread, and a durable message.
//!
//! `cargo run --release -p oxwhisk-messaging --example bus_rate -- [records] [durable messages]`

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oxwhisk_messaging::embedded::{EmbeddedBus, EmbeddedOptions};
use oxwhisk_messaging::{Bus, Event, Message, Topic};

/// Callers that wait for their durable messages at the same time.
const CALLERS: usize = 64;

const PAYLOAD: usize = 900;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let records: usize = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let messages: usize = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let directory = tempfile::tempdir_in(".")?;
    let bus: Arc<dyn Bus> = Arc::new(EmbeddedBus::open(directory.path(), &EmbeddedOptions::default())?);
    for topic in [Topic::Completed, Topic::Activations] {
        let bus = Arc::clone(&bus);
        tokio::spawn(async move { consume(&*bus, topic).await });
    }
    spool(&bus, records).await?;
    durable(&bus, messages).await?;
    bus.close().await;
    Ok(())
}

fn report(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

/// Completes everything in groups, until the bus is closed.
async fn consume(bus: &dyn Bus, topic: Topic) {
    let Ok(mut subscription) = bus.subscribe(topic).await else { return };
    let completer = subscription.completer();
    while let Ok(event) = subscription.next(500).await {
        let Event::Messages(deliveries) = event else { continue };
        let ids: Vec<_> = deliveries.iter().map(|delivery| delivery.id).collect();
        if completer.complete(&ids).await.is_err() {
            return;
        }
    }
}

/// One record at a time, each timed.
async fn spool(bus: &Arc<dyn Bus>, records: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut times = Vec::with_capacity(records);
    let began = Instant::now();
    for n in 0..records {
        let payload = vec![b'x'; PAYLOAD];
        let key = n.to_string();
        let start = Instant::now();
        let receipt = bus.produce_now(Topic::Completed, &key, payload)?;
        times.push(start.elapsed());
        assert!(receipt.is_durable());
        if n % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let rate = records as f64 / began.elapsed().as_secs_f64();
    report(&format!("records: {rate:.0}/s from one thread, {}", percentiles(&mut times)))?;
    Ok(())
}

/// Many callers, each waiting for the disk.
async fn durable(bus: &Arc<dyn Bus>, messages: usize) -> Result<(), Box<dyn std::error::Error>> {
    let began = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let bus = Arc::clone(bus);
            tokio::spawn(async move {
                let mut times = Vec::new();
                for n in 0..messages / CALLERS {
                    let message = Message::new(format!("{caller}-{n}"), vec![b'x'; PAYLOAD]);
                    let start = Instant::now();
                    bus.produce(Topic::Activations, message).await?;
                    times.push(start.elapsed());
                }
                Ok::<_, oxwhisk_messaging::BusError>(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await??);
    }
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    report(&format!("durable messages: {rate:.0}/s from {CALLERS} callers, {}", percentiles(&mut times)))?;
    Ok(())
}

fn percentiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    format!("median {:?}, 99% {:?}, 99.9% {:?}", at(0.5), at(0.99), at(0.999))
}
