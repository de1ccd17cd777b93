//! The configuration of each program: the only place that reads the environment.

use crate::rules::fate::Patience;
use crate::vocabulary::policy::Regions;
use crate::vocabulary::problem::Problem;

/// What the planner needs to know.
#[derive(Debug, Clone)]
pub struct Planner {
    /// `SNAPKEEP_JOBS_QUEUE_URL`: the FIFO jobs queue.
    pub jobs_queue_url: String,
    /// `SNAPKEEP_REPORTS_QUEUE_URL`: the standard queue that the notifier reads.
    pub reports_queue_url: String,
    /// Where to look when a policy does not say.
    pub regions: Regions,
}

/// What the worker needs to know.
#[derive(Debug, Clone)]
pub struct Worker {
    /// `SNAPKEEP_JOBS_QUEUE_URL`: the FIFO jobs queue.
    pub jobs_queue_url: String,
    /// `SNAPKEEP_DLQ_URL`: the FIFO dead-letter queue.
    pub dlq_url: String,
    /// `SNAPKEEP_REPORTS_QUEUE_URL`: the standard queue that the notifier reads.
    pub reports_queue_url: String,
    /// How it works through a lane.
    pub lanes: Lanes,
}

/// How lanes are worked through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lanes {
    /// `SNAPKEEP_CREATE_RATE`: `CreateSnapshot` calls per second in each lane. EC2 refills five.
    pub create_rate: f64,
    /// `SNAPKEEP_DELETE_RATE`: `DeleteSnapshot` calls per second in each lane. EC2 refills five.
    pub delete_rate: f64,
    /// How often and how long a failing job is tried: `SNAPKEEP_MAX_ATTEMPTS`, default 5.
    pub patience: Patience,
}

/// What the notifier needs to know.
#[derive(Debug, Clone)]
pub struct Notifier {
    /// `SNAPKEEP_TOPIC_ARN`: where alerts go.
    pub topic_arn: String,
}

impl Planner {
    /// Reads the environment.
    pub fn from_env() -> Result<Self, Problem> {
        Self::read(&var)
    }

    fn read(var: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        Ok(Self {
            jobs_queue_url: queue_url(var, "SNAPKEEP_JOBS_QUEUE_URL", true)?,
            reports_queue_url: queue_url(var, "SNAPKEEP_REPORTS_QUEUE_URL", false)?,
            regions: regions(var)?,
        })
    }
}

impl Worker {
    /// Reads the environment.
    pub fn from_env() -> Result<Self, Problem> {
        Self::read(&var)
    }

    fn read(var: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        Ok(Self {
            jobs_queue_url: queue_url(var, "SNAPKEEP_JOBS_QUEUE_URL", true)?,
            dlq_url: queue_url(var, "SNAPKEEP_DLQ_URL", true)?,
            reports_queue_url: queue_url(var, "SNAPKEEP_REPORTS_QUEUE_URL", false)?,
            lanes: Lanes::read(var)?,
        })
    }
}

impl Lanes {
    /// Reads the environment.
    pub fn from_env() -> Result<Self, Problem> {
        Self::read(&var)
    }

    fn read(var: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        Ok(Self {
            create_rate: rate(var, "SNAPKEEP_CREATE_RATE", Self::default().create_rate)?,
            delete_rate: rate(var, "SNAPKEEP_DELETE_RATE", Self::default().delete_rate)?,
            patience: Patience::with_attempts(max_attempts(var)?),
        })
    }
}

/// The default lane: 90 % of what EC2's bucket refills, and five attempts.
impl Default for Lanes {
    fn default() -> Self {
        Self { create_rate: 4.5, delete_rate: 4.5, patience: Patience::with_attempts(5) }
    }
}

impl Notifier {
    /// Reads the environment.
    pub fn from_env() -> Result<Self, Problem> {
        Self::read(&var)
    }

    fn read(var: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        const ALLOWED: &str = "the ARN of an SNS topic such as arn:aws:sns:eu-central-1:123456789012:snapkeep";
        let topic_arn = required(var, "SNAPKEEP_TOPIC_ARN", ALLOWED)?;
        match topic_arn.starts_with("arn:") && topic_arn.contains(":sns:") {
            true => Ok(Self { topic_arn }),
            false => Err(Problem::value("SNAPKEEP_TOPIC_ARN", &topic_arn, ALLOWED)),
        }
    }
}

/// The Regions of the environment: `SNAPKEEP_REGIONS`, else `REGIONS`, else the one that it runs in.
pub fn regions_from_env() -> Result<Regions, Problem> {
    regions(&var)
}

fn regions(var: &dyn Fn(&str) -> Option<String>) -> Result<Regions, Problem> {
    const NAMES: [&str; 4] = ["SNAPKEEP_REGIONS", "REGIONS", "AWS_REGION", "AWS_DEFAULT_REGION"];
    let set = NAMES.iter().find_map(|name| var(name).map(|text| (name, text)));
    let (name, text) =
        set.ok_or_else(|| Problem::missing(NAMES[0], "`all`, or Regions such as eu-central-1,us-east-1"))?;
    Regions::parse(name, &text)
}

fn queue_url(var: &dyn Fn(&str) -> Option<String>, name: &str, is_fifo: bool) -> Result<String, Problem> {
    let allowed = match is_fifo {
        true => "the URL of a FIFO queue: it ends in .fifo",
        false => "the URL of a standard queue: it does not end in .fifo",
    };
    let url = required(var, name, allowed)?;
    match url.starts_with("http") && url.ends_with(".fifo") == is_fifo {
        true => Ok(url),
        false => Err(Problem::value(name, &url, allowed)),
    }
}

fn rate(var: &dyn Fn(&str) -> Option<String>, name: &str, default: f64) -> Result<f64, Problem> {
    let Some(text) = var(name) else { return Ok(default) };
    let rate = text.trim().parse().ok().filter(|rate| (0.01..=10_000.0).contains(rate));
    rate.ok_or_else(|| Problem::value(name, &text, "calls per second, 0.01 to 10000, such as 4.5"))
}

fn max_attempts(var: &dyn Fn(&str) -> Option<String>) -> Result<u32, Problem> {
    // Lambda stops a chain of messages to a function's own queue after about 16 links, and each attempt may be two.
    const MOST: u32 = 7;
    const NAME: &str = "SNAPKEEP_MAX_ATTEMPTS";
    let Some(text) = var(NAME) else { return Ok(Lanes::default().patience.max_attempts) };
    let attempts = text.trim().parse().ok().filter(|attempts| (1..=MOST).contains(attempts));
    attempts.ok_or_else(|| Problem::value(NAME, &text, "1 to 7"))
}

fn required(var: &dyn Fn(&str) -> Option<String>, name: &str, allowed: &str) -> Result<String, Problem> {
    var(name).ok_or_else(|| Problem::missing(name, allowed))
}

/// An empty variable is a variable that is not set: CloudFormation cannot leave one out.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| String::from(*value))
    }

    const QUEUES: [(&str, &str); 3] = [
        ("SNAPKEEP_JOBS_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/jobs.fifo"),
        ("SNAPKEEP_DLQ_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/dlq.fifo"),
        ("SNAPKEEP_REPORTS_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/reports"),
    ];

    fn worker(name: &'static str, value: Option<&'static str>) -> Result<Worker, Problem> {
        Worker::read(&|wanted| match wanted == name {
            true => value.map(String::from),
            false => QUEUES.iter().find(|(key, _)| *key == wanted).map(|(_, value)| String::from(*value)),
        })
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let lanes = worker("", None).unwrap().lanes;
        assert_eq!((lanes.create_rate, lanes.delete_rate, lanes.patience.max_attempts), (4.5, 4.5, 5));
        let lanes = worker("SNAPKEEP_CREATE_RATE", Some("12.5")).unwrap().lanes;
        assert_eq!(lanes.create_rate, 12.5);
    }

    #[test]
    fn a_bad_variable_is_refused_by_its_name() {
        let cases = [
            ("SNAPKEEP_JOBS_QUEUE_URL", None, "ends in .fifo"),
            ("SNAPKEEP_JOBS_QUEUE_URL", Some("https://example.com/jobs"), "ends in .fifo"),
            ("SNAPKEEP_REPORTS_QUEUE_URL", Some("https://example.com/reports.fifo"), "does not end in .fifo"),
            ("SNAPKEEP_DLQ_URL", Some("dlq.fifo"), "URL"),
            ("SNAPKEEP_CREATE_RATE", Some("fast"), "such as 4.5"),
            ("SNAPKEEP_CREATE_RATE", Some("0"), "0.01"),
            ("SNAPKEEP_CREATE_RATE", Some("NaN"), "0.01"),
            ("SNAPKEEP_DELETE_RATE", Some("-1"), "such as 4.5"),
            ("SNAPKEEP_MAX_ATTEMPTS", Some("0"), "1 to 7"),
            ("SNAPKEEP_MAX_ATTEMPTS", Some("50"), "1 to 7"),
        ];
        for (name, value, allowed) in cases {
            let problem = worker(name, value).unwrap_err();
            assert_eq!(problem.field, name);
            assert!(problem.allowed.contains(allowed), "{problem}");
        }
    }

    #[test]
    fn the_planner_looks_where_it_runs_when_nobody_says_where() {
        let region = |pairs| regions(&env(pairs));
        assert_eq!(region(&[("AWS_REGION", "eu-west-1")]), Ok(Regions::These(vec!["eu-west-1".into()])));
        assert_eq!(region(&[("REGIONS", "all"), ("AWS_REGION", "eu-west-1")]), Ok(Regions::All));
        assert_eq!(region(&[]).unwrap_err().field, "SNAPKEEP_REGIONS");
        assert_eq!(region(&[("REGIONS", "mars")]).unwrap_err().field, "REGIONS");
    }
}
