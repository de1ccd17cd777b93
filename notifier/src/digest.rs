//! Reports of one policy into one message that a person can act on: what, where, why, since when, what to type.
//!
//! Each kind of news is a section in a file of its own, failures first. Nothing here knows a queue or a clock.

mod attributes;
mod aws_events;
mod coverage;
mod dead_letters;
mod drill;
mod dropped;
mod lanes;
mod look;
mod planning;
mod resolved;
mod retention;
#[cfg(test)]
mod samples;
mod section;
mod text;
mod unreadable;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use shared::aws::sns::{Attribute, LARGEST_MESSAGE};
use shared::vocabulary::job::Action;
use shared::vocabulary::policy::Prune;
use shared::vocabulary::report::{
    Coverage, DeadLetter, Drill, Dropped, LaneHeld, LaneResumed, Planning, Report, Resolved, Retention, Unreadable,
};

use self::attributes::{Places, attributes};
pub use self::aws_events::{Alarm, AlarmState, EbsFailure};
pub use self::section::Severity;
use self::section::{Section, subject};
use self::text::cut;

/// Something to tell, and the message that it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The SQS message id.
    pub message: String,
    /// What it is about.
    pub subject: Subject,
}

/// What there is to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A report of ours.
    Report(Report),
    /// EventBridge says that a snapshot failed after EC2 had taken the order.
    Ebs(EbsFailure),
    /// CloudWatch says that an alarm has changed.
    Alarm(Alarm),
    /// A body that nobody understands.
    Unreadable(String),
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The policy; empty for what is about none, or about one that cannot be read.
    pub policy: String,
    /// How bad the worst of it is.
    pub severity: Severity,
    /// Printable ASCII, at most 99 characters.
    pub subject: String,
    /// Plain text; with the attributes within SNS's 256 KiB.
    pub text: String,
    /// What subscriptions filter by.
    pub attributes: Vec<Attribute>,
    /// The SQS messages that it tells of.
    pub messages: Vec<String>,
}

/// One alert for each policy, in the order of their names.
pub fn alerts(news: Vec<News>) -> Vec<Alert> {
    let mut policies = BTreeMap::<String, Digest>::new();
    for News { message, subject } in news {
        policies.entry(policy_of(&subject)).or_default().add(message, subject);
    }
    policies.into_iter().map(|(policy, digest)| digest.alert(policy)).collect()
}

fn policy_of(subject: &Subject) -> String {
    match subject {
        Subject::Report(Report::DeadLetter(letter)) => letter.policy.clone(),
        Subject::Report(Report::Planning(planning)) => planning.policy.clone().unwrap_or_default(),
        Subject::Report(Report::Coverage(coverage)) => coverage.policy.clone(),
        Subject::Report(Report::Retention(_)) => Prune::NAME.into(),
        Subject::Report(Report::LaneHeld(held)) => held.policy.clone(),
        Subject::Report(Report::LaneResumed(resumed)) => resumed.policy.clone(),
        Subject::Report(Report::Resolved(resolved)) => resolved.policy.clone(),
        Subject::Report(Report::Dropped(dropped)) => dropped.policy.clone().unwrap_or_default(),
        Subject::Report(Report::Drill(drill)) => drill.policy.clone(),
        Subject::Report(Report::Unreadable(_)) | Subject::Ebs(_) | Subject::Alarm(_) | Subject::Unreadable(_) => {
            String::new()
        }
    }
}

/// What there is to tell of one policy, by kind.
#[derive(Debug, Default)]
struct Digest {
    messages: Vec<String>,
    places: Places,
    dead: BTreeMap<Action, Vec<DeadLetter>>,
    planning: Vec<Planning>,
    retention: Vec<Retention>,
    coverage: Vec<Coverage>,
    held: Vec<LaneHeld>,
    resumed: Vec<LaneResumed>,
    resolved: Vec<Resolved>,
    dropped: Vec<Dropped>,
    drills: Vec<Drill>,
    ebs: Vec<EbsFailure>,
    alarms: Vec<Alarm>,
    unreadable_jobs: Vec<Unreadable>,
    unreadable: Vec<String>,
}

impl Digest {
    fn add(&mut self, message: String, subject: Subject) {
        self.messages.push(message);
        self.places.add(&subject);
        match subject {
            Subject::Report(Report::DeadLetter(letter)) => self.dead.entry(letter.action).or_default().push(letter),
            Subject::Report(Report::Retention(retention)) => self.retention.push(retention),
            Subject::Report(Report::Planning(planning)) => self.planning.push(planning),
            Subject::Report(Report::Coverage(coverage)) => self.coverage.push(coverage),
            Subject::Report(Report::LaneHeld(held)) => self.held.push(held),
            Subject::Report(Report::LaneResumed(resumed)) => self.resumed.push(resumed),
            Subject::Report(Report::Resolved(resolved)) => self.resolved.push(resolved),
            Subject::Report(Report::Dropped(dropped)) => self.dropped.push(dropped),
            Subject::Report(Report::Drill(drill)) => self.drills.push(drill),
            Subject::Report(Report::Unreadable(job)) => self.unreadable_jobs.push(job),
            Subject::Ebs(failure) => self.ebs.push(failure),
            Subject::Alarm(alarm) => self.alarms.push(alarm),
            Subject::Unreadable(body) => self.unreadable.push(body),
        }
    }

    fn alert(mut self, policy: String) -> Alert {
        self.leave_out_what_is_mended();
        let mut sections = self.sections(&policy);
        sections.sort_by_key(|section| Reverse(section.severity));
        let severity = sections.first().map_or(Severity::Info, |section| section.severity);
        let attributes = attributes(&policy, severity, self.places);
        let text: Vec<&str> = sections.iter().map(|section| section.text.as_str()).collect();
        let room = LARGEST_MESSAGE - attributes.iter().map(Attribute::size).sum::<usize>();
        // A message of several subjects, such as an event about two snapshots, is one message.
        self.messages.dedup();
        Alert {
            subject: subject(&policy, &sections),
            text: cut(&text.join("\n"), room),
            messages: self.messages,
            policy,
            severity,
            attributes,
        }
    }

    /// What has failed and was mended before anybody was told is told as mended.
    fn leave_out_what_is_mended(&mut self) {
        let resolved = resolved::by_job(&self.resolved);
        for letters in self.dead.values_mut() {
            letters.retain(|letter| !resolved::is_settled(letter, &resolved));
        }
        self.dead.retain(|_, letters| !letters.is_empty());
        let Self { held, resumed, .. } = self;
        held.retain(|report| !lanes::goes_on(report, resumed));
    }

    fn sections(&self, policy: &str) -> Vec<Section> {
        let dead = self.dead.iter().map(|(action, letters)| dead_letters::section(policy, *action, letters));
        let others = [
            planning::section(policy, &self.planning),
            retention::section(&self.retention),
            coverage::section(policy, &self.coverage),
            aws_events::ebs(&self.ebs),
            unreadable::jobs(&self.unreadable_jobs),
            unreadable::bodies(&self.unreadable),
            dropped::section(&self.dropped),
            drill::section(&self.drills),
            resolved::section(&self.resolved),
            lanes::resumed(&self.resumed),
        ];
        let alarms = aws_events::alarms(&self.alarms);
        lanes::held(&self.held).into_iter().chain(dead).chain(alarms).chain(others.into_iter().flatten()).collect()
    }
}

#[cfg(test)]
mod tests;
