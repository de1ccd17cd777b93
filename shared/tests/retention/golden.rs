//! `golden.txt`: each case with its snapshots, and what becomes of each. What stands right of `=>` is compared; when it
//! is meant to change, the new file is written beside the build, to be read and copied.

use std::fmt::Write;
use std::path::Path;

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use shared::rules::retention::{Case, Judgement, judge};
use shared::vocabulary::inventory::{Hold, Holds, Presence, Snapshot, Tier};
use shared::vocabulary::orphans::Orphans;
use shared::vocabulary::retain::RetainRule;
use shared::vocabulary::slot::Slot;

pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const VOLUME: &str = "vol-1";

#[test]
fn awkward_cases_end_as_the_golden_table_says() {
    let golden = include_str!("golden.txt");
    let cases: Vec<String> = golden.split("== ").filter(|case| !case.trim().is_empty()).map(told).collect();
    let found = cases.join("\n");
    assert!(cases.len() >= 60, "{} cases", cases.len());
    if found != golden {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden.txt");
        std::fs::write(&path, &found).unwrap();
        panic!("the table says otherwise: diff {} shared/tests/retention/golden.txt", path.display());
    }
}

/// The case as it stands in the table, with what becomes of its snapshots now.
fn told(text: &str) -> String {
    let mut lines = text.lines();
    let (title, head) = (lines.next().unwrap(), lines.next().unwrap());
    let inputs: Vec<&str> =
        lines.map(|line| line.split("=>").next().unwrap().trim()).filter(|line| !line.is_empty()).collect();
    let setting = Setting::read(head);
    let mut holds = Holds::new();
    let snapshots: Vec<Snapshot> = inputs.iter().map(|line| setting.snapshot(line, &mut holds)).collect();
    let Judgement { verdicts, findings } = judge(&setting.case(&holds), &snapshots);
    let mut told = format!("== {title}\n{head}\n");
    for (line, snapshot) in inputs.iter().zip(&snapshots) {
        let verdict = verdicts.iter().find(|verdict| verdict.snapshot == snapshot.id).unwrap();
        let _ = writeln!(told, "  {line:<50} => {:6} {}", verdict.word(), verdict.why().join("; "));
    }
    assert_eq!(verdicts.len(), snapshots.len(), "{title}: one verdict for each");
    assert!(verdicts.iter().all(|verdict| !verdict.why().is_empty()), "{title}: a reason for each");
    told.extend(findings.iter().map(|finding| format!("  => {finding}\n")));
    told
}

/// `now 2026-11-20 03:00 | rule 7d | zone Europe/Zurich | gone | orphans 90d`
struct Setting {
    now: DateTime<Utc>,
    rule: Option<RetainRule>,
    keyword: Option<String>,
    zone: Tz,
    presence: Presence,
    orphans: Orphans,
}

impl Setting {
    fn read(head: &str) -> Self {
        let mut setting = Self {
            now: DateTime::UNIX_EPOCH,
            rule: None,
            keyword: None,
            zone: Tz::UTC,
            presence: Presence::Living,
            orphans: Orphans::default(),
        };
        for part in head.split(" | ") {
            match part.split_once(' ').unwrap_or((part, "")) {
                ("now", time) => setting.now = utc(time),
                ("rule", rule) => setting.rule = Some(rule.parse().unwrap()),
                ("keyword", key) => setting.keyword = Some(key.into()),
                ("zone", zone) => setting.zone = zone.parse().unwrap(),
                ("gone", "") => setting.presence = Presence::Gone,
                ("orphans", orphans) => setting.orphans = orphans.parse().unwrap(),
                _ => panic!("{part}"),
            }
        }
        setting
    }

    fn case<'a>(&self, holds: &'a Holds) -> Case<'a> {
        let Self { presence, orphans, now, .. } = *self;
        Case { account: ACCOUNT, volume: VOLUME, presence, orphans, holds, now }
    }

    /// `a 2026-11-20 02:00 of=2026-11-20 pending KeepForever= -DeleteOn`: tagged as the worker tags it, where it says `of`
    /// by the job of that day, and then changed.
    fn snapshot(&self, line: &str, holds: &mut Holds) -> Snapshot {
        let words: Vec<&str> = line.split_whitespace().collect();
        let id = format!("snap-{}", words[0]);
        let started = (words[1] != "-").then(|| utc(&format!("{} {}", words[1], words[2])));
        let own = words.iter().find_map(|word| word.strip_prefix("retain="));
        let own = own.and_then(|rule| rule.parse().ok());
        let mut snapshot = made(&id, started, own.as_ref().or(self.rule.as_ref()), self.zone);
        snapshot.tags.extend(self.keyword.iter().map(|key| ("snapkeep:keyword".into(), key.clone())));
        if let Some(day) = words.iter().find_map(|word| word.strip_prefix("of=")) {
            let slot = Slot::at(utc(&format!("{day} 02:00")));
            by_the_job_of(&mut snapshot, slot, own.as_ref().or(self.rule.as_ref()), self.zone);
        }
        for word in &words[3..] {
            match word.split_once('=').unwrap_or((word, "")) {
                ("pending" | "error" | "recoverable" | "recovering", "") => snapshot.state = String::from(*word),
                ("copy", "") => snapshot.is_copy = true,
                ("owner", owner) => snapshot.owner = owner.into(),
                ("volume", volume) => snapshot.volume = volume.into(),
                ("image", image) => drop(holds.insert(id.clone(), Hold::Image(image.into()))),
                ("restore", zone) => drop(holds.insert(id.clone(), Hold::FastRestore(zone.into()))),
                ("lock", day) => drop(holds.insert(id.clone(), Hold::Lock(Some(utc(&format!("{day} 00:00")))))),
                ("archived", "") => snapshot.tier = Tier::Archive(None),
                ("archived", day) => snapshot.tier = Tier::Archive(Some(utc(&format!("{day} 00:00")))),
                ("policy", policy) => drop(snapshot.tags.insert("snapkeep:policy".into(), policy.into())),
                ("retain", rule) => drop(snapshot.tags.insert("snapkeep:retain".into(), rule.into())),
                ("of", _) => {}
                (key, _) if key.starts_with('-') => drop(snapshot.tags.remove(&key[1..])),
                (key, value) => drop(snapshot.tags.insert(key.into(), value.into())),
            }
        }
        snapshot
    }
}

/// A completed snapshot as the worker makes it under `rule`.
pub(crate) fn made(id: &str, started: Option<DateTime<Utc>>, rule: Option<&RetainRule>, zone: Tz) -> Snapshot {
    let mut tags = vec![("snapkeep:policy", String::from("daily")), ("snapkeep:volume", VOLUME.into())];
    tags.extend(rule.map(|rule| ("snapkeep:retain", rule.to_string())));
    if zone != Tz::UTC {
        tags.push(("snapkeep:time-zone", zone.to_string()));
    }
    let delete_on = rule.zip(started).and_then(|(rule, started)| rule.delete_on(Slot::at(started), zone));
    tags.extend(delete_on.map(|day| ("DeleteOn", day.to_string())));
    Snapshot {
        id: id.into(),
        volume: VOLUME.into(),
        owner: ACCOUNT.into(),
        started,
        state: "completed".into(),
        tags: tags.into_iter().map(|(key, value)| (key.into(), value)).collect(),
        ..Snapshot::default()
    }
}

/// The job of its volume, policy and `slot` has made it.
pub(crate) fn by_the_job_of(snapshot: &mut Snapshot, slot: Slot, rule: Option<&RetainRule>, zone: Tz) {
    let tags = [("snapkeep:job", format!("job-{slot}")), ("snapkeep:slot", slot.to_string())];
    let delete_on = rule.and_then(|rule| rule.delete_on(slot, zone)).map(|day| ("DeleteOn", day.to_string()));
    snapshot.tags.extend(tags.into_iter().chain(delete_on).map(|(key, value)| (key.into(), value)));
}

fn utc(text: &str) -> DateTime<Utc> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc()
}
