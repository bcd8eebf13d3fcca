//! The real balancer and offer code over a simulated fleet: discrete events, one seed, the same course each time.
//!
//! Real: placement, the fleet's health, the waiting line, wants, offers. Simulated: messages (random delay, in order on
//! each stream), containers (a cold start takes time, idle ones are evicted in the order of their last use), and the work.

pub mod load;
mod node;
mod pool;
mod settings;
mod summary;
mod world;

pub use node::Controller;
pub use pool::ContainerPool;
pub use settings::{Job, Settings};
pub use summary::{Ended, Summary};
pub use world::World;
