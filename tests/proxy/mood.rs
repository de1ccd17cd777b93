//! What goes wrong with which call.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use super::chance::Chance;

/// What is to go wrong.
#[derive(Debug, Default)]
pub(super) struct Mood {
    pub rules: Vec<Rule>,
    pub seed: u64,
    /// Of the calls, with which something goes wrong.
    pub share: f64,
    /// Of the messages, which are sent twice.
    pub double: f64,
    /// How often an action was called on a resource.
    called: HashMap<(String, String), u64>,
}

/// What goes wrong so many times.
#[derive(Debug)]
pub(super) struct Rule {
    pub action: String,
    pub resource: String,
    pub code: String,
    pub times: usize,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trouble {
    /// Answered with this code, and nothing is done.
    Refused(String),
    /// The connection is cut before anything is done.
    Cut,
    /// It is done, and the connection is cut before the answer.
    AnswerLost,
    /// Done later.
    Late(Duration),
}

impl Mood {
    /// What goes wrong with this call, and the messages that are sent a second time.
    pub fn strike(&mut self, call: &Call) -> (Option<Trouble>, Vec<Value>) {
        // The name alone: the URL has a port, which is another one each time.
        let queue = call.resource().rsplit('/').next().unwrap_or_default();
        let number = self.called.entry((call.action.clone(), queue.into())).or_default();
        *number += 1;
        let number = *number;
        let mut chance = Chance::of(self.seed, &[&call.action, queue], number);
        let trouble = self.rule(call).or_else(|| (chance.draw() < self.share).then(|| Trouble::draw(&mut chance)));
        let messages = if call.resource().contains("jobs") { call.messages() } else { Vec::new() };
        let mut doubles = Vec::new();
        for message in messages {
            if chance.draw() < self.double {
                doubles.push(double(message, number, chance.draw() < 0.5));
            }
        }
        (trouble, doubles)
    }

    fn rule(&mut self, call: &Call) -> Option<Trouble> {
        let is_it =
            |rule: &&mut Rule| rule.times > 0 && rule.action == call.action && call.resource().contains(&rule.resource);
        let rule = self.rules.iter_mut().find(is_it)?;
        rule.times -= 1;
        Some(Trouble::Refused(rule.code.clone()))
    }
}

/// The message as one that SQS does not know.
fn double(mut message: Value, number: u64, is_outside_its_group: bool) -> Value {
    let known = message["MessageDeduplicationId"].as_str().unwrap_or_default();
    let unknown = format!("{known}-{number}-double");
    if is_outside_its_group {
        message["MessageGroupId"] = json!(unknown);
    }
    message["MessageDeduplicationId"] = json!(unknown);
    message
}

impl Trouble {
    fn draw(chance: &mut Chance) -> Self {
        match chance.draw() {
            kind if kind < 0.15 => Self::Refused("InternalError".into()),
            kind if kind < 0.30 => Self::Refused("ServiceUnavailable".into()),
            kind if kind < 0.45 => Self::Refused("RequestThrottled".into()),
            kind if kind < 0.60 => Self::Cut,
            kind if kind < 0.80 => Self::AnswerLost,
            _ => Self::Late(Duration::from_secs_f64(0.1 + 2.0 * chance.draw())),
        }
    }
}
