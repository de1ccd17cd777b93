//! Retention once more, straight from the manual's words and without a thought for speed: each snapshot is asked about
//! alone, against all the others. It says only whether a snapshot stays.

use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use shared::vocabulary::inventory::{Holds, Snapshot, Tier};

/// What the manual's words are about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World<'a> {
    pub account: &'a str,
    pub volume: &'a str,
    pub is_gone: bool,
    /// `keep-last`, `by-rule` or an age.
    pub orphans: &'a str,
    pub holds: &'a Holds,
    pub now: DateTime<Utc>,
}

/// Whether `snapshot`, one of `all`, stays.
pub(crate) fn stays(world: &World<'_>, snapshot: &Snapshot, all: &[Snapshot]) -> bool {
    let marked: Vec<Snapshot> = all.iter().map(|other| marked(world, other, all)).collect();
    // While one is kept by nothing but that its fellows show which tag counts, the newest of these stays.
    let is_fellow =
        |other: &&Snapshot| is_ours(world, other) && tag(other, "snapkeep:policy") == tag(snapshot, "snapkeep:policy");
    let hangs_on_fellows = |other: &Snapshot| {
        let marked = self::marked(world, other, all);
        tag(other, "snapkeep:keyword").is_none() && matches!(rule(&marked), Rule::TakenAway)
    };
    let shows = |other: &&Snapshot| {
        let policy = tag(other, "snapkeep:policy").unwrap_or_default();
        is_backup(world, other)
            && tag(other, policy).is_some_and(|count| count.trim().parse::<u32>().is_ok_and(|count| count > 0))
    };
    if is_ours(world, snapshot)
        && all.iter().filter(is_fellow).any(hangs_on_fellows)
        && newest(all.iter().filter(is_fellow).filter(shows)).is_some_and(|newest| newest.id == snapshot.id)
    {
        return true;
    }
    stays_when_marked(world, &self::marked(world, snapshot, all), &marked)
}

/// A policy that is named as a tag with a number on one of its snapshots is a keyword, also where no tag says so: a
/// snapshot of it under a count counts by that tag, or by its rule if that is more.
fn marked(world: &World<'_>, snapshot: &Snapshot, all: &[Snapshot]) -> Snapshot {
    let mut marked = snapshot.clone();
    let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u32>().ok()).filter(|count| *count > 0);
    let (Some(policy), Some(count)) = (tag(snapshot, "snapkeep:policy"), number(tag(snapshot, "snapkeep:retain")))
    else {
        return marked;
    };
    let is_fellow = |other: &&Snapshot| is_ours(world, other) && tag(other, "snapkeep:policy") == Some(policy);
    let is_keyword =
        all.iter().filter(is_fellow).any(|other| is_backup(world, other) && number(tag(other, policy)).is_some());
    if is_keyword && is_ours(world, snapshot) && tag(snapshot, "snapkeep:keyword").is_none() {
        marked.tags.insert("snapkeep:keyword".into(), policy.into());
        if let Some(value) = tag(snapshot, policy) {
            let larger = number(Some(value)).unwrap_or(0).max(count);
            marked.tags.insert(policy.into(), larger.to_string());
        }
    }
    marked
}

fn stays_when_marked(world: &World<'_>, snapshot: &Snapshot, all: &[Snapshot]) -> bool {
    // The newest never goes; of a volume that is gone, only by an explicit orphan rule, and not while another stays.
    let fellows = || all.iter().filter(|other| tag(other, "snapkeep:policy") == tag(snapshot, "snapkeep:policy"));
    let another_stays = || fellows().any(|other| is_counted(world, other, all) && stays_by_rule(world, other, all));
    let may_be_let_go = world.is_gone && (world.orphans == "by-rule" || is_age(world.orphans));
    stays_by_rule(world, snapshot, all)
        || (is_one_of_the_last(world, snapshot, all)
            && (!may_be_let_go || !is_spent(world, snapshot, all) || another_stays()))
}

/// The newest completed one, or the newest that is not in the archive.
fn is_one_of_the_last(world: &World<'_>, snapshot: &Snapshot, all: &[Snapshot]) -> bool {
    let backups = || {
        all.iter().filter(|other| {
            is_ours(world, other)
                && is_backup(world, other)
                && tag(other, "snapkeep:policy") == tag(snapshot, "snapkeep:policy")
        })
    };
    let at_hand = newest(backups().filter(|other| other.tier == Tier::Standard));
    [newest(backups()), at_hand].into_iter().flatten().any(|last| last.id == snapshot.id)
}

/// A backup that no person has taken out of the rules, and that was not taken once more.
fn is_counted(world: &World<'_>, snapshot: &Snapshot, all: &[Snapshot]) -> bool {
    is_ours(world, snapshot)
        && is_backup(world, snapshot)
        && tag(snapshot, "KeepForever").is_none()
        && !matches!(rule(snapshot), Rule::TakenAway)
        && !was_taken_once_more(world, snapshot, all)
}

/// Whether the same job has made a newer one, which is kept for exactly as long, and nothing holds this one.
fn was_taken_once_more(world: &World<'_>, snapshot: &Snapshot, all: &[Snapshot]) -> bool {
    let is_of_policy = |other: &&Snapshot| {
        is_ours(world, other)
            && is_backup(world, other)
            && tag(other, "snapkeep:policy") == tag(snapshot, "snapkeep:policy")
    };
    let is_of_job = |other: &&Snapshot| tag(other, "snapkeep:job") == tag(snapshot, "snapkeep:job");
    let newer = all.iter().filter(|other| is_newer(other, snapshot)).filter(is_of_policy).filter(is_of_job);
    let newer: Vec<&Snapshot> = newer.collect();
    if newer.is_empty() || world.holds.contains_key(&snapshot.id) {
        return false;
    }
    let ruling =
        newest(all.iter().filter(is_of_policy).filter(|other| !matches!(rule(other), Rule::TakenAway))).unwrap();
    let (Rule::Readable(ruling_rule), Some(ruling_zone)) = (rule(ruling), zone(ruling)) else { return false };
    let said = |snapshot: &Snapshot| {
        let (Rule::Readable(own), Some(own_zone)) = (rule(snapshot), zone(snapshot)) else { return None };
        let (job, slot) = (tag(snapshot, "snapkeep:job")?, tag(snapshot, "snapkeep:slot")?);
        let time: DateTime<Utc> = slot.parse().ok()?;
        let date = is_age(&own).then(|| after(&own, day(time, own_zone)).to_string());
        let is_as_the_job_made_it = tag(snapshot, "DeleteOn").map(str::trim) == date.as_deref()
            && tag(snapshot, "KeepForever").is_none()
            && snapshot.tier == Tier::Standard
            && !job.is_empty();
        let periods = [&own, &ruling_rule].into_iter().filter(|rule| rule.contains('=')).flat_map(|rule| {
            rule.split(' ').map(|part| label(part.split_once('=').unwrap().0, snapshot.started.unwrap(), ruling_zone))
        });
        let periods: Vec<String> = periods.collect();
        is_as_the_job_made_it.then(|| (job.to_owned(), slot.to_owned(), own, own_zone, periods))
    };
    let own = said(snapshot);
    own.is_some() && newer.iter().any(|other| said(other) == own)
}

fn stays_by_rule(world: &World<'_>, snapshot: &Snapshot, all: &[Snapshot]) -> bool {
    // Only ours by tag and owner.
    if !is_ours(world, snapshot) {
        return true;
    }
    // Whatever a person, EC2 or another service holds.
    if tag(snapshot, "KeepForever").is_some() || world.holds.contains_key(&snapshot.id) {
        return true;
    }
    let fellows: Vec<&Snapshot> = all
        .iter()
        .filter(|other| is_ours(world, other) && tag(other, "snapkeep:policy") == tag(snapshot, "snapkeep:policy"))
        .collect();
    let backups: Vec<&Snapshot> = fellows.iter().copied().filter(|other| is_backup(world, other)).collect();
    // Its rule cannot be read, the newest one's cannot be read, or a person took its keyword away.
    let Rule::Readable(own) = rule(snapshot) else { return true };
    let ruling = newest(backups.iter().copied().filter(|other| !matches!(rule(other), Rule::TakenAway)));
    let ruling_rule = match ruling.map(|ruling| (rule(ruling), zone(ruling))) {
        Some((Rule::Readable(rule), Some(zone))) => Some((rule, zone)),
        Some(_) => return true,
        None => None,
    };
    if has_stopped(world, all) {
        return true;
    }
    if snapshot.state == "error" {
        // Goes once a newer good one exists.
        return snapshot.started.is_none() || !backups.iter().any(|other| other.started > snapshot.started);
    }
    // Pending, future-dated and doubtful ones stay.
    if !is_backup(world, snapshot) {
        return true;
    }
    let Some((ruling_rule, ruling_zone)) = ruling_rule else { return true };
    // The same job has made a newer one, and that one stays or both go.
    if was_taken_once_more(world, snapshot, all) {
        return false;
    }
    // Gone for so long that no count and no calendar holds any more.
    let spent = is_age(world.orphans) && is_spent(world, snapshot, all);
    // Archived less than 90 days ago, or nobody knows when.
    if let Tier::Archive(since) = snapshot.tier {
        let ninety = |time: DateTime<Utc>| day(time, Tz::UTC) + TimeDelta::days(90) > day(world.now, Tz::UTC);
        if since.is_none_or(ninety) {
            return true;
        }
    }
    // Its own date: still to come, removed or unreadable.
    let date = tag(snapshot, "DeleteOn");
    if is_age(&own) && date.is_none() {
        return true;
    }
    if let Some(date) = date {
        let Some(zone) = zone(snapshot) else { return true };
        match read_day(date) {
            None => return true,
            Some(date) if date > day(world.now, zone) => return true,
            Some(_) => {}
        }
    }
    if own == "forever" || ruling_rule == "forever" {
        return true;
    }
    // A count or a calendar, as long as the volume has not been gone for too long.
    let counted: Vec<&Snapshot> = backups.iter().copied().filter(|other| is_counted(world, other, all)).collect();
    let by_rule = match is_age(&ruling_rule) {
        false => keeps(&ruling_rule, ruling_zone, snapshot, &counted),
        true if is_age(&own) => false,
        true => {
            let is_young = || after(&ruling_rule, day(snapshot.started.unwrap(), ruling_zone));
            keeps(&own, ruling_zone, snapshot, &counted) || (date.is_none() && is_young() > day(world.now, ruling_zone))
        }
    };
    by_rule && !spent
}

/// Whether the orphan rule says that the last may go by now.
fn is_spent(world: &World<'_>, snapshot: &Snapshot, all: &[Snapshot]) -> bool {
    let of_policy = |other: &&Snapshot| {
        is_ours(world, other)
            && is_backup(world, other)
            && tag(other, "snapkeep:policy") == tag(snapshot, "snapkeep:policy")
    };
    let last = newest(all.iter().filter(of_policy));
    let ruling = newest(all.iter().filter(of_policy).filter(|other| !matches!(rule(other), Rule::TakenAway)));
    let zone = ruling.and_then(zone).unwrap_or(Tz::UTC);
    match last {
        Some(last) if world.is_gone && is_age(world.orphans) => {
            after(world.orphans, day(last.started.unwrap(), zone)) <= day(world.now, zone)
        }
        _ => world.is_gone && world.orphans == "by-rule",
    }
}

/// The rule that a snapshot's tags say, as text.
enum Rule {
    Readable(String),
    Unreadable,
    TakenAway,
}

fn rule(snapshot: &Snapshot) -> Rule {
    let text = match tag(snapshot, "snapkeep:keyword") {
        Some(keyword) => match tag(snapshot, keyword) {
            None => return Rule::TakenAway,
            Some(text) if text.trim().parse::<u32>().is_ok_and(|count| (1..=100_000).contains(&count)) => text,
            Some(_) => return Rule::Unreadable,
        },
        None => tag(snapshot, "snapkeep:retain").unwrap_or("nothing"),
    };
    match text {
        "nothing" | "soon" | "" => Rule::Unreadable,
        text => Rule::Readable(text.trim().into()),
    }
}

fn is_ours(world: &World<'_>, snapshot: &Snapshot) -> bool {
    tag(snapshot, "snapkeep:policy").is_some()
        && snapshot.owner == world.account
        && snapshot.volume == world.volume
        && tag(snapshot, "snapkeep:volume").is_none_or(|volume| volume == world.volume)
        && !snapshot.is_copy
        && !snapshot.tags.keys().any(|key| key.starts_with("aws:dlm:") || key.starts_with("aws:backup:"))
}

fn is_backup(world: &World<'_>, snapshot: &Snapshot) -> bool {
    snapshot.state == "completed" && snapshot.started.is_some() && snapshot.started <= Some(world.now)
}

/// Even the newest completed snapshot of a living volume is past its own date.
fn has_stopped(world: &World<'_>, all: &[Snapshot]) -> bool {
    let Some(newest) = newest(all.iter().filter(|other| is_ours(world, other) && is_backup(world, other))) else {
        return false;
    };
    let date = tag(newest, "DeleteOn").and_then(read_day);
    let is_of_age = matches!(rule(newest), Rule::Readable(rule) if is_age(&rule));
    match (date, zone(newest)) {
        (Some(date), Some(zone)) => !world.is_gone && is_of_age && date < day(world.now, zone),
        _ => false,
    }
}

/// Whether a count or a calendar keeps `snapshot`.
fn keeps(rule: &str, zone: Tz, snapshot: &Snapshot, counted: &[&Snapshot]) -> bool {
    if let Ok(count) = rule.parse::<usize>() {
        return counted.iter().filter(|other| is_newer(other, snapshot)).count() < count;
    }
    rule.split(' ').any(|part| {
        let (period, last) = part.split_once('=').unwrap();
        let label = |snapshot: &Snapshot| label(period, snapshot.started.unwrap(), zone);
        let own = label(snapshot);
        let is_newest_of_its_period = !counted.iter().any(|other| is_newer(other, snapshot) && label(other) == own);
        let mut later: Vec<String> =
            counted.iter().filter(|other| is_newer(other, snapshot)).map(|other| label(other)).collect();
        later.sort();
        later.dedup();
        is_newest_of_its_period && (last == "all" || later.len() < last.parse::<usize>().unwrap())
    })
}

/// The period as a person would write it down.
fn label(period: &str, time: DateTime<Utc>, zone: Tz) -> String {
    let local = time.with_timezone(&zone);
    match period {
        "hourly" => local.format("%Y-%m-%d %H %z").to_string(),
        "daily" => local.format("%Y-%m-%d").to_string(),
        "weekly" => local.format("%G-W%V").to_string(),
        "monthly" => local.format("%Y-%m").to_string(),
        "quarterly" => format!("{} {}", local.year(), ["I", "II", "III", "IV"][local.month0() as usize / 3]),
        "yearly" => local.format("%Y").to_string(),
        _ => panic!("{period}"),
    }
}

fn is_newer(one: &Snapshot, other: &Snapshot) -> bool {
    one.started > other.started || (one.started == other.started && one.id > other.id)
}

fn newest<'a>(snapshots: impl Iterator<Item = &'a Snapshot>) -> Option<&'a Snapshot> {
    snapshots.reduce(|one, other| if is_newer(one, other) { one } else { other })
}

fn is_age(rule: &str) -> bool {
    rule.ends_with(['d', 'w', 'm', 'y']) && rule.starts_with(|first: char| first.is_ascii_digit())
}

fn after(age: &str, day: NaiveDate) -> NaiveDate {
    let (length, unit) = age.split_at(age.len() - 1);
    let length: u32 = length.parse().unwrap();
    match unit {
        "d" => day + TimeDelta::days(length.into()),
        "w" => day + TimeDelta::weeks(length.into()),
        "m" => day + Months::new(length),
        _ => day + Months::new(12 * length),
    }
}

fn day(time: DateTime<Utc>, zone: Tz) -> NaiveDate {
    time.with_timezone(&zone).date_naive()
}

fn read_day(text: &str) -> Option<NaiveDate> {
    let parts: Vec<&str> = text.trim().split('-').collect();
    let [year, month, day] = parts[..] else { return None };
    let is_whole = (year.len(), month.len(), day.len()) == (4, 2, 2);
    let number = |text: &str| text.parse::<u32>().ok();
    NaiveDate::from_ymd_opt(year.parse().ok()?, number(month)?, number(day)?).filter(|_| is_whole)
}

fn zone(snapshot: &Snapshot) -> Option<Tz> {
    tag(snapshot, "snapkeep:time-zone").unwrap_or("UTC").parse().ok()
}

fn tag<'a>(snapshot: &'a Snapshot, key: &str) -> Option<&'a str> {
    snapshot.tags.get(key).map(String::as_str)
}
