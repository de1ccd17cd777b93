//! The keys of the tags that a snapshot of ours bears, and a volume that was restored. They are a contract: other
//! programs and people read them.

/// The policy's name: whose the snapshot is. Without this tag it is never touched.
pub const POLICY: &str = "snapkeep:policy";
/// The job id: the idempotency key.
pub const JOB: &str = "snapkeep:job";
/// The run's slot, such as `2026-11-20T02:00:00Z`.
pub const SLOT: &str = "snapkeep:slot";
/// The volume's id, which a copy of the snapshot loses.
pub const VOLUME: &str = "snapkeep:volume";
/// The instance that the volume was attached to.
pub const INSTANCE: &str = "snapkeep:instance";
/// The device that it was attached as.
pub const DEVICE: &str = "snapkeep:device";
/// The retain rule that the snapshot was made under.
pub const RETAIN: &str = "snapkeep:retain";
/// Whose days and weeks the retain rule counts; absent means UTC.
pub const TIME_ZONE: &str = "snapkeep:time-zone";
/// The key of the tag whose value says how many to keep: the keyword event's. Absent for every other policy.
pub const KEYWORD: &str = "snapkeep:keyword";
/// The day on which an age rule makes the snapshot due. A person may edit or remove it.
pub const DELETE_ON: &str = "DeleteOn";
/// Keeps a snapshot for good, whatever its value. Only a person sets it.
pub const KEEP_FOREVER: &str = "KeepForever";
/// What EC2's console shows as the snapshot's name.
pub const NAME: &str = "Name";
/// The tag of an instance that overrides its policy's retain rule: a number of days, or any rule.
pub const RETENTION: &str = "Retention";

/// On a volume: the restore that made it. Without this tag `snapkeep restore --undo` never touches it.
pub const RESTORE: &str = "snapkeep:restore";
/// On a restored volume: the snapshot that it was made of.
pub const RESTORED_FROM: &str = "snapkeep:restored-from";
/// On a restored volume: the volume that the snapshot was taken of.
pub const RESTORED_VOLUME: &str = "snapkeep:restored-volume";
/// On a restored volume: the device that the source was attached as.
pub const RESTORED_DEVICE: &str = "snapkeep:restored-device";
/// On a volume that was made only to see whether it can be: the drill, which deletes it.
pub const DRILL: &str = "snapkeep:drill";
