//! Faults: what is set to go wrong in some calls, for good or for a while. They are repeatable: whether a fault
//! strikes a share of the calls depends on the seed, the resource that a call names and how often it was named so
//! far, and on nothing else; not on which of two calls at once came first.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::answer::Refusal;
use crate::limits::Neighbour;
use crate::text::{Text, text};
use crate::world::mixed;

/// What goes wrong in the calls that match. What is not set matches everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Plan", into = "Plan")]
pub struct Fault {
    action: String,
    account: Option<String>,
    region: Option<String>,
    resource: Option<String>,
    share: Option<f64>,
    times: Option<u64>,
    effect: Effect,
}

/// What a fault does to a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The call is refused with this status, code and message, and nothing is done.
    Error(ErrorPlan),
    /// The answer comes later.
    Latency(Latency),
    /// The connection is cut.
    Cut(Cut),
    /// The call is done, and its answer comes in drops, over so many seconds.
    SlowBody(f64),
    /// The snapshot is begun, and ends in `error` with this `StateMessage`.
    EndsInError(String),
    /// Somebody else in the account makes calls of the same action.
    Neighbour(NeighbourPlan),
}

/// An error that EC2 answers with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorPlan {
    /// The HTTP status.
    #[serde(default = "server_error")]
    pub status: u16,
    /// Such as `InternalError`.
    pub code: String,
    /// In words.
    #[serde(default)]
    pub message: String,
}

/// How late answers come, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Latency {
    /// All of them.
    Fixed(f64),
    /// A Pareto distribution with this median and 99th percentile. None is later than a minute.
    LongTailed {
        /// Half of the answers are not later.
        median: f64,
        /// One of a hundred answers is later.
        p99: f64,
    },
}

/// Where a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Before anything was done.
    Before,
    /// After the work was done, without a byte of the answer: the answer is lost.
    After,
    /// After the work was done, in the middle of the answer.
    Middle,
}

/// A neighbour, as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeighbourPlan {
    /// In a burst.
    pub calls_per_second: f64,
    /// How long a burst lasts, in seconds; without it, for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasting: Option<f64>,
    /// From the beginning of a burst to that of the next one, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<f64>,
}

/// A fault as it is written down: one of the last six fields is set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Plan {
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorPlan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<Cut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_body: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_in_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    neighbour: Option<NeighbourPlan>,
}

/// The faults that are set. All that match strike; of two of one kind, the first.
#[derive(Debug, Default)]
pub struct Faults(Vec<Set>);

#[derive(Debug)]
struct Set {
    fault: Fault,
    /// How often a call matched, by the resource that it named.
    matched: HashMap<Text, u64>,
    struck: u64,
    since: Option<DateTime<Utc>>,
}

/// What a call is to the faults.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub action: &'a str,
    pub account: &'a str,
    pub region: &'a str,
    pub resources: &'a [Text],
}

/// What strikes a call.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Strike {
    pub delay: Duration,
    pub refusal: Option<Refusal>,
    pub cut: Option<Cut>,
    pub slow_body: Option<Duration>,
    pub ends_in_error: Option<Text>,
}

fn server_error() -> u16 {
    500
}

impl Fault {
    /// Answers every call of `action` with this HTTP status, code and message. `*` is every action, `Describe*`
    /// every one that begins so.
    pub fn on(action: &str, status: u16, code: &str, message: &str) -> Self {
        Self::new(action, Effect::Error(ErrorPlan { status, code: code.into(), message: message.into() }))
    }

    /// Does every call of `action`, and cuts the connection in the middle of the answer.
    pub fn losing_answers_of(action: &str) -> Self {
        Self::new(action, Effect::Cut(Cut::Middle))
    }

    /// A fault that strikes every call of `action`, for good.
    pub fn new(action: &str, effect: Effect) -> Self {
        let action = action.into();
        Self { action, account: None, region: None, resource: None, share: None, times: None, effect }
    }

    /// Only in this account.
    pub fn in_account(mut self, account: &str) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Only in this Region.
    pub fn in_region(mut self, region: &str) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Only in calls that name this volume, snapshot or instance.
    pub fn for_resource(mut self, id: &str) -> Self {
        self.resource = Some(id.into());
        self
    }

    /// Only this share of the calls, from 0 to 1.
    pub fn share(mut self, share: f64) -> Self {
        self.share = Some(share);
        self
    }

    /// Only the next so many times.
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    fn matches(&self, target: &Target<'_>) -> bool {
        let is_it = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        let is_action = match self.action.strip_suffix('*') {
            Some(start) => target.action.starts_with(start),
            None => self.action == target.action,
        };
        let is_resource = |wanted: &String| target.resources.iter().any(|id| **id == **wanted);
        is_action
            && is_it(&self.account, target.account)
            && is_it(&self.region, target.region)
            && self.resource.as_ref().is_none_or(is_resource)
    }
}

impl TryFrom<Plan> for Fault {
    type Error = String;

    fn try_from(plan: Plan) -> Result<Self, String> {
        let effects = [
            plan.error.map(Effect::Error),
            plan.latency.map(Effect::Latency),
            plan.cut.map(Effect::Cut),
            plan.slow_body.map(Effect::SlowBody),
            plan.ends_in_error.map(Effect::EndsInError),
            plan.neighbour.map(Effect::Neighbour),
        ];
        let mut effects = effects.into_iter().flatten();
        let (Some(effect), None) = (effects.next(), effects.next()) else {
            return Err("allowed: one of error, latency, cut, slow_body, ends_in_error and neighbour".into());
        };
        let allow = |field: &str, value: f64, is_allowed: bool, allowed: &str| match is_allowed {
            true => Ok(()),
            false => Err(format!("{field} is {value}; allowed: {allowed}")),
        };
        let seconds =
            |field: &str, value: f64| allow(field, value, (0.0..=3600.0).contains(&value), "0 to 3600 seconds");
        match &effect {
            Effect::Latency(Latency::Fixed(fixed)) => seconds("latency", *fixed)?,
            Effect::Latency(Latency::LongTailed { median, p99 }) => {
                seconds("latency.median", *median)?;
                seconds("latency.p99", *p99)?;
                allow(
                    "latency.p99",
                    *p99,
                    *median > 0.0 && p99 > median,
                    "more than the median, which is more than 0",
                )?;
            }
            Effect::SlowBody(slow) => seconds("slow_body", *slow)?,
            Effect::Error(error) => {
                let status = error.status;
                allow("error.status", status.into(), (400..600).contains(&status), "400 to 599")?;
            }
            Effect::Neighbour(NeighbourPlan { calls_per_second, lasting, every }) => {
                let rate = *calls_per_second;
                allow("neighbour.calls_per_second", rate, (0.0..=1e6).contains(&rate), "0 to 1e6")?;
                if let (Some(lasting), Some(every)) = (lasting, every) {
                    seconds("neighbour.every", *every)?;
                    allow("neighbour.every", *every, *lasting > 0.0 && every >= lasting, "no less than lasting")?;
                } else if lasting.is_some() || every.is_some() {
                    return Err("neighbour; allowed: lasting and every, or neither".into());
                }
            }
            Effect::Cut(_) | Effect::EndsInError(_) => {}
        }
        if let Some(share) = plan.share {
            allow("share", share, (0.0..=1.0).contains(&share), "0 to 1")?;
        }
        if plan.action.is_empty() {
            return Err("action is missing; allowed: an action of EC2's, one that ends with *, or *".into());
        }
        let Plan { action, account, region, resource, share, times, .. } = plan;
        Ok(Self { action, account, region, resource, share, times, effect })
    }
}

impl From<Fault> for Plan {
    fn from(fault: Fault) -> Self {
        let Fault { action, account, region, resource, share, times, effect } = fault;
        let plan = Self { action, account, region, resource, share, times, ..Self::default() };
        match effect {
            Effect::Error(error) => Self { error: Some(error), ..plan },
            Effect::Latency(latency) => Self { latency: Some(latency), ..plan },
            Effect::Cut(cut) => Self { cut: Some(cut), ..plan },
            Effect::SlowBody(seconds) => Self { slow_body: Some(seconds), ..plan },
            Effect::EndsInError(message) => Self { ends_in_error: Some(message), ..plan },
            Effect::Neighbour(neighbour) => Self { neighbour: Some(neighbour), ..plan },
        }
    }
}

impl Faults {
    /// Sets a fault besides those that are set.
    pub fn set(&mut self, fault: Fault) {
        self.0.push(Set { fault, matched: HashMap::new(), struck: 0, since: None });
    }

    /// Takes all faults away.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The faults that are set.
    pub fn list(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter().map(|set| &set.fault)
    }

    /// The neighbours who take from the bucket of `target`. The first burst of each begins when it is first looked at.
    pub(crate) fn neighbours(&mut self, target: &Target<'_>, now: DateTime<Utc>) -> Vec<Neighbour> {
        let neighbour = |set: &mut Set| {
            let Effect::Neighbour(plan) = set.fault.effect else { return None };
            let since = *set.since.get_or_insert(now);
            let bursts = plan.lasting.zip(plan.every);
            Some(Neighbour { calls_per_second: plan.calls_per_second, since, bursts })
        };
        self.0.iter_mut().filter(|set| set.fault.matches(target)).filter_map(neighbour).collect()
    }

    /// What strikes this call.
    pub(crate) fn strike(&mut self, target: &Target<'_>, seed: u64) -> Strike {
        let mut strike = Strike::default();
        for (number, set) in self.0.iter_mut().enumerate().filter(|(_, set)| set.fault.matches(target)) {
            let chance = set.chance(number, target, seed);
            if set.fault.share.is_none_or(|share| chance < share)
                && set.fault.times.is_none_or(|most| set.struck < most)
            {
                // A second, independent chance: the one above is small whenever a small share is struck.
                let other = unit(mixed(chance.to_bits()));
                if strike.take(&set.fault.effect, other) {
                    set.struck += 1;
                }
            }
        }
        strike
    }
}

impl Set {
    /// A number from 0 to 1 that is the same in each run.
    fn chance(&mut self, number: usize, target: &Target<'_>, seed: u64) -> f64 {
        let resource = target.resources.first().cloned().unwrap_or_else(|| text(""));
        let mut bits = mixed(seed ^ mixed(number as u64));
        for byte in resource.bytes() {
            bits = mixed(bits ^ u64::from(byte));
        }
        let matched = self.matched.entry(resource).or_default();
        *matched += 1;
        unit(mixed(bits ^ *matched))
    }
}

/// The upper bits as a number from 0 to 1.
fn unit(bits: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let unit = (bits >> 11) as f64 / (1_u64 << 53) as f64;
    unit
}

impl Strike {
    /// Takes an effect, unless there is one of its kind.
    fn take(&mut self, effect: &Effect, chance: f64) -> bool {
        match effect {
            Effect::Error(error) if self.refusal.is_none() => {
                self.refusal = Some(Refusal::new(error.status, &error.code, &error.message));
            }
            Effect::Latency(latency) => self.delay += latency.draw(chance),
            Effect::Cut(cut) if self.cut.is_none() => self.cut = Some(*cut),
            Effect::SlowBody(seconds) if self.slow_body.is_none() => {
                self.slow_body = Some(Duration::from_secs_f64(*seconds));
            }
            Effect::EndsInError(message) if self.ends_in_error.is_none() => self.ends_in_error = Some(text(message)),
            _ => return false,
        }
        true
    }

    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }
}

impl Latency {
    fn draw(self, chance: f64) -> Duration {
        let seconds = match self {
            Self::Fixed(seconds) => seconds,
            // Pareto: scale / u^(1/shape), with a shape that puts the median and the 99th percentile where they belong.
            Self::LongTailed { median, p99 } => {
                let slope = (p99 / median).ln() / 50_f64.ln();
                median * (0.5 / (1.0 - chance)).powf(slope)
            }
        };
        Duration::from_secs_f64(seconds.clamp(0.0, 60.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target<'a>(action: &'a str, resources: &'a [Text]) -> Target<'a> {
        Target { action, account: "123456789012", region: "eu-central-1", resources }
    }

    fn struck(faults: &mut Faults, seed: u64, resources: &[Text]) -> Vec<bool> {
        (0..1000).map(|_| faults.strike(&target("CreateSnapshot", resources), seed).is_any()).collect()
    }

    #[test]
    fn a_share_is_struck_and_the_same_one_each_time_and_whatever_else_is_called_between() {
        let fault = || Fault::on("Create*", 500, "InternalError", "").share(0.1);
        let fresh = || {
            let mut faults = Faults::default();
            faults.set(fault());
            faults
        };
        let [one, other] = [[text("vol-1")], [text("vol-2")]];
        let first = struck(&mut fresh(), 1, &one);
        let count = first.iter().filter(|struck| **struck).count();
        assert!((70..130).contains(&count), "{count} of 1000");
        let mut mixed_up = fresh();
        struck(&mut mixed_up, 1, &other);
        assert_eq!(struck(&mut mixed_up, 1, &one), first);
        assert_ne!(struck(&mut fresh(), 2, &one), first);
        assert_ne!(struck(&mut fresh(), 1, &other), first);
    }

    #[test]
    fn a_fault_strikes_where_and_as_often_as_it_says() {
        let mut faults = Faults::default();
        faults.set(Fault::new("CreateSnapshot", Effect::Cut(Cut::Before)).for_resource("vol-1").times(2));
        let [one, other] = [[text("vol-1")], [text("vol-2")]];
        assert!(!faults.strike(&target("CreateSnapshot", &other), 0).is_any());
        assert!(!faults.strike(&target("DeleteSnapshot", &one), 0).is_any());
        let elsewhere = Target { region: "eu-west-1", ..target("CreateSnapshot", &one) };
        assert!(faults.strike(&elsewhere, 0).is_any());
        assert_eq!(struck(&mut faults, 0, &one).iter().filter(|struck| **struck).count(), 1);
    }

    #[test]
    fn latencies_have_the_median_and_the_tail_that_were_asked_for() {
        let latency = Latency::LongTailed { median: 0.1, p99: 2.0 };
        let mut drawn: Vec<Duration> = (0..10_000_u64).map(|n| latency.draw(unit(mixed(n)))).collect();
        drawn.sort();
        let [median, p99] = [5000, 9900].map(|rank: usize| drawn[rank].as_secs_f64());
        assert!((0.09..0.11).contains(&median), "{median}");
        assert!((1.5..2.7).contains(&p99), "{p99}");
    }

    #[test]
    fn a_fault_is_read_whole_or_refused_by_its_field() {
        let read = |json: &str| serde_json::from_str::<Fault>(json).map_err(|error| error.to_string());
        let fault = Fault::on("CreateSnapshot", 503, "Unavailable", "later").in_region("eu-west-1").share(0.5).times(3);
        let json = serde_json::to_string(&fault).unwrap();
        assert_eq!(read(&json), Ok(fault));
        let refused = |json: &str, words: &str| {
            let error = read(json).unwrap_err();
            assert!(error.contains(words), "{json}: {error}");
        };
        refused(r#"{"action": "CreateSnapshot"}"#, "one of error, latency");
        refused(r#"{"action": "X", "cut": "before", "slow_body": 1}"#, "one of error, latency");
        refused(r#"{"cut": "before"}"#, "action is missing");
        refused(r#"{"action": "X", "cut": "before", "share": 2}"#, "share is 2");
        refused(r#"{"action": "X", "cut": "sometimes"}"#, "unknown variant `sometimes`");
        refused(r#"{"action": "X", "latency": {"median": 1, "p99": 0.5}}"#, "latency.p99 is 0.5");
        refused(r#"{"action": "X", "error": {"code": "A", "status": 200}}"#, "error.status is 200");
        refused(r#"{"action": "X", "volume": "vol-1", "cut": "after"}"#, "unknown field `volume`");
        refused(r#"{"action": "X", "neighbour": {"calls_per_second": 1, "every": 2}}"#, "lasting and every");
    }
}
