//! One controller and one invoker: the real code, and what the simulation keeps beside it.

use std::collections::HashMap;

use oxwhisk_core::id::InvokerId;
use oxwhisk_invoker_api::offers::OfferBook;
use oxwhisk_loadbalancer::balancer::Balancer;

use crate::ContainerPool;

/// A controller.
#[derive(Debug)]
pub struct Controller {
    pub balancer: Balancer<usize>,
    /// Invokers still to be asked, by job.
    pub(crate) probing: HashMap<usize, Vec<InvokerId>>,
    pub(crate) alive: bool,
}

#[derive(Debug)]
pub(crate) struct Invoker {
    pub(crate) book: OfferBook<usize>,
    pub(crate) pool: ContainerPool,
}
