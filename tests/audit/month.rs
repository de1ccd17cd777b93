//! A simulated month with calamities that are planned: each morning the audit's verdicts are what the scenario knows,
//! volume by volume; what went wrong is alerted in the morning after, and what did not is not.
//!
//! The planner, the worker and the audit are the deployed ones, with the simulator's clock. The truth is kept beside them:
//! which snapshots were begun when, as the worker tells, and which of them the scenario has spoilt.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use notifier::digest::{Alert, News, Subject, alerts};
use planner::audit::{Coverage, Meter, Reading, Row, Wanted, audit};
use planner::plan::plan;
use planner::prune::prune;
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::config;
use shared::rules::fate::Patience;
use shared::vocabulary::job::Job;
use shared::vocabulary::policy::{Audit, Policy, Prune, Regions};
use shared::vocabulary::report::Report;
use simulator::faults::{Effect, Fault};
use simulator::fleet::tags;
use simulator::limits::Limit;
use simulator::server::Server;
use simulator::world::{Settings, World};
use tokio::sync::mpsc;
use worker::lanes::{Lanes, Outcome, Step};

use crate::at_once::done_at_once;
use crate::stack::ACCOUNT;

const HOME: &str = "eu-central-1";
const OTHER: &str = "us-east-1";
const RPO: TimeDelta = TimeDelta::hours(26);

/// What each morning's mail is about, in the words of its subject; a morning that is not listed has no mail.
const MAILS: [(i64, &str); 12] = [
    (4, "1 place unknown"),
    (7, "1 volume not covered"),
    (8, "1 volume not covered"),
    (9, "1 volume not covered"),
    (11, "24 volumes not covered"),
    (16, "2 volumes in no policy"),
    (17, "2 volumes in no policy"),
    (21, "1 volume not covered"),
    (24, "12 volumes not covered"),
    (27, "1 place unknown"),
    (29, "2 volumes not covered"),
    (30, "2 volumes not covered"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_calamities_is_seen_as_it_was_each_morning() {
    let mut month = Month::begin("2026-03-01T00:00:00Z").await;
    for day in 0..31 {
        month.day(day).await;
    }
    let mails: Vec<(i64, &str)> = month.mails.iter().map(|(day, subject)| (*day, subject.as_str())).collect();
    let mails: Vec<(i64, &str)> =
        mails.iter().map(|(day, subject)| (*day, subject.trim_start_matches("snapkeep daily: "))).collect();
    assert_eq!(mails, MAILS);
    println!("{} verdicts in 31 mornings were the truth, {} mails: {:#?}", month.verdicts, mails.len(), mails);
}

/// A snapshot that was begun: when, and whether the scenario has spoilt it.
type Begun = (DateTime<Utc>, bool);

struct Month {
    server: Server,
    aws: Arc<Aws>,
    lanes: Lanes,
    start: DateTime<Utc>,
    /// Volume → when it was created, and its Region: those that the policy selects.
    volumes: BTreeMap<String, (DateTime<Utc>, &'static str)>,
    /// Volumes of no policy.
    strays: BTreeSet<String>,
    /// Volume → all snapshots that were ever begun of it.
    begun: BTreeMap<String, Vec<Begun>>,
    /// The volume whose next snapshot is spoilt.
    spoilt: Option<String>,
    instances: BTreeMap<&'static str, Vec<(String, Vec<String>)>>,
    last_run: Option<DateTime<Utc>>,
    verdicts: usize,
    mails: Vec<(i64, String)>,
}

impl Month {
    async fn begin(start: &str) -> Self {
        let start: DateTime<Utc> = start.parse().unwrap();
        let regions = vec![HOME.into(), OTHER.into()];
        let world = World::new(Settings { completes_after: TimeDelta::minutes(10), regions, ..Settings::default() });
        world.clock.hold(start - TimeDelta::days(30));
        // The clock stands still while a run goes on: no bucket would be refilled.
        for what in ["Instances", "Volumes", "Snapshots", "Images", "LockedSnapshots", "FastSnapshotRestores"] {
            world.set_limit(&format!("Describe{what}"), None, Limit { capacity: 1e9, refill: 1e9 });
        }
        for action in ["CreateSnapshot", "DeleteSnapshot"] {
            world.set_limit(action, None, Limit { capacity: 1e9, refill: 1e9 });
        }
        let server = Server::start_local(world).await.unwrap();
        let aws = Arc::new(Aws::at_endpoint(&server.url, ACCOUNT).await);
        let patience = Patience::with_attempts(3);
        let lanes = config::Lanes { create_rate: 10_000.0, delete_rate: 10_000.0, patience };
        let mut month = Self {
            lanes: Lanes::new(Arc::clone(&aws), lanes),
            server,
            aws,
            start,
            volumes: BTreeMap::new(),
            strays: BTreeSet::new(),
            begun: BTreeMap::new(),
            spoilt: None,
            instances: BTreeMap::new(),
            last_run: None,
            verdicts: 0,
            mails: Vec::new(),
        };
        for region in [HOME, OTHER] {
            (0..6).for_each(|_| month.add_instance(region));
        }
        month
    }

    fn world(&self) -> &World {
        &self.server.world
    }

    fn add_instance(&mut self, region: &'static str) {
        let (now, made) =
            (self.world().clock.now(), self.world().add_instance(ACCOUNT, region, tags(&[("Backup", "true")]), 2));
        self.created(region, &made.1, now);
        self.volumes.extend(made.1.iter().map(|volume| (volume.clone(), (now, region))));
        self.instances.entry(region).or_default().push(made);
    }

    /// What a fleet makes was always there; these volumes were not.
    fn created(&self, region: &str, volumes: &[String], now: DateTime<Utc>) {
        volumes.iter().for_each(|volume| self.world().change_volume(region, volume, |volume| volume.created = now));
    }

    fn fault(&self, fault: Fault) {
        self.world().faults().set(fault);
    }

    /// The volume that has trouble of its own.
    fn first_volume(&self) -> String {
        self.instances[HOME][0].1[0].clone()
    }

    /// What happens before the run at two, between it and the audit at six, and after that.
    async fn day(&mut self, day: i64) {
        let at = |hour: i64, minute: i64| self.start + TimeDelta::days(day) + TimeDelta::minutes(60 * hour + minute);
        let (midnight, two, four, five, six, noon) = (at(0, 0), at(2, 0), at(4, 0), at(5, 0), at(6, 0), at(12, 0));
        self.world().clock.hold(midnight);
        self.in_the_night(day);
        // On two days nobody fires the planner.
        if ![11, 12].contains(&day) {
            self.back_up(two).await;
        }
        self.prune(four).await;
        self.world().clock.hold(five);
        self.in_the_early_morning(day);
        self.audit(day, six).await;
        self.world().clock.hold(noon);
        self.at_noon(day);
    }

    fn in_the_night(&mut self, day: i64) {
        let down = || Fault::on("*", 400, "InternalFailure", "The Region is down").in_region(OTHER);
        match day {
            // The Region is down for a day, or only while the run is planned.
            4 | 24 => self.fault(down()),
            5 => self.world().faults().clear(),
            7 => {
                let refused = "The key is disabled by its owner";
                let volume = self.first_volume();
                self.fault(
                    Fault::on("CreateSnapshot", 400, "CustomerKeyHasBeenRevoked", refused).for_resource(&volume),
                );
            }
            21 => {
                let volume = self.first_volume();
                let fault = Fault::new("CreateSnapshot", Effect::EndsInError("Client.InvalidKey".into()));
                self.fault(fault.for_resource(&volume).times(1));
                self.spoilt = Some(volume);
            }
            // An instance's snapshots are refused, which is told by dead letters as well; the key comes back after the month.
            29 => {
                let volumes = self.instances[OTHER][0].1.clone();
                for volume in volumes {
                    let fault = Fault::on("CreateSnapshot", 400, "InvalidParameterValue", "It is not supported");
                    self.fault(fault.for_resource(&volume));
                }
            }
            _ => {}
        }
    }

    fn in_the_early_morning(&mut self, day: i64) {
        match day {
            24 => self.world().faults().clear(),
            // A new instance, which no run could have backed up before the audit.
            26 => self.add_instance(HOME),
            // Its snapshots are read, and then the list of its volumes breaks off.
            27 => self.fault(Fault::on("DescribeVolumes", 400, "InternalFailure", "It broke off").in_region(OTHER)),
            _ => {}
        }
    }

    fn at_noon(&mut self, day: i64) {
        match day {
            9 | 27 => self.world().faults().clear(),
            // An instance that nobody has tagged, until somebody does.
            15 => {
                let now = self.world().clock.now();
                let made = self.world().add_instance(ACCOUNT, HOME, tags(&[("Name", "new")]), 2);
                self.created(HOME, &made.1, now);
                self.strays.extend(made.1.iter().cloned());
                self.instances.get_mut(HOME).unwrap().push(made);
            }
            17 => {
                let (instance, volumes) = self.instances[HOME].last().unwrap().clone();
                let key = "Backup";
                self.world().region(HOME, |region| {
                    region.instances.change(&instance, |instance| instance.tags = tags(&[(key, "true")]));
                });
                let now = self.world().clock.now();
                self.strays.clear();
                self.volumes.extend(volumes.into_iter().map(|volume| (volume, (now, HOME))));
            }
            // An instance is terminated, with its volumes.
            18 => {
                let (instance, volumes) = self.instances.get_mut(OTHER).unwrap().pop().unwrap();
                let now = self.world().clock.now();
                self.world().region(OTHER, |region| {
                    region.instances.remove(&instance, now);
                    volumes.iter().for_each(|volume| drop(region.volumes.remove(volume, now)));
                });
                self.volumes.retain(|volume, _| !volumes.contains(volume));
                self.add_instance(OTHER);
            }
            _ => {}
        }
    }

    async fn back_up(&mut self, now: DateTime<Utc>) {
        self.world().clock.hold(now);
        let policy = Policy::parse(&policy("snapshot", now), now).unwrap();
        let (sender, receiver) = mpsc::channel(10_000);
        plan(&self.aws, &policy, &Regions::All, sender).await;
        self.last_run = Some(now);
        self.work(receiver, now).await;
    }

    async fn prune(&mut self, now: DateTime<Utc>) {
        self.world().clock.hold(now);
        let policy = json!({"action": "prune", "regions": [HOME, OTHER], "scheduled_time": now.to_rfc3339()});
        let (sender, receiver) = mpsc::channel(10_000);
        prune(&self.aws, &Prune::parse(&policy, now).unwrap(), &Regions::All, now, sender, None).await;
        self.work(receiver, now).await;
    }

    /// The audit of the morning: its verdicts are the truth, and what it tells is what there is to tell.
    async fn audit(&mut self, day: i64, now: DateTime<Utc>) {
        self.world().clock.hold(now);
        let expected = self.truth(day, now);
        let policy = Audit::parse(&policy("audit", now), now).unwrap();
        let (jobs, receiver) = mpsc::channel(10_000);
        let (rows, mut judged) = mpsc::channel::<Row>(10_000);
        let wanted = Wanted { jobs, rows: Some(rows), reading: Reading::Managed, meter: Arc::new(Meter::default()) };
        let coverage = audit(&self.aws, &policy, &Regions::All, now, wanted).await;
        let mut found = BTreeMap::new();
        while let Some(row) = judged.recv().await {
            assert!(found.insert(row.volume.clone(), row.verdict.word()).is_none(), "two verdicts on {}", row.volume);
        }
        assert_eq!(found, expected, "day {day}");
        self.verdicts += found.len();
        self.check_alert(day, &coverage, &expected, now);
        self.work(receiver, now).await;
    }

    /// What the scenario knows of each volume whose place can be read to its end.
    fn truth(&self, day: i64, now: DateTime<Utc>) -> BTreeMap<String, &'static str> {
        let is_known = |region: &str| region != OTHER || !is_unknown(day);
        let known = self.volumes.iter().filter(|(_, (_, region))| is_known(region));
        known.map(|(volume, (created, _))| (volume.clone(), self.truth_of(volume, *created, now))).collect()
    }

    fn truth_of(&self, volume: &str, created: DateTime<Utc>, now: DateTime<Utc>) -> &'static str {
        let begun = self.begun.get(volume).map_or(&[][..], Vec::as_slice);
        let good = begun.iter().filter(|(_, is_spoilt)| !is_spoilt).map(|(at, _)| *at).max();
        let bad = begun.iter().filter(|(_, is_spoilt)| *is_spoilt).map(|(at, _)| *at).max();
        match good {
            Some(good) if now - good <= RPO => "fresh",
            good if bad > good => "failed",
            Some(_) => "stale",
            None if self.last_run.is_none_or(|run| run < created) => "new",
            None => "never",
        }
    }

    /// Exactly where there is something to tell, one mail tells it.
    fn check_alert(&mut self, day: i64, coverage: &Coverage, truth: &BTreeMap<String, &str>, now: DateTime<Utc>) {
        let uncovered = truth.values().filter(|word| ["stale", "never", "failed"].contains(*word)).count();
        let is_something = uncovered > 0 || is_unknown(day) || !self.strays.is_empty();
        let report = coverage.report(true, now);
        assert_eq!(report.is_some(), is_something, "day {day}: {coverage:#?}");
        assert_eq!((coverage.covered().1, coverage.unselected()), (uncovered, self.strays.len()), "day {day}");
        assert_eq!(coverage.unknown_places(), usize::from(is_unknown(day)), "day {day}");
        assert_eq!(coverage.has_no_run(), day == 11, "day {day}");
        let Some(report) = report else { return };
        let named: BTreeSet<String> = report.volumes.iter().map(|volume| volume.volume.clone()).collect();
        assert_eq!(named.len(), uncovered, "each is named");
        let subject = Subject::Report(Report::Coverage(report));
        let mails: Vec<Alert> = alerts(vec![News { message: "m".into(), subject }]);
        assert_eq!(mails.len(), 1);
        self.mails.push((day, mails[0].subject.clone()));
    }

    async fn work(&mut self, jobs: mpsc::Receiver<Job>, now: DateTime<Utc>) {
        for (job, step) in done_at_once(&self.lanes, jobs, now).await {
            match step {
                Step::Finished(Outcome::Created(_)) => {
                    let is_spoilt = self.spoilt.take_if(|volume| *volume == job.volume).is_some();
                    self.begun.entry(job.volume).or_default().push((now, is_spoilt));
                }
                Step::Finished(_) | Step::Dead(_) | Step::Held(_) => {}
                step => panic!("{step:?}"),
            }
        }
    }
}

/// Whether the other Region could not be read to its end on the morning of this day.
fn is_unknown(day: i64) -> bool {
    [4, 27].contains(&day)
}

fn policy(action: &str, now: DateTime<Utc>) -> Value {
    let mut policy = json!({
        "action": action, "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "regions": [HOME, OTHER], "scheduled_time": now.to_rfc3339(),
    });
    if action == "audit" {
        policy["rpo"] = json!("26h");
    }
    policy
}
