//! What EC2 says: first what `snapkeep coverage` reads, then the snapshots of each place, some volumes at a time.
//!
//! What is held goes by volumes, never by snapshots: as in a prune, the first reading of a place only counts.

use std::collections::BTreeMap;
use std::pin::pin;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use futures::{StreamExt, TryStreamExt, stream};
use planner::audit::{Coverage, Row};
use planner::place::{Place, places};
use planner::prune::parts_of;
use shared::aws::Aws;
use shared::rules::calendar::Day;
use shared::rules::coverage::{Verdict, span};
use shared::rules::fate::without_lists;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::policy::{Account, Audit, Regions, Retention};

use super::data::{self, Data, Foreign, Group, Volume};
use super::place::{Found, Ledger, Rows};
use crate::Error;
use crate::coverage::{Audited, look, reached};
use crate::dlq;

/// What a report is asked for.
pub(super) struct Asked {
    /// What should be covered, and where.
    pub audits: Vec<(Audit, Regions)>,
    /// Where else snapshots are looked for, in our own account.
    pub elsewhere: Option<Regions>,
    /// The days of the calendar, the oldest first.
    pub days: Vec<NaiveDate>,
    /// Whose days they are.
    pub zone: Tz,
    pub now: DateTime<Utc>,
}

/// Places that are read at once, each with some volumes' snapshots in memory.
const PLACES_AT_ONCE: usize = 4;
/// Findings that are named.
const MOST_FINDINGS: usize = 10;

/// Asks EC2 and SQS. A place that cannot be read is in the report; where none can, there is none.
pub(super) async fn read(aws: &Aws, asked: &Asked) -> Result<Data, Error> {
    let mut audited = Vec::new();
    for (audit, regions) in &asked.audits {
        let found = look(aws, audit, regions, asked.now).await;
        reached(&found.coverage)?;
        audited.push(found);
    }
    let (places, mut notes) = where_to_look(aws, asked).await;
    if places.is_empty() {
        return Err(Error::Failed(format!("no Region could be looked at: {}", notes.join("; "))));
    }
    let mut found = Found::of(asked);
    let rows: Vec<Rows<'_>> = places.iter().map(|place| rows_of(&audited, &place.account, &place.region)).collect();
    let each = stream::iter(places.iter().zip(&rows))
        .map(|(place, rows)| async move { (place, read_place(aws, asked, place, rows).await) });
    let mut each = pin!(each.buffer_unordered(PLACES_AT_ONCE));
    let mut errors = BTreeMap::new();
    while let Some((place, read)) = each.next().await {
        match read {
            Ok((read, warnings)) => {
                found.merge(read);
                notes.extend(warnings);
            }
            Err(error) => drop(errors.insert((place.account.as_str(), place.region.as_str()), error.to_string())),
        }
    }
    notes.extend(audited.iter().flat_map(|audited| notes_on(&audited.coverage)));
    notes.sort();
    notes.dedup();
    let (retained, deletions) = (found.retained.clone(), found.deletions.clone());
    Ok(Data {
        version: env!("CARGO_PKG_VERSION"),
        at: asked.now,
        zone: asked.zone.to_string(),
        days: asked.days.clone(),
        policies: asked
            .audits
            .iter()
            .zip(&audited)
            .map(|((audit, _), found)| policy(audit, &found.coverage, asked.now))
            .collect(),
        groups: groups(asked, &audited, &places, &found),
        places: places.iter().map(|place| told_place(place, &audited, &errors)).collect(),
        unselected: unselected(&audited),
        notes: notes.into_iter().map(Foreign::from).collect(),
        letters: dlq::told(aws, asked.now).await,
        retained,
        deletions,
    })
}

/// All places of all policies, each once.
async fn where_to_look(aws: &Aws, asked: &Asked) -> (Vec<Place>, Vec<String>) {
    let own = [Account::Own];
    let wanted = asked.audits.iter().map(|(audit, regions)| (&audit.policy.accounts[..], regions));
    let wanted = wanted.chain(asked.elsewhere.iter().map(|regions| (&own[..], regions)));
    let (mut all, mut errors) = (BTreeMap::new(), Vec::new());
    for (accounts, regions) in wanted {
        let (found, failed) = places(aws, accounts, regions).await;
        all.extend(found.into_iter().map(|place| ((place.account.clone(), place.region.clone()), place)));
        errors.extend(failed);
    }
    (all.into_values().collect(), errors)
}

fn rows_of<'a>(audited: &'a [Audited], account: &str, region: &str) -> Rows<'a> {
    let mut rows = Rows::new();
    for (policy, audited) in audited.iter().enumerate() {
        for row in audited.rows.iter().filter(|row| row.account == account && row.region == region) {
            rows.entry(row.volume.as_str()).or_default().push((policy, row));
        }
    }
    rows
}

async fn read_place(
    aws: &Aws,
    asked: &Asked,
    place: &Place,
    rows: &Rows<'_>,
) -> Result<(Found, Vec<String>), ApiError> {
    let ec2 = aws.ec2(place.role.as_ref(), &place.region).await?;
    let mut ledger = Ledger::new(asked, &place.account, &place.region, rows);
    ledger.living = ec2.living_volumes().await?;
    let (holds, errors) = ec2.holds().await;
    ledger.holds = holds;
    let warnings = without_lists(errors)?;
    let mut counts = BTreeMap::<String, usize>::new();
    let mut pages = pin!(ec2.managed_snapshots());
    while let Some(page) = pages.try_next().await? {
        for snapshot in page {
            ledger.note(&snapshot);
            *counts.entry(snapshot.volume).or_default() += 1;
        }
    }
    for part in parts_of(counts) {
        for (volume, snapshots) in ec2.snapshots_of_volumes(&part).await? {
            ledger.add(&volume, &snapshots);
        }
    }
    ledger.add_bare_volumes();
    let warnings = warnings.into_iter().map(|warning| format!("{}: {warning}", place.region));
    Ok((ledger.found, warnings.collect()))
}

/// A place is unknown where an audit could not read it, or where its snapshots could not be read again.
fn told_place(place: &Place, audited: &[Audited], errors: &BTreeMap<(&str, &str), String>) -> data::Place {
    let key = (place.account.as_str(), place.region.as_str());
    let mut regions = audited.iter().flat_map(|audited| &audited.coverage.regions);
    let of_audit = regions.find_map(|region| {
        let is_it = (region.account.as_str(), region.region.as_str()) == key;
        region.error.clone().filter(|_| is_it)
    });
    let error = of_audit.or_else(|| errors.get(&key).cloned());
    data::Place { account: place.account.clone(), region: place.region.clone(), error: error.map(Foreign::from) }
}

fn groups(asked: &Asked, audited: &[Audited], places: &[Place], found: &Found) -> Vec<Group> {
    let mut groups = Vec::new();
    for (policy, audited) in audited.iter().enumerate() {
        for (number, place) in places.iter().enumerate() {
            let is_here = |account: &str, region: &str| account == place.account && region == place.region;
            let was_asked = audited.coverage.regions.iter().any(|region| is_here(&region.account, &region.region));
            if !was_asked {
                continue;
            }
            let rows = audited.rows.iter().filter(|row| is_here(&row.account, &row.region));
            let volumes = rows.map(|row| volume(row, asked, found.days.get(&(policy, row.volume.clone()))));
            groups.push(Group { policy, place: number, volumes: volumes.collect() });
        }
    }
    groups
}

fn volume(row: &Row, asked: &Asked, days: Option<&String>) -> Volume {
    // Its snapshots could not be read a second time.
    let unknown = || {
        let past = std::iter::repeat_n('u', asked.days.len().saturating_sub(1));
        past.chain([Day::from(&row.verdict).letter()]).collect()
    };
    let findings = row.findings.iter().map(|finding| format!("; {finding}"));
    Volume {
        id: row.volume.clone(),
        name: row.name.as_deref().unwrap_or_default().into(),
        instance: row.instance.clone().unwrap_or_default(),
        days: days.cloned().unwrap_or_else(unknown),
        now: short(&row.verdict, asked.now).into(),
        why: format!("{}{}", row.verdict.why(asked.now), findings.collect::<String>()).into(),
    }
}

/// `2h` where all is well, else `stale, 4d`.
fn short(verdict: &Verdict, now: DateTime<Utc>) -> String {
    match (verdict, verdict.since()) {
        (Verdict::Fresh { at }, _) => span(now - *at),
        (_, Some(since)) => format!("{}, {}", verdict.word(), span(now - since)),
        (_, None) => verdict.word().into(),
    }
}

fn policy(audit: &Audit, coverage: &Coverage, now: DateTime<Utc>) -> data::Policy {
    let retain = match &audit.policy.retain {
        Retention::Rule(rule) => rule.to_string(),
        Retention::CountInTag(key) => format!("as many as the tag {key} says"),
    };
    data::Policy {
        name: audit.policy.name.as_str().into(),
        retain: retain.into(),
        rpo: coverage.rpo.clone(),
        oldest: coverage.oldest().map(|oldest| span(now - oldest)),
    }
}

/// What a person should hear of besides the verdicts.
fn notes_on(coverage: &Coverage) -> Vec<String> {
    let policy = &coverage.policy;
    let mut notes: Vec<String> = coverage.errors.clone();
    if coverage.selects_nothing() {
        notes.push(format!("Policy {policy} selects nothing in any place. Tags are case-sensitive: snapkeep plan"));
    }
    if coverage.has_no_run() {
        notes.push(format!("No run of policy {policy} was seen within its RPO of {}", coverage.rpo));
    }
    let findings: Vec<&String> = coverage.regions.iter().flat_map(|region| &region.findings).collect();
    notes.extend(findings.iter().take(MOST_FINDINGS).map(|finding| String::from(*finding)));
    let count: usize = coverage.regions.iter().map(|region| region.finding_count).sum();
    let more = count.saturating_sub(MOST_FINDINGS.min(findings.len()));
    notes.extend(
        (more > 0).then(|| format!("… and {more} more snapshots of {policy} in error or pending for too long")),
    );
    notes
}

/// Of one policy exactly; of several no more than the least that one of them leaves out, place by place.
fn unselected(audited: &[Audited]) -> Option<usize> {
    let mut least = BTreeMap::<(&str, &str), usize>::new();
    for region in audited.iter().flat_map(|audited| &audited.coverage.regions) {
        let key = (region.account.as_str(), region.region.as_str());
        let count = region.unselected_count;
        least.entry(key).and_modify(|least| *least = count.min(*least)).or_insert(count);
    }
    (!audited.is_empty()).then(|| least.values().sum())
}
