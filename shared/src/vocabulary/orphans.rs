//! What becomes of the last snapshot of a volume that is gone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::retain::{Age, RetainRule};

/// What may stand where an orphan rule is expected.
pub const ALLOWED: &str = "\"keep-last\" (the last snapshot of a volume that is gone stays), \"by-rule\" (it goes by its \
     rule as the others do), or an age such as \"90d\" (when the last is so old, all of them go)";

/// What becomes of the last snapshot of a volume that is gone. The others follow their rule in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Orphans {
    /// It stays.
    #[default]
    KeepLast,
    /// It goes by its rule, as the others do.
    ByRule,
    /// When it is this old, it goes, and those that a count or a calendar still keeps go with it.
    After(Age),
}

impl FromStr for Orphans {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "keep-last" => Ok(Self::KeepLast),
            "by-rule" => Ok(Self::ByRule),
            age => match age.parse() {
                Ok(RetainRule::Age(age)) => Ok(Self::After(age)),
                _ => Err(format!("{text:?} is not an orphan rule; allowed: {ALLOWED}")),
            },
        }
    }
}

impl fmt::Display for Orphans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeepLast => f.write_str("keep-last"),
            Self::ByRule => f.write_str("by-rule"),
            Self::After(age) => write!(f, "{age}"),
        }
    }
}

impl TryFrom<String> for Orphans {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Orphans> for String {
    fn from(orphans: Orphans) -> Self {
        orphans.to_string()
    }
}
