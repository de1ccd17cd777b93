//! The pure half of planning: what EC2 lists of a Region in, jobs out, each volume once.

use std::collections::{BTreeSet, HashMap, HashSet};

use shared::rules::pace::BURST_JOBS;
use shared::rules::retain_rule::retain_rule;
use shared::rules::select::{Attached, Verdict, verdict};
use shared::rules::tags::copied_tags;
use shared::vocabulary::inventory::{Instance, Volume};
use shared::vocabulary::job::{Action, Identity, Job};
use shared::vocabulary::policy::{Policy, Retention};
use shared::vocabulary::selection::Resource;

use crate::place::Place;
use crate::summary::RegionSummary;

/// What is known of a Region so far.
#[derive(Debug)]
pub struct Survey<'a> {
    policy: &'a Policy,
    place: Place,
    instances: Vec<Instance>,
    /// Instance id → where it stands in `instances`.
    indices: HashMap<String, usize>,
    /// Volume id → instance and device, moved here from the instances' block device mappings.
    mapped: HashMap<String, Vec<(usize, String)>>,
    seen: HashSet<String>,
    warnings: BTreeSet<String>,
    summary: RegionSummary,
}

/// What a policy says of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is selected: the job that backs it up.
    Selected(Box<Job>),
    /// The policy is about it, and takes it out for this reason.
    Skipped(String),
    /// The policy is not about it.
    Outside,
}

impl<'a> Survey<'a> {
    /// Nothing is known yet.
    pub fn new(policy: &'a Policy, place: Place) -> Self {
        let summary = RegionSummary { instances: Some(0), ..RegionSummary::of(&place) };
        Self {
            policy,
            place,
            instances: Vec::new(),
            indices: HashMap::new(),
            mapped: HashMap::new(),
            seen: HashSet::new(),
            warnings: BTreeSet::new(),
            summary,
        }
    }

    /// Takes in a page of instances. EC2's filters may let through too much: what a policy of instances does not
    /// match is dropped here.
    pub fn add_instances(&mut self, page: Vec<Instance>) {
        let is_about_instances = self.policy.select.resource == Resource::Instance;
        for mut instance in page {
            let is_selected = !is_about_instances || self.policy.select.tags.all(&instance.tags);
            if !is_selected || self.indices.contains_key(&instance.id) {
                continue;
            }
            let index = self.instances.len();
            for volume in std::mem::take(&mut instance.volumes) {
                self.mapped.entry(volume.id).or_default().push((index, volume.device));
            }
            self.indices.insert(instance.id.clone(), index);
            self.instances.push(instance);
        }
        self.summary.instances = Some(self.instances.len());
    }

    /// Whether no volume can be selected any more: a policy of instances matched none.
    pub fn needs_no_volumes(&self) -> bool {
        self.policy.select.resource == Resource::Instance && self.instances.is_empty()
    }

    /// Takes in a volume, and gives its job if it is selected. One that was seen before has had its verdict:
    /// a page may repeat what an earlier one had.
    pub fn add_volume(&mut self, volume: &Volume) -> Option<Job> {
        match self.judge(volume)? {
            Found::Outside => None,
            Found::Skipped(skip) => {
                self.summary.volumes += 1;
                *self.summary.skipped.entry(skip).or_default() += 1;
                None
            }
            Found::Selected(mut job) => {
                job.burst = self.summary.jobs < BURST_JOBS;
                self.summary.volumes += 1;
                self.summary.jobs += 1;
                Some(*job)
            }
        }
    }

    /// What the policy says of a volume; `None` where it was asked before.
    pub fn judge(&mut self, volume: &Volume) -> Option<Found> {
        if !self.seen.insert(volume.id.clone()) {
            return None;
        }
        let mapped = self.mapped.remove(&volume.id).unwrap_or_default();
        let listed = volume
            .attachments
            .iter()
            .filter_map(|attachment| Some((*self.indices.get(&attachment.instance)?, attachment.device.as_str())));
        let mapped = mapped.iter().map(|(index, device)| (*index, device.as_str()));
        let places: BTreeSet<(usize, &str)> = mapped.chain(listed).collect();
        let attached: Vec<Attached<'_>> =
            places.into_iter().map(|(index, device)| Attached { instance: &self.instances[index], device }).collect();
        Some(match verdict(&self.policy.select, volume, &attached) {
            Verdict::Outside => Found::Outside,
            Verdict::Skipped(skip) => Found::Skipped(skip.to_string()),
            Verdict::Selected(attached) => {
                let (job, warnings) = job(self.policy, &self.place, volume, attached);
                self.warnings.extend(warnings);
                Found::Selected(Box::new(job))
            }
        })
    }

    /// The volumes that a selected instance has and the listing of volumes does not: attached a moment ago, or hidden.
    /// A doubtful backup is taken: should the volume be gone, the worker finds out.
    pub fn unlisted_volumes(&self) -> Vec<Volume> {
        if self.policy.select.resource != Resource::Instance {
            return Vec::new();
        }
        let mut ids: Vec<String> = self.mapped.keys().cloned().collect();
        ids.sort_unstable();
        ids.into_iter().map(|id| Volume { id, state: "in-use".into(), ..Volume::default() }).collect()
    }

    /// The summary of the Region, which `error` stopped.
    pub fn finish(mut self, error: Option<String>) -> RegionSummary {
        self.summary.set_warnings(self.warnings);
        self.summary.error = error;
        self.summary
    }
}

/// The job for a selected volume, and what should be said about its tags.
fn job(policy: &Policy, place: &Place, volume: &Volume, attached: Option<Attached<'_>>) -> (Job, Vec<String>) {
    let instance = attached.map(|attached| attached.instance);
    let (retain, unreadable) = retain_rule(policy, instance);
    let copied = copied_tags(policy, volume, instance);
    let dropped = (!copied.dropped.is_empty())
        .then(|| format!("{}: no room on its snapshot for the tags {}", volume.id, copied.dropped.join(", ")));
    let identity = Identity {
        policy: &policy.name,
        action: Action::Snapshot,
        account: &place.account,
        region: &place.region,
        volume: &volume.id,
        slot: policy.slot,
    };
    let job = Job {
        instance: instance.map(|instance| instance.id.clone()),
        device: attached.map(|attached| attached.device.into()),
        retain: Some(retain),
        keyword: match &policy.retain {
            Retention::CountInTag(key) => Some(key.clone()),
            Retention::Rule(_) => None,
        },
        time_zone: policy.time_zone,
        tags: copied.tags,
        enqueued: Some(policy.planned),
        give_up_at: Some(policy.give_up_at),
        ..identity.job(place.role.as_ref())
    };
    (job, unreadable.into_iter().chain(dropped).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use shared::vocabulary::inventory::{AttachedVolume, Attachment};

    fn policy(select: Value) -> Policy {
        let policy = json!({"action": "snapshot", "policy": "daily", "select": select, "retain": "7d"});
        Policy::parse(&policy, "2026-11-20T02:00:00Z".parse().unwrap()).unwrap()
    }

    fn place() -> Place {
        Place { account: "123456789012".into(), role: None, region: "eu-central-1".into() }
    }

    /// `i-1 Backup=true: vol-1@/dev/xvda vol-2@/dev/sdf`
    fn instance(text: &str) -> Instance {
        let (head, volumes) = text.split_once(':').unwrap();
        let mut words = head.split_whitespace();
        let id = words.next().unwrap().into();
        let tags = words.filter_map(|tag| tag.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect();
        let volumes = volumes.split_whitespace().map(|volume| {
            let (id, device) = volume.split_once('@').unwrap();
            AttachedVolume { id: id.into(), device: device.into() }
        });
        Instance { id, tags, root_device: Some("/dev/xvda".into()), volumes: volumes.collect() }
    }

    fn volume(id: &str, attachments: &[(&str, &str)]) -> Volume {
        let attachments = attachments
            .iter()
            .map(|(instance, device)| Attachment { instance: String::from(*instance), device: String::from(*device) });
        Volume { id: id.into(), state: "in-use".into(), attachments: attachments.collect(), ..Volume::default() }
    }

    /// The volumes that get a job, with their instances, in the order of their ids.
    fn check(policy: &Policy, instances: &[&str], volumes: &[Volume], expected: &[&str]) -> RegionSummary {
        let mut survey = Survey::new(policy, place());
        survey.add_instances(instances.iter().map(|text| instance(text)).collect());
        let mut jobs: Vec<Job> = volumes.iter().filter_map(|volume| survey.add_volume(volume)).collect();
        jobs.extend(survey.unlisted_volumes().iter().filter_map(|volume| survey.add_volume(volume)));
        let mut found: Vec<String> =
            jobs.iter().map(|job| format!("{} {}", job.volume, job.instance.as_deref().unwrap_or("-"))).collect();
        found.sort();
        assert_eq!(found, expected);
        survey.finish(None)
    }

    #[test]
    fn every_volume_of_a_matching_instance_gets_one_job() {
        let policy = policy(json!({"tags": {"Backup": ["true"]}}));
        let instances = ["i-1 Backup=true: vol-1@/dev/xvda vol-2@/dev/sdf", "i-2 Backup=no: vol-3@/dev/xvda"];
        let volumes = ["vol-1", "vol-2", "vol-3", "vol-4"].map(|id| volume(id, &[]));
        let summary = check(&policy, &instances, &volumes, &["vol-1 i-1", "vol-2 i-1"]);
        assert_eq!((summary.instances, summary.volumes, summary.jobs), (Some(1), 2, 2));
    }

    #[test]
    fn a_multi_attach_volume_is_one_job() {
        let policy = policy(json!({"tags": {"Backup": ["true"]}}));
        let instances = ["i-2 Backup=true: vol-1@/dev/sdf", "i-1 Backup=true: vol-1@/dev/sdg"];
        check(&policy, &instances, &[volume("vol-1", &[("i-1", "/dev/sdg"), ("i-2", "/dev/sdf")])], &["vol-1 i-1"]);
    }

    #[test]
    fn a_volume_that_two_pages_show_is_one_job() {
        let policy = policy(json!({"resource": "volume", "tags": {}}));
        check(&policy, &[], &[volume("vol-1", &[]), volume("vol-1", &[])], &["vol-1 -"]);
    }

    #[test]
    fn the_first_jobs_of_a_region_are_its_burst_whatever_is_skipped_before_them() {
        let policy = policy(json!({"resource": "volume", "tags": {}, "exclude_tags": {"Scratch": []}}));
        let scratch = Volume { tags: [("Scratch".into(), "1".into())].into(), ..volume("vol-0", &[]) };
        let volumes = (1..=200).map(|number| volume(&format!("vol-{number}"), &[]));
        let mut survey = Survey::new(&policy, place());
        let bursts = std::iter::once(scratch).chain(volumes).filter_map(|volume| survey.add_volume(&volume));
        let bursts: Vec<bool> = bursts.map(|job| job.burst).collect();
        assert_eq!(bursts, [[true; 120].as_slice(), &[false; 80]].concat());
    }

    #[test]
    fn a_volume_that_only_one_of_the_two_listings_knows_is_backed_up() {
        let policy = policy(json!({"tags": {"Backup": ["true"]}}));
        let instances = ["i-1 Backup=true: vol-1@/dev/xvda", "i-2 Backup=true:"];
        let attached_since = volume("vol-2", &[("i-2", "/dev/sdf")]);
        check(&policy, &instances, &[attached_since], &["vol-1 i-1", "vol-2 i-2"]);
    }

    #[test]
    fn what_is_skipped_is_counted_by_its_reason() {
        let mut policy = policy(json!({"tags": {}, "exclude_tags": {"Scratch": []}}));
        policy.select.exclude_boot_volumes = true;
        let instances = ["i-1: vol-1@/dev/xvda vol-2@/dev/sdf", "i-2 Scratch=1: vol-3@/dev/sdf"];
        let summary = check(&policy, &instances, &[], &["vol-2 i-1"]);
        let skipped: Vec<_> = summary.skipped.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        assert_eq!(skipped, ["1 boot volume", "1 instance has the excluded tag Scratch"]);
        assert_eq!((summary.volumes, summary.jobs), (3, 1));
    }

    #[test]
    fn an_instances_unreadable_retention_is_warned_of_once() {
        let policy = policy(json!({"tags": {}}));
        let summary =
            check(&policy, &["i-1 Retention=soon: vol-1@/dev/xvda vol-2@/dev/sdf"], &[], &["vol-1 i-1", "vol-2 i-1"]);
        assert_eq!(summary.warnings.len(), 1, "{:?}", summary.warnings);
    }
}
