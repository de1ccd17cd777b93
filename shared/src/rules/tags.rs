//! The tags of a snapshot. They are the state of the whole system, so they are written in the create call itself.

use crate::vocabulary::inventory::{Instance, Tags, Volume};
use crate::vocabulary::job::Job;
use crate::vocabulary::policy::{Policy, Retention};
use crate::vocabulary::problem::shortened;
use crate::vocabulary::tag;

/// EC2's limit: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions>
pub(super) const MOST_TAGS: usize = 50;
/// EC2's limit for a tag's value, in characters.
pub(super) const LONGEST_VALUE: usize = 256;
/// How many tags [`snapshot_tags`] writes by itself at the most.
const MOST_OWN_TAGS: usize = 9;
/// EC2's limit for a description, in characters.
const LONGEST_DESCRIPTION: usize = 255;

/// The tags that a snapshot takes over, and the keys for which there was no room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CopiedTags {
    pub tags: Tags,
    pub dropped: Vec<String>,
}

/// The tags that the snapshot of `volume` takes over, as far as there is room beside our own: first the keyword's,
/// then `Name`, then the policy's, the volume's and the instance's. Where two have the same key, the earlier wins.
pub fn copied_tags(policy: &Policy, volume: &Volume, instance: Option<&Instance>) -> CopiedTags {
    let none = Tags::new();
    let instance_tags = instance.map_or(&none, |instance| &instance.tags);
    let keyword = match &policy.retain {
        Retention::CountInTag(key) => instance_tags.get_key_value(key),
        Retention::Rule(_) => None,
    };
    let name = volume.tags.get(tag::NAME).or(instance_tags.get(tag::NAME)).unwrap_or(&volume.id);
    let own = [(tag::NAME, name.as_str())];
    let copied = volume.tags.iter().chain(instance_tags).filter(|_| policy.copy_tags);
    let wanted = (keyword.into_iter().map(as_str))
        .chain((!policy.tags.contains_key(tag::NAME)).then_some(own).into_iter().flatten())
        .chain(policy.tags.iter().chain(copied).map(as_str))
        .filter(|(key, _)| !is_reserved(key));
    let mut found = CopiedTags::default();
    for (key, value) in wanted {
        if found.tags.contains_key(key) || found.dropped.iter().any(|dropped| dropped == key) {
            continue;
        }
        match found.tags.len() < MOST_TAGS - MOST_OWN_TAGS {
            true => drop(found.tags.insert(key.into(), value.into())),
            false => found.dropped.push(key.into()),
        }
    }
    found
}

/// All tags of the snapshot that `job` makes: ours, then the ones the planner chose, never more than fifty.
pub fn snapshot_tags(job: &Job) -> Vec<(String, String)> {
    let mut tags = vec![
        (tag::POLICY.into(), job.policy.clone()),
        (tag::JOB.into(), job.id.clone()),
        (tag::SLOT.into(), job.slot.to_string()),
        (tag::VOLUME.into(), job.volume.clone()),
    ];
    tags.extend(job.retain.as_ref().map(|rule| (tag::RETAIN.into(), rule.to_string())));
    tags.extend(job.keyword.clone().map(|key| (tag::KEYWORD.into(), key)));
    tags.extend(job.instance.clone().map(|id| (tag::INSTANCE.into(), id)));
    tags.extend(job.device.as_ref().map(|device| (tag::DEVICE.into(), shortened(device, LONGEST_VALUE))));
    if job.time_zone != chrono_tz::UTC {
        tags.push((tag::TIME_ZONE.into(), job.time_zone.name().into()));
    }
    let delete_on = job.retain.as_ref().and_then(|rule| rule.delete_on(job.slot, job.time_zone));
    tags.extend(delete_on.map(|day| (tag::DELETE_ON.into(), day.to_string())));
    for (key, value) in job.tags.iter().filter(|(key, _)| !key.is_empty() && !is_reserved(key)) {
        // Two long ones may have become one, and EC2 refuses a key that stands there twice.
        let key = shortened(key, 127);
        if tags.len() < MOST_TAGS && !tags.iter().any(|(other, _)| *other == key) {
            tags.push((key, shortened(value, LONGEST_VALUE)));
        }
    }
    tags
}

/// What EC2's console shows beside the snapshot. ASCII, because EC2 does not say what else it takes.
pub fn description(job: &Job) -> String {
    let device = job.device.as_deref().unwrap_or("not attached");
    let instance = job.instance.as_deref().unwrap_or("no instance");
    let text = format!("snapkeep {} {}: {} ({device}) of {instance}", job.policy, job.slot, job.volume);
    let ascii: String = text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
    ascii.chars().take(LONGEST_DESCRIPTION).collect()
}

/// Tags that are AWS's, ours, or a person's order on one snapshot: copied, they would give orders nobody gave.
pub(super) fn is_reserved(key: &str) -> bool {
    let lower = key.to_lowercase();
    lower.starts_with("aws:") || lower.starts_with("snapkeep:") || key == tag::DELETE_ON || key == tag::KEEP_FOREVER
}

fn as_str<'a>((key, value): (&'a String, &'a String)) -> (&'a str, &'a str) {
    (key, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn policy(changes: Value) -> Policy {
        let mut policy = json!({"action": "snapshot", "policy": "daily", "select": {"tags": {}}, "retain": "7d"});
        policy.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Policy::parse(&policy, "2026-11-20T02:00:00Z".parse().unwrap()).unwrap()
    }

    fn tags(text: &str) -> Tags {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.into(), value.into())).collect()
    }

    fn check_copied(policy: &Policy, volume: &str, instance: &str, expected: &str) {
        let volume = Volume { id: "vol-1".into(), tags: tags(volume), ..Volume::default() };
        let instance = Instance { id: "i-1".into(), tags: tags(instance), ..Instance::default() };
        assert_eq!(copied_tags(policy, &volume, Some(&instance)).tags, tags(expected));
    }

    #[test]
    fn the_policys_tags_win_over_the_volumes_and_these_over_the_instances() {
        let policy = policy(json!({"tags": {"Interval": "Daily"}}));
        check_copied(&policy, "Interval=x Team=v", "Team=i Env=prod", "Interval=Daily Team=v Env=prod Name=vol-1");
    }

    #[test]
    fn the_name_is_the_volumes_else_the_instances_else_the_volumes_id() {
        let policy = policy(json!({"copy_tags": false}));
        check_copied(&policy, "Name=data", "Name=db Team=i", "Name=data");
        check_copied(&policy, "", "Name=db", "Name=db");
        check_copied(&policy, "", "", "Name=vol-1");
    }

    #[test]
    fn tags_that_give_orders_are_not_copied() {
        let orders = "aws:autoscaling:groupName=x AWS:x=y snapkeep:policy=hourly DeleteOn=2020-01-01 KeepForever=1";
        check_copied(&policy(json!({})), orders, orders, "Name=vol-1");
    }

    #[test]
    fn the_keywords_tag_is_copied_first() {
        let event = json!({"SnapshotKeyWord": "zz"});
        let policy = Policy::parse(&event, "2026-11-20T02:00:00Z".parse().unwrap()).unwrap();
        let mut instance = Instance { tags: tags("zz=3"), ..Instance::default() };
        instance.tags.extend((0..49).map(|n| (format!("t{n:02}"), String::new())));
        let volume = Volume { id: "vol-1".into(), ..Volume::default() };
        let copied = copied_tags(&policy, &volume, Some(&instance));
        assert_eq!(copied.tags.get("zz").map(String::as_str), Some("3"));
        assert_eq!((copied.tags.len(), copied.dropped.len()), (41, 10), "51 were wanted, 41 fit");
    }

    fn job() -> Job {
        Job::parse(
            r#"{"version":1,"action":"snapshot","job":"2f0c7e1a9b3d4c5e6f70","policy":"daily",
            "slot":"2026-11-20T02:00:00Z","account":"123456789012","region":"eu-central-1",
            "volume":"vol-0123456789abcdef0","instance":"i-0123456789abcdef0","device":"/dev/sda1",
            "retain":"7d","time_zone":"Europe/Zurich","tags":{"Name":"db"}}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_snapshot_says_whose_it_is_and_what_will_become_of_it() {
        let written: Tags = snapshot_tags(&job()).into_iter().collect();
        let expected = "snapkeep:policy=daily snapkeep:job=2f0c7e1a9b3d4c5e6f70 snapkeep:slot=2026-11-20T02:00:00Z \
            snapkeep:volume=vol-0123456789abcdef0 snapkeep:instance=i-0123456789abcdef0 snapkeep:device=/dev/sda1 \
            snapkeep:retain=7d snapkeep:time-zone=Europe/Zurich DeleteOn=2026-11-27 Name=db";
        assert_eq!(written, tags(expected));
    }

    #[test]
    fn a_rule_that_is_no_age_writes_no_day_of_deletion() {
        for rule in ["7", "forever", "daily=7"] {
            let job = Job { retain: rule.parse().ok(), ..job() };
            assert!(snapshot_tags(&job).iter().all(|(key, _)| key != tag::DELETE_ON), "{rule}");
        }
    }

    #[test]
    fn a_keywords_snapshot_says_which_tag_counts() {
        let job = Job { retain: "3".parse().ok(), keyword: Some("SnapshotDaily".into()), ..job() };
        assert!(snapshot_tags(&job).contains(&("snapkeep:keyword".into(), "SnapshotDaily".into())));
    }

    #[test]
    fn a_key_that_ec2_refuses_is_left_out() {
        let long = |end: char| format!("{}{end}", "x".repeat(127));
        let wanted = [(long('a'), "1".into()), (long('b'), "2".into()), (String::new(), "3".into())];
        let job = Job { tags: wanted.into(), device: Some("d".repeat(300)), ..job() };
        let written = snapshot_tags(&job);
        let keys: Tags = written.iter().cloned().collect();
        assert_eq!((keys.len(), written.len()), (10, 10), "{keys:?}");
        assert_eq!(keys[tag::DEVICE].chars().count(), 256);
    }

    #[test]
    fn the_description_is_short_ascii() {
        let job = Job { policy: "täglich\n".repeat(40), ..job() };
        let text = description(&job);
        assert!(text.len() <= 255 && text.is_ascii() && !text.contains('\n'), "{text}");
    }

    proptest! {
        #[test]
        fn whatever_a_message_asks_for_our_tags_stand_first_and_ec2_takes_them_all(
            wanted in prop::collection::btree_map(".{0,140}", ".{0,300}", 0..80)
        ) {
            let job = Job { tags: wanted, ..job() };
            let written = snapshot_tags(&job);
            prop_assert!(written.len() <= 50);
            prop_assert_eq!(&written[0], &(tag::POLICY.to_string(), "daily".to_string()));
            prop_assert_eq!(&written[1], &(tag::JOB.to_string(), job.id.clone()));
            for (key, value) in &written {
                prop_assert!(key.chars().count() <= 127 && value.chars().count() <= 256);
            }
            for (key, _) in &written[9..] {
                prop_assert!(!is_reserved(key));
            }
        }
    }
}
