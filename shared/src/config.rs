//! The configuration of each program: the only place that reads the environment.

use chrono::TimeDelta;

use crate::rules::fate::Patience;
use crate::vocabulary::metric::Namespace;
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
    /// `SNAPKEEP_METRICS_NAMESPACE`: CloudWatch's namespace for metrics. Left out, none are written.
    pub metrics: Option<Namespace>,
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
    /// `SNAPKEEP_METRICS_NAMESPACE`: CloudWatch's namespace for metrics. Left out, none are written.
    pub metrics: Option<Namespace>,
}

/// How lanes are worked through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lanes {
    /// `SNAPKEEP_CREATE_RATE`: `CreateSnapshot` calls per second in each lane. EC2 refills five. The first 120 jobs of a run
    /// in a lane go four times as fast, from the bucket that they find full.
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
    /// `SNAPKEEP_REPORTS_QUEUE_URL`: the standard queue that it is fed from. Left out, it tells what Lambda hands it
    /// and no more, so that many reports are many mails.
    pub reports_queue_url: Option<String>,
    /// `SNAPKEEP_ALERT_INTERVAL`: in so many seconds, one message about a policy and no more; 300 unless it says so.
    pub interval: TimeDelta,
}

/// What `snapkeep dlq` needs to know.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    /// `SNAPKEEP_DLQ_URL`: the FIFO dead-letter queue.
    pub dlq_url: String,
    /// `SNAPKEEP_REPORTS_QUEUE_URL`, where it is set: the standard queue that the notifier reads.
    pub reports_queue_url: Option<String>,
    /// Who asks, as the operating system says.
    pub by: String,
}

/// What `snapkeep restore --drill` needs to know.
#[derive(Debug, Clone)]
pub struct Drill {
    /// `SNAPKEEP_REPORTS_QUEUE_URL`, where it is set: the standard queue that the notifier reads.
    pub reports_queue_url: Option<String>,
    /// `SNAPKEEP_METRICS_NAMESPACE`: CloudWatch's namespace for metrics. Left out, none are written.
    pub metrics: Option<Namespace>,
}

impl Drill {
    /// Reads the environment.
    pub fn from_env() -> Result<Self, Problem> {
        Self::read(&var)
    }

    fn read(var: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        const REPORTS: &str = "SNAPKEEP_REPORTS_QUEUE_URL";
        Ok(Self {
            reports_queue_url: var(REPORTS).map(|_| queue_url(var, REPORTS, false)).transpose()?,
            metrics: metrics(var)?,
        })
    }
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
            metrics: metrics(var)?,
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
            metrics: metrics(var)?,
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

/// The default lane: nearly what EC2's bucket refills, so that a bucket that nobody else takes from does not run dry; and
/// five attempts.
impl Default for Lanes {
    fn default() -> Self {
        Self { create_rate: 4.9, delete_rate: 4.9, patience: Patience::with_attempts(5) }
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
        if !(topic_arn.starts_with("arn:") && topic_arn.contains(":sns:")) {
            return Err(Problem::value("SNAPKEEP_TOPIC_ARN", &topic_arn, ALLOWED));
        }
        let reports = "SNAPKEEP_REPORTS_QUEUE_URL";
        let reports_queue_url = var(reports).map(|_| queue_url(var, reports, false)).transpose()?;
        Ok(Self { topic_arn, reports_queue_url, interval: alert_interval(var)? })
    }

    /// Five minutes.
    pub const INTERVAL: TimeDelta = TimeDelta::minutes(5);
}

impl DeadLetters {
    /// Reads the environment; `dlq_url`, where a person has typed it, goes before it.
    pub fn from_env(dlq_url: Option<&str>) -> Result<Self, Problem> {
        Self::read(dlq_url, &var)
    }

    fn read(dlq_url: Option<&str>, var: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        let dlq_url = match dlq_url {
            Some(url) => queue_url(&|_| Some(url.into()), "--queue-url", true)?,
            None => queue_url(var, "SNAPKEEP_DLQ_URL", true)?,
        };
        const REPORTS: &str = "SNAPKEEP_REPORTS_QUEUE_URL";
        Ok(Self {
            dlq_url,
            reports_queue_url: var(REPORTS).map(|_| queue_url(var, REPORTS, false)).transpose()?,
            by: ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| var(name)).unwrap_or("unknown".into()),
        })
    }
}

/// `SNAPKEEP_JOBS_QUEUE_URL`: where dead letters are sent back to.
pub fn jobs_queue_url_from_env() -> Result<String, Problem> {
    queue_url(&var, "SNAPKEEP_JOBS_QUEUE_URL", true)
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

/// An hour at the most: what was told when is kept in memory, and Lambda keeps no function for much longer.
fn alert_interval(var: &dyn Fn(&str) -> Option<String>) -> Result<TimeDelta, Problem> {
    const NAME: &str = "SNAPKEEP_ALERT_INTERVAL";
    let Some(text) = var(NAME) else { return Ok(Notifier::INTERVAL) };
    let seconds = text.trim().parse().ok().filter(|seconds| (1..=3600).contains(seconds));
    seconds.map(TimeDelta::seconds).ok_or_else(|| Problem::value(NAME, &text, "seconds, 1 to 3600, such as 300"))
}

fn metrics(var: &dyn Fn(&str) -> Option<String>) -> Result<Option<Namespace>, Problem> {
    const NAME: &str = "SNAPKEEP_METRICS_NAMESPACE";
    var(NAME).map(|text| Namespace::parse(NAME, &text)).transpose()
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
        assert_eq!((lanes.create_rate, lanes.delete_rate, lanes.patience.max_attempts), (4.9, 4.9, 5));
        let lanes = worker("SNAPKEEP_CREATE_RATE", Some("12.5")).unwrap().lanes;
        assert_eq!(lanes.create_rate, 12.5);
        assert_eq!(worker("", None).unwrap().metrics, None, "metrics cost: nobody gets them who did not ask");
        assert!(worker("SNAPKEEP_METRICS_NAMESPACE", Some("snapkeep/daily")).unwrap().metrics.is_some());
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
            ("SNAPKEEP_METRICS_NAMESPACE", Some("AWS/Lambda"), "snapkeep/production"),
        ];
        for (name, value, allowed) in cases {
            let problem = worker(name, value).unwrap_err();
            assert_eq!(problem.field, name);
            assert!(problem.allowed.contains(allowed), "{problem}");
        }
    }

    #[test]
    fn the_dead_letter_queue_that_a_person_types_goes_before_that_of_the_environment() {
        const SET: [(&str, &str); 2] = [("SNAPKEEP_DLQ_URL", "https://example.com/dlq.fifo"), ("USER", "eve")];
        let config = DeadLetters::read(None, &env(&SET)).unwrap();
        assert_eq!((config.dlq_url.as_str(), config.by.as_str()), (SET[0].1, "eve"));
        assert_eq!(config.reports_queue_url, None, "without a notifier nobody is told");
        let config = DeadLetters::read(Some("https://example.com/other.fifo"), &env(&SET)).unwrap();
        assert_eq!(config.dlq_url, "https://example.com/other.fifo");
        assert_eq!(DeadLetters::read(Some("other"), &env(&SET)).unwrap_err().field, "--queue-url");
        assert_eq!(DeadLetters::read(None, &env(&[])).unwrap_err().field, "SNAPKEEP_DLQ_URL");
    }

    #[test]
    fn a_drill_tells_nobody_unless_it_is_told_whom() {
        let drill = Drill::read(&env(&[])).unwrap();
        assert_eq!((drill.reports_queue_url, drill.metrics), (None, None));
        let drill = Drill::read(&env(&[QUEUES[2], ("SNAPKEEP_METRICS_NAMESPACE", "snapkeep/daily")])).unwrap();
        assert_eq!(drill.reports_queue_url.as_deref(), Some(QUEUES[2].1));
        assert!(drill.metrics.is_some());
        let fifo = ("SNAPKEEP_REPORTS_QUEUE_URL", "https://example.com/reports.fifo");
        assert_eq!(Drill::read(&|name| (name == fifo.0).then(|| fifo.1.into())).unwrap_err().field, fifo.0);
    }

    #[test]
    fn the_notifier_is_quiet_for_five_minutes_and_needs_no_queue() {
        const ARN: (&str, &str) = ("SNAPKEEP_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:snapkeep");
        let read = |pairs: &'static [(&'static str, &'static str)]| Notifier::read(&env(pairs));
        let config = read(&[ARN]).unwrap();
        assert_eq!((config.reports_queue_url, config.interval), (None, TimeDelta::seconds(300)));
        let config = read(&[ARN, QUEUES[2], ("SNAPKEEP_ALERT_INTERVAL", "60")]).unwrap();
        assert_eq!((config.reports_queue_url.as_deref(), config.interval), (Some(QUEUES[2].1), TimeDelta::seconds(60)));
        let refused = |pairs| read(pairs).unwrap_err().field;
        assert_eq!(refused(&[]), "SNAPKEEP_TOPIC_ARN");
        assert_eq!(refused(&[("SNAPKEEP_TOPIC_ARN", "snapkeep")]), "SNAPKEEP_TOPIC_ARN");
        assert_eq!(refused(&[ARN, ("SNAPKEEP_ALERT_INTERVAL", "0")]), "SNAPKEEP_ALERT_INTERVAL");
        assert_eq!(refused(&[ARN, ("SNAPKEEP_ALERT_INTERVAL", "5m")]), "SNAPKEEP_ALERT_INTERVAL");
        let fifo = "https://sqs.eu-central-1.amazonaws.com/123456789012/reports.fifo";
        let problem = Notifier::read(&|name: &str| match name {
            "SNAPKEEP_TOPIC_ARN" => Some(ARN.1.into()),
            "SNAPKEEP_REPORTS_QUEUE_URL" => Some(fifo.into()),
            _ => None,
        });
        assert!(problem.unwrap_err().allowed.contains("does not end in .fifo"));
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
