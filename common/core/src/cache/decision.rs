//! What a controller decides of what was asked for.

use super::{CacheAnnotation, CacheBudget, CacheDefault, CacheGrant, CacheRights, CacheScope, CacheWish};
use crate::name::EntityName;

/// Whether an activation may use the cache, as its controller decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheUse {
    /// What it may have, or why it has nothing of it, for its author: what was asked for cannot be understood, or is not
    /// given.
    pub grant: Result<CacheGrant, String>,
    /// Without the cache it does not run.
    pub required: bool,
}

/// What the invoking namespace has of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheTerms {
    /// For actions that say nothing themselves.
    pub default: CacheDefault,
    pub budget: CacheBudget,
}

/// Whose code it is, as the namespace sees it that invokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeOwner<'a> {
    Itself,
    /// Another namespace. Its code asks for what it likes and does not decide whose keys it sees: that is for the annotation
    /// of the binding that it is invoked through, [`CacheAnnotation::Absent`] without one.
    Another {
        binding: &'a CacheAnnotation,
    },
}

/// The most that may be granted.
struct Most {
    scope: CacheScope,
    rights: CacheRights,
}

impl CacheUse {
    /// `None`: neither asked for nor given unasked.
    #[must_use]
    pub fn decide(asked: &CacheAnnotation, owner: CodeOwner<'_>, terms: &CacheTerms) -> Option<Self> {
        let wish = match asked {
            CacheAnnotation::Absent => CacheWish { scope: terms.default.scope()?, ..CacheWish::default() },
            CacheAnnotation::Declined => return None,
            CacheAnnotation::Wanted(wish) => *wish,
            CacheAnnotation::Malformed { reason, required } => {
                return Some(Self { grant: Err(reason.clone()), required: *required });
            }
        };
        if owner.declines() && !wish.required {
            return None;
        }
        let grant = owner.most().map(|most| CacheGrant {
            scope: wish.scope.min(most.scope),
            tier: wish.tier,
            rights: wish.rights.min(most.rights),
            budget: terms.budget,
        });
        Some(Self { grant, required: wish.required })
    }

    /// What is granted, if anything is.
    #[must_use]
    pub fn granted(&self) -> Option<CacheGrant> {
        self.grant.as_ref().ok().copied()
    }
}

impl<'a> CodeOwner<'a> {
    /// Of code in the namespace `owner`, invoked by `caller` through a binding with the annotation `binding`.
    #[must_use]
    pub fn of(owner: &EntityName, caller: &EntityName, binding: &'a CacheAnnotation) -> Self {
        if owner == caller { Self::Itself } else { Self::Another { binding } }
    }

    const fn declines(self) -> bool {
        matches!(self, Self::Another { binding: CacheAnnotation::Declined })
    }

    /// # Errors
    /// A text for whoever has made the binding, which gives nothing.
    fn most(self) -> Result<Most, String> {
        let binding = match self {
            Self::Itself => return Ok(Most { scope: CacheScope::Namespace, rights: CacheRights::Write }),
            Self::Another { binding } => binding,
        };
        match binding {
            CacheAnnotation::Absent => Ok(Most { scope: CacheScope::Action, rights: CacheRights::Write }),
            CacheAnnotation::Wanted(given) => Ok(Most { scope: given.scope, rights: given.rights }),
            CacheAnnotation::Declined => Err("the annotation 'cache' of the binding is false".to_owned()),
            CacheAnnotation::Malformed { reason, .. } => Err(format!("of the binding: {reason}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: CacheTerms = CacheTerms {
        default: CacheDefault::Nothing,
        budget: CacheBudget {
            bytes: Some(7),
            keys: None,
            value_bytes: None,
            operations_per_second: None,
            connections: None,
            refuse_when_full: None,
        },
    };

    fn wanted(scope: CacheScope, rights: CacheRights) -> CacheAnnotation {
        CacheAnnotation::Wanted(CacheWish { scope, rights, ..CacheWish::default() })
    }

    fn malformed(required: bool) -> CacheAnnotation {
        CacheAnnotation::Malformed { reason: "no".to_owned(), required }
    }

    /// Scope and rights that another namespace's code gets.
    fn foreign(asked: &CacheAnnotation, binding: &CacheAnnotation) -> (CacheScope, CacheRights) {
        let used = CacheUse::decide(asked, CodeOwner::Another { binding }, &TERMS).expect("asked for");
        let grant = used.grant.expect("granted");
        (grant.scope, grant.rights)
    }

    #[test]
    fn what_is_asked_for_is_granted_within_the_budget() {
        let wish = CacheWish {
            scope: CacheScope::Namespace,
            tier: crate::cache::CacheTier::Global,
            rights: CacheRights::Read,
            required: true,
        };
        let used = CacheUse::decide(&CacheAnnotation::Wanted(wish), CodeOwner::Itself, &TERMS).unwrap();
        let grant =
            CacheGrant { scope: wish.scope, tier: wish.tier, rights: wish.rights, budget: TERMS.budget };
        assert_eq!(used, CacheUse { grant: Ok(grant), required: true });
    }

    #[test]
    fn a_default_is_for_those_that_say_nothing() {
        let decide = |asked: &CacheAnnotation, default| {
            CacheUse::decide(asked, CodeOwner::Itself, &CacheTerms { default, ..TERMS })
        };
        let package = CacheDefault::Scope(CacheScope::Package);
        let scope = |used: Option<CacheUse>| used.map(|used| used.grant.map(|grant| grant.scope));
        assert_eq!(decide(&CacheAnnotation::Absent, CacheDefault::Nothing), None);
        assert_eq!(scope(decide(&CacheAnnotation::Absent, package)), Some(Ok(CacheScope::Package)));
        assert_eq!(decide(&CacheAnnotation::Declined, package), None);
        let asked = wanted(CacheScope::Action, CacheRights::Write);
        assert_eq!(scope(decide(&asked, package)), Some(Ok(CacheScope::Action)));
    }

    #[test]
    fn what_cannot_be_understood_grants_nothing_and_says_why() {
        for required in [false, true] {
            let used = CacheUse::decide(&malformed(required), CodeOwner::Itself, &TERMS);
            assert_eq!(used, Some(CacheUse { grant: Err("no".to_owned()), required }));
        }
    }

    #[test]
    fn the_code_of_others_is_held_to_its_own_action_unless_the_binding_gives_more() {
        use CacheRights::{Read, Write};
        use CacheScope::{Action, Namespace, Package};
        let absent = CacheAnnotation::Absent;
        for (asked, binding, expected) in [
            (wanted(Namespace, Write), absent.clone(), (Action, Write)),
            (wanted(Package, Read), absent.clone(), (Action, Read)),
            (wanted(Namespace, Write), wanted(Package, Write), (Package, Write)),
            (wanted(Namespace, Write), wanted(Namespace, Read), (Namespace, Read)),
            (wanted(Package, Write), wanted(Namespace, Write), (Package, Write)),
            // A binding gives leave, and makes nobody have more than it asks for.
            (wanted(Action, Write), wanted(Namespace, Write), (Action, Write)),
        ] {
            assert_eq!(foreign(&asked, &binding), expected, "{asked:?} by {binding:?}");
        }
        let terms = CacheTerms { default: CacheDefault::Scope(Namespace), ..TERMS };
        let unasked = CacheUse::decide(&absent, CodeOwner::Another { binding: &absent }, &terms);
        assert_eq!(unasked.unwrap().grant.unwrap().scope, Action);
    }

    #[test]
    fn code_is_its_namespaces_own_or_anothers() {
        let [me, other] = ["me", "other"].map(|name| EntityName::new(name).unwrap());
        let binding = wanted(CacheScope::Package, CacheRights::Read);
        assert_eq!(CodeOwner::of(&me, &me, &binding), CodeOwner::Itself);
        assert_eq!(CodeOwner::of(&other, &me, &binding), CodeOwner::Another { binding: &binding });
    }

    #[test]
    fn a_binding_may_give_nothing() {
        let required = CacheAnnotation::Wanted(CacheWish { required: true, ..CacheWish::default() });
        let by = |asked: &CacheAnnotation, binding: &CacheAnnotation| {
            CacheUse::decide(asked, CodeOwner::Another { binding }, &TERMS)
        };
        let asked = wanted(CacheScope::Action, CacheRights::Write);
        assert_eq!(by(&asked, &CacheAnnotation::Declined), None);
        let refused = by(&required, &CacheAnnotation::Declined).unwrap();
        assert_eq!(refused.grant, Err("the annotation 'cache' of the binding is false".to_owned()));
        assert_eq!(by(&asked, &malformed(true)).unwrap().grant, Err("of the binding: no".to_owned()));
        // Of the binding's annotation that says nothing about whether the action can do without.
        assert!(!by(&asked, &malformed(true)).unwrap().required);
    }
}
