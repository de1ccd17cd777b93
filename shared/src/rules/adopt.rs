//! Which snapshots of other tools a person may make ours, and the tags that make them so.

use chrono::{DateTime, Utc};

use super::retention::{is_copy, manager, unreadable_date};
use crate::vocabulary::inventory::Snapshot;
use crate::vocabulary::policy::Adoption;
use crate::vocabulary::retain::RetainRule;
use crate::vocabulary::slot::Slot;
use crate::vocabulary::tag;

/// EC2's limit: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions>
const MOST_TAGS: usize = 50;

/// The tags that make `snapshot` ours, as `adoption` wants it; `None` where it is not about this snapshot, and why not
/// where something stands in the way.
///
/// A `DeleteOn` that is there stays as it is: the tag decides, whoever wrote it.
pub fn adopted_tags(
    adoption: &Adoption,
    snapshot: &Snapshot,
    account: &str,
) -> Option<Result<Vec<(String, String)>, String>> {
    if snapshot.tags.contains_key(tag::POLICY) || snapshot.owner != account || !adoption.tags.all(&snapshot.tags) {
        return None;
    }
    Some(match (obstacle(snapshot), snapshot.started) {
        (Some(why), _) => Err(why),
        (None, None) => Err("EC2 does not say when it began".into()),
        (None, Some(started)) => Ok(tags(adoption, snapshot, started)),
    })
    .map(|tags| tags.and_then(|tags| has_room(snapshot, tags)))
}

fn obstacle(snapshot: &Snapshot) -> Option<String> {
    let service = snapshot.tags.keys().find_map(|key| manager(key));
    match service {
        Some(service) => Some(format!("managed by {service}")),
        None if is_copy(snapshot) => Some("a copy: EC2 does not say of which volume".into()),
        None if unreadable_date(snapshot).is_some() => unreadable_date(snapshot),
        None if snapshot.state != "completed" => Some(format!("{}: not a backup yet", snapshot.state)),
        None => None,
    }
}

fn tags(adoption: &Adoption, snapshot: &Snapshot, started: DateTime<Utc>) -> Vec<(String, String)> {
    let count = || match snapshot.tags.get(&adoption.policy)?.parse() {
        Ok(count @ RetainRule::Count(_)) => Some(count),
        _ => None,
    };
    let rule = match &adoption.retain {
        Some(rule) => rule.clone(),
        None => count().unwrap_or(RetainRule::Forever),
    };
    let mut tags = vec![
        (tag::POLICY, adoption.policy.clone()),
        (tag::VOLUME, snapshot.volume.clone()),
        (tag::RETAIN, rule.to_string()),
    ];
    if adoption.retain.is_none() {
        tags.push((tag::KEYWORD, adoption.policy.clone()));
    }
    if adoption.time_zone != chrono_tz::UTC {
        tags.push((tag::TIME_ZONE, adoption.time_zone.name().into()));
    }
    let delete_on = rule.delete_on(Slot::at(started), adoption.time_zone);
    let delete_on = delete_on.filter(|_| !snapshot.tags.contains_key(tag::DELETE_ON));
    tags.extend(delete_on.map(|day| (tag::DELETE_ON, day.to_string())));
    tags.into_iter().map(|(key, value)| (key.into(), value)).collect()
}

fn has_room(snapshot: &Snapshot, tags: Vec<(String, String)>) -> Result<Vec<(String, String)>, String> {
    let own = snapshot.tags.keys().filter(|key| !key.starts_with("aws:")).count();
    match own + tags.len() <= MOST_TAGS {
        true => Ok(tags),
        false => Err(format!("it has {own} tags, and EC2 takes {MOST_TAGS}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::policy::Prune;
    use serde_json::{Value, json};

    const ACCOUNT: &str = "123456789012";

    fn check(adopt: Value, tags: &str, expected: Option<&str>) {
        let event = json!({"action": "prune", "adopt": [adopt]});
        let prune = Prune::parse(&event, "2026-11-20T03:00:00Z".parse().unwrap()).unwrap();
        let pairs = tags.split_whitespace().filter_map(|pair| pair.split_once('='));
        let snapshot = Snapshot {
            id: "snap-1".into(),
            volume: "vol-1".into(),
            owner: ACCOUNT.into(),
            started: "2026-11-19T23:30:00Z".parse().ok(),
            state: "completed".into(),
            tags: pairs.map(|(key, value)| (key.into(), value.into())).collect(),
            ..Snapshot::default()
        };
        let found = adopted_tags(&prune.adopt[0], &snapshot, ACCOUNT).map(|found| match found {
            Ok(tags) => tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" "),
            Err(why) => why,
        });
        assert_eq!(found.as_deref(), expected, "{tags}");
    }

    #[test]
    fn the_tags_of_other_tools_become_ours() {
        // Creator and manager: `DeleteOn` stays as it was written.
        check(
            json!({"tags": {"Type": ["Automated"]}, "policy": "nightly", "retain": "7d"}),
            "Type=Automated DeleteOn=2026-12-24",
            Some("snapkeep:policy=nightly snapkeep:volume=vol-1 snapkeep:retain=7d"),
        );
        // Daily, Quarterly and Annual: an interval tag for each policy. The age is counted from the snapshot's own day.
        check(
            json!({"tags": {"Interval": ["Daily"]}, "policy": "daily", "retain": "7d", "time_zone": "Europe/Zurich"}),
            "Interval=Daily",
            Some(
                "snapkeep:policy=daily snapkeep:volume=vol-1 snapkeep:retain=7d snapkeep:time-zone=Europe/Zurich \
                 DeleteOn=2026-11-27",
            ),
        );
        // The keyword: its tag goes on counting.
        check(
            json!({"SnapshotKeyWord": "SnapshotDaily"}),
            "SnapshotDaily=3",
            Some(
                "snapkeep:policy=SnapshotDaily snapkeep:volume=vol-1 snapkeep:retain=3 snapkeep:keyword=SnapshotDaily",
            ),
        );
    }

    #[test]
    fn what_is_not_meant_or_another_services_is_left_alone() {
        let adopt = || json!({"tags": {"Type": ["Automated"]}, "policy": "nightly", "retain": "7d"});
        check(adopt(), "Type=Manual", None);
        check(adopt(), "Type=Automated snapkeep:policy=daily", None);
        check(adopt(), "Type=Automated aws:dlm:managed=true", Some("managed by Amazon Data Lifecycle Manager"));
        check(
            adopt(),
            "Type=Automated DeleteOn=12/24/2026",
            Some("tag `DeleteOn` is \"12/24/2026\"; allowed: a day such as 2026-11-27"),
        );
        let many: String = (0..47).map(|number| format!(" t{number}=x")).collect();
        check(adopt(), &format!("Type=Automated{many}"), Some("it has 48 tags, and EC2 takes 50"));
    }
}
