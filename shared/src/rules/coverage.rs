//! Coverage: whether a volume that a policy selects can be restored to within its RPO, from what EC2 lists and nothing else.
//!
//! A [`Line`] is all that is remembered of a volume's snapshots, however many there are; [`verdict()`] says exactly one thing
//! of it. The first of these that is so:
//!
//! 1. `excluded`: the policy itself takes the volume out. Its snapshots are not looked at.
//! 2. `fresh`: a completed snapshot was begun within the RPO. A newer one in `error` does not change that, and is a
//!    [`Finding`]: the promise is kept until the RPO has passed, and whoever reads may act before.
//! 3. `pending`: a snapshot is under way, and not for more than [`LONGEST_PENDING`].
//! 4. `failed`: the newest snapshot that has an end ended in `error`, with EC2's words.
//! 5. `stale`: the newest completed snapshot is older than the RPO.
//! 6. `new`: there is no snapshot, and no run of the policy has had a chance to take one.
//! 7. `never`: there is no snapshot.
//!
//! What counts as a backup is what retention takes for one: ours by tag and owner, of this policy and this volume, no
//! copy, no other service's, `completed`, and not from the future. An archived one counts, because the RPO is about how
//! much is lost and not about how long it takes to have it back; it is said, because a restore begins with
//! up to 72 hours of waiting: <https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive.html>

mod line;
mod verdict;

use chrono::{DateTime, TimeDelta, Utc};

pub use self::line::{Begun, Line, Lines};
pub use self::verdict::{Finding, Verdict, span};
use crate::vocabulary::slot::Slot;

/// EC2 needs "several hours" for the first or a large snapshot of a volume
/// (<https://docs.aws.amazon.com/ebs/latest/userguide/ebs-creating-snapshot.html>). After a day it is in the way of the
/// next one, and nobody knows whether it will end.
pub const LONGEST_PENDING: TimeDelta = TimeDelta::hours(24);
/// For so long after its slot a run is under way: by EC2's default quota it takes 16,000 snapshots in a lane. And for so long
/// after its creation a volume may wait for its tags.
pub const GRACE: TimeDelta = TimeDelta::hours(1);
/// A snapshot may have begun while the audit was reading, or by a clock that goes before ours.
const SKEW: TimeDelta = TimeDelta::hours(1);

/// What the verdicts of an audit depend on, besides what is known of each volume.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// How old the newest backup may be.
    pub rpo: TimeDelta,
    /// The newest slot of the policy that is seen in snapshots anywhere; none within the RPO: its runs are missing.
    pub slot: Option<Slot>,
    /// In UTC.
    pub now: DateTime<Utc>,
}

impl Case {
    /// Whether `slot` is one that proves that the policy runs: within the RPO, and not from the future.
    pub fn is_recent(&self, slot: Slot) -> bool {
        slot.time() <= self.now && slot.time() >= self.now - self.rpo
    }

    /// Whether the newest run may still be under way, so that what it has not done yet is not missing.
    pub fn is_under_way(&self) -> bool {
        self.slot.is_some_and(|slot| self.now < slot.time() + GRACE)
    }

    /// Whether no run could take a snapshot yet of what was `created` then.
    fn is_new(&self, created: Option<DateTime<Utc>>) -> bool {
        let Some(created) = created.filter(|created| self.now < *created + self.rpo) else { return false };
        let had_its_turn = |slot: Slot| slot.time() >= created && !self.is_under_way();
        !self.slot.is_some_and(had_its_turn)
    }
}

/// The verdict on a selected volume, which was created at `created`.
pub fn verdict(case: &Case, line: &Line, created: Option<DateTime<Utc>>) -> Verdict {
    let Case { rpo, now, .. } = *case;
    let newest = line.completed.as_ref();
    let is_fresh = |backup: &&Begun| now - backup.at <= rpo;
    let is_moving = |begun: &&Begun| now - begun.at <= LONGEST_PENDING;
    let is_last = |failed: &&Begun| newest.is_none_or(|newest| failed.at > newest.at);
    if let Some(backup) = newest.filter(is_fresh) {
        return Verdict::Fresh { at: backup.at };
    }
    if let Some(begun) = line.pending.as_ref().filter(is_moving) {
        return Verdict::Pending { since: begun.at };
    }
    if let Some(failed) = line.error.as_deref().filter(is_last) {
        return Verdict::Failed { at: failed.at, message: failed.message.clone() };
    }
    match newest {
        Some(backup) => Verdict::Stale { newest: backup.at },
        None if line.is_empty() && case.is_new(created) => Verdict::New { created },
        None => Verdict::Never,
    }
}

/// What a person should hear of besides `verdict`: of a snapshot in `error` that no newer backup makes up for, where the
/// verdict does not say it already, and of one that does not come to its end.
pub fn findings(case: &Case, line: &Line, verdict: &Verdict) -> Vec<Finding> {
    let is_told = matches!(verdict, Verdict::Failed { .. } | Verdict::Excluded { .. });
    let is_last = |failed: &&Begun| line.completed.as_ref().is_none_or(|newest| failed.at > newest.at);
    let error = line.error.as_deref().filter(|_| !is_told).filter(is_last);
    let is_stuck = |begun: &&Begun| case.now - begun.at > LONGEST_PENDING;
    let stuck = line.first_pending.as_ref().filter(is_stuck);
    error.cloned().map(Finding::InError).into_iter().chain(stuck.cloned().map(Finding::Stuck)).collect()
}

/// Whether the newest run has missed a volume with this verdict, so that its job is enqueued once more. The job's id is the
/// same, so that whoever has it finds what was done since. What is under way needs no second message; what is uncovered
/// is missed in any case; and what is fresh by an older run only where the run had come to its Region, which `is_here` says.
pub fn is_missed(case: &Case, line: &Line, verdict: &Verdict, created: Option<DateTime<Utc>>, is_here: bool) -> bool {
    let Some(slot) = case.slot else { return !matches!(verdict, Verdict::Pending { .. } | Verdict::Fresh { .. }) };
    let has_it = line.slot.is_some_and(|found| found >= slot);
    let was_there = created.is_none_or(|created| created <= slot.time());
    match verdict {
        _ if case.is_under_way() || has_it => false,
        Verdict::Excluded { .. } | Verdict::New { .. } | Verdict::Pending { .. } => false,
        Verdict::Fresh { .. } => is_here && was_there,
        Verdict::Stale { .. } | Verdict::Never | Verdict::Failed { .. } => true,
    }
}

#[cfg(test)]
mod tests;
