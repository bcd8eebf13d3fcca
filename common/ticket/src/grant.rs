//! The form of a grant in bytes: one for its presence, which stands alone where there is none; one each for scope, tier and
//! rights; one that says which members of the budget are there, and
//! what is decided when it is used up; then those.

use oxwhisk_core::cache::{CacheBudget, CacheGrant, CacheRights, CacheScope, CacheTier};

use crate::TicketError;
use crate::claims::Reader;

/// In the order of their codes.
const SCOPES: [CacheScope; 3] = [CacheScope::Action, CacheScope::Package, CacheScope::Namespace];
const TIERS: [CacheTier; 2] = [CacheTier::Local, CacheTier::Global];
const RIGHTS: [CacheRights; 2] = [CacheRights::Read, CacheRights::Write];
/// Members of a budget.
const MEMBERS: usize = 5;
/// Behind them, whether it is said what becomes of a full cache, and what.
const SAYS: u8 = 1 << MEMBERS;
const REFUSES: u8 = SAYS << 1;

pub(crate) fn encode(grant: Option<&CacheGrant>, bytes: &mut Vec<u8>) {
    let Some(CacheGrant { scope, tier, rights, budget }) = grant else {
        bytes.push(0);
        return;
    };
    bytes.push(1);
    bytes.push(match scope {
        CacheScope::Action => 1,
        CacheScope::Package => 2,
        CacheScope::Namespace => 3,
    });
    bytes.push(match tier {
        CacheTier::Local => 1,
        CacheTier::Global => 2,
    });
    bytes.push(match rights {
        CacheRights::Read => 1,
        CacheRights::Write => 2,
    });
    let members = members(budget);
    let present = |(place, member): (usize, &Option<u64>)| u8::from(member.is_some()) << place;
    let when_full = match budget.refuse_when_full {
        None => 0,
        Some(false) => SAYS,
        Some(true) => SAYS | REFUSES,
    };
    bytes.push(members.iter().enumerate().map(present).sum::<u8>() | when_full);
    members.into_iter().flatten().for_each(|member| bytes.extend(member.to_be_bytes()));
}

pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Option<CacheGrant>, TicketError> {
    match reader.array()? {
        [0] => return Ok(None),
        [1] => {}
        _ => return Err(TicketError::Malformed),
    }
    let [scope, tier, rights, present] = reader.array()?;
    let refuse_when_full = match present & !(SAYS - 1) {
        0 => None,
        SAYS => Some(false),
        both if both == SAYS | REFUSES => Some(true),
        _ => return Err(TicketError::Malformed),
    };
    let mut member = |place: u8| match present >> place & 1 {
        0 => Ok(None),
        _ => reader.array().map(|bytes| Some(u64::from_be_bytes(bytes))),
    };
    let budget = CacheBudget {
        bytes: member(0)?,
        keys: member(1)?,
        value_bytes: member(2)?,
        operations_per_second: member(3)?,
        connections: member(4)?,
        refuse_when_full,
    };
    let (scope, tier, rights) = (named(&SCOPES, scope)?, named(&TIERS, tier)?, named(&RIGHTS, rights)?);
    Ok(Some(CacheGrant { scope, tier, rights, budget }))
}

/// In the order of their places.
fn members(budget: &CacheBudget) -> [Option<u64>; MEMBERS] {
    let CacheBudget { bytes, keys, value_bytes, operations_per_second, connections, .. } = *budget;
    [bytes, keys, value_bytes, operations_per_second, connections]
}

/// Codes count from 1.
fn named<T: Copy>(all: &[T], code: u8) -> Result<T, TicketError> {
    let place = usize::from(code).checked_sub(1).ok_or(TicketError::Malformed)?;
    all.get(place).copied().ok_or(TicketError::Malformed)
}
