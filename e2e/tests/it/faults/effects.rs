//! What actions did to the world: they ask the edge for `/effects/ID`, and it notes each time in a file.

use std::collections::HashMap;
use std::fs;

use nix::sys::signal::Signal;
use oxwhisk_e2e::cluster::Cluster;
use oxwhisk_e2e::wait;

const FILE: &str = "logs/effects";

/// Lets the edge note effects, unless it does already.
#[track_caller]
pub(super) fn listen(cluster: &Cluster) {
    let (edge, file) = (cluster.dir().join("conf/edge"), cluster.dir().join(FILE));
    let location = format!("location /effects/ {{ access_log {}; return 200 'noted'; }}\n", file.display());
    fs::create_dir_all(&edge).expect("a folder");
    let conf = edge.join("effects.conf");
    if !conf.exists() {
        fs::write(conf, location).expect("a configuration of the edge");
        cluster.signal("nginx", Signal::SIGHUP);
    }
    wait::until("the edge notes effects", || {
        let answer = cluster.api().get("/effects/none").try_send().map_err(|error| error.to_string())?;
        if answer.text() == "noted" { Ok(()) } else { Err(format!("{answer:?}")) }
    });
}

/// How often each activation had its effect.
#[track_caller]
pub(super) fn by_activation(cluster: &Cluster) -> HashMap<String, usize> {
    let text = fs::read_to_string(cluster.dir().join(FILE)).expect("the edge's notes");
    let mut counts = HashMap::new();
    for id in text.lines().filter_map(|line| line.split("/effects/").nth(1)?.split(' ').next()) {
        *counts.entry(id.to_owned()).or_default() += 1;
    }
    counts
}
