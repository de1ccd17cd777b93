//! Bodies on the jobs queue: whoever may write to it may write anything.

use proptest::prelude::*;
use shared::rules::tags::description;
use shared::vocabulary::job::Job;

use crate::mutation::{Input, mutated};
use crate::tags::check_snapshot_tags;
use crate::{Least, Reached, check_refusal, fuzz, is_sqs_text};

/// A new job, one that has failed before, and one that prunes.
pub(crate) const JOBS: [&str; 3] = [
    r#"{"version":1,"action":"snapshot","job":"2f0c7e1a9b3d4c5e6f70","policy":"daily","slot":"2026-11-20T02:00:00Z",
        "account":"123456789012","region":"eu-central-1","volume":"vol-0123456789abcdef0","instance":"i-0123456789abcdef0",
        "device":"/dev/sda1","retain":"7d","time_zone":"Europe/Zurich","tags":{"Name":"db","Interval":"Daily"},"attempt":1}"#,
    r#"{"version":1,"action":"snapshot","job":"2f0c7e1a9b3d4c5e6f71","policy":"Nightly","slot":"2026-11-20T02:00:00Z",
        "account":"210987654321","region":"us-gov-west-1","volume":"vol-0123abcd","retain":"3","keyword":"Nightly",
        "role":{"arn":"arn:aws:iam::210987654321:role/snapkeep","external_id":"x-1"},"tags":{"Nightly":"3"},"attempt":4,
        "enqueued":"2026-11-20T02:00:01Z","give_up_at":"2026-11-21T01:00:00Z","not_before":"2026-11-20T02:10:00Z",
        "failure":{"class":"transient","code":"InternalError","message":"An internal error","request_id":"4f0d7a3e",
        "first":"2026-11-20T02:00:07Z","last":"2026-11-20T02:05:07.5Z","gave_up":null,
        "attempts":[{"attempt":1,"at":"2026-11-20T02:00:07Z","code":"InternalError","request_id":null}]},"told":true}"#,
    r#"{"version":1,"action":"prune","job":"j-1","policy":"daily","slot":"2026-11-20T03:00:00Z","account":"123456789012",
        "region":"eu-central-1","volume":"vol-0123456789abcdef0","orphans":"90d","most":12}"#,
];

#[test]
fn a_job_is_read_whole_or_refused_by_its_field() {
    fuzz("jobs", &mutated(JOBS.map(String::from).to_vec()), Least { inside: 60, the_end: 18 }, |input| check(&input));
}

fn check(Input(bytes): &Input) -> Result<Reached, TestCaseError> {
    let body = String::from_utf8_lossy(bytes);
    match Job::parse(&body) {
        Ok(job) => check_job(&job),
        Err(problem) => {
            check_refusal(&problem)?;
            Ok(if problem.field == "body" && !problem.allowed.contains('(') {
                Reached::Nothing
            } else {
                Reached::Inside
            })
        }
    }
}

/// What one worker reads and sends on, the next reads; and EC2 takes the snapshot that it asks for.
pub(crate) fn check_job(job: &Job) -> Result<Reached, TestCaseError> {
    let body = job.body();
    prop_assert!(is_sqs_text(&body), "SQS refuses {body:?}");
    prop_assert_eq!(Job::parse(&body), Ok(job.clone()), "{}", body);
    let lane = job.lane().to_string();
    prop_assert!(lane.len() <= 128 && lane.bytes().all(|byte| byte.is_ascii_graphic()), "{lane:?}");
    prop_assert!((1..=128).contains(&job.id.len()) && job.id.bytes().all(|byte| byte.is_ascii_graphic()));
    check_snapshot_tags(job)?;
    let text = description(job);
    prop_assert!(text.len() <= 255 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text:?}");
    Ok(Reached::TheEnd)
}
