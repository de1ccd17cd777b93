//! A policy in, one job for each volume out, from every Region of every account at once.

use std::pin::pin;

use futures::{TryStreamExt, future};
use shared::aws::Aws;
use shared::aws::ec2::Ec2;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::job::Job;
use shared::vocabulary::policy::{Policy, Regions};
use shared::vocabulary::selection::{AttachmentState, Resource, TagMatch};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;

use crate::place::{Place, places};
use crate::summary::{RegionSummary, Summary};
use crate::survey::Survey;

/// A page of a thousand volumes takes megabytes as XML and as values: thirty of them at once would be most of a small
/// Lambda's memory. So many lists of instances are read at once, each a page at a time, and as many of volumes: the first
/// jobs need not wait until the instances of all Regions are read.
const LISTS_AT_ONCE: usize = 5;

/// Plans a run of `policy`: sends its jobs to `jobs` as they are found, and gives a summary.
///
/// All Regions send into one channel, which serves those that wait in turn: so the lanes come out interleaved, and
/// no more jobs are held than the channel does. A Region that fails is in the summary, and does not stop the others.
pub async fn plan(aws: &Aws, policy: &Policy, default_regions: &Regions, jobs: Sender<Job>) -> Summary {
    let mut summary =
        Summary { policy: policy.name.clone(), slot: policy.slot, jobs: 0, regions: Vec::new(), errors: Vec::new() };
    let regions = policy.regions.as_ref().unwrap_or(default_regions);
    let (places, errors) = places(aws, &policy.accounts, regions).await;
    summary.errors = errors;
    let lists = &Lists { instances: Semaphore::new(LISTS_AT_ONCE), volumes: Semaphore::new(LISTS_AT_ONCE) };
    let planned = places.into_iter().map(|place| plan_region(aws, policy, place, lists, jobs.clone()));
    summary.regions = future::join_all(planned).await;
    summary.jobs = summary.regions.iter().map(|region| region.jobs).sum();
    summary
}

/// The rights to read a list. The semaphores are never closed; were they, the lists would be read all the same.
struct Lists {
    instances: Semaphore,
    volumes: Semaphore,
}

async fn plan_region(aws: &Aws, policy: &Policy, place: Place, lists: &Lists, jobs: Sender<Job>) -> RegionSummary {
    let ec2 = aws.ec2(place.role.as_ref(), &place.region).await;
    let mut survey = Survey::new(policy, place);
    let read = match ec2 {
        Ok(ec2) => read_region(&ec2, policy, &mut survey, lists, &jobs).await,
        Err(error) => Err(error),
    };
    survey.finish(read.err().map(|error| error.to_string()))
}

/// Reads the instances, then the volumes page by page, and sends the jobs of each page before the next is read.
async fn read_region(
    ec2: &Ec2,
    policy: &Policy,
    survey: &mut Survey<'_>,
    lists: &Lists,
    jobs: &Sender<Job>,
) -> Result<(), ApiError> {
    let (instance_tags, volume_tags, state) = match policy.select.resource {
        Resource::Instance => (&policy.select.tags, &TagMatch::default(), Some("in-use")),
        Resource::Volume(state) => (&TagMatch::default(), &policy.select.tags, state_filter(state)),
    };
    read_instances(ec2, instance_tags, survey, &lists.instances).await?;
    if survey.needs_no_volumes() {
        return Ok(());
    }
    let _held = lists.volumes.acquire().await.ok();
    let mut volumes = pin!(ec2.volumes(volume_tags, state));
    while let Some(page) = volumes.try_next().await? {
        for volume in page {
            send(jobs, survey.add_volume(&volume)).await;
        }
    }
    for volume in survey.unlisted_volumes() {
        send(jobs, survey.add_volume(&volume)).await;
    }
    Ok(())
}

/// Reads the instances with `tags` into `survey`, when one of `lists` is free.
pub(crate) async fn read_instances(
    ec2: &Ec2,
    tags: &TagMatch,
    survey: &mut Survey<'_>,
    lists: &Semaphore,
) -> Result<(), ApiError> {
    let _held = lists.acquire().await.ok();
    let mut instances = pin!(ec2.instances(tags));
    while let Some(page) = instances.try_next().await? {
        survey.add_instances(page);
    }
    Ok(())
}

fn state_filter(state: AttachmentState) -> Option<&'static str> {
    match state {
        AttachmentState::Any => None,
        AttachmentState::InUse => Some("in-use"),
        AttachmentState::Available => Some("available"),
    }
}

/// The receiver lives as long as the plan does; were it gone, nobody would want the job.
pub(crate) async fn send(jobs: &Sender<Job>, job: Option<Job>) {
    if let Some(job) = job {
        let _ = jobs.send(job).await;
    }
}
