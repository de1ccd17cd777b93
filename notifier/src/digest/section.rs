//! A section of a message, and how bad it is.

/// How bad it is. The worst section's is the message's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good news, and nothing to do.
    Info,
    /// A person should look.
    Warning,
    /// Something was not done that should have been.
    Error,
}

impl Severity {
    /// The value of the message attribute.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What there is to tell of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub severity: Severity,
    /// Its words in the message's subject.
    pub headline: String,
    pub text: String,
}

/// SNS: "less than 100 characters". <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
const LONGEST_SUBJECT: usize = 99;

/// How the headline of a drill begins: that one went well resolves nothing that was told before.
pub(super) const DRILL: &str = "drill: ";

/// The subject of a message: printable ASCII, the worst first. What was mended, and nothing else, says so.
pub(super) fn subject(policy: &str, sections: &[Section]) -> String {
    let about = if policy.is_empty() { "snapkeep".into() } else { format!("snapkeep {policy}") };
    let is_news = |section: &Section| section.severity == Severity::Info && !section.headline.starts_with(DRILL);
    let is_good = sections.iter().all(is_news);
    let resolved = is_good.then_some("resolved");
    let headlines: Vec<&str> =
        resolved.into_iter().chain(sections.iter().map(|section| section.headline.as_str())).collect();
    let subject = format!("{about}: {}", headlines.join(", "));
    let ascii = subject.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' });
    ascii.take(LONGEST_SUBJECT).collect()
}
