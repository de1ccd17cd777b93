//! What is wrong with an input, said so that the person who wrote it can mend it.

/// A field that was refused: which one, what stood there, and what may stand there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is {found}; allowed: {allowed}")]
pub struct Problem {
    /// The field's name, with its path: `select.tags.Backup`. Cut to 200 characters, for whoever wrote it chose it.
    pub field: String,
    /// What was found there: the value as JSON, `missing`, or `not a known field`.
    pub found: String,
    /// What may stand there, with an example.
    pub allowed: String,
}

impl Problem {
    /// A value that is not allowed. It is shown as JSON, cut to 200 characters.
    pub fn value(field: &str, value: &impl serde::Serialize, allowed: &str) -> Self {
        let json = serde_json::to_string(value).unwrap_or_else(|_| "unreadable".into());
        Self::new(field, shortened(&json, 200), allowed)
    }

    /// A field that must be there and is not.
    pub fn missing(field: &str, allowed: &str) -> Self {
        Self::new(field, "missing".into(), allowed)
    }

    /// A field that nobody knows.
    pub fn unknown(field: &str, allowed: &str) -> Self {
        Self::new(field, "not a known field".into(), allowed)
    }

    fn new(field: &str, found: String, allowed: &str) -> Self {
        Self { field: shortened(field, 200), found, allowed: allowed.into() }
    }
}

/// `text` in at most `most` characters; what is cut away is shown as `…`.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.into(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}
