//! Which of a volume's snapshots is restored from: the newest good one, and why not a newer one.

use std::cmp::Reverse;
use std::fmt;

use chrono::{DateTime, SubsecRound, Utc};

use crate::vocabulary::inventory::{Snapshot, Tier};
use crate::vocabulary::tag;

/// What a person has narrowed the choice to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The newest snapshot that EC2 began at this time or before.
    pub at: Option<DateTime<Utc>>,
    /// Only snapshots of this policy.
    pub policy: Option<String>,
}

/// Why a snapshot cannot be restored from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// EC2 has not completed it yet.
    Pending,
    /// It ended in `error`, with these words of EC2.
    Failed(Option<String>),
    /// It lies in the archive, out of which it must be taken first.
    Archived,
    /// It is in another state, such as `recoverable`: in the Recycle Bin.
    Other(String),
}

/// The snapshot to restore from, and the newer ones that it was taken instead of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Completed, and at hand.
    pub snapshot: Snapshot,
    /// The newest first.
    pub passed_over: Vec<(String, Obstacle)>,
}

/// There is no good snapshot: those that there are, the newest first. None: there is none at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoneGood(pub Vec<(String, Obstacle)>);

/// The newest good one of `snapshots`, which are all of one volume.
pub fn newest<'a>(snapshots: impl IntoIterator<Item = &'a Snapshot>, wanted: &Wanted) -> Result<Chosen, NoneGood> {
    let mut among: Vec<&Snapshot> = snapshots.into_iter().filter(|snapshot| is_wanted(snapshot, wanted)).collect();
    among.sort_by_key(|snapshot| Reverse((snapshot.started, &snapshot.id)));
    let mut passed_over = Vec::new();
    for snapshot in among {
        match obstacle(snapshot) {
            None => return Ok(Chosen { snapshot: snapshot.clone(), passed_over }),
            Some(obstacle) => passed_over.push((snapshot.id.clone(), obstacle)),
        }
    }
    Err(NoneGood(passed_over))
}

/// Whether a snapshot is of the time and the policy that a person wants. EC2 shows times to the millisecond, and people
/// copy them to the second.
pub fn is_wanted(snapshot: &Snapshot, wanted: &Wanted) -> bool {
    let is_in_time = wanted.at.is_none_or(|at| snapshot.started.is_some_and(|started| started.trunc_subsecs(0) <= at));
    let policy = snapshot.tags.get(tag::POLICY);
    is_in_time && wanted.policy.as_ref().is_none_or(|wanted| policy == Some(wanted))
}

/// What stands in the way of making a volume of it.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-creating-volume.html>
pub fn obstacle(snapshot: &Snapshot) -> Option<Obstacle> {
    match (snapshot.state.as_str(), snapshot.tier) {
        ("completed", Tier::Standard) => None,
        ("completed", Tier::Archive(_)) => Some(Obstacle::Archived),
        ("pending", _) => Some(Obstacle::Pending),
        ("error", _) => Some(Obstacle::Failed(snapshot.state_message.clone())),
        (state, _) => Some(Obstacle::Other(state.into())),
    }
}

/// The volume that a snapshot shows: of a copy EC2 does not say which, and the tag does.
pub fn source(snapshot: &Snapshot) -> Option<&str> {
    let tagged = snapshot.tags.get(tag::VOLUME).map(String::as_str);
    match snapshot.is_copy {
        true => tagged,
        false => Some(snapshot.volume.as_str()).filter(|volume| !volume.is_empty()).or(tagged),
    }
}

impl Obstacle {
    /// What to type, where something can be done about it.
    pub fn remedy(&self, snapshot: &str, region: &str) -> Option<String> {
        match self {
            Self::Archived => Some(format!(
                "aws ec2 restore-snapshot-tier --region {region} --snapshot-id {snapshot} --temporary-restore-days 7   \
                 (takes up to 72 hours)"
            )),
            Self::Pending => {
                Some(format!("aws ec2 wait snapshot-completed --region {region} --snapshot-ids {snapshot}"))
            }
            Self::Other(state) if state == "recoverable" => {
                Some(format!("aws ec2 restore-snapshot-from-recycle-bin --region {region} --snapshot-id {snapshot}"))
            }
            Self::Failed(_) | Self::Other(_) => None,
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("is not completed yet"),
            Self::Failed(None) => f.write_str("ended in error"),
            Self::Failed(Some(message)) => write!(f, "ended in error: {message}"),
            Self::Archived => f.write_str("is archived"),
            Self::Other(state) => write!(f, "is {state}"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A completed snapshot of `volume`, made by the policy daily.
    pub(in super::super) fn snapshot(id: &str, volume: &str, started: &str, slot: &str) -> Snapshot {
        let tags = [(tag::POLICY, "daily"), (tag::VOLUME, volume), (tag::INSTANCE, "i-1"), (tag::SLOT, slot)];
        Snapshot {
            id: id.into(),
            volume: volume.into(),
            started: Some(started.parse().unwrap()),
            state: "completed".into(),
            volume_gib: 8,
            tags: tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            ..Snapshot::default()
        }
    }

    fn daily() -> Vec<Snapshot> {
        let day = |day: u32| {
            snapshot(&format!("snap-{day}"), "vol-1", &format!("2026-11-{day}T02:00:07.250Z"), "2026-11-20T02:00:00Z")
        };
        vec![day(18), day(20), day(19)]
    }

    fn check(change: impl Fn(&mut Vec<Snapshot>), at: Option<&str>, expected: &str) {
        let mut snapshots = daily();
        change(&mut snapshots);
        let wanted = Wanted { at: at.map(|at| at.parse().unwrap()), policy: None };
        let text = match newest(&snapshots, &wanted) {
            Ok(chosen) => format!("{} {:?}", chosen.snapshot.id, chosen.passed_over),
            Err(NoneGood(found)) => format!("none {found:?}"),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn the_newest_completed_one_is_taken_and_newer_ones_are_named_with_the_reason() {
        check(|_| {}, None, "snap-20 []");
        check(|all| all[1].state = "pending".into(), None, r#"snap-19 [("snap-20", Pending)]"#);
        check(|all| all[1].tier = Tier::Archive(None), None, r#"snap-19 [("snap-20", Archived)]"#);
        check(|all| all[1].state = "recoverable".into(), None, r#"snap-19 [("snap-20", Other("recoverable"))]"#);
        check(
            |all| all.iter_mut().for_each(|each| each.state = "error".into()),
            None,
            r#"none [("snap-20", Failed(None)), ("snap-19", Failed(None)), ("snap-18", Failed(None))]"#,
        );
        check(Vec::clear, None, "none []");
    }

    #[test]
    fn at_a_time_is_that_second_or_before() {
        check(|_| {}, Some("2026-11-19T02:00:07Z"), "snap-19 []");
        check(|_| {}, Some("2026-11-19T02:00:06Z"), "snap-18 []");
        check(|all| all[0].started = None, Some("2026-11-19T00:00:00Z"), "none []");
    }

    #[test]
    fn another_policys_snapshot_is_not_taken() {
        let mut snapshots = daily();
        snapshots[1].tags.insert(tag::POLICY.into(), "hourly".into());
        let wanted = Wanted { policy: Some("daily".into()), at: None };
        assert_eq!(newest(&snapshots, &wanted).unwrap().snapshot.id, "snap-19");
    }

    #[test]
    fn of_a_copy_the_tag_says_which_volume_it_shows() {
        let mut copy = snapshot("snap-1", "vol-1", "2026-11-20T02:00:00Z", "");
        (copy.volume, copy.is_copy) = ("vol-ffffffff".into(), true);
        assert_eq!(source(&copy), Some("vol-1"));
        copy.tags.clear();
        assert_eq!(source(&copy), None);
    }
}
