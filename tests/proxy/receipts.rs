//! Who holds which message.

use std::collections::HashMap;

use serde_json::Value;

use super::call::Call;

/// What was received, and by which handle.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    /// Receipt handle → message id.
    messages: HashMap<String, String>,
    /// Message id → its last receipt handle.
    last: HashMap<String, String>,
}

impl Receipts {
    /// Notes what was received; gives how many of the messages that are deleted somebody else has received since.
    pub fn overtaken(&mut self, call: &Call, answer: &[u8]) -> u64 {
        let text = |value: &Value, name: &str| String::from(value[name].as_str().unwrap_or_default());
        match call.action.as_str() {
            "ReceiveMessage" => {
                let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
                for message in answer["Messages"].as_array().into_iter().flatten() {
                    let (id, handle) = (text(message, "MessageId"), text(message, "ReceiptHandle"));
                    self.messages.insert(handle.clone(), id.clone());
                    self.last.insert(id, handle);
                }
                0
            }
            "DeleteMessage" => self.is_overtaken(&text(&call.body, "ReceiptHandle")).into(),
            "DeleteMessageBatch" => {
                let entries = call.body["Entries"].as_array().into_iter().flatten();
                entries.filter(|entry| self.is_overtaken(&text(entry, "ReceiptHandle"))).count() as u64
            }
            _ => 0,
        }
    }

    fn is_overtaken(&self, handle: &str) -> bool {
        self.messages.get(handle).is_some_and(|message| self.last[message] != handle)
    }
}
