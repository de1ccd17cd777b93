//! Answers in EC2's and STS's XML.

use std::fmt::{Display, Write};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::text::Tags;

/// A call that was refused: EC2's code and message, and the HTTP status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl Refusal {
    pub fn new(status: u16, code: &str, message: &str) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// A mistake of the caller's: HTTP 400.
    pub fn client(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into() }
    }
}

/// XML as it is written, with EC2's own names of its elements.
#[derive(Debug, Default)]
pub(crate) struct Xml(pub String);

impl Xml {
    /// `<name>value</name>`
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.open(name);
        self.0.push_str(&quick_xml::escape::escape(legal(value).as_ref()));
        self.close(name)
    }

    /// The same, of what needs no escapes: numbers, `true` and `false`.
    pub fn plain(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.open(name);
        let _ = write!(self.0, "{value}");
        self.close(name)
    }

    /// A time in UTC, to the millisecond.
    pub fn time(&mut self, name: &str, time: DateTime<Utc>) -> &mut Self {
        self.plain(name, time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }

    /// `<name>…</name>`
    pub fn within(&mut self, name: &str, content: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(name);
        content(self);
        self.close(name)
    }

    /// A list as EC2 writes it: `<volumeSet><item>…</item></volumeSet>`.
    pub fn set<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, item: impl Fn(&mut Self, T)) -> &mut Self {
        self.within(name, |xml| {
            for each in items {
                xml.within("item", |xml| item(xml, each));
            }
        })
    }

    pub fn tags(&mut self, tags: &Tags) -> &mut Self {
        self.set("tagSet", tags, |xml, (key, value)| {
            xml.text("key", key).text("value", value);
        })
    }

    pub fn next_token(&mut self, token: Option<&str>) -> &mut Self {
        match token {
            Some(token) => self.text("nextToken", token),
            None => self,
        }
    }

    fn open(&mut self, name: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
    }

    fn close(&mut self, name: &str) -> &mut Self {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
        self
    }
}

/// XML 1.0 has no way to say most control characters: <https://www.w3.org/TR/xml/#charsets>
fn legal(text: &str) -> std::borrow::Cow<'_, str> {
    let is_illegal = |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}');
    match text.contains(is_illegal) {
        true => text.replace(is_illegal, "\u{fffd}").into(),
        false => text.into(),
    }
}

/// The answer to `action`, with what `content` writes into it.
pub(crate) fn success(service: &str, action: &str, request_id: &str, content: &str) -> String {
    match service {
        "sts" => format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">{content}<ResponseMetadata>\
             <RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
        ),
        _ => format!(
            "<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>{request_id}</requestId>\
             {content}</{action}Response>"
        ),
    }
}

/// EC2's error document, or STS's.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html#api-error-response>
pub(crate) fn refused(service: &str, refusal: &Refusal, request_id: &str) -> String {
    let mut xml = Xml::default();
    xml.text("Code", &refusal.code).text("Message", &refusal.message);
    let error = xml.0;
    match service {
        "sts" => format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>{error}\
             </Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        ),
        _ => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>{error}</Error></Errors>\
             <RequestID>{request_id}</RequestID></Response>"
        ),
    }
}
