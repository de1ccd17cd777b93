//! One snapshot tried: made into a volume, looked at, deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future;

use super::{Drawn, Drill};
use crate::restore::make::unusable;
use crate::restore::progress::Progress;
use crate::restore::remove::remove;
use crate::restore::wait::{Seen, is_decided, wait};

/// What came of one snapshot.
#[derive(Debug, Default)]
pub(in crate::restore) struct Trial {
    /// The volume that was made of it.
    pub volume: Option<String>,
    pub verdict: Verdict,
    /// What is still there, and why.
    pub left: Option<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::restore) enum Verdict {
    /// A person stopped it before.
    #[default]
    NotTried,
    /// Its volume became available.
    Available,
    Failed(String),
}

/// EC2 makes most volumes within seconds. A drill that waits for ever is none.
const LONGEST: Duration = Duration::from_secs(900);

impl Trial {
    pub fn is_good(&self) -> bool {
        self.verdict == Verdict::Available
    }
}

impl Drill<'_> {
    /// Tries all of them, in the same order. None of their volumes stays, whatever becomes of them.
    pub(super) async fn try_all(&self, drawn: &[Drawn]) -> Vec<Trial> {
        let mut trials: Vec<Trial> = Vec::new();
        for each in drawn {
            // What is made is made to its end, so that it can be deleted.
            trials.push(if self.stop.is_set() { Trial::default() } else { self.make(each).await });
        }
        self.see(drawn, &mut trials).await;
        trials
    }

    async fn make(&self, drawn: &Drawn) -> Trial {
        let token = self.id.client_token(&drawn.snapshot.id, 0);
        match drawn.ec2.create_volume(&drawn.new, &token).await {
            Ok(made) => Trial { volume: Some(made.volume.id), ..Trial::default() },
            Err(error) => Trial { verdict: Verdict::Failed(error.to_string()), ..Trial::default() },
        }
    }

    /// Also when a person has stopped it: EC2 deletes nothing that it is still making.
    async fn see(&self, drawn: &[Drawn], trials: &mut [Trial]) {
        let mut regions = BTreeMap::<&str, (&Drawn, Vec<String>)>::new();
        for (drawn, trial) in drawn.iter().zip(trials.iter()) {
            let volumes = &mut regions.entry(&drawn.place.region).or_insert((drawn, Vec::new())).1;
            volumes.extend(trial.volume.clone());
        }
        let looks = regions.values().filter(|(_, volumes)| !volumes.is_empty()).map(|(drawn, volumes)| async move {
            let mut progress = Progress::new(volumes.len(), "volumes decided on");
            let (seen, _) = wait(&drawn.ec2, volumes, None, Some(LONGEST), &mut progress, is_decided).await;
            progress.end();
            seen
        });
        let seen: Seen = future::join_all(looks).await.into_iter().flatten().collect();
        for (drawn, trial) in drawn.iter().zip(trials) {
            self.judge(drawn, trial, &seen).await;
        }
    }

    async fn judge(&self, drawn: &Drawn, trial: &mut Trial, seen: &Seen) {
        let Some(volume) = &trial.volume else { return };
        trial.verdict = match seen.get(volume) {
            Some(Some(now)) if now.volume.state == "available" => Verdict::Available,
            Some(Some(now)) => Verdict::Failed(unusable(now).unwrap_or_else(|| {
                format!("{volume} is still {} after {} minutes", now.volume.state, LONGEST.as_secs() / 60)
            })),
            Some(None) => {
                Verdict::Failed(format!("{volume} was begun, and EC2 shows it no more: mostly its key cannot be used"))
            }
            None => Verdict::Failed(format!("{volume} was begun, and EC2 could not be asked what became of it")),
        };
        let removed = remove(&drawn.ec2, volume, self.id.as_str()).await;
        trial.left = removed.err().map(|why| format!("{volume} in {}: {why}", drawn.place.region));
    }
}
