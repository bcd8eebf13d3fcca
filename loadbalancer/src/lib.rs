//! Which invoker runs an activation: pure decisions over a view of the fleet.
