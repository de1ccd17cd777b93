//! Fleets as a report may show them, made up by a rule and always the same.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use cli::report::data::*;

const NAMES: [&str; 8] = ["web", "db-primary", "db-replica", "kafka", "build-agent", "grafana", "vault", "api"];
const REGIONS: [&str; 5] = ["ap-southeast-2", "eu-central-1", "eu-west-1", "us-east-1", "us-west-2"];
const DAYS: usize = 30;
const COMING: usize = 7;

pub fn now() -> DateTime<Utc> {
    "2026-11-28T17:02:00Z".parse().unwrap()
}

fn days(first: i64, count: usize) -> Vec<NaiveDate> {
    let today = now().date_naive();
    (0..).take(count).map(|day| today + TimeDelta::days(first + day)).collect()
}

/// Numbers that look as if they had come by chance.
fn dice(seed: usize, sides: usize) -> usize {
    let mixed = (seed as u64 ^ 0x9e37).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) as usize % sides
}

/// So many volumes: few in one Region of one account, more in five of two, where one cannot be read.
pub fn fleet(volumes: usize) -> Data {
    let is_large = volumes > 100;
    let (accounts, regions) = match is_large {
        true => (&["123456789012", "210987654321"][..], &REGIONS[..]),
        false => (&["123456789012"][..], &REGIONS[1..2]),
    };
    let places = accounts.iter().flat_map(|account| regions.iter().map(move |region| (account, region)));
    let mut places: Vec<Place> = places
        .map(|(account, region)| Place { account: (*account).into(), region: (*region).into(), error: None })
        .collect();
    if is_large {
        let denied =
            "list volumes in us-west-2: UnauthorizedOperation: You are not authorized to perform this operation";
        places[4].error = Some(denied.into());
    }
    let policies = policies(is_large);
    let readable = places.iter().filter(|place| place.error.is_none()).count();
    let mut groups = Vec::new();
    for (policy, share) in shares(volumes, is_large).into_iter().enumerate() {
        for (place, found) in places.iter().enumerate() {
            let count = if found.error.is_some() { 0 } else { share / readable };
            let seed = policy * 100_000 + place * 10_000;
            let volumes = (seed..seed + count).map(volume).collect();
            groups.push(Group { policy, place, volumes });
        }
    }
    Data {
        version: "0.1.0",
        at: now(),
        zone: "Europe/Zurich".into(),
        days: days(1 - DAYS as i64, DAYS),
        policies,
        places,
        groups,
        unselected: Some(if is_large { 37 } else { 0 }),
        notes: Vec::new(),
        letters: if is_large { dead_letters() } else { no_letters() },
        retained: retained(volumes as u64),
        deletions: deletions(volumes as u64),
    }
}

fn shares(volumes: usize, is_large: bool) -> Vec<usize> {
    if is_large { vec![volumes * 9 / 10, volumes / 10] } else { vec![volumes] }
}

fn policies(is_large: bool) -> Vec<Policy> {
    let policy = |name: &str, retain: &str, rpo: &str, oldest: &str| Policy {
        name: name.into(),
        retain: retain.into(),
        rpo: rpo.into(),
        oldest: Some(oldest.into()),
    };
    let weekly = is_large.then(|| policy("weekly", "daily=7 weekly=12", "8d", "9d"));
    [policy("daily", "30d", "26h", "4d")].into_iter().chain(weekly).collect()
}

/// One of the kinds that there are.
pub fn volume(seed: usize) -> Volume {
    let mut days = vec!['f'; DAYS];
    if dice(seed, 8) == 0 {
        days[..dice(seed + 1, DAYS)].fill('.');
    }
    if dice(seed + 2, 3) == 0 {
        days[..23].iter_mut().filter(|day| **day == 'f').for_each(|day| *day = 'g');
    }
    if dice(seed + 3, 40) == 0 {
        days[dice(seed + 4, DAYS - 1)] = 's';
    }
    let (now, why) = match (seed % 97, seed % 211, seed % 301, seed % 90, seed % 70) {
        (3, ..) => {
            days[DAYS - 4..].fill('s');
            ("stale, 4d", "the newest backup is 4d old")
        }
        (_, 5, ..) => {
            days.fill('n');
            ("never", "there is no backup")
        }
        (_, _, 7, ..) => {
            days[DAYS - 1] = 'e';
            (
                "failed, 2h",
                "the snapshot of 2h ago ended in error: The snapshot could not be created: the KMS key is disabled",
            )
        }
        (_, _, _, 2, _) => {
            days[DAYS - 1] = 'p';
            ("pending, 12m", "a snapshot has been under way for 12m")
        }
        (_, _, _, _, 13) => {
            days.fill('x');
            ("excluded", "volume has the excluded tag Scratch")
        }
        _ => ("2h", "backed up 2h ago"),
    };
    let name = match dice(seed + 5, 14) {
        0 => String::new(),
        _ => format!("{}-{:03}", NAMES[dice(seed + 6, NAMES.len())], dice(seed + 7, 400)),
    };
    Volume {
        id: format!("vol-{:017x}", dice(seed + 8, usize::MAX)),
        name: name.into(),
        instance: format!("i-{:017x}", dice(seed + 9, usize::MAX)),
        days: days.into_iter().collect(),
        now: now.into(),
        why: why.into(),
    }
}

pub fn no_letters() -> Letters {
    Letters::Read { queue: "snapkeep-dlq.fifo".into(), causes: Vec::new(), notes: Vec::new() }
}

fn dead_letters() -> Letters {
    let cause = |code: &str, message: &str, whereabouts: &str, letters| Cause {
        code: code.into(),
        class: "permanent".into(),
        message: message.into(),
        whereabouts: whereabouts.into(),
        letters,
        volumes: letters,
        oldest: "2d03h".into(),
        expires: "11d20h".into(),
    };
    let causes = vec![
        cause(
            "KMSKeyNotAccessibleFault",
            "The specified KMS key of vol-… is not accessible",
            " of daily in eu-west-1",
            12,
        ),
        cause("TagLimitExceeded", "too many tags on vol-…", " of daily, weekly in eu-central-1, us-east-1", 1),
    ];
    Letters::Read { queue: "snapkeep-dlq.fifo".into(), causes, notes: Vec::new() }
}

fn series(days: Vec<NaiveDate>, snapshots: Vec<u64>) -> Series {
    let gib = snapshots.iter().map(|count| count * 97 + count % 7 * 13).collect();
    Series { days, snapshots, gib }
}

fn retained(volumes: u64) -> Retained {
    let day = |day: usize| match day {
        0..23 => volumes / 4 + dice(day, 3) as u64,
        _ => volumes + dice(day, 1 + volumes as usize / 50) as u64,
    };
    let series = series(days(1 - DAYS as i64, DAYS), (0..DAYS).map(day).collect());
    let older = Amount { snapshots: volumes / 3, gib: volumes * 30 };
    let total = Amount {
        snapshots: series.snapshots.iter().sum::<u64>() + older.snapshots,
        gib: series.gib.iter().sum::<u64>() + older.gib,
    };
    Retained { series, older, total, orphans: volumes / 50 }
}

fn deletions(volumes: u64) -> Deletions {
    let day = |day: usize| volumes / 2 + dice(day, 1 + volumes as usize / 10) as u64;
    let next = (0..20).map(|number| {
        let volume = volume(number * 17);
        Deletion {
            day: now().date_naive() + TimeDelta::days(1 + number as i64 / 10),
            snapshot: format!("snap-{:017x}", dice(number, usize::MAX)),
            volume: volume.id,
            name: volume.name,
            policy: "daily".into(),
            region: "eu-central-1".into(),
        }
    });
    Deletions {
        series: series(days(1, COMING), (0..COMING).map(day).collect()),
        due: Amount { snapshots: volumes / 4, gib: volumes * 25 },
        held: if volumes > 100 { 3 } else { 0 },
        next: next.collect(),
    }
}

/// Nothing was asked for and nothing is there.
pub fn nothing() -> Data {
    Data {
        policies: Vec::new(),
        places: Vec::new(),
        groups: Vec::new(),
        unselected: None,
        letters: Letters::Unread {
            why: "The dead-letter queue was not read: SNAPKEEP_DLQ_URL is not set.".into(),
            failed: false,
        },
        retained: Retained { series: series(days(1 - DAYS as i64, DAYS), vec![0; DAYS]), ..Retained::default() },
        deletions: Deletions { series: series(days(1, COMING), vec![0; COMING]), ..Deletions::default() },
        ..fleet(10)
    }
}
