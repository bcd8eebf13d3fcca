//! Which image is meant, and when it is fetched. Pure.

use oxwhisk_core::image::{ImageName, ImageNameError};

/// What an operator says about images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRules {
    /// Registry of runtime images whose name has none.
    pub runtimes_registry: String,
    /// Registry of users' images whose name has none.
    pub user_images_registry: String,
    /// Users' images with `local_prefix` are on the machine and not fetched first.
    pub bypass_pull_for_local_images: bool,
    pub local_prefix: String,
    /// When a user's image with a tag other than `latest` is fetched.
    pub tagged: TaggedPull,
}

/// `latest` moves, other tags name a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaggedPull {
    /// Once, and then not again while the machine has it.
    IfAbsent,
    /// As OpenWhisk does: before every start, where a failure is passed over if the machine has an older copy.
    Always,
}

impl Default for ImageRules {
    fn default() -> Self {
        Self {
            runtimes_registry: String::new(),
            user_images_registry: String::new(),
            bypass_pull_for_local_images: false,
            local_prefix: "whisk".to_owned(),
            tagged: TaggedPull::IfAbsent,
        }
    }
}

/// When an image is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pull {
    /// When the machine does not have it.
    IfAbsent,
    /// Before the start, which goes on with what the machine has if that fails.
    Try,
    /// Before the start, which fails with it.
    Must,
}

/// An image as the daemon is asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// `[registry/][prefix/]name`.
    pub(crate) repository: String,
    pub(crate) tag: String,
    /// As users know it: with its registry, with a tag only if one was named.
    pub(crate) shown: String,
    pub(crate) pull: Pull,
    /// Named by a user, so its faults are the user's.
    pub(crate) by_user: bool,
}

const LATEST: &str = "latest";

impl Image {
    /// # Errors
    /// If `name` is not the name of an image.
    pub(crate) fn resolve(name: &str, by_user: bool, rules: &ImageRules) -> Result<Self, ImageNameError> {
        let name: ImageName = name.parse()?;
        let is_local =
            rules.bypass_pull_for_local_images && name.prefix.as_deref() == Some(&rules.local_prefix);
        let by_user = by_user && !is_local;
        let default = if by_user { &rules.user_images_registry } else { &rules.runtimes_registry };
        let repository = repository(&name, default.trim().trim_end_matches('/'));
        let tag = name.tag.clone().unwrap_or_else(|| LATEST.to_owned());
        let shown = match &name.tag {
            Some(tag) => format!("{repository}:{tag}"),
            None => repository.clone(),
        };
        let pull = match (by_user, tag.as_str(), rules.tagged) {
            (false, _, _) | (true, _, TaggedPull::IfAbsent) if tag != LATEST || !by_user => Pull::IfAbsent,
            (true, LATEST, _) => Pull::Must,
            _ => Pull::Try,
        };
        Ok(Self { repository, tag, shown, pull, by_user })
    }

    /// With its tag; also what names a fetch that several starts wait for.
    pub(crate) fn reference(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    /// The registry's name, if it is not Docker's own.
    pub(crate) fn registry(&self) -> Option<&str> {
        let (first, _) = self.repository.split_once('/')?;
        (first.contains(['.', ':']) || first == "localhost").then_some(first)
    }
}

/// The image's own registry counts more than a configured one.
fn repository(name: &ImageName, default: &str) -> String {
    let registry = name.registry.as_deref().filter(|registry| !registry.is_empty()).unwrap_or(default);
    let parts = [registry, name.prefix.as_deref().unwrap_or_default(), &name.name];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str, by_user: bool, rules: &ImageRules) -> Image {
        Image::resolve(name, by_user, rules).unwrap()
    }

    #[test]
    fn runtimes_are_fetched_only_where_the_machine_lacks_them() {
        let rules = ImageRules { tagged: TaggedPull::Always, ..ImageRules::default() };
        for name in ["openwhisk/action-nodejs-v20:nightly", "openwhisk/x:latest", "x"] {
            let image = image(name, false, &rules);
            assert_eq!((image.pull, image.by_user), (Pull::IfAbsent, false), "{name}");
        }
    }

    #[test]
    fn latest_is_fetched_for_every_start_whether_it_is_written_or_not() {
        for tagged in [TaggedPull::IfAbsent, TaggedPull::Always] {
            let rules = ImageRules { tagged, ..ImageRules::default() };
            for name in ["me/img", "me/img:latest"] {
                assert_eq!(image(name, true, &rules).pull, Pull::Must);
                assert_eq!(image(name, true, &rules).reference(), "me/img:latest");
                assert_eq!(image(name, true, &rules).shown, name);
            }
        }
    }

    #[test]
    fn other_tags_name_a_version() {
        let rules = ImageRules::default();
        assert_eq!(image("me/img:1", true, &rules).pull, Pull::IfAbsent);
        let rules = ImageRules { tagged: TaggedPull::Always, ..rules };
        assert_eq!(image("me/img:1", true, &rules).pull, Pull::Try);
    }

    #[test]
    fn local_images_are_treated_as_runtimes_if_the_operator_says_so() {
        let mut rules = ImageRules::default();
        assert_eq!(image("whisk/mine", true, &rules).pull, Pull::Must);
        rules.bypass_pull_for_local_images = true;
        let local = image("whisk/mine", true, &rules);
        assert_eq!((local.pull, local.by_user), (Pull::IfAbsent, false));
        assert_eq!(image("whisky/mine", true, &rules).pull, Pull::Must);
        assert_eq!(image("whisk", true, &rules).pull, Pull::Must);
    }

    #[test]
    fn a_registry_stands_before_names_that_have_none() {
        let rules = ImageRules {
            runtimes_registry: "runtimes.example.com/".to_owned(),
            user_images_registry: "users.example.com:5000".to_owned(),
            ..ImageRules::default()
        };
        let shown = |name, by_user| image(name, by_user, &rules).shown;
        assert_eq!(shown("openwhisk/n:1", false), "runtimes.example.com/openwhisk/n:1");
        assert_eq!(shown("me/n", true), "users.example.com:5000/me/n");
        assert_eq!(shown("other.example.com/me/n", true), "other.example.com/me/n");
        assert_eq!(image("me/n", true, &rules).registry(), Some("users.example.com:5000"));
        assert_eq!(image("me/n", true, &ImageRules::default()).registry(), None);
        assert!(Image::resolve("Not An Image", true, &rules).is_err());
    }
}
