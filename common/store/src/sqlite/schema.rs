//! The tables.

use oxwhisk_sqlite::Schema;

pub(super) const ENTITIES: Schema = Schema { steps: &[include_str!("schema/entities-1.sql")] };
pub(super) const ACTIVATIONS: Schema =
    Schema { steps: &[include_str!("schema/activations-1.sql"), include_str!("schema/activations-2.sql")] };
