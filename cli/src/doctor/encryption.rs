//! Snapshots of ours that are not encrypted, because their volumes are not.

use std::collections::BTreeMap;

use super::finding::{Finding, Severity};
use super::seen::Seen;
use super::words::{Sample, counted};

/// Each account once. Where EBS encrypts by default they are of old volumes, and go with them.
pub(crate) fn check(seen: &[Seen]) -> Vec<Finding> {
    let mut all = BTreeMap::<(&str, bool), (Sample, Vec<&str>)>::new();
    for seen in seen.iter().filter(|seen| seen.snapshots.unencrypted.count > 0) {
        let key = (seen.place.account.as_str(), seen.encrypts == Some(true));
        let (sample, regions) = all.entry(key).or_default();
        sample.merge(&seen.snapshots.unencrypted);
        regions.push(&seen.place.region);
    }
    let findings = all.into_iter().map(|((account, encrypts), (sample, regions))| {
        let (severity, default) = match encrypts {
            true => (Severity::Notice, "EBS encrypts new volumes by default here, so these are of old ones"),
            false => (Severity::Warning, "EBS does not encrypt by default here, or nobody may ask whether it does"),
        };
        let region = regions.first().copied().unwrap_or_default();
        Finding {
            severity,
            check: "encryption",
            what: format!("{} of ours not encrypted", counted(sample.count, "snapshot")),
            at: format!("{account} {}", regions.join(", ")),
            why: format!(
                "A snapshot is encrypted as its volume is, and volumes that are there stay as they are. {default}: {}.",
                sample.names()
            ),
            advice: format!("aws ec2 enable-ebs-encryption-by-default --region {region}"),
        }
    });
    findings.collect()
}
