//! Servers and channels against each other, and against what is neither.

mod certificates;
mod fixture;
mod health;
mod limits;
mod reload;
mod strangers;
mod versions;
