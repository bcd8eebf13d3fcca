//! A tile server as four actions that differ in their cache, before a store that is slow to answer: what each cache is worth.

mod duration;
mod figures;
mod histogram;
mod host;
mod image;
mod outside;
mod plot;
mod random;
mod record;
mod replay;
mod report;
mod requests;
mod scenario;
mod store;

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;

use crate::Cli;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Tiles {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: scenario::Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Percentiles and a histogram of results in Markdown, and a plot.
    Report {
        /// Results of `tiles`.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Where to write the plot.
        #[arg(long)]
        svg: Option<PathBuf>,
    },
    /// The store alone, for a machine of its own.
    Store(store::ServeOptions),
    /// The requests that a seed makes, a tile a line.
    Requests {
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long, default_value_t = 2200)]
        count: usize,
    },
}

impl Tiles {
    /// Whether rows of a measurement are what is printed.
    pub(crate) fn measures(&self) -> bool {
        self.command.is_none()
    }

    pub(crate) fn run(&self, cli: &Cli) -> anyhow::Result<()> {
        match &self.command {
            None => scenario::run(cli, &self.options),
            Some(Command::Store(options)) => store::serve(options),
            Some(Command::Requests { seed, count }) => {
                for tile in requests::generate(*seed, *count) {
                    println!("{tile}");
                }
                Ok(())
            }
            Some(Command::Report { files, svg }) => {
                let mut lines = Vec::new();
                for file in files {
                    let text =
                        fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
                    lines.extend(record::parse(&text).with_context(|| format!("{}", file.display()))?);
                }
                let report = report::Report::new(lines);
                print!("{}", report.markdown());
                if let Some(path) = svg {
                    fs::write(path, report.svg()).with_context(|| format!("write {}", path.display()))?;
                }
                Ok(())
            }
        }
    }
}
