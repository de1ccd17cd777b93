//! The templates of `infra/`, deployed on MiniStack by `infra/deploy` as a person types it, with the real binaries running
//! as its Lambdas. What MiniStack cannot do is in `infra/README.md`.

mod audited;
mod cloud;
mod cost;
mod ec2;
mod next;
mod operator;
mod permissions;
mod refused;
mod upgrade;
mod whole_way;

use std::time::Duration;

use serde_json::Value;

use self::cloud::{Cloud, packages};

const REGION: &str = "eu-central-1";
const MEMBER: &str = "210987654321";
const MEMBER_ROLE: &str = "arn:aws:iam::210987654321:role/snapkeep";

/// What a story looks at of a deployed stack.
#[derive(Debug)]
struct Stack {
    outputs: Value,
    jobs: String,
    dlq: String,
    reports: String,
    inbox: String,
}

impl Stack {
    /// Deploys this build, with further parameters.
    async fn deploy(cloud: &Cloud, further: &[&str]) -> Self {
        let parameters = cloud.parameters();
        let parameters: Vec<&str> = parameters.iter().map(String::as_str).chain(further.iter().copied()).collect();
        let outputs = cloud.deploy(packages().await, &parameters).await;
        let output = |name: &str| String::from(outputs[name].as_str().unwrap_or_else(|| panic!("{name}: {outputs}")));
        let inbox = cloud.inbox(&output("TopicArn")).await;
        let (jobs, dlq) = (output("JobsQueueUrl"), output("DeadLetterQueueUrl"));
        Self { jobs, dlq, reports: output("ReportsQueueUrl"), inbox, outputs }
    }

    fn output(&self, name: &str) -> &str {
        self.outputs[name].as_str().unwrap_or_else(|| panic!("{name}: {}", self.outputs))
    }

    /// What `snapkeep` needs to know, as `infra/deploy` and the runbook print it.
    fn settings(&self) -> [(&str, &str); 3] {
        [
            ("SNAPKEEP_DLQ_URL", &self.dlq),
            ("SNAPKEEP_JOBS_QUEUE_URL", &self.jobs),
            ("SNAPKEEP_REPORTS_QUEUE_URL", &self.reports),
        ]
    }
}

/// A slot of today, so that its run is the last one and not past its deadline.
#[expect(clippy::disallowed_methods, reason = "a story of this day")]
fn slot() -> String {
    chrono::Utc::now().format("%Y-%m-%dT%H:00:00Z").to_string()
}

/// The output of a command that must not fail.
fn said(line: &str, output: &std::process::Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(240), wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}
