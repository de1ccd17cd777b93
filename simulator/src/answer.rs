//! Answers in EC2's and STS's XML.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// A call that was refused: EC2's code and message, and the HTTP status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
}

/// A list as EC2 writes it: `<volumeSet><item>…</item></volumeSet>`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Set<T> {
    pub item: Vec<T>,
}

/// What every EC2 answer has besides its own fields.
#[derive(Serialize)]
pub(crate) struct Answer<T> {
    #[serde(rename = "@xmlns")]
    pub xmlns: &'static str,
    #[serde(rename = "requestId")]
    pub request_id: String,
    #[serde(flatten)]
    pub fields: T,
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

/// A successful answer: `xml` as it is.
pub(crate) fn success(xml: String, request_id: &str) -> Response<Body> {
    response(StatusCode::OK, xml, request_id)
}

/// The beginning of an answer, and then the connection breaks.
pub(crate) fn cut() -> Response<Body> {
    let broken = std::io::Error::other("this answer is lost");
    Response::new(Body::from_stream(futures::stream::iter([Ok("<?xml version"), Err(broken)])))
}

/// EC2's error document, which STS's clients read as well.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html#api-error-response>
pub(crate) fn refused(refusal: &Refusal, service: &str, request_id: &str) -> Response<Body> {
    let (code, message) = (escaped(&refusal.code), escaped(&refusal.message));
    let xml = match service {
        "sts" => format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        ),
        _ => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code>\
             <Message>{message}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
        ),
    };
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response(status, xml, request_id)
}

/// `fields` as the answer to `action`.
pub(crate) fn ec2<T: Serialize>(action: &str, request_id: &str, fields: T) -> Result<String, Refusal> {
    let answer = Answer { xmlns: "http://ec2.amazonaws.com/doc/2016-11-15/", request_id: request_id.into(), fields };
    xml(&format!("{action}Response"), &answer)
}

pub(crate) fn xml<T: Serialize>(root: &str, value: &T) -> Result<String, Refusal> {
    quick_xml::se::to_string_with_root(root, value)
        .map_err(|error| Refusal::new(500, "InternalError", &error.to_string()))
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

/// The request id stands in the header as well as in the body; the SDKs read the header.
fn response(status: StatusCode, xml: String, request_id: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(xml));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml;charset=UTF-8"));
    headers.extend(HeaderValue::from_str(request_id).map(|id| (HeaderName::from_static("x-amzn-requestid"), id)));
    response
}
