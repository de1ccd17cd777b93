//! Strings that are held once, however many resources say the same: a million snapshots have the same few tag keys,
//! owners and volumes.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// A string that is shared.
pub type Text = Arc<str>;

/// Tags by key.
pub type Tags = BTreeMap<Text, Text>;

/// What was said so far. It only grows; what a simulator hears in its life is small beside what it keeps.
static POOL: LazyLock<Mutex<HashSet<Text>>> = LazyLock::new(Mutex::default);

/// `words`, shared with all who say the same.
pub fn text(words: &str) -> Text {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = pool.get(words) {
        return Arc::clone(found);
    }
    let new = Text::from(words);
    pool.insert(Arc::clone(&new));
    new
}

/// Tags from pairs.
pub fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| (text(key), text(value))).collect()
}
