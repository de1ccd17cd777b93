//! `snapkeep demo`: the whole way of a backup on a simulated EC2, with the planner and the worker that are deployed.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use notifier::digest::{Alert, News, Subject, alerts};
use serde_json::json;
use shared::aws::Aws;
use shared::config;
use shared::rules::fate::Patience;
use shared::vocabulary::policy::{Policy, Prune, Regions};
use shared::vocabulary::report::Report;
use simulator::faults::Fault;
use simulator::fleet::{Fleet, tags};
use simulator::history::Count;
use simulator::limits::Limit;
use simulator::server::Server;
use simulator::world::World;
use simulator::world::snapshot::SnapshotState;
use worker::lanes::Lanes;

use crate::outcome::Verdicts;
use crate::plan::{collect, plan_text};
use crate::prune::Plan;
use crate::run::back_up;
use crate::show::show;
use crate::{Error, exit};

/// See it work in half a minute: a small fleet in a simulated EC2, no AWS account needed.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Volumes in each Region [default: 24, 16 and 10].
    #[arg(long)]
    volumes: Option<usize>,
    /// The Regions. In the last of several, another program drinks from EC2's bucket.
    #[arg(long, value_delimiter = ',', default_value = "eu-central-1,us-east-1,ap-southeast-2")]
    regions: Vec<String>,
}

const ACCOUNT: &str = "123456789012";
/// How many old snapshots one volume has.
const MOST_OLD: usize = 9;
const VOLUMES: [usize; 3] = [24, 16, 10];
/// Of one volume, and revoked.
const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// What a neighbour leaves of EC2's 100 calls and 5 a second.
const LEFT_BY_A_NEIGHBOUR: Limit = Limit { capacity: 2.0, refill: 1.5 };

const WHAT_NEXT: &str = "\
With your own account: look first, it changes nothing.

  export AWS_PROFILE=…
  cargo run -p cli -- plan --tag Backup=true --retain 7d --regions eu-central-1
  cargo run -p cli -- run  --tag Backup=true --retain 7d --regions eu-central-1
  cargo run -p cli -- prune --dry-run --regions eu-central-1";

impl Options {
    #[expect(clippy::disallowed_methods, reason = "the edge: this is where `now` comes from")]
    pub async fn run(self) -> Result<u8, Error> {
        let now = Utc::now();
        let policy = policy(now)?;
        let regions = Regions::These(self.regions.clone());
        let server = Server::start_local(World::default()).await;
        let server = server.map_err(|error| Error::Failed(format!("could not start the simulator: {error}")))?;
        let calamities = self.build(&server.world);
        let aws = Arc::new(Aws::at_endpoint(&server.url, ACCOUNT).await);

        heading("A simulated EC2, with EC2's limits");
        show(&format!("{} speaks EC2's API. In it:", server.url));
        calamities.iter().for_each(|calamity| show(&format!("  - {calamity}")));

        heading("The plan: snapkeep plan --tag Backup=true --retain 7d");
        let (summary, jobs) = collect(&aws, &policy, &regions).await;
        show(&plan_text(&summary, &jobs, 8));

        heading("The run: snapkeep run --tag Backup=true --retain 7d");
        let lanes = Lanes::new(Arc::clone(&aws), lanes());
        let run = back_up(&aws, &lanes, &policy, &regions, now).await;
        show(&run.verdicts.text());

        heading("What no rule keeps: snapkeep prune");
        let prune = Prune::parse(&json!({"action": "prune"}), now)?;
        let plan = Plan::make(&aws, &prune, &regions, now).await;
        show(&plan.text(MOST_OLD + 1));
        let pruned = plan.apply(&aws, self::lanes(), &plan.changes, now).await;
        show(&pruned.text(&plan.changes));

        heading("The alert that the people get by e-mail");
        alert(&run.verdicts).iter().for_each(|alert| show(&format!("Subject: {}\n\n{}", alert.subject, alert.text)));

        heading("What EC2 saw");
        show(&self.what_ec2_saw(&server.world));

        heading("What to type next");
        show(WHAT_NEXT);
        let is_shown = run.summary.is_some() && run.verdicts.open() == 0 && pruned.is_whole();
        Ok(if is_shown { exit::DONE } else { exit::PARTLY })
    }

    /// Fills the world, and says what is wrong in it.
    fn build(&self, world: &World) -> Vec<String> {
        world.set(|settings| {
            settings.completes_after = TimeDelta::seconds(3);
            settings.regions.clone_from(&self.regions);
        });
        let fleets = self.regions.iter().zip(VOLUMES.into_iter().cycle()).map(|(region, volumes)| {
            let volumes = self.volumes.unwrap_or(volumes);
            let made = Fleet::new(ACCOUNT, region, volumes).build(world);
            world.add_instance(ACCOUNT, region, tags(&[("Name", "scratch"), ("Backup", "false")]), 1);
            (region, made)
        });
        let fleets: Vec<_> = fleets.collect();
        let mut calamities = vec!["a server tagged Backup=false in each Region, which must be left alone".into()];
        if let [(region, volumes), ..] = fleets.as_slice()
            && let [_, revoked, failing, ..] = volumes.as_slice()
        {
            world.change_volume(region, revoked, |volume| volume.key = Some(KEY.into()));
            world.set(|settings| settings.revoked_keys = [KEY.into()].into());
            calamities.push(format!("{revoked}: somebody has revoked its key, for good"));
            add_old_snapshots(world, region, failing);
            calamities.push(format!(
                "{failing}: it has nine daily snapshots, and their rule is 7d; one of them a person keeps for good"
            ));
            let fault = Fault::on("CreateSnapshot", 500, "InternalError", "An internal error has occurred");
            world.faults().set(fault.for_resource(failing).times(2));
            calamities.push(format!("{failing}: EC2 answers with an internal error, twice"));
        }
        if let [_, .., (region, _)] = fleets.as_slice() {
            world.set_limit("CreateSnapshot", Some(region), LEFT_BY_A_NEIGHBOUR);
            calamities.push(format!("{region}: another program drinks from EC2's bucket, so that EC2 throttles us"));
        }
        calamities
    }

    fn what_ec2_saw(&self, world: &World) -> String {
        let counters = world.history();
        let actions = counters.by_action().into_iter().map(|(action, count)| format!("{action:18} {}", calls(count)));
        let regions = self.regions.iter().map(|region| {
            let count = counters.region(region, "CreateSnapshot");
            format!("  CreateSnapshot in {region}: {}", calls(count))
        });
        let mut lines: Vec<String> = actions.chain(regions).collect();
        let snapshots = world.snapshots();
        let completed = snapshots.iter().filter(|snapshot| snapshot.state == SnapshotState::Completed).count();
        let pending = snapshots.len() - completed;
        lines.push(format!("{} snapshots: {completed} completed, {pending} pending", snapshots.len()));
        lines.join("\n")
    }
}

/// A snapshot for each of the last nine days, the oldest kept for good.
fn add_old_snapshots(world: &World, region: &str, volume: &str) {
    let now = world.clock.now();
    for day in 1..=MOST_OLD as i64 {
        let started = now - TimeDelta::days(day);
        let delete_on = (started + TimeDelta::days(7)).date_naive().to_string();
        let ours = [
            ("snapkeep:policy", "daily"),
            ("snapkeep:retain", "7d"),
            ("snapkeep:volume", volume),
            ("DeleteOn", &delete_on),
        ];
        let kept = [("KeepForever", "")];
        let all = ours.into_iter().chain(kept.into_iter().filter(|_| day == MOST_OLD as i64));
        world.add_snapshot(ACCOUNT, region, volume, tags(&all.collect::<Vec<_>>()), started);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
fn calls(Count { calls, throttled, .. }: Count) -> String {
    let share = 100.0 * throttled as f64 / calls.max(1) as f64;
    format!("{calls:>6} calls, {throttled} throttled ({share:.1} %)")
}

fn policy(now: DateTime<Utc>) -> Result<Policy, Error> {
    let policy = json!({
        "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "tags": {"Interval": "Daily"},
    });
    Ok(Policy::parse(&policy, now)?)
}

/// The defaults, with shorter waits: nobody watches a back-off of minutes.
fn lanes() -> config::Lanes {
    let defaults = config::Lanes::default();
    let patience = Patience { base: TimeDelta::seconds(2), settle: TimeDelta::seconds(1), ..defaults.patience };
    config::Lanes { patience, ..defaults }
}

fn alert(verdicts: &Verdicts) -> Vec<Alert> {
    let news = verdicts.failed.iter().map(|letter| News {
        message: letter.job.clone(),
        subject: Subject::Report(Report::DeadLetter(letter.clone())),
    });
    alerts(news.collect())
}

fn heading(text: &str) {
    show(&format!("\n── {text} ──\n"));
}
