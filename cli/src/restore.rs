//! `snapkeep restore`: from a volume, an instance or a snapshot back to volumes, and the drill that tries it.
//!
//! Everything that is made bears the restore's id from its first moment, so that whatever is interrupted can be found,
//! finished and taken back. Nothing is detached, and only what bears such a tag is deleted.

mod drill;
mod find;
mod make;
mod plan;
mod progress;
mod remove;
mod text;
mod undo;
mod wait;

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use planner::place::{Place, places};
use shared::aws::Aws;
use shared::rules::restore::choose::Wanted;
use shared::vocabulary::policy::{Account, Regions};
use shared::vocabulary::restore::{RestoreId, Target};
use shared::vocabulary::slot::Slot;

use self::drill::Drill;
use self::make::Making;
use self::plan::{Attach, Plan};
use self::undo::Undo;
use crate::ask::confirmed;
use crate::plan::{Output, default_regions};
use crate::show::show;
use crate::stop::Stop;
use crate::table::plain;
use crate::{Error, exit};

/// Get volumes back: of a volume, of a whole instance from one slot, or of one snapshot. Or try it with --drill.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What to get back: a volume or an instance, which may be gone, or a snapshot.
    #[arg(value_name = "vol-…|i-…|snap-…", required_unless_present_any = ["undo", "drill"], conflicts_with_all = ["undo", "drill"])]
    target: Option<String>,
    /// The state at this time, such as 2026-11-20T02:00:00Z: the newest snapshot that was begun then or before.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["undo", "drill"])]
    at: Option<String>,
    /// Only snapshots of this policy.
    #[arg(long, value_name = "NAME", conflicts_with = "undo")]
    policy: Option<String>,
    /// Of an instance: the newest snapshot of each volume, even if they are of different slots.
    #[arg(long, conflicts_with_all = ["undo", "drill"])]
    mixed: bool,
    /// The Availability Zone, instead of the instance's or the source's.
    #[arg(long, value_name = "ZONE", conflicts_with = "undo")]
    zone: Option<String>,
    /// Attach the new volumes: to the instance that had the source, or to this one. Nothing is detached for it.
    #[arg(long, value_name = "INSTANCE", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with_all = ["undo", "drill"])]
    attach: Option<String>,
    /// Go on with the restore of this id, which was interrupted: the same command again. Nothing is made twice.
    #[arg(long, value_name = "ID", conflicts_with_all = ["undo", "drill"])]
    resume: Option<String>,
    /// Delete what the restore of this id has made and nobody has attached.
    #[arg(long, value_name = "ID", conflicts_with = "drill")]
    undo: Option<String>,
    /// Try it: restore a sample of the newest snapshots, see that the volumes become available, and delete them.
    #[arg(long)]
    drill: bool,
    /// With --drill: how many, instead of three or one in a hundred.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    sample: Option<u16>,
    /// With --drill: what decides which are drawn [default: today's date].
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,
    /// With --drill: the policy as a JSON file, for its name and its Regions.
    #[arg(long, short, value_name = "FILE", conflicts_with = "policy")]
    file: Option<PathBuf>,
    /// Where to look, instead of what the environment says: all, or eu-central-1,us-east-1.
    #[arg(long, short, value_name = "REGIONS")]
    regions: Option<String>,
    /// Only show.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do it without asking.
    #[arg(long, short)]
    yes: bool,
    /// Text for people, or JSON for programs.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// How a person wants to be spoken to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub is_dry: bool,
    pub yes: bool,
    pub output: Output,
}

impl Options {
    #[expect(clippy::disallowed_methods, reason = "the edge: this is where `now` comes from")]
    pub async fn run(self) -> Result<u8, Error> {
        let now = Utc::now();
        let manner = self.manner()?;
        let stop = Stop::on_signals(
            "what has begun at EC2 is brought to an end, and you are told what there is",
            "stopped. What was made bears the tag snapkeep:restore, with the id that was printed",
        );
        match (&self.undo, self.drill) {
            (Some(id), _) => self.undo(id, manner, &stop).await,
            (None, true) => self.drill(manner, &stop, now).await,
            (None, false) => self.restore(manner, &stop, now).await,
        }
    }

    fn manner(&self) -> Result<Manner, Error> {
        // clap lets go of `requires` where the required one conflicts with what is there.
        if !self.drill && (self.sample.is_some() || self.seed.is_some() || self.file.is_some()) {
            return Err(Error::Usage(
                "--sample, --seed and --file are of a drill: add --drill, or leave them out".into(),
            ));
        }
        let manner = Manner { is_dry: self.dry_run, yes: self.yes, output: self.output };
        match self.output == Output::Json && !self.yes && !self.dry_run {
            true => Err(Error::Usage("nothing was done: with --output json say --dry-run, or --yes".into())),
            false => Ok(manner),
        }
    }

    async fn restore(&self, manner: Manner, stop: &Stop, now: DateTime<Utc>) -> Result<u8, Error> {
        let target: Target = self.target.as_deref().unwrap_or_default().parse().map_err(usage)?;
        if matches!(target, Target::Snapshot(_)) && (self.at.is_some() || self.policy.is_some() || self.mixed) {
            const ONE: &str = "a snapshot is restored as it is: --at, --policy and --mixed choose among those of a volume or an instance";
            return Err(Error::Usage(ONE.into()));
        }
        let wanted = Wanted { at: self.at.as_deref().map(time).transpose()?, policy: self.policy.clone() };
        let attach = Attach::parse(self.attach.as_deref())?;
        let resumed = self.resume.as_deref().map(|id| RestoreId::parse("--resume", id)).transpose().map_err(usage)?;
        let id = resumed.clone().unwrap_or_else(|| RestoreId::new(target.id(), now, &std::process::id().to_string()));
        let aws = Aws::from_env().await;
        let looking = async {
            let places = self.places(&aws, None).await?;
            let found = find::find(&aws, &places, &target, &wanted, self.mixed, &attach).await?;
            let plan = Plan::make(id, target.clone(), found, self.mixed, self.zone.as_deref(), &attach)?;
            let there = if resumed.is_some() { plan.there().await? } else { Vec::new() };
            Ok::<_, Error>((plan, there))
        };
        let (plan, there) = tokio::select! {
            looked = looking => looked?,
            () = stop.reached() => return stopped(),
        };
        if manner.is_dry || manner.output == Output::Table {
            show(&plan.show(manner.output, &there));
        }
        if manner.is_dry {
            return Ok(exit::DONE);
        }
        if !manner.yes && !confirmed(&plan.question(), stop).await? {
            eprintln!("Nothing was restored.");
            return Ok(exit::DONE);
        }
        eprintln!(
            "snapkeep: this is restore {}. If it is interrupted, this goes on with it:\n  {}",
            plan.id,
            plan.command()
        );
        let made = Making::new(&plan, stop).run(there).await;
        show(&made.show(&plan, manner.output));
        Ok(made.exit_code(&plan))
    }

    async fn undo(&self, id: &str, manner: Manner, stop: &Stop) -> Result<u8, Error> {
        let id = RestoreId::parse("--undo", id).map_err(usage)?;
        let aws = Aws::from_env().await;
        let places = self.places(&aws, None).await?;
        Undo { aws: &aws, places: &places, id: &id, stop }.run(manner).await
    }

    async fn drill(&self, manner: Manner, stop: &Stop, now: DateTime<Utc>) -> Result<u8, Error> {
        let policy = self.file.as_deref().map(|file| drill::policy(file, now)).transpose()?;
        let config = shared::config::Drill::from_env()?;
        let aws = Aws::from_env().await;
        let places = self.places(&aws, policy.as_ref().and_then(|policy| policy.regions.as_ref())).await?;
        let drill = Drill {
            aws: &aws,
            places: &places,
            policy: self.policy.clone().or(policy.map(|policy| policy.name)),
            id: RestoreId::new("drill", now, &std::process::id().to_string()),
            seed: self.seed.clone().unwrap_or_else(|| now.date_naive().to_string()),
            size: self.sample.map(usize::from),
            zone: self.zone.as_deref(),
            now,
            stop,
            config: &config,
        };
        drill.run(manner).await
    }

    /// The Regions of our own account to look into: those that were typed, the policy's, or the environment's.
    async fn places(&self, aws: &Aws, of_policy: Option<&Regions>) -> Result<Vec<Place>, Error> {
        let said =
            self.regions.as_deref().map(|regions| Regions::parse("--regions", regions)).transpose().map_err(usage)?;
        let regions = default_regions(said.as_ref().or(of_policy))?;
        let (places, errors) = places(aws, &[Account::Own], &regions).await;
        match errors.first() {
            None => Ok(places),
            Some(error) => Err(Error::Failed(format!(
                "{}\nWhich credentials are used: aws sts get-caller-identity; choose others with AWS_PROFILE",
                plain(error)
            ))),
        }
    }
}

fn time(text: &str) -> Result<DateTime<Utc>, Error> {
    text.parse::<Slot>().map(Slot::time).map_err(|problem| Error::Usage(format!("--at: {problem}")))
}

fn usage(problem: shared::vocabulary::problem::Problem) -> Error {
    Error::Usage(problem.to_string())
}

/// A person stopped it before anything was made.
fn stopped() -> Result<u8, Error> {
    Err(Error::Failed("stopped. Nothing was made".into()))
}
