//! The body of a message.

use serde::Serialize;

/// `value` as JSON that SQS takes: of what a string may hold, JSON itself escapes all but two characters that no message
/// may have. <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
pub(super) fn body(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_default();
    json.replace('\u{FFFE}', "\\ufffe").replace('\u{FFFF}', "\\uffff")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqs_refuses_is_escaped_and_read_back() {
        let text = "a\u{0}\u{fffe}\\\u{ffff}\u{fffd}";
        let body = body(&text);
        assert_eq!(body, "\"a\\u0000\\ufffe\\\\\\uffff\u{fffd}\"");
        assert_eq!(serde_json::from_str::<String>(&body).unwrap(), text);
    }
}
