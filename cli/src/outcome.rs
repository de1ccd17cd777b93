//! What became of a run: one verdict for each volume, by Region.

use serde::Serialize;
use shared::vocabulary::job::Job;
use shared::vocabulary::problem::shortened;
use shared::vocabulary::report::DeadLetter;
use worker::lanes::Outcome;

use crate::in_process::Event;
use crate::table::{plain, table};

/// The verdicts of a run so far.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verdicts {
    regions: Vec<Region>,
    /// What a person must look at.
    pub failed: Vec<DeadLetter>,
}

#[derive(Debug, Serialize)]
struct Region {
    region: String,
    account: String,
    #[serde(flatten)]
    counts: Counts,
}

/// How many jobs of a Region ended how.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Counts {
    pub jobs: usize,
    pub created: usize,
    pub already_there: usize,
    pub volume_gone: usize,
    #[serde(skip)]
    pub pruned: usize,
    pub failed: usize,
}

impl Counts {
    pub fn ended(&self) -> usize {
        self.created + self.already_there + self.volume_gone + self.pruned + self.failed
    }
}

impl Verdicts {
    /// Takes note of what happened, and gives the counts of its Region.
    pub fn note(&mut self, event: &Event<'_>) -> Counts {
        let job = event.job();
        let counts = self.counts(job);
        match event {
            Event::Queued(_) => counts.jobs += 1,
            Event::Again(_) => {}
            Event::Finished(_, Outcome::Created(_)) => counts.created += 1,
            Event::Finished(_, Outcome::AlreadyThere(_)) => counts.already_there += 1,
            Event::Finished(_, Outcome::VolumeGone) => counts.volume_gone += 1,
            Event::Finished(_, Outcome::Pruned(_)) => counts.pruned += 1,
            Event::Dead(job) => {
                counts.failed += 1;
                self.failed.extend(job.failure.as_ref().map(|failure| DeadLetter::of(job, failure)));
            }
        }
        *self.counts(job)
    }

    /// There are a few dozen Regions at the most, and they are few to look through.
    fn counts(&mut self, job: &Job) -> &mut Counts {
        let known = self.regions.iter().position(|known| known.region == job.region && known.account == job.account);
        let index = known.unwrap_or_else(|| {
            let counts = Counts::default();
            self.regions.push(Region { region: job.region.clone(), account: job.account.clone(), counts });
            self.regions.len() - 1
        });
        &mut self.regions[index].counts
    }

    /// Jobs that have no verdict yet.
    pub fn open(&self) -> usize {
        self.regions.iter().map(|region| region.counts.jobs - region.counts.ended()).sum()
    }

    /// The verdicts for people.
    pub fn text(&self) -> String {
        let rows = self.regions.iter().map(|Region { region, account, counts }| {
            let Counts { jobs, created, already_there, volume_gone, failed, .. } = counts;
            let counts = [jobs, created, already_there, volume_gone, failed].map(usize::to_string);
            let [jobs, created, already_there, volume_gone, failed] = counts;
            [region.clone(), account.clone(), jobs, created, already_there, volume_gone, failed]
        });
        let heads = ["Region", "Account", "Jobs", "Created", "Existing", "Gone", "Failed"];
        let mut parts = vec![table(heads, &heads[2..], rows.collect())];
        if !self.failed.is_empty() {
            let rows = self.failed.iter().map(|letter| {
                let failure = &letter.failure;
                let name = letter.name.as_deref().map(plain).unwrap_or_default();
                let reason = plain(&format!("{}: {}", failure.code, shortened(&failure.message, 200)));
                [letter.region.clone(), letter.volume.clone(), name, letter.attempts.to_string(), reason]
            });
            parts.push(table(["Region", "Failed volume", "Name", "Attempts", "Why"], &["Attempts"], rows.collect()));
        }
        parts.join("\n")
    }
}
