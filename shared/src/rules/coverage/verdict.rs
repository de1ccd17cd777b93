//! A volume's verdict, and what to say of it.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::Begun;

/// What an audit says of a volume that its policy selects, or would select.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A completed snapshot was begun within the RPO.
    Fresh {
        /// When the newest one was begun.
        at: DateTime<Utc>,
    },
    /// A snapshot is under way.
    Pending {
        /// When it was begun.
        since: DateTime<Utc>,
    },
    /// The newest completed snapshot is older than the RPO.
    Stale {
        /// When it was begun.
        newest: DateTime<Utc>,
    },
    /// There is no snapshot.
    Never,
    /// There is no snapshot, and no run had a chance yet to take one.
    New {
        /// When the volume was created.
        created: Option<DateTime<Utc>>,
    },
    /// The newest snapshot ended in `error`, and no completed one is fresh.
    Failed {
        /// When it was begun.
        at: DateTime<Utc>,
        /// EC2's `StateMessage`.
        message: Option<String>,
    },
    /// The policy takes the volume out.
    Excluded {
        /// In words: `boot volume`.
        why: String,
    },
}

/// What a person should hear of besides the verdicts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// A snapshot of ours ended in `error`.
    InError(Begun),
    /// A snapshot of ours has been under way for too long.
    Stuck(Begun),
}

impl Verdict {
    /// All words, the worst first.
    pub const WORDS: [&str; 7] = ["failed", "never", "stale", "pending", "new", "fresh", "excluded"];

    /// In a word, as it stands in tables, JSON and reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Fresh { .. } => "fresh",
            Self::Pending { .. } => "pending",
            Self::Stale { .. } => "stale",
            Self::Never => "never",
            Self::New { .. } => "new",
            Self::Failed { .. } => "failed",
            Self::Excluded { .. } => "excluded",
        }
    }

    /// Whether the volume is covered. Nothing is said of what the policy takes out, and of what it has had no chance to
    /// cover yet: neither is part of the percentage.
    pub fn is_covered(&self) -> Option<bool> {
        match self {
            Self::Fresh { .. } | Self::Pending { .. } => Some(true),
            Self::Stale { .. } | Self::Never | Self::Failed { .. } => Some(false),
            Self::New { .. } | Self::Excluded { .. } => None,
        }
    }

    /// Since when, where there is a time to say: of the newest snapshot, or of the volume's creation.
    pub fn since(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Fresh { at } | Self::Failed { at, .. } => Some(*at),
            Self::Pending { since } => Some(*since),
            Self::Stale { newest } => Some(*newest),
            Self::New { created } => *created,
            Self::Never | Self::Excluded { .. } => None,
        }
    }

    /// Why, in words, at `now`.
    pub fn why(&self, now: DateTime<Utc>) -> String {
        let ago = |at: DateTime<Utc>| span(now - at);
        match self {
            Self::Fresh { at } => format!("backed up {} ago", ago(*at)),
            Self::Pending { since } => format!("a snapshot has been under way for {}", ago(*since)),
            Self::Stale { newest } => format!("the newest backup is {} old", ago(*newest)),
            Self::Never => "there is no backup".into(),
            Self::New { created: Some(created) } => format!("created {} ago, no run had a chance yet", ago(*created)),
            Self::New { created: None } => "no run had a chance yet".into(),
            Self::Failed { at, message: Some(message) } => {
                format!("the snapshot of {} ago ended in error: {message}", ago(*at))
            }
            Self::Failed { at, message: None } => {
                format!("the snapshot of {} ago ended in error, and EC2 does not say why", ago(*at))
            }
            Self::Excluded { why } => why.clone(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InError(Begun { at, snapshot, message, .. }) => {
                let message = message.as_deref().unwrap_or("EC2 does not say why");
                write!(f, "{snapshot} of {} ended in error: {message}", at.format("%Y-%m-%d %H:%M UTC"))
            }
            Self::Stuck(Begun { at, snapshot, .. }) => {
                write!(f, "{snapshot} has been pending since {}", at.format("%Y-%m-%d %H:%M UTC"))
            }
        }
    }
}

/// A length of time as people say it: `42m`, `26h`, `5d`. Cut, never rounded up; what lies ahead is nothing.
pub fn span(length: TimeDelta) -> String {
    match (length.num_days(), length.num_hours(), length.num_minutes()) {
        (3.., ..) => format!("{}d", length.num_days()),
        (_, 1.., _) => format!("{}h", length.num_hours()),
        (_, _, minutes) => format!("{}m", minutes.max(0)),
    }
}
