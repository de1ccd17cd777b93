//! What came of it, counted from the snapshots that are there and the letters in the dead-letter queue.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;

use serde_json::Value;
use simulator::history::Count;
use simulator::world::World;

use super::fleet::{Ground, SICKNESS};
use crate::proxy;
use crate::prune::there;
use crate::stack::{ACCOUNT, Stack};

/// The dead letters.
#[derive(Debug)]
pub(super) struct Letters {
    /// Volume → the codes of its letters.
    by_volume: BTreeMap<String, Vec<String>>,
}

/// Snapshots of the run.
#[derive(Debug)]
pub(super) struct Made {
    by_volume: BTreeMap<String, usize>,
    /// Volumes with two in the account where Describe lags by no more than a second.
    twice_in_sight: BTreeSet<String>,
    there: BTreeSet<String>,
}

/// What went wrong on the way.
#[derive(Debug)]
pub(super) struct Troubles {
    pub creates: Count,
    pub sqs: proxy::Counts,
    pub kills: u64,
    /// Until everything was settled.
    pub time: Duration,
}

/// What must be so after the run, and after the prune that follows it.
#[derive(Debug)]
pub(super) struct Verdict {
    pub jobs: usize,
    /// Volumes with neither a snapshot nor a letter.
    pub lost: Vec<String>,
    /// Messages that are still in a queue, of the run or of the prune.
    pub left: usize,
    pub twice: usize,
    /// The same where Describe lags by no more than a second.
    pub twice_in_sight: usize,
    pub twice_after_prune: usize,
    /// Healthy volumes with a letter, and its codes.
    pub healthy_dead: Vec<(String, Vec<String>)>,
    /// Sick volumes without a letter that says so, or with a snapshot.
    pub sick_without_letter: Vec<String>,
    pub sick: usize,
    /// Letters beyond the first of a job: of a message that was there twice, or of a worker that was killed after it had
    /// written one.
    pub letters_again: usize,
    pub wrongly_deleted: usize,
}

impl Letters {
    /// Takes all letters out of the dead-letter queue.
    pub async fn read(stack: &Stack) -> Self {
        let mut by_volume = BTreeMap::<String, Vec<String>>::new();
        for (body, attributes) in stack.drain(&stack.queues.dlq).await {
            let job: Value = serde_json::from_str(&body).unwrap();
            let volume = job["volume"].as_str().unwrap().into();
            by_volume.entry(volume).or_default().push(attributes["ErrorCode"].as_str().unwrap_or("no code").into());
        }
        Self { by_volume }
    }

    /// Whether it has a letter, and each says what ails the sick ones.
    fn say_sick(&self, volume: &String) -> bool {
        self.by_volume.get(volume).is_some_and(|codes| codes.iter().all(|code| code == SICKNESS))
    }
}

impl Made {
    pub fn look(world: &World) -> Self {
        let (mut by_volume, mut twice_in_sight) = (BTreeMap::new(), BTreeSet::new());
        // Only what the worker has made has a slot.
        for snapshot in world.snapshots().iter().filter(|snapshot| snapshot.tags.contains_key("snapkeep:slot")) {
            let count = by_volume.entry(snapshot.volume.to_string()).or_default();
            *count += 1;
            if *count > 1 && *snapshot.owner == *ACCOUNT {
                twice_in_sight.insert(snapshot.volume.to_string());
            }
        }
        Self { by_volume, twice_in_sight, there: there(world) }
    }

    fn twice(&self) -> usize {
        self.by_volume.values().filter(|count| **count > 1).count()
    }
}

impl Verdict {
    pub fn of(ground: &Ground, letters: &Letters, before_prune: &Made, after: &Made, left: usize) -> Self {
        let is_known =
            |volume: &String| before_prune.by_volume.contains_key(volume) || letters.by_volume.contains_key(volume);
        let is_well_told = |volume: &String| letters.say_sick(volume) && !before_prune.by_volume.contains_key(volume);
        let is_healthy = |volume: &String| !ground.sick.contains(volume);
        let dead = letters.by_volume.iter().filter(|(volume, _)| is_healthy(volume));
        let backups_gone = before_prune.by_volume.keys().filter(|volume| !after.by_volume.contains_key(*volume));
        Self {
            jobs: ground.volumes().count(),
            lost: ground.volumes().filter(|volume| !is_known(volume)).cloned().collect(),
            left,
            twice: before_prune.twice(),
            twice_in_sight: before_prune.twice_in_sight.len(),
            twice_after_prune: after.twice(),
            healthy_dead: dead.map(|(volume, codes)| (volume.clone(), codes.clone())).collect(),
            sick_without_letter: ground.sick.iter().filter(|volume| !is_well_told(volume)).cloned().collect(),
            sick: ground.sick.len(),
            letters_again: letters.by_volume.values().map(|codes| codes.len() - 1).sum(),
            wrongly_deleted: backups_gone.count() + ground.snapshots.difference(&after.there).count(),
        }
    }

    pub fn print(&self) {
        row("jobs", self.jobs);
        row("lost: neither a snapshot nor a dead letter", self.lost.len());
        row("without a verdict: still in a queue", self.left);
        row("volumes with two snapshots, before the prune", self.twice);
        row("  where Describe lags by a second at the most", self.twice_in_sight);
        row("volumes with two snapshots, after it", self.twice_after_prune);
        row("healthy volumes dead-lettered", self.healthy_dead.len());
        row("sick volumes", self.sick);
        row("  not dead-lettered with their code", self.sick_without_letter.len());
        row("  letters beyond the first of a job", self.letters_again);
        row("wrongly deleted", self.wrongly_deleted);
    }

    pub fn assert_good(&self) {
        assert_eq!((self.lost.as_slice(), self.left), ([].as_slice(), 0), "every job has its verdict");
        assert_eq!(self.healthy_dead, [], "healthy volumes in the dead-letter queue");
        assert_eq!(self.sick_without_letter, [""; 0], "sick volumes that nobody hears of");
        assert_eq!((self.twice_after_prune, self.wrongly_deleted), (0, 0), "twice after the prune, wrongly deleted");
    }
}

impl Troubles {
    pub fn print(&self) {
        row("CreateSnapshot calls", self.creates.calls);
        row("  throttled by an empty bucket", self.creates.throttled);
        row("  struck: refused, failed, cut or late", self.creates.faulted);
        row("workers killed", self.kills);
        row("messages doubled", self.sqs.doubled);
        row("messages whose visibility ran out", self.sqs.overtaken);
        row("SQS calls", self.sqs.calls);
        row("  struck: refused, cut, answer lost or late", self.sqs.troubled);
        row("seconds until all was settled", self.time.as_secs());
    }

    /// A calm night proves nothing.
    pub fn assert_there_were_some(&self) {
        let sqs = [self.sqs.doubled, self.sqs.overtaken, self.sqs.troubled];
        let there_were = [&sqs[..], &[self.creates.throttled, self.creates.faulted, self.kills]].concat();
        assert!(there_were.iter().all(|count| *count > 0), "{self:?}");
    }
}

fn row(what: &str, count: impl Display) {
    println!("{what:<48}{count:>8}");
}
