//! One backup taken twice. `CreateSnapshot` has no client token: when its answer is lost, and the snapshot is not shown
//! before the next attempt, a job makes another.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html>

use std::collections::HashMap;

use chrono_tz::Tz;

use super::calendar::key;
use super::member::Member;
use crate::vocabulary::inventory::{Holds, Tier};
use crate::vocabulary::retain::RetainRule;
use crate::vocabulary::tag;

/// The id of each snapshot of one volume and policy that another, newer one of the same job makes superfluous → that
/// one. `good` are the completed ones, the newest first.
///
/// Such a pair is one to every rule: whatever lets the newer one go lets the older one go too. So nothing is lost with
/// the older one that would have stayed without the newer one. What is held is nobody's double, and counts.
pub(super) fn twice<'a>(
    good: &[&'a Member<'a>],
    (rule, zone): (&RetainRule, Tz),
    holds: &Holds,
) -> HashMap<&'a str, &'a Member<'a>> {
    let (mut newest, mut twice) = (HashMap::new(), HashMap::new());
    for member in good {
        let Some(take) = Take::of(member, rule, zone) else { continue };
        let stays = *newest.entry(take).or_insert(*member);
        if stays.id() != member.id() && !holds.contains_key(member.id()) {
            twice.insert(member.id(), stays);
        }
    }
    twice
}

/// What is the same of two snapshots that are one backup: all that decides how long they are kept.
#[derive(PartialEq, Eq, Hash)]
struct Take<'a> {
    job: &'a str,
    slot: &'a str,
    rule: String,
    zone: Tz,
    /// Taken before and after midnight, each may be the one that a calendar keeps of its day.
    periods: Vec<(i32, u32, i32)>,
}

impl<'a> Take<'a> {
    /// None where a tag is missing or cannot be read, where a person has given or moved or removed a date, and in the
    /// archive: those are judged each alone.
    fn of(member: &Member<'a>, ruling: &RetainRule, zone: Tz) -> Option<Self> {
        let snapshot = member.snapshot;
        let text = |key: &str| snapshot.tags.get(key).map(String::as_str).filter(|text| !text.trim().is_empty());
        let (job, slot, rule) = (text(tag::JOB)?, text(tag::SLOT)?, member.own()?);
        let own_zone = *member.zone.as_ref().ok()?;
        let due = member.delete_on.transpose().ok()?;
        let is_as_made = due == rule.delete_on(slot.parse().ok()?, own_zone) && due.is_some() == member.is_of_age();
        let is_usual = is_as_made && !member.is_kept_by_a_person() && snapshot.tier == Tier::Standard;
        let started = snapshot.started.filter(|_| is_usual)?;
        let periods = [rule, ruling].into_iter().filter_map(|rule| match rule {
            RetainRule::Calendar(periods) => Some(periods),
            RetainRule::Age(_) | RetainRule::Count(_) | RetainRule::Forever => None,
        });
        let periods = periods.flatten().map(|(period, _)| key(*period, started, zone)).collect();
        Some(Self { job, slot, rule: rule.to_string(), zone: own_zone, periods })
    }
}
