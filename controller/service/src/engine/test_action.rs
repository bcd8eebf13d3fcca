//! The action that shows whether an invoker that was in trouble can run something again.

use std::sync::Arc;
use std::time::Instant;

use oxwhisk_core::id::InvokerId;
use oxwhisk_invoker_remote::client::Outgoing;
use oxwhisk_loadbalancer::fleet::{Outcome, test_action};

use super::Core;
use super::state::State;
use super::step::Due;

impl Core {
    /// Has an invoker run it, beside the dispatcher: nobody waits for it and no record is kept.
    pub(super) fn test(self: &Arc<Self>, state: &State, invoker: InvokerId) {
        if !state.talks.contains_key(&invoker) {
            return;
        }
        let this = Arc::clone(self);
        self.spawn(async move {
            if let Err(error) = this.send_test(invoker).await {
                tracing::warn!(%invoker, error, "an invoker cannot be tested");
                this.tested(invoker, Outcome::SystemError);
            }
        });
    }

    async fn send_test(self: &Arc<Self>, invoker: InvokerId) -> Result<(), String> {
        let admissions = self.admissions.get().ok_or("the engine was not started")?;
        let name = test_action::name(&self.config.identity.name).map_err(|error| error.to_string())?;
        let mut dispatch =
            admissions.system_dispatch(&name, test_action::CODE, test_action::TRANSACTION).await?;
        let id = dispatch.activation_id;
        let limit = dispatch.action.limits.timeout;
        let ticket = self.ticket(&dispatch, invoker, limit).map_err(|error| error.to_string())?;
        dispatch.ticket = Some(ticket.clone());
        {
            let mut state = self.state();
            state.tests.insert(id, invoker);
            state.send(invoker, Outgoing::Dispatch(Box::new(dispatch), ticket, None));
        }
        let patience = std::time::Duration::from_millis(limit) + self.config.ticket_slack;
        let this = Arc::clone(self);
        self.spawn(async move {
            let waited = this.closed.run_until_cancelled(tokio::time::sleep(patience)).await;
            let is_unanswered = waited.is_some() && this.state().tests.remove(&id).is_some();
            if is_unanswered {
                this.tested(invoker, Outcome::Timeout);
            }
        });
        Ok(())
    }

    pub(super) fn tested(self: &Arc<Self>, invoker: InvokerId, outcome: Outcome) {
        let mut state = self.state();
        let effects = state.balancer.tested(invoker, outcome, Instant::now());
        let mut due = Due::new();
        self.balance(&mut state, effects, &mut due);
        self.handle_all(&mut state, due);
    }
}
