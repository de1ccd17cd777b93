//! `snapkeep report`: what is covered and what is not, as one file that can be handed on.
//!
//! `read` asks EC2, `place` is the pure half of that, `data` is what is told, and `page` makes the file of it.

pub mod data;
mod file;
pub mod page;
mod place;
mod read;

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::Args;
use shared::aws::Aws;
use shared::rules::calendar::days;
use shared::vocabulary::policy::{Audit, Regions};
use shared::vocabulary::problem::Problem;

use self::data::Data;
use self::page::{html, in_short};
use self::read::{Asked, read};
use crate::coverage::audit_of;
use crate::plan::default_regions;
use crate::policy::of_file;
use crate::show::show;
use crate::{Error, exit};

/// Write what is covered and what is not into one HTML file that loads nothing, for people who ask.
///
/// Exit code 3 when a place could not be read to its end: the report says so.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A policy as a JSON file, one that takes snapshots or one that audits; several times for several policies. Without
    /// any, nobody says what should be covered, and the report is of snapshots only.
    #[arg(long, short, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// The file that is written.
    #[arg(long, short, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
    /// Replace the file where there is one.
    #[arg(long)]
    force: bool,
    /// How many days the calendar has, today among them: 1 to 92.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=92))]
    days: u16,
    /// Whose midnights end the days [default: the policies' time zone where they have one in common, else UTC].
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Where to look, instead of what the policies or the environment say: all, or eu-central-1,us-east-1.
    #[arg(long, short, value_name = "REGIONS")]
    regions: Option<String>,
}

impl Options {
    /// Reads everything, and writes the file.
    #[expect(clippy::disallowed_methods, reason = "the edge: this is where `now` comes from")]
    pub async fn run(self) -> Result<u8, Error> {
        let now = Utc::now();
        let asked = self.asked(now)?;
        file::is_free(&self.out, self.force)?;
        let data = read(&Aws::from_env().await, &asked).await?;
        let page = html(&data);
        file::write(&self.out, self.force, &page)?;
        let known = if asked.audits.is_empty() { String::new() } else { format!(": {}", in_short(&data.groups)) };
        show(&format!("{}, {} kB{known}", self.out.display(), page.len().div_ceil(1000)));
        warnings(&data).for_each(|warning| eprintln!("warning: {}", warning.as_str()));
        Ok(if data.places.iter().any(|place| place.error.is_some()) { exit::PARTLY } else { exit::DONE })
    }

    fn asked(&self, now: DateTime<Utc>) -> Result<Asked, Error> {
        let regions = self.regions.as_deref().map(|regions| Regions::parse("--regions", regions)).transpose()?;
        let audits = self.file.iter().map(|file| audit_of(of_file(file)?, None, regions.clone(), now));
        let audits = audits.collect::<Result<Vec<Audit>, Error>>()?;
        let audits = audits.into_iter().map(|audit| {
            let regions = default_regions(audit.policy.regions.as_ref())?;
            Ok((audit, regions))
        });
        let audits = audits.collect::<Result<Vec<(Audit, Regions)>, Error>>()?;
        // What is nobody's is looked for where the environment says, when no policy says where.
        let elsewhere = if audits.is_empty() { Some(default_regions(regions.as_ref())?) } else { None };
        let zone = self.zone(&audits)?;
        Ok(Asked { audits, elsewhere, days: days(self.days, zone, now), zone, now })
    }

    fn zone(&self, audits: &[(Audit, Regions)]) -> Result<Tz, Error> {
        if let Some(zone) = &self.time_zone {
            let problem = |_| Problem::value("--time-zone", zone, "a time zone such as Europe/Zurich or UTC");
            return zone.parse().map_err(problem).map_err(|problem| Error::Usage(problem.to_string()));
        }
        let mut zones = audits.iter().map(|(audit, _)| audit.policy.time_zone);
        let first = zones.next().unwrap_or(Tz::UTC);
        Ok(if zones.all(|zone| zone == first) { first } else { Tz::UTC })
    }
}

/// What is in the page and should not wait until somebody opens it.
fn warnings(data: &Data) -> impl Iterator<Item = &data::Foreign> {
    let unread = match &data.letters {
        data::Letters::Unread { why, failed: true } => Some(why),
        _ => None,
    };
    data.places.iter().filter_map(|place| place.error.as_ref()).chain(&data.notes).chain(unread)
}
