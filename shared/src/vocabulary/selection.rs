//! A selection: which volumes a policy is about.

use std::collections::BTreeMap;

use super::inventory::Tags;

/// Which volumes a policy is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Whether `tags` speaks of instances or of volumes.
    pub resource: Resource,
    /// All of these must match.
    pub tags: TagMatch,
    /// Any of these, on the instance or on the volume, takes the volume out.
    pub exclude_tags: TagMatch,
    /// Takes the volume out that its instance boots from.
    pub exclude_boot_volumes: bool,
}

/// What is looked at to find volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Every EBS volume attached to a matching instance, running or stopped.
    Instance,
    /// Matching volumes.
    Volume(AttachmentState),
}

/// Which volumes a selection of volumes takes, by EC2's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentState {
    /// Attached or not.
    Any,
    /// Attached: EC2's state `in-use`.
    InUse,
    /// Not attached: EC2's state `available`.
    Available,
}

/// Tag key → allowed values. OR inside a key, AND between keys; an empty list means "has the key".
/// Values are literal: `*` and `?` stand for themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagMatch(pub BTreeMap<String, Vec<String>>);

impl TagMatch {
    /// Whether `tags` has every key with an allowed value. An empty match matches everything.
    pub fn all(&self, tags: &Tags) -> bool {
        self.0.iter().all(|(key, values)| matches(tags, key, values))
    }

    /// The first key that `tags` has with a listed value. An empty match finds nothing.
    pub fn any<'a>(&'a self, tags: &Tags) -> Option<&'a str> {
        let found = self.0.iter().find(|(key, values)| matches(tags, key, values));
        found.map(|(key, _)| key.as_str())
    }
}

fn matches(tags: &Tags, key: &str, values: &[String]) -> bool {
    tags.get(key).is_some_and(|value| values.is_empty() || values.contains(value))
}
