//! What the doctor finds: what, where, why it matters, and what to type.

use serde::Serialize;

use crate::exit;

/// How soon it bites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Backups are missing, or will be.
    Error,
    /// It works, and not as whoever wrote it thinks.
    Warning,
    /// Worth a look, and often meant so.
    Notice,
}

/// One thing that will bite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub severity: Severity,
    /// Which check found it: a word that programs may rely on.
    pub check: &'static str,
    pub what: String,
    /// The file, the schedule, or the account and Region.
    #[serde(rename = "where")]
    pub at: String,
    pub why: String,
    /// A command, or what to write into the policy.
    #[serde(rename = "type")]
    pub advice: String,
}

/// All that the doctor says.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Diagnosis {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// What was to be looked at and could not be: nobody knows what is there.
    pub unseen: Vec<String>,
    /// Checks that need what nobody gave, such as a schedule.
    pub not_made: Vec<String>,
}

impl Diagnosis {
    /// What a person must see to goes before what could not be looked at.
    pub fn exit(&self) -> u8 {
        let needs_a_person = self.findings.iter().any(|finding| finding.severity < Severity::Notice);
        match (needs_a_person, self.unseen.is_empty()) {
            (true, _) => exit::FOUND,
            (false, false) => exit::PARTLY,
            (false, true) => exit::DONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(severities: &[Severity], unseen: &[&str], exit: u8) {
        let of = |severity: &Severity| Finding {
            severity: *severity,
            check: "selectors",
            what: String::new(),
            at: String::new(),
            why: String::new(),
            advice: String::new(),
        };
        let findings = severities.iter().map(of).collect();
        let unseen = unseen.iter().map(ToString::to_string).collect();
        assert_eq!(Diagnosis { findings, unseen, not_made: vec!["rhythm".into()] }.exit(), exit);
    }

    #[test]
    fn a_notice_is_no_reason_to_stop_a_pipeline() {
        check(&[], &[], 0);
        check(&[Severity::Notice], &[], 0);
        check(&[Severity::Notice], &["eu-west-1"], 3);
        check(&[Severity::Notice, Severity::Warning], &["eu-west-1"], 4);
        check(&[Severity::Error], &[], 4);
    }
}
