//! `snapkeep restore --undo`: what a restore has made is deleted, as far as nobody has attached it.

use planner::place::Place;
use serde_json::json;
use shared::aws::Aws;
use shared::aws::ec2::Ec2;
use shared::vocabulary::restore::{RestoreId, VolumeDetails};
use shared::vocabulary::tag;

use super::Manner;
use super::progress::Progress;
use super::remove::{held, remove};
use super::wait::{is_decided, wait};
use crate::ask::confirmed;
use crate::plan::{Output, volumes};
use crate::show::show;
use crate::stop::Stop;
use crate::table::{plain, table};
use crate::{Error, exit};

/// Takes one restore back.
pub(super) struct Undo<'a> {
    pub aws: &'a Aws,
    pub places: &'a [Place],
    pub id: &'a RestoreId,
    pub stop: &'a Stop,
}

/// A volume of the restore, and why it stays, if it does.
struct Found {
    region: String,
    ec2: Ec2,
    volume: VolumeDetails,
    held: Option<String>,
}

impl Undo<'_> {
    pub async fn run(&self, manner: Manner) -> Result<u8, Error> {
        let (found, errors) = self.find().await;
        let is_table = manner.output == Output::Table;
        if is_table {
            show(&self.text(&found));
        }
        errors.iter().for_each(|error| eprintln!("snapkeep: {}", plain(error)));
        let goes = found.iter().filter(|found| found.held.is_none()).count();
        let stays = found.len() - goes;
        let undone = if errors.is_empty() && stays == 0 { exit::DONE } else { exit::PARTLY };
        if manner.is_dry || goes == 0 {
            if !is_table {
                show(
                    &json!({"dry_run": manner.is_dry, "volumes": json(&found), "deleted": [], "errors": errors})
                        .to_string(),
                );
            }
            return Ok(undone);
        }
        if !manner.yes && !confirmed(&format!("Delete {} for good?", volumes(goes)), self.stop).await? {
            eprintln!("Nothing was deleted.");
            return Ok(exit::DONE);
        }
        let (deleted, failed) = self.delete(&found).await;
        match is_table {
            true => {
                show(&format!("Deleted {} of {}.", deleted.len(), volumes(goes)));
                failed.iter().for_each(|why| eprintln!("snapkeep: {}", plain(why)));
            }
            false => show(
                &json!({"dry_run": false, "volumes": json(&found), "deleted": deleted, "errors": failed}).to_string(),
            ),
        }
        Ok(if failed.is_empty() { undone } else { exit::PARTLY })
    }

    /// EC2 deletes nothing that it is still making: that is waited for.
    async fn find(&self) -> (Vec<Found>, Vec<String>) {
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        for place in self.places {
            let looked = async {
                let ec2 = self.aws.ec2(place.role.as_ref(), &place.region).await?;
                let volumes = ec2.volumes_with_tag(tag::RESTORE, Some(self.id.as_str())).await?;
                Ok::<_, shared::vocabulary::api_error::ApiError>((ec2, volumes))
            };
            match looked.await {
                Ok((ec2, volumes)) => found.extend(self.settled(&ec2, volumes, &place.region).await),
                Err(error) => errors.push(error.to_string()),
            }
        }
        (found, errors)
    }

    async fn settled(&self, ec2: &Ec2, volumes: Vec<VolumeDetails>, region: &str) -> Vec<Found> {
        let creating = volumes.iter().filter(|volume| !is_decided(volume)).map(|volume| volume.volume.id.clone());
        let creating: Vec<String> = creating.collect();
        let mut progress = Progress::new(creating.len(), "volumes made, so that they can be deleted");
        let (mut seen, _) = match creating.is_empty() {
            true => Default::default(),
            false => wait(ec2, &creating, Some(self.stop), None, &mut progress, is_decided).await,
        };
        progress.end();
        let volumes = volumes.into_iter().filter_map(|volume| match seen.remove(&volume.volume.id) {
            None => Some(volume),
            Some(now) => now,
        });
        let there = volumes.filter(|volume| !matches!(volume.volume.state.as_str(), "deleting" | "deleted"));
        let found = there.map(|volume| Found {
            held: held(&volume, self.id.as_str()),
            region: region.into(),
            ec2: ec2.clone(),
            volume,
        });
        found.collect()
    }

    async fn delete(&self, found: &[Found]) -> (Vec<String>, Vec<String>) {
        let (mut deleted, mut failed) = (Vec::new(), Vec::new());
        for found in found.iter().filter(|found| found.held.is_none()) {
            let id = &found.volume.volume.id;
            if self.stop.is_set() {
                failed.push(format!("{id} is still there: stopped"));
                continue;
            }
            match remove(&found.ec2, id, self.id.as_str()).await {
                Ok(()) => deleted.push(id.clone()),
                Err(why) => failed.push(format!("{id} is still there: {why}")),
            }
        }
        (deleted, failed)
    }

    fn text(&self, found: &[Found]) -> String {
        if found.is_empty() {
            let regions: Vec<&str> = self.places.iter().map(|place| place.region.as_str()).collect();
            return format!("There is no volume of restore {} in {}.", self.id, regions.join(", "));
        }
        let rows = found.iter().map(|found| {
            let VolumeDetails { volume, created, shape, .. } = &found.volume;
            let of = |key: &str| volume.tags.get(key).map(|value| plain(value)).unwrap_or_default();
            [
                found.region.clone(),
                volume.id.clone(),
                of(tag::NAME),
                of(tag::RESTORED_FROM),
                created.map(|time| time.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default(),
                shape.gib.to_string(),
                volume.state.clone(),
                found.held.as_ref().map_or("is deleted".into(), |why| format!("stays: {}", plain(why))),
            ]
        });
        let heads = ["Region", "Volume", "Name", "Made of", "Made (UTC)", "GiB", "State", "What becomes of it"];
        let used = found.iter().filter(|found| !found.volume.volume.attachments.is_empty());
        let used = used.map(|found| {
            format!("\n  aws ec2 detach-volume --region {} --volume-id {}", found.region, found.volume.volume.id)
        });
        let used: String = used.collect();
        let how = if used.is_empty() { String::new() } else { format!("\nTo take off what is attached:{used}") };
        format!("Restore {}:\n{}{how}", self.id, table(heads, &["GiB"], rows.collect()))
    }
}

fn json(found: &[Found]) -> serde_json::Value {
    let rows = found.iter().map(|found| {
        json!({
            "region": found.region, "volume": found.volume.volume.id, "state": found.volume.volume.state,
            "snapshot": found.volume.volume.tags.get(tag::RESTORED_FROM), "stays": found.held,
        })
    });
    rows.collect()
}
