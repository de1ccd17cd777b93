//! What a report says of one place: its snapshots in, volume by volume, sums and calendars out. The pure half.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use planner::audit::Row;
use shared::rules::calendar::{Case as CalendarCase, Day, calendar, end_of};
use shared::rules::coverage::Verdict;
use shared::rules::forecast::forecast_until;
use shared::rules::retention::{Case, judge};
use shared::vocabulary::inventory::{Holds, Presence, Snapshot};
use shared::vocabulary::orphans::Orphans;
use shared::vocabulary::slot::Slot;
use shared::vocabulary::tag;

use super::data::{Amount, Deletion, Deletions, Retained, Series};
use super::read::Asked;

/// How many days of deletions are looked ahead.
const COMING: u64 = 7;
/// Deletions that are named.
const MOST_NAMED: usize = 20;

/// What is asked of a place.
pub(super) struct Ledger<'a> {
    asked: &'a Asked,
    account: &'a str,
    region: &'a str,
    /// Volume → the policies that it is a row of, by their places in [`Asked::audits`].
    rows: &'a Rows<'a>,
    slots: BTreeMap<String, BTreeSet<Slot>>,
    /// What is there, and what holds it: read before the snapshots of any volume are added.
    pub living: BTreeSet<String>,
    pub holds: Holds,
    pub found: Found,
}

pub(super) type Rows<'a> = BTreeMap<&'a str, Vec<(usize, &'a Row)>>;

/// What a place, or all of them, come to.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Policy and volume → its days.
    pub days: HashMap<(usize, String), String>,
    pub retained: Retained,
    pub deletions: Deletions,
}

impl<'a> Ledger<'a> {
    pub fn new(asked: &'a Asked, account: &'a str, region: &'a str, rows: &'a Rows<'a>) -> Self {
        let (living, holds, slots) = (BTreeSet::new(), Holds::new(), BTreeMap::new());
        Self { asked, account, region, rows, slots, living, holds, found: Found::of(asked) }
    }

    /// Takes note of when the policies ran: by that a day knows whether a new volume had its turn.
    pub fn note(&mut self, snapshot: &Snapshot) {
        let slot = snapshot.tags.get(tag::SLOT).and_then(|slot| slot.parse().ok());
        if let (Some(policy), Some(slot)) = (snapshot.tags.get(tag::POLICY), slot) {
            self.slots.entry(policy.clone()).or_default().insert(slot);
        }
    }

    /// Takes in all snapshots of ours of a volume.
    pub fn add(&mut self, volume: &str, snapshots: &[Snapshot]) {
        let is_living = self.living.contains(volume);
        self.retain(snapshots, is_living);
        self.look_ahead(volume, snapshots, is_living);
        for (policy, row) in self.rows.get(volume).into_iter().flatten() {
            let days = self.days(*policy, row, snapshots);
            self.found.days.insert((*policy, volume.into()), days);
        }
    }

    /// The volumes of which there is no snapshot at all.
    pub fn add_bare_volumes(&mut self) {
        for (volume, rows) in self.rows {
            for (policy, row) in rows {
                let key = (*policy, String::from(*volume));
                if !self.found.days.contains_key(&key) {
                    let days = self.days(*policy, row, &[]);
                    self.found.days.insert(key, days);
                }
            }
        }
    }

    fn days(&self, policy: usize, row: &Row, snapshots: &[Snapshot]) -> String {
        let (audit, _) = &self.asked.audits[policy];
        let today = Day::from(&row.verdict).letter();
        if matches!(row.verdict, Verdict::Excluded { .. }) {
            return self.asked.days.iter().map(|_| today).collect();
        }
        let none = BTreeSet::new();
        let case = CalendarCase {
            account: self.account,
            policy: &audit.policy.name,
            rpo: audit.rpo,
            slots: self.slots.get(&audit.policy.name).unwrap_or(&none),
            zone: self.asked.zone,
            now: self.asked.now,
        };
        let past = &self.asked.days[..self.asked.days.len().saturating_sub(1)];
        let past = calendar(&case, past, &row.volume, row.created, snapshots);
        // Today is the audit's: it has seen other places, and is what `snapkeep coverage` says.
        past.into_iter().map(Day::letter).chain([today]).collect()
    }

    fn retain(&mut self, snapshots: &[Snapshot], is_living: bool) {
        let is_there = |snapshot: &&Snapshot| matches!(snapshot.state.as_str(), "completed" | "pending");
        for snapshot in snapshots.iter().filter(is_there) {
            let amount = Amount { snapshots: 1, gib: snapshot.volume_gib.into() };
            let retained = &mut self.found.retained;
            retained.total.add(amount);
            retained.orphans += u64::from(!is_living);
            let day = snapshot.started.map(|started| started.with_timezone(&self.asked.zone).date_naive());
            let is_older = day.zip(retained.series.days.first()).is_some_and(|(day, first)| day < *first);
            match is_older {
                true => retained.older.add(amount),
                false => retained.series.add(day, amount),
            }
        }
    }

    fn look_ahead(&mut self, volume: &str, snapshots: &[Snapshot], is_living: bool) {
        let now = self.asked.now;
        let presence = if is_living { Presence::Living } else { Presence::Gone };
        let (account, holds, orphans) = (self.account, &self.holds, Orphans::KeepLast);
        let case = Case { account, volume, presence, orphans, holds, now };
        let judgement = judge(&case, snapshots);
        let held = judgement.verdicts.iter().filter(|verdict| verdict.obstacle().is_some()).count();
        let last = self.found.deletions.series.days.last().copied().unwrap_or_default();
        let goes = forecast_until(&case, snapshots, end_of(last, self.asked.zone));
        self.found.deletions.held += held as u64;
        for snapshot in snapshots {
            if let Some(time) = goes.get(&snapshot.id) {
                self.delete(volume, snapshot, *time);
            }
        }
    }

    fn delete(&mut self, volume: &str, snapshot: &Snapshot, time: DateTime<Utc>) {
        let day = time.with_timezone(&self.asked.zone).date_naive();
        let today = self.asked.now.with_timezone(&self.asked.zone).date_naive();
        let amount = Amount { snapshots: 1, gib: snapshot.volume_gib.into() };
        let deletions = &mut self.found.deletions;
        match day <= today {
            true => deletions.due.add(amount),
            false => deletions.series.add(Some(day), amount),
        }
        let of = |key: &str| snapshot.tags.get(key).map(String::as_str).unwrap_or_default();
        deletions.name(Deletion {
            day: day.max(today),
            snapshot: snapshot.id.clone(),
            volume: volume.into(),
            name: of(tag::NAME).into(),
            policy: of(tag::POLICY).into(),
            region: self.region.into(),
        });
    }
}

impl Found {
    /// Nothing is known yet.
    pub fn of(asked: &Asked) -> Self {
        let today = asked.days.last().copied().unwrap_or_default();
        let coming = (1..=COMING).filter_map(|days| today.checked_add_days(chrono::Days::new(days)));
        Self {
            retained: Retained { series: Series::of(asked.days.clone()), ..Retained::default() },
            deletions: Deletions { series: Series::of(coming.collect()), ..Deletions::default() },
            ..Self::default()
        }
    }

    /// What another place comes to, besides.
    pub fn merge(&mut self, other: Self) {
        self.days.extend(other.days);
        self.retained.series.merge(&other.retained.series);
        self.retained.older.add(other.retained.older);
        self.retained.total.add(other.retained.total);
        self.retained.orphans += other.retained.orphans;
        self.deletions.series.merge(&other.deletions.series);
        self.deletions.due.add(other.deletions.due);
        self.deletions.held += other.deletions.held;
        other.deletions.next.into_iter().for_each(|next| self.deletions.name(next));
    }
}

impl Amount {
    fn add(&mut self, other: Self) {
        self.snapshots += other.snapshots;
        self.gib += other.gib;
    }
}

impl Series {
    fn of(days: Vec<NaiveDate>) -> Self {
        Self { snapshots: vec![0; days.len()], gib: vec![0; days.len()], days }
    }

    /// Onto its day; what is on none of them is not shown.
    fn add(&mut self, day: Option<NaiveDate>, amount: Amount) {
        let place =
            day.zip(self.days.first()).map(|(day, first)| day - *first).map(|since: TimeDelta| since.num_days());
        let place = place.and_then(|days| usize::try_from(days).ok()).filter(|place| *place < self.days.len());
        if let Some(place) = place {
            self.snapshots[place] += amount.snapshots;
            self.gib[place] += amount.gib;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.snapshots.iter_mut().zip(&other.snapshots).for_each(|(sum, more)| *sum += more);
        self.gib.iter_mut().zip(&other.gib).for_each(|(sum, more)| *sum += more);
    }
}

impl Deletions {
    /// Keeps the first few.
    fn name(&mut self, next: Deletion) {
        let key = |one: &Deletion| (one.day, one.snapshot.clone());
        let place = self.next.partition_point(|other| key(other) < key(&next));
        if place < MOST_NAMED {
            self.next.insert(place, next);
            self.next.truncate(MOST_NAMED);
        }
    }
}

#[cfg(test)]
mod tests;
