//! One queue. A message is `waiting` in its group or in flight; a FIFO group of which something is in flight gives out
//! nothing, also where that is hidden for longer.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What a queue is like.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Whether message groups are handed out one batch at a time.
    pub is_fifo: bool,
    /// How long a received message is hidden.
    pub visibility: Duration,
    /// The dead-letter queue, and after how many receives a message goes there.
    pub dlq: Option<(String, u32)>,
}

/// A message, as it was sent.
#[derive(Debug, Clone)]
pub struct Message {
    id: String,
    body: String,
    group: String,
    sent: i64,
    first_received: i64,
    receives: u32,
}

/// A message, as it was received.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What it is deleted by.
    pub handle: String,
    /// Its record in Lambda's event.
    pub record: Value,
}

#[derive(Debug)]
pub struct Queue {
    pub kind: Kind,
    messages: BTreeMap<u64, Message>,
    groups: HashMap<String, Group>,
    /// Groups that may have something to give, in their order.
    turns: VecDeque<String>,
    in_flight: BTreeSet<(Instant, u64)>,
    until: HashMap<u64, Instant>,
    seen: HashMap<String, Instant>,
    number: u64,
}

#[derive(Debug, Default)]
struct Group {
    waiting: BTreeSet<u64>,
    in_flight: usize,
    has_a_turn: bool,
}

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html>
const DEDUPLICATION: Duration = Duration::from_secs(300);

impl Kind {
    /// A standard queue without a dead-letter queue.
    pub fn standard(visibility: Duration) -> Self {
        Self { is_fifo: false, visibility, dlq: None }
    }

    /// A FIFO queue without a dead-letter queue.
    pub fn fifo(visibility: Duration) -> Self {
        Self { is_fifo: true, ..Self::standard(visibility) }
    }

    /// With a dead-letter queue.
    #[must_use]
    pub fn with_dlq(self, name: &str, receives: u32) -> Self {
        Self { dlq: Some((name.into(), receives)), ..self }
    }
}

impl Message {
    #[expect(clippy::disallowed_methods, reason = "this is SQS: it says when a message was sent")]
    pub fn new(body: String, group: String) -> Self {
        Self { id: String::new(), body, group, sent: Utc::now().timestamp_millis(), first_received: 0, receives: 0 }
    }
}

impl Queue {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            messages: BTreeMap::new(),
            groups: HashMap::new(),
            turns: VecDeque::new(),
            in_flight: BTreeSet::new(),
            until: HashMap::new(),
            seen: HashMap::new(),
            number: 0,
        }
    }

    /// Takes a message; one that it has seen within five minutes it takes and forgets. Gives the message id.
    pub fn add(&mut self, message: Message, deduplication: Option<&str>, now: Instant) -> String {
        let id = format!("00000000-0000-0000-0000-{:012}", self.number);
        if let Some(deduplication) = deduplication
            && self.seen.insert(deduplication.into(), now).is_some_and(|seen| now < seen + DEDUPLICATION)
        {
            return id;
        }
        let group = message.group.clone();
        self.messages.insert(self.number, Message { id: id.clone(), ..message });
        self.groups.entry(group.clone()).or_default().waiting.insert(self.number);
        self.number += 1;
        self.give_turn(&group);
        id
    }

    /// Up to `most` messages, of one group first, and those that were received too often.
    pub fn receive(&mut self, most: usize, now: Instant) -> (Vec<Delivery>, Vec<Message>) {
        self.show_again(now);
        let (mut received, mut dead) = (Vec::new(), Vec::new());
        while received.len() < most {
            let Some(name) = self.turns.pop_front() else { break };
            let Some(group) = self.groups.get_mut(&name) else { continue };
            group.has_a_turn = false;
            while received.len() < most
                && let Some(number) = group.waiting.pop_first()
            {
                let Some(message) = self.messages.get_mut(&number) else { continue };
                message.receives += 1;
                if self.kind.dlq.as_ref().is_some_and(|(_, most)| message.receives > *most) {
                    dead.extend(self.messages.remove(&number));
                    continue;
                }
                let until = now + self.kind.visibility;
                group.in_flight += 1;
                self.in_flight.insert((until, number));
                self.until.insert(number, until);
                received.push(delivery(number, message));
            }
            self.give_turn(&name);
        }
        (received, dead)
    }

    /// Deletes a message, unless it has been received again since.
    pub fn delete(&mut self, handle: &str) {
        let Some(number) = self.of_handle(handle) else { return };
        let group = self.land(number);
        self.messages.remove(&number);
        if let Some(group) = group {
            self.give_turn(&group);
        }
    }

    /// Hides a message from now for so long.
    pub fn hide(&mut self, handle: &str, time: Duration, now: Instant) {
        let Some(number) = self.of_handle(handle) else { return };
        if let Some(until) = self.until.insert(number, now + time) {
            self.in_flight.remove(&(until, number));
            self.in_flight.insert((now + time, number));
        }
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Of those messages, the hidden ones.
    pub fn hidden(&self) -> usize {
        self.in_flight.len()
    }

    /// What nobody has deleted in time comes again, before what came after it.
    fn show_again(&mut self, now: Instant) {
        while let Some((until, number)) = self.in_flight.first().copied() {
            if until > now {
                break;
            }
            if let Some(name) = self.land(number) {
                self.groups.entry(name.clone()).or_default().waiting.insert(number);
                self.give_turn(&name);
            }
        }
    }

    /// The message is in flight no more. Gives its group.
    fn land(&mut self, number: u64) -> Option<String> {
        let until = self.until.remove(&number)?;
        self.in_flight.remove(&(until, number));
        let name = self.messages.get(&number)?.group.clone();
        self.groups.entry(name.clone()).or_default().in_flight -= 1;
        Some(name)
    }

    fn give_turn(&mut self, name: &str) {
        let is_fifo = self.kind.is_fifo;
        if let Some(group) = self.groups.get_mut(name)
            && !group.has_a_turn
            && !group.waiting.is_empty()
            && !(is_fifo && group.in_flight > 0)
        {
            group.has_a_turn = true;
            self.turns.push_back(name.into());
        }
    }

    /// A handle is good until its message is received again.
    fn of_handle(&self, handle: &str) -> Option<u64> {
        let (number, receives) = handle.split_once('-')?;
        let number = number.parse().ok()?;
        let message = self.messages.get(&number)?;
        (message.receives.to_string() == receives && self.until.contains_key(&number)).then_some(number)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is SQS: it says when a message was received")]
fn delivery(number: u64, message: &mut Message) -> Delivery {
    if message.receives == 1 {
        message.first_received = Utc::now().timestamp_millis();
    }
    let handle = format!("{number}-{}", message.receives);
    let record = json!({
        "messageId": message.id,
        "receiptHandle": handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.receives.to_string(),
            "ApproximateFirstReceiveTimestamp": message.first_received.to_string(),
            "SentTimestamp": message.sent.to_string(),
            "MessageGroupId": message.group,
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:queue",
        "awsRegion": "eu-central-1",
    });
    Delivery { handle, record }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fifo(messages: &[(&str, &str)]) -> Queue {
        let mut queue = Queue::new(Kind::fifo(Duration::from_secs(30)).with_dlq("dlq", 2));
        for (group, body) in messages {
            queue.add(Message::new((*body).into(), (*group).into()), Some(body), Instant::now());
        }
        queue
    }

    fn bodies(received: &[Delivery]) -> Vec<&str> {
        received.iter().filter_map(|delivery| delivery.record["body"].as_str()).collect()
    }

    #[tokio::test]
    async fn a_group_of_which_something_is_in_flight_gives_out_nothing_and_the_others_do() {
        let mut queue = fifo(&[("a", "1"), ("a", "2"), ("b", "3"), ("b", "4")]);
        let now = Instant::now();
        let (first, _) = queue.receive(1, now);
        assert_eq!(bodies(&first), ["1"]);
        let (second, _) = queue.receive(10, now);
        assert_eq!(bodies(&second), ["3", "4"]);
        queue.hide(&first[0].handle, Duration::from_secs(60), now);
        assert!(queue.receive(10, now + Duration::from_secs(59)).0.iter().all(|message| message.record["body"] != "2"));
        queue.delete(&first[0].handle);
        let (third, _) = queue.receive(1, now + Duration::from_secs(1));
        assert!(bodies(&third).is_empty() || bodies(&third) == ["2"]);
    }

    #[tokio::test]
    async fn what_is_not_deleted_comes_again_in_its_order_and_at_last_goes_to_the_dead_letter_queue() {
        let mut queue = fifo(&[("a", "1"), ("a", "2")]);
        let now = Instant::now();
        assert_eq!(bodies(&queue.receive(10, now).0), ["1", "2"]);
        assert_eq!(queue.receive(10, now).0.len(), 0);
        let later = now + Duration::from_secs(30);
        assert_eq!(bodies(&queue.receive(10, later).0), ["1", "2"]);
        let (received, dead) = queue.receive(10, later + Duration::from_secs(30));
        assert_eq!((received.len(), dead.len(), queue.len()), (0, 2, 0));
    }

    #[tokio::test]
    async fn a_message_is_taken_once_in_five_minutes_and_an_old_handle_deletes_nothing() {
        let mut queue = fifo(&[("a", "1"), ("a", "1")]);
        assert_eq!(queue.len(), 1);
        let now = Instant::now();
        let old = queue.receive(10, now).0;
        let _again = queue.receive(10, now + Duration::from_secs(31)).0;
        queue.delete(&old[0].handle);
        assert_eq!(queue.len(), 1);
    }

    #[tokio::test]
    async fn a_standard_queue_gives_out_whatever_is_not_in_flight() {
        let mut queue = Queue::new(Kind::standard(Duration::from_secs(30)));
        for body in ["1", "2", "3"] {
            queue.add(Message::new(body.into(), String::new()), None, Instant::now());
        }
        let now = Instant::now();
        assert_eq!((queue.receive(2, now).0.len(), queue.receive(2, now).0.len()), (2, 1));
    }
}
