//! Deleting volumes that a restore or a drill has made: the only place that does, and never one that bears no such tag or
//! that somebody uses.

use shared::aws::ec2::Ec2;
use shared::vocabulary::restore::VolumeDetails;
use shared::vocabulary::tag;

/// Why a volume is not deleted, if so.
pub(super) fn held(volume: &VolumeDetails, id: &str) -> Option<String> {
    let volume = &volume.volume;
    if volume.tags.get(tag::RESTORE).map(String::as_str) != Some(id) {
        return Some(format!("it does not bear the tag {}={id}", tag::RESTORE));
    }
    if let Some(attachment) = volume.attachments.first() {
        return Some(format!("it is attached to {}", attachment.instance));
    }
    match volume.state.as_str() {
        "available" | "error" => None,
        state => Some(format!("it is {state}")),
    }
}

/// Deletes a volume after a last look at it. `Err` says why it is still there.
pub(super) async fn remove(ec2: &Ec2, volume: &str, id: &str) -> Result<(), String> {
    let found = ec2.volumes_by_id(&[volume.into()]).await.map_err(|error| error.to_string())?;
    let Some(found) = found.into_iter().next() else { return Ok(()) };
    if matches!(found.volume.state.as_str(), "deleting" | "deleted") {
        return Ok(());
    }
    if let Some(why) = held(&found, id) {
        return Err(why);
    }
    match ec2.delete_volume(volume).await {
        Err(error) if error.code != "InvalidVolume.NotFound" => Err(error.to_string()),
        _ => Ok(()),
    }
}
