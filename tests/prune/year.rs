//! A simulated year: hourly, daily and calendar policies over two hundred volumes and more, with the planner and the
//! worker that are deployed. Volumes come and go, and for a week backups fail, and deletions too. At the end there is
//! exactly what the rules name of all snapshots that were ever made.
//!
//! The whole year takes about an hour, most of it for the third of a million hourly snapshots:
//! `cargo test --workspace --test e2e a_year_leaves -- --ignored --nocapture`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;
use planner::plan::plan;
use planner::prune::prune;
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::config;
use shared::rules::fate::Patience;
use shared::vocabulary::job::Job;
use shared::vocabulary::policy::{Policy, Prune, Regions};
use simulator::faults::Fault;
use simulator::fleet::tags;
use simulator::limits::Limit;
use simulator::server::Server;
use simulator::world::{Settings, World};
use tokio::sync::mpsc;
use worker::lanes::{Lanes, Outcome, Step};

use super::there;
use crate::at_once::done_at_once;
use crate::stack::ACCOUNT;

/// Policy, its Region, its rule and how many volumes begin with it.
const POLICIES: [(&str, &str, &str, usize); 3] = [
    ("hourly", "us-east-1", "hourly=24 daily=3", 6),
    ("daily", "eu-central-1", "7d", 96),
    ("calendar", "eu-central-1", "daily=7 weekly=4 monthly=6 quarterly=4 yearly=all", 98),
];
const ZONE: Tz = Tz::Europe__Zurich;

/// Over both ends of summer time would be a year; this is over its beginning.
#[tokio::test(flavor = "multi_thread")]
async fn two_weeks_and_more_leave_exactly_what_the_rules_name() {
    Year::begin("2026-03-20T00:00:00Z").await.run(16, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "an hour"]
async fn a_year_leaves_exactly_what_the_rules_name() {
    Year::begin("2025-11-21T00:00:00Z").await.run(366, 200).await;
}

/// When a snapshot was made, and its id.
type Made = (DateTime<Utc>, String);

struct Year {
    server: Server,
    aws: Arc<Aws>,
    lanes: Lanes,
    start: DateTime<Utc>,
    /// All snapshots that were ever made: volume and policy → when, and its id.
    ledger: BTreeMap<(String, String), Vec<Made>>,
    instances: BTreeMap<&'static str, Vec<(String, Vec<String>)>>,
    dead: usize,
}

impl Year {
    async fn begin(start: &str) -> Self {
        let start: DateTime<Utc> = start.parse().unwrap();
        let world = World::new(Settings { completes_after: TimeDelta::seconds(90), ..Settings::default() });
        world.clock.hold(start);
        // The clock stands still while a run goes on: no bucket would be refilled.
        let lists = ["Instances", "Volumes", "Snapshots", "Images", "LockedSnapshots", "FastSnapshotRestores"];
        let lists = lists.map(|what| format!("Describe{what}"));
        for action in lists.iter().map(String::as_str).chain(["CreateSnapshot", "DeleteSnapshot"]) {
            world.set_limit(action, None, Limit { capacity: 1e9, refill: 1e9 });
        }
        let server = Server::start_local(world).await.unwrap();
        let aws = Arc::new(Aws::at_endpoint(&server.url, ACCOUNT).await);
        let patience = Patience::with_attempts(3);
        let lanes = config::Lanes { create_rate: 10_000.0, delete_rate: 10_000.0, patience };
        let mut year = Self {
            lanes: Lanes::new(Arc::clone(&aws), lanes),
            server,
            aws,
            start,
            ledger: BTreeMap::new(),
            instances: BTreeMap::new(),
            dead: 0,
        };
        for (policy, _, _, volumes) in POLICIES {
            (0..volumes / 2).for_each(|_| year.add_instance(policy));
        }
        year
    }

    fn add_instance(&mut self, policy: &'static str) {
        let region = POLICIES.iter().find(|(name, ..)| *name == policy).unwrap().1;
        let made = self.server.world.add_instance(ACCOUNT, region, tags(&[("Backup", policy)]), 2);
        self.instances.entry(policy).or_default().push(made);
    }

    /// The oldest instance goes, with its volumes.
    fn remove_instance(&mut self, policy: &'static str) {
        let (_, region, ..) = POLICIES.iter().find(|(name, ..)| *name == policy).unwrap();
        let (instance, volumes) = self.instances.get_mut(policy).unwrap().remove(0);
        let now = self.server.world.clock.now();
        self.server.world.region(region, |region| {
            region.instances.remove(&instance, now);
            volumes.iter().for_each(|volume| drop(region.volumes.remove(volume, now)));
        });
    }

    /// Runs through so many days; in the week that begins on day `bad` much fails.
    async fn run(mut self, days: i64, bad: i64) {
        for day in 0..days {
            self.comes_and_goes(day, bad);
            for hour in 0..24 {
                let now = self.start + TimeDelta::days(day) + TimeDelta::hours(hour);
                self.back_up(0, now).await;
                if hour == 2 {
                    self.back_up(1, now + TimeDelta::minutes(5)).await;
                    self.back_up(2, now + TimeDelta::minutes(10)).await;
                }
                if hour == 3 {
                    self.prune(now + TimeDelta::minutes(15)).await;
                }
            }
        }
        let end = self.start + TimeDelta::days(days) + TimeDelta::hours(1);
        self.prune(end).await;
        self.check(end);
    }

    /// Every second week an instance comes and another goes; the bad week has two kinds of failure.
    fn comes_and_goes(&mut self, day: i64, bad: i64) {
        if day % 14 == 10 {
            ["hourly", "daily", "calendar"].into_iter().for_each(|policy| self.add_instance(policy));
            ["daily", "calendar"].into_iter().for_each(|policy| self.remove_instance(policy));
        }
        if day == bad {
            let mut faults = self.server.world.faults();
            faults.set(Fault::on("CreateSnapshot", 500, "InternalError", "An internal error has occurred").share(0.6));
            faults.set(Fault::on("DeleteSnapshot", 503, "Unavailable", "The server is overloaded").share(0.6));
        }
        if day == bad + 7 {
            self.server.world.faults().clear();
        }
    }

    async fn back_up(&mut self, which: usize, now: DateTime<Utc>) {
        let (name, region, rule, _) = POLICIES[which];
        self.server.world.clock.hold(now);
        let policy = json!({
            "action": "snapshot", "policy": name, "select": {"tags": {"Backup": [name]}}, "retain": rule,
            "regions": [region], "time_zone": ZONE.name(), "scheduled_time": now.to_rfc3339(),
        });
        let policy = Policy::parse(&policy, now).unwrap();
        let (sender, receiver) = mpsc::channel(10_000);
        let nowhere = Regions::These(vec![]);
        let summary = plan(&self.aws, &policy, &nowhere, sender).await;
        assert_eq!(summary.problems(), Vec::<String>::new());
        self.work(receiver, now).await;
    }

    async fn prune(&mut self, now: DateTime<Utc>) {
        self.server.world.clock.hold(now);
        let policy: Value = json!({
            "action": "prune", "regions": ["eu-central-1", "us-east-1"], "cap": {"percent": 90},
            "scheduled_time": now.to_rfc3339(),
        });
        let policy = Prune::parse(&policy, now).unwrap();
        let (sender, receiver) = mpsc::channel(10_000);
        let nowhere = Regions::These(vec![]);
        let summary = prune(&self.aws, &policy, &nowhere, now, sender, None).await;
        assert_eq!(summary.problems(), Vec::<String>::new());
        let capped = summary.regions.iter().filter_map(|region| region.prune.as_ref()?.capped.as_ref());
        assert_eq!(capped.count(), 0, "{summary:?}");
        self.work(receiver, now).await;
    }

    async fn work(&mut self, jobs: mpsc::Receiver<Job>, now: DateTime<Utc>) {
        for (job, step) in done_at_once(&self.lanes, jobs, now).await {
            match step {
                Step::Finished(Outcome::Created(id)) => {
                    self.ledger.entry((job.volume, job.policy)).or_default().push((now, id));
                }
                Step::Finished(Outcome::Pruned(_) | Outcome::AlreadyThere(_)) => {}
                Step::Dead(_) => self.dead += 1,
                step => panic!("{step:?}"),
            }
        }
    }

    /// What each policy's rule names of everything that was ever made, and what there is.
    fn check(&self, now: DateTime<Utc>) {
        let found = there(&self.server.world);
        println!("{}", self.picture(&found, now));
        let made: usize = self.ledger.values().map(Vec::len).sum();
        let (volumes, left) = (self.ledger.len(), found.len());
        let dead = self.dead;
        println!("{made} snapshots were made of {volumes} volumes, {left} are left; {dead} jobs were dead-lettered");
        assert!(dead > 0, "the bad week was none");
        let named = self.ledger.iter().flat_map(|((_, policy), made)| named(policy, made, now));
        let named: BTreeSet<String> = named.collect();
        let (too_many, too_few) = (found.difference(&named).count(), named.difference(&found).count());
        assert_eq!((too_many, too_few), (0, 0), "not named and there; named and gone");
    }

    /// One volume of each policy, a row for each day of the week and a column for each week.
    fn picture(&self, found: &BTreeSet<String>, now: DateTime<Utc>) -> String {
        let mut picture =
            String::from("█ kept (1 to 9: so many)   · taken, and deleted by its rule   blank: not taken\n");
        for (policy, _, rule, _) in POLICIES {
            let longest = self.ledger.iter().filter(|((_, of), _)| of == policy).max_by_key(|(_, made)| made.len());
            let Some((_, made)) = longest else { continue };
            let mut days = BTreeMap::<NaiveDate, (usize, usize)>::new();
            for (time, id) in made {
                let day = days.entry(time.with_timezone(&ZONE).date_naive()).or_default();
                day.0 += 1;
                day.1 += usize::from(found.contains(id));
            }
            let kept: usize = days.values().map(|(_, kept)| kept).sum();
            let _ = writeln!(picture, "\n{policy}, {rule}: {kept} of {} snapshots of one volume", made.len());
            let first = self.start.date_naive().week(Weekday::Mon).first_day();
            for (weekday, name) in ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].into_iter().enumerate() {
                let column = first.iter_days().skip(weekday).step_by(7).take_while(|day| *day <= now.date_naive());
                let cells = column.map(|day| match days.get(&day) {
                    None => ' ',
                    Some((_, 0)) => '·',
                    Some((1, 1)) => '█',
                    Some((_, kept)) => char::from_digit((*kept).min(9) as u32, 10).unwrap(),
                });
                let _ = writeln!(picture, "{name} {}", cells.collect::<String>().trim_end());
            }
        }
        picture
    }
}

/// What a policy names of the snapshots of one volume, said once more and in another way than by the rules: backups
/// never stop here, and nobody edits a tag.
fn named(policy: &str, made: &[Made], now: DateTime<Utc>) -> BTreeSet<String> {
    let mut newest_first = made.to_vec();
    newest_first.sort();
    newest_first.reverse();
    let local = |time: &DateTime<Utc>| time.with_timezone(&ZONE);
    let mut named: BTreeSet<String> = newest_first.iter().take(1).map(|(_, id)| id.clone()).collect();
    let mut of_each = |format: &str, most: usize| {
        let label = |time: &DateTime<Utc>| match format {
            "quarter" => format!("{} {}", local(time).year(), local(time).month0() / 3),
            format => local(time).format(format).to_string(),
        };
        let mut labelled = newest_first.iter().map(|(time, id)| (label(time), id)).collect::<Vec<_>>();
        labelled.dedup_by(|later, earlier| later.0 == earlier.0);
        named.extend(labelled.into_iter().take(most).map(|(_, id)| id.clone()));
    };
    match policy {
        "hourly" => [("%F %H %z", 24), ("%F", 3)].into_iter().for_each(|(format, most)| of_each(format, most)),
        "calendar" => [("%F", 7), ("%G %V", 4), ("%Y %m", 6), ("quarter", 4), ("%Y", usize::MAX)]
            .into_iter()
            .for_each(|(format, most)| of_each(format, most)),
        _ => {
            let today = local(&now).date_naive();
            let is_young = |time: &DateTime<Utc>| local(time).date_naive() + TimeDelta::days(7) > today;
            named.extend(newest_first.iter().filter(|(time, _)| is_young(time)).map(|(_, id)| id.clone()));
        }
    }
    named
}
