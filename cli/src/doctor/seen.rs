//! What was seen in one Region of one account: counts, and a few names for each. Pages come in and are forgotten, so
//! that a hundred thousand volumes fit.

use std::collections::{BTreeMap, HashMap};

use planner::place::Place;
use planner::survey::Survey;
use shared::aws::ec2::Allowed;
use shared::rules::retain_rule::retain_rule;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::inventory::{Instance, Snapshot, Tags, Volume};
use shared::vocabulary::job::Job;
use shared::vocabulary::policy::{Policy, Retention};
use shared::vocabulary::selection::Resource;
use shared::vocabulary::tag;

use super::near::{Meant, Near, near};
use super::words::Sample;

/// What was seen in one Region of one account.
#[derive(Debug)]
pub(crate) struct Seen {
    pub place: Place,
    /// The policies that look here, by their place among the sources; those that prune too.
    pub sources: Vec<usize>,
    /// What each policy that takes snapshots selects.
    pub policies: BTreeMap<usize, Selected>,
    /// Volumes that several policies select, by which.
    pub overlaps: BTreeMap<Vec<usize>, Sample>,
    /// Instances, or volumes, whose tag looks like a typo.
    pub near: BTreeMap<Near, Sample>,
    /// Instances with a tag that is no retain rule, by policy, key and value.
    pub unread: BTreeMap<(usize, String, String), Sample>,
    pub snapshots: Snapshots,
    /// How many snapshots the account may have here.
    pub quota: Option<Result<Option<usize>, ApiError>>,
    /// Whether EBS encrypts by default here.
    pub encrypts: Option<bool>,
    /// What was asked with a dry run.
    pub asked: Vec<Asked>,
    /// What could not be read: the permission that the call needs, and the error.
    pub errors: Vec<(&'static str, ApiError)>,
}

/// What a policy selects.
#[derive(Debug, Default, Clone)]
pub(crate) struct Selected {
    pub volumes: usize,
    /// Instances, or volumes, that have the tags as they stand.
    pub exact: usize,
    /// One of the jobs: what a dry run asks about.
    pub job: Option<Box<Job>>,
}

/// Snapshots of the account.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    pub all: usize,
    /// Those of ours, by policy.
    pub ours: BTreeMap<String, usize>,
    pub unencrypted: Sample,
    /// One that a prune might delete: what a dry run asks about.
    pub deletable: Option<String>,
}

/// A question to EC2, by the permission that it is about, and the answer.
#[derive(Debug)]
pub(crate) struct Asked {
    pub action: &'static str,
    pub answer: Allowed,
}

/// Looking, page by page.
pub(crate) struct Look<'a> {
    seen: Seen,
    policies: Vec<(usize, &'a Policy, Survey<'a>)>,
    meant: &'a Meant,
    /// Instance → policy, key and value of a tag that cannot be read.
    doubtful: HashMap<String, Vec<(usize, String, String)>>,
    /// Volume → the policies that select it.
    selecting: HashMap<String, Vec<usize>>,
}

impl<'a> Look<'a> {
    /// Nothing was seen yet. `policies` are those that look into this place.
    pub fn new(place: Place, policies: Vec<(usize, &'a Policy)>, meant: &'a Meant) -> Self {
        let surveys = policies.iter().map(|(source, policy)| (*source, *policy, Survey::new(policy, place.clone())));
        let (doubtful, selecting) = (HashMap::new(), HashMap::new());
        let selected = policies.iter().map(|(source, _)| (*source, Selected::default())).collect();
        Self { policies: surveys.collect(), seen: Seen::new(place, selected), meant, doubtful, selecting }
    }

    /// Takes in a page of instances, whatever their tags.
    pub fn add_instances(&mut self, page: &[Instance]) {
        for instance in page {
            for (source, policy, _) in &self.policies {
                let doubts = doubts(*source, policy, instance);
                if !doubts.is_empty() {
                    self.doubtful.entry(instance.id.clone()).or_default().extend(doubts);
                }
            }
            self.look_at_tags(true, &instance.id, &instance.tags);
        }
        for (_, _, survey) in &mut self.policies {
            survey.add_instances(page.to_vec());
        }
    }

    /// Takes in a page of volumes, whatever their tags and states.
    pub fn add_volumes(&mut self, page: Vec<Volume>) {
        for volume in page {
            self.look_at_tags(false, &volume.id, &volume.tags);
            let mut jobs = Vec::new();
            for (source, _, survey) in &mut self.policies {
                jobs.extend(survey.add_volume(&volume).map(|job| (*source, job)));
            }
            jobs.into_iter().for_each(|(source, job)| self.selected(source, job));
        }
    }

    /// Takes in a page of the account's own snapshots, whoever made them.
    pub fn add_snapshots(&mut self, page: Vec<Snapshot>) {
        let snapshots = &mut self.seen.snapshots;
        for snapshot in page {
            snapshots.all += 1;
            let Some(policy) = snapshot.tags.get(tag::POLICY) else { continue };
            *snapshots.ours.entry(policy.clone()).or_default() += 1;
            if !snapshot.is_encrypted {
                snapshots.unencrypted.add(&snapshot.id);
            }
            let is_kept = snapshot.tags.contains_key(tag::KEEP_FOREVER);
            if snapshots.deletable.is_none() && !is_kept && snapshot.state == "completed" {
                snapshots.deletable = Some(snapshot.id);
            }
        }
    }

    /// What was seen. Volumes that only an instance shows are counted now.
    pub fn finish(mut self) -> Seen {
        let mut jobs = Vec::new();
        for (source, _, survey) in &mut self.policies {
            let unlisted = survey.unlisted_volumes();
            jobs.extend(unlisted.iter().filter_map(|volume| Some((*source, survey.add_volume(volume)?))));
        }
        jobs.into_iter().for_each(|(source, job)| self.selected(source, job));
        let several = self.selecting.iter().filter(|(_, sources)| sources.len() > 1);
        let mut several: Vec<(&String, &Vec<usize>)> = several.collect();
        several.sort();
        for (volume, sources) in several {
            self.seen.overlaps.entry(sources.clone()).or_default().add(volume);
        }
        self.seen
    }

    fn selected(&mut self, source: usize, job: Job) {
        let selected = self.seen.policies.entry(source).or_default();
        selected.volumes += 1;
        self.selecting.entry(job.volume.clone()).or_default().push(source);
        if let Some(doubts) = job.instance.as_ref().and_then(|instance| self.doubtful.get_mut(instance)) {
            // Each instance once, however many volumes it has.
            let (of_policy, others): (Vec<_>, Vec<_>) =
                std::mem::take(doubts).into_iter().partition(|(of, _, _)| *of == source);
            *doubts = others;
            for doubt in of_policy {
                self.seen.unread.entry(doubt).or_default().add(job.instance.as_deref().unwrap_or_default());
            }
        }
        selected.job.get_or_insert_with(|| Box::new(job));
    }

    fn look_at_tags(&mut self, is_instance: bool, id: &str, tags: &Tags) {
        for (source, policy, _) in &self.policies {
            if (policy.select.resource == Resource::Instance) != is_instance {
                continue;
            }
            if let Some(near) = near(*source, &policy.select, self.meant, tags) {
                self.seen.near.entry(near).or_default().add(id);
            } else if policy.select.tags.all(tags) {
                self.seen.policies.entry(*source).or_default().exact += 1;
            }
        }
    }
}

impl Seen {
    /// Nothing, yet.
    pub fn new(place: Place, policies: BTreeMap<usize, Selected>) -> Self {
        Self {
            place,
            sources: Vec::new(),
            policies,
            overlaps: BTreeMap::new(),
            near: BTreeMap::new(),
            unread: BTreeMap::new(),
            snapshots: Snapshots::default(),
            quota: None,
            encrypts: None,
            asked: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// `123456789012 eu-central-1`
    pub fn name(&self) -> String {
        format!("{} {}", self.place.account, self.place.region)
    }
}

/// The tags of an instance that were meant to be a rule, and cannot be read as one under this policy.
fn doubts(source: usize, policy: &Policy, instance: &Instance) -> Vec<(usize, String, String)> {
    let key = match &policy.retain {
        Retention::Rule(_) => tag::RETENTION,
        Retention::CountInTag(key) => key.as_str(),
    };
    let is_unread = |(found, _): &(&String, &String)| match *found == key {
        true => retain_rule(policy, Some(instance)).1.is_some(),
        // Nobody looks at `retention` or at `Retention `.
        false => key == tag::RETENTION && found.trim().eq_ignore_ascii_case(key) && !instance.tags.contains_key(key),
    };
    let unread = instance.tags.iter().filter(is_unread);
    unread.map(|(key, value)| (source, key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shared::vocabulary::inventory::{AttachedVolume, Attachment};

    fn policy(name: &str, key: &str) -> Policy {
        let select = json!({"tags": {key: ["true"]}});
        let policy = json!({"action": "snapshot", "policy": name, "select": select, "retain": "7d"});
        Policy::parse(&policy, "2026-11-20T02:00:00Z".parse().unwrap()).unwrap()
    }

    fn instance(number: usize, tags: &[(&str, &str)]) -> (Instance, Vec<Volume>) {
        let id = format!("i-{number}");
        let tags = tags.iter().map(|(key, value)| (String::from(*key), String::from(*value))).collect();
        let volumes = ["/dev/xvda", "/dev/sdf"].map(|device| {
            let attachments = vec![Attachment { instance: id.clone(), device: device.into() }];
            Volume { id: format!("vol-{number}{device}"), state: "in-use".into(), attachments, ..Volume::default() }
        });
        let attached = volumes
            .iter()
            .map(|volume| AttachedVolume { id: volume.id.clone(), device: volume.attachments[0].device.clone() });
        (Instance { id, tags, volumes: attached.collect(), ..Instance::default() }, volumes.to_vec())
    }

    #[test]
    fn a_region_is_counted_page_by_page() {
        let (daily, nightly) = (policy("daily", "Backup"), policy("nightly", "Nightly"));
        let meant = Meant::of([&daily.select, &nightly.select]);
        let place = Place { account: "123456789012".into(), role: None, region: "eu-central-1".into() };
        let mut look = Look::new(place, vec![(0, &daily), (1, &nightly)], &meant);
        let machines = [
            instance(1, &[("Backup", "true"), ("Nightly", "true"), ("Retention", "7 days")]),
            instance(2, &[("Backup", "true"), ("retention", "30")]),
            instance(3, &[("Backup", "True")]),
            instance(4, &[("Owner", "true")]),
        ];
        machines.iter().for_each(|(instance, _)| look.add_instances(std::slice::from_ref(instance)));
        machines.into_iter().for_each(|(_, volumes)| look.add_volumes(volumes));
        let seen = look.finish();
        assert_eq!(
            seen.policies.values().map(|found| (found.volumes, found.exact)).collect::<Vec<_>>(),
            [(4, 2), (2, 1)]
        );
        let overlaps: Vec<_> = seen.overlaps.iter().map(|(sources, sample)| (sources.clone(), sample.count)).collect();
        assert_eq!(overlaps, [(vec![0, 1], 2)]);
        let near: Vec<_> = seen.near.iter().map(|(near, sample)| (near.found.1.as_str(), sample.names())).collect();
        assert_eq!(near, [("True", "i-3".into())]);
        let unread: Vec<_> =
            seen.unread.iter().map(|((of, key, _), sample)| (*of, key.as_str(), sample.names())).collect();
        let expected = [(0, "Retention", "i-1"), (0, "retention", "i-2"), (1, "Retention", "i-1")];
        assert_eq!(unread, expected.map(|(of, key, names)| (of, key, names.into())));
    }
}
