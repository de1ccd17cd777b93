//! Waiting for volumes: until EC2 has made them, or attached them, or somebody stops it.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::aws::ec2::Ec2;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::restore::VolumeDetails;
use tokio::time::{Instant, sleep};

use super::progress::Progress;
use crate::stop::Stop;

/// Between two looks: soon at first, for most volumes are there within seconds.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);
/// Describe lags behind what was created. What it does not show for so long is not there.
const LAG: Duration = Duration::from_secs(120);
/// What was shown and is not in so many looks in a row is gone: one look alone may have asked a server that lags.
const MOST_MISSED: usize = 3;

/// What is known of volumes, by id: `None` of one that EC2 does not show any more.
pub(super) type Seen = BTreeMap<String, Option<VolumeDetails>>;

/// How a wait ends before what is waited for.
pub(super) enum Cut {
    Stopped,
    /// A time that was set has passed.
    TooLong,
    Failed(ApiError),
}

/// Looks at `volumes` again and again until `is_done` of each of them. One that EC2 had shown and shows no more is gone:
/// a volume whose key cannot be used may vanish. Whatever cuts the wait short, what was seen last is told.
pub(super) async fn wait(
    ec2: &Ec2,
    volumes: &[String],
    stop: Option<&Stop>,
    most: Option<Duration>,
    progress: &mut Progress,
    is_done: impl Fn(&VolumeDetails) -> bool,
) -> (Seen, Option<Cut>) {
    let (began, mut pause, mut seen) = (Instant::now(), FIRST, Seen::new());
    let mut missed = BTreeMap::<String, usize>::new();
    loop {
        let looked = match ec2.volumes_by_id(volumes).await {
            Ok(looked) => looked,
            Err(error) => return (seen, Some(Cut::Failed(error))),
        };
        let mut now: BTreeMap<String, VolumeDetails> =
            looked.into_iter().map(|volume| (volume.volume.id.clone(), volume)).collect();
        for id in volumes {
            match now.remove(id) {
                Some(volume) => {
                    missed.remove(id);
                    seen.insert(id.clone(), Some(volume));
                }
                None => {
                    let times = missed.entry(id.clone()).or_default();
                    *times += 1;
                    if began.elapsed() > LAG || (seen.contains_key(id) && *times >= MOST_MISSED) {
                        seen.insert(id.clone(), None);
                    }
                }
            }
        }
        let done = seen.values().filter(|volume| volume.as_ref().is_none_or(&is_done)).count();
        progress.at(done);
        if done == volumes.len() {
            return (seen, None);
        }
        if most.is_some_and(|most| began.elapsed() > most) {
            return (seen, Some(Cut::TooLong));
        }
        match stop {
            None => sleep(pause).await,
            Some(stop) => tokio::select! {
                () = sleep(pause) => {}
                () = stop.reached() => return (seen, Some(Cut::Stopped)),
            },
        }
        pause = (pause * 2).min(LONGEST);
    }
}

/// EC2 has decided: the volume is there, or never will be.
pub(super) fn is_decided(volume: &VolumeDetails) -> bool {
    volume.volume.state != "creating"
}
