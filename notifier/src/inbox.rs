//! The messages in hand: each must be told, or come again.

use std::collections::BTreeMap;

use aws_lambda_events::sqs::SqsBatchResponse;

use crate::digest::News;
use crate::incoming::Incoming;

/// The messages in hand, by id: SQS may deliver one twice.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    messages: BTreeMap<String, InHand>,
}

#[derive(Debug)]
struct InHand {
    handles: Vec<(Origin, String)>,
    is_done: bool,
}

/// Who has received a message, and deletes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Lambda, which deletes what is not among the failures of its batch.
    Event,
    /// We.
    Queue,
}

impl Inbox {
    /// Takes a message, and gives its news: once, however often it comes.
    pub fn add(&mut self, message: Incoming, origin: Origin) -> Vec<News> {
        let Incoming { id, receipt_handle, news } = message;
        let is_new = !self.messages.contains_key(&id);
        let in_hand = self.messages.entry(id).or_insert(InHand { handles: Vec::new(), is_done: news.is_empty() });
        in_hand.handles.push((origin, receipt_handle));
        if is_new { news } else { Vec::new() }
    }

    /// People have been told of these.
    pub fn done(&mut self, ids: &[String]) {
        for id in ids {
            self.messages.entry(id.clone()).and_modify(|message| message.is_done = true);
        }
    }

    /// What is left for us to delete of these.
    pub fn to_delete<'a>(&'a self, ids: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
        let done = ids.into_iter().filter_map(|id| self.messages.get(id)).filter(|message| message.is_done);
        let handles = done.flat_map(|message| &message.handles);
        handles.filter(|(origin, _)| *origin == Origin::Queue).map(|(_, handle)| handle.as_str()).collect()
    }

    /// The messages that tell of nothing.
    pub fn without_news(&self) -> Vec<&String> {
        self.messages.iter().filter(|(_, message)| message.is_done).map(|(id, _)| id).collect()
    }

    /// By what these are hidden.
    pub fn handles<'a>(&'a self, ids: &'a [String]) -> Vec<&'a str> {
        let handles = ids.iter().filter_map(|id| self.messages.get(id)).flat_map(|message| &message.handles);
        handles.map(|(_, handle)| handle.as_str()).filter(|handle| !handle.is_empty()).collect()
    }

    /// What Lambda is told: which of its messages must come again.
    pub fn response(self) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        let is_of_event = |message: &InHand| message.handles.iter().any(|(origin, _)| *origin == Origin::Event);
        for (id, _) in self.messages.into_iter().filter(|(_, message)| !message.is_done && is_of_event(message)) {
            response.add_failure(id);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Subject;

    fn message(id: &str, handle: &str, is_news: bool) -> Incoming {
        let news = News { message: id.into(), subject: Subject::Unreadable("x".into()) };
        Incoming { id: id.into(), receipt_handle: handle.into(), news: is_news.then_some(news).into_iter().collect() }
    }

    fn failures(inbox: Inbox) -> Vec<String> {
        inbox.response().batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    #[test]
    fn what_nobody_was_told_comes_again_and_the_rest_is_deleted_by_whoever_received_it() {
        let mut inbox = Inbox::default();
        inbox.add(message("a", "1", true), Origin::Event);
        inbox.add(message("b", "2", true), Origin::Queue);
        inbox.add(message("c", "3", true), Origin::Event);
        inbox.add(message("d", "4", true), Origin::Queue);
        let (told, untold) = (["a".to_string(), "b".to_string()], ["c".to_string(), "d".to_string()]);
        inbox.done(&told);
        assert_eq!((inbox.to_delete(&told), inbox.to_delete(&untold)), (vec!["2"], vec![]));
        assert_eq!(inbox.handles(&untold), ["3", "4"]);
        assert_eq!(failures(inbox), ["c"], "what we took ourselves is none of Lambda's");
    }

    #[test]
    fn a_message_that_comes_twice_is_told_once_and_deleted_by_what_it_came_with_last() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.add(message("a", "1", true), Origin::Event).len(), 1);
        assert_eq!(inbox.add(message("a", "2", true), Origin::Queue).len(), 0);
        let ids = ["a".to_string()];
        assert_eq!(inbox.handles(&ids), ["1", "2"]);
        inbox.done(&ids);
        assert_eq!(inbox.to_delete(&ids), ["2"]);
        assert_eq!(failures(inbox), [""; 0]);
    }

    #[test]
    fn what_is_no_news_is_done_with() {
        let mut inbox = Inbox::default();
        inbox.add(message("a", "1", false), Origin::Queue);
        inbox.add(message("b", "2", true), Origin::Queue);
        assert_eq!(inbox.to_delete(inbox.without_news()), ["1"]);
    }
}
