//! The class of an error: what it says about trying again.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an error says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A token bucket is empty, and nothing was executed: the lane slows down, and no attempt is used up.
    Throttle,
    /// A limit that passes by itself, such as the volume's pending snapshots: the job waits outside its lane, and
    /// no attempt is used up.
    Quota,
    /// Nothing was executed, and the next attempt may succeed.
    Transient,
    /// It may have been executed: look again before asking again.
    Ambiguous,
    /// No retry mends it: this volume, or its key, must be changed by a person.
    Permanent,
    /// No retry mends it, and it is not about this volume alone: a permission, a Region, an account, a quota must be
    /// changed by a person. The lane waits until it is.
    Configuration,
    /// What was wanted is so, or the volume is gone.
    AlreadyDone,
    /// The message itself is wrong: it would fail in the same way for ever.
    Poison,
}

impl Class {
    /// All of them, in the order of the manual.
    pub const ALL: [Self; 8] = [
        Self::Throttle,
        Self::Quota,
        Self::Transient,
        Self::Ambiguous,
        Self::Permanent,
        Self::Configuration,
        Self::AlreadyDone,
        Self::Poison,
    ];
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throttle => "throttle",
            Self::Quota => "quota",
            Self::Transient => "transient",
            Self::Ambiguous => "ambiguous",
            Self::Permanent => "permanent",
            Self::Configuration => "configuration",
            Self::AlreadyDone => "already-done",
            Self::Poison => "poison",
        })
    }
}
