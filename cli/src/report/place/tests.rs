use chrono_tz::Tz;
use serde_json::json;
use shared::rules::calendar::days;
use shared::vocabulary::policy::{Audit, Regions};

use super::*;

const ACCOUNT: &str = "123456789012";

fn asked() -> Asked {
    let now = "2026-11-20T12:00:00Z".parse().unwrap();
    let event = json!({"action": "audit", "policy": "daily", "select": {"tags": {}}, "retain": "7d", "rpo": "26h"});
    let audit = Audit::parse(&event, now).unwrap();
    let regions = Regions::These(vec!["eu-central-1".into()]);
    Asked { audits: vec![(audit, regions)], elsewhere: None, days: days(10, Tz::UTC, now), zone: Tz::UTC, now }
}

fn row(volume: &str, verdict: Verdict) -> Row {
    Row {
        account: ACCOUNT.into(),
        region: "eu-central-1".into(),
        volume: volume.into(),
        instance: None,
        name: None,
        created: None,
        verdict,
        newest: None,
        findings: Vec::new(),
        is_missed: false,
    }
}

/// Daily snapshots at 02:00 under `7d`, the newest so many days ago.
fn daily(volume: &str, ago: std::ops::Range<i64>) -> Vec<Snapshot> {
    let today: DateTime<Utc> = "2026-11-20T02:00:00Z".parse().unwrap();
    let one = |ago: i64| {
        let started = today - TimeDelta::days(ago);
        let due = (started + TimeDelta::days(7)).date_naive().to_string();
        let slot = Slot::at(started).to_string();
        let tags = [
            (tag::POLICY, "daily"),
            (tag::RETAIN, "7d"),
            (tag::DELETE_ON, &due),
            (tag::SLOT, &slot),
            (tag::NAME, "db"),
        ];
        Snapshot {
            id: format!("snap-{volume}-{ago}"),
            volume: volume.into(),
            owner: ACCOUNT.into(),
            started: Some(started),
            state: "completed".into(),
            volume_gib: 100,
            tags: tags.map(|(key, value)| (key.into(), value.into())).into(),
            ..Snapshot::default()
        }
    };
    ago.map(one).collect()
}

fn found(rows: &[Row], volumes: &[(&str, Vec<Snapshot>)], living: &[&str]) -> Found {
    let asked = asked();
    let by_volume: Rows<'_> = rows.iter().map(|row| (row.volume.as_str(), vec![(0, row)])).collect();
    let mut ledger = Ledger::new(&asked, ACCOUNT, "eu-central-1", &by_volume);
    ledger.living = living.iter().map(|volume| String::from(*volume)).collect();
    volumes.iter().flat_map(|(_, snapshots)| snapshots).for_each(|snapshot| ledger.note(snapshot));
    volumes.iter().for_each(|(volume, snapshots)| ledger.add(volume, snapshots));
    ledger.add_bare_volumes();
    ledger.found
}

#[test]
fn each_row_has_its_days_and_today_is_what_the_audit_says() {
    let at = "2026-11-20T02:00:00Z".parse().unwrap();
    let rows = [
        row("vol-1", Verdict::Fresh { at }),
        row("vol-2", Verdict::Never),
        row("vol-3", Verdict::Excluded { why: "boot volume".into() }),
        row("vol-4", Verdict::Stale { newest: at }),
    ];
    let volumes = [("vol-1", daily("vol-1", 0..7)), ("vol-4", daily("vol-4", 2..7))];
    let found = found(&rows, &volumes, &["vol-1", "vol-2", "vol-3", "vol-4"]);
    let days = |volume: &str| found.days[&(0, volume.into())].clone();
    assert_eq!(days("vol-1"), "gggfffffff");
    assert_eq!(days("vol-2"), "nnnnnnnnnn");
    assert_eq!(days("vol-3"), "xxxxxxxxxx");
    assert_eq!(days("vol-4"), "gggfffffss");
}

#[test]
fn what_is_retained_is_counted_by_the_day_and_what_is_older_apart() {
    let mut snapshots = daily("vol-1", 0..12);
    snapshots[0].state = "error".into();
    snapshots[1].state = "pending".into();
    let found = found(&[], &[("vol-1", snapshots), ("vol-9", daily("vol-9", 3..4))], &["vol-1"]);
    assert_eq!(found.retained.series.snapshots, [1, 1, 1, 1, 1, 1, 2, 1, 1, 0]);
    assert_eq!(found.retained.older, Amount { snapshots: 2, gib: 200 });
    assert_eq!(found.retained.total, Amount { snapshots: 12, gib: 1200 });
    assert_eq!(found.retained.orphans, 1);
}

#[test]
fn what_goes_next_is_on_the_day_on_which_its_rule_lets_it_go() {
    let found = found(&[], &[("vol-1", daily("vol-1", 0..9))], &["vol-1"]);
    assert_eq!(found.deletions.due, Amount { snapshots: 2, gib: 200 });
    assert_eq!(found.deletions.series.snapshots, [1; 7]);
    let next: Vec<String> = found
        .deletions
        .next
        .iter()
        .take(3)
        .map(|next| format!("{} {} {}", next.day, next.snapshot, next.name.as_str()))
        .collect();
    assert_eq!(next, ["2026-11-20 snap-vol-1-7 db", "2026-11-20 snap-vol-1-8 db", "2026-11-21 snap-vol-1-6 db"]);
}

#[test]
fn two_places_come_to_the_sum_of_both() {
    let (asked, volumes) = (asked(), [("vol-1", daily("vol-1", 0..9))]);
    let one = found(&[], &volumes, &["vol-1"]);
    let (retained, deletions) = (one.retained.total, one.deletions.series.clone());
    let mut both = Found::of(&asked);
    both.merge(one);
    both.merge(found(&[], &volumes, &["vol-1"]));
    assert_eq!(both.retained.total.gib, 2 * retained.gib);
    let doubled: Vec<u64> = deletions.snapshots.iter().map(|count| 2 * count).collect();
    assert_eq!(both.deletions.series.snapshots, doubled);
    assert_eq!(both.deletions.next.len(), 18);
}
