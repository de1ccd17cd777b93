//! A request in EC2's Query protocol: a form of `Action`, `Filter.1.Name`, `Filter.1.Value.2` and so on, and a
//! signature that says who calls, where and which service. The signature itself is not checked.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};

use crate::answer::Refusal;
use crate::filter::Filter;

/// A call: who, where, what.
#[derive(Debug)]
pub(crate) struct Call {
    pub action: String,
    pub account: String,
    pub region: String,
    pub service: String,
    pub params: Params,
}

/// The parameters of a call, by their names with dots.
#[derive(Debug, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

/// The account of whoever's access key id names none.
pub(crate) const DEFAULT_ACCOUNT: &str = "123456789012";

impl Call {
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let pairs = form_urlencoded::parse(body);
        let params = Params(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect());
        let action = params
            .text("Action")
            .ok_or_else(|| Refusal::client("MissingParameter", "The request must contain the parameter Action"))?;
        let scope = scope(headers).ok_or_else(|| {
            Refusal::new(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        })?;
        Ok(Self {
            action: action.into(),
            account: account_of_key(&scope.access_key),
            region: scope.region,
            service: scope.service,
            params,
        })
    }
}

struct Scope {
    access_key: String,
    region: String,
    service: String,
}

/// `AWS4-HMAC-SHA256 Credential=AKID/20261120/eu-central-1/ec2/aws4_request, SignedHeaders=…`
fn scope(headers: &HeaderMap) -> Option<Scope> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    let mut parts = credential.split([',', ' ']).next()?.split('/');
    let (access_key, _date) = (parts.next()?, parts.next()?);
    Some(Scope { access_key: access_key.into(), region: parts.next()?.into(), service: parts.next()?.into() })
}

/// An access key id of twelve digits is an account; one that this simulator's STS gave has the account in it.
fn account_of_key(key: &str) -> String {
    let digits = key.strip_prefix("ASIA").and_then(|rest| rest.get(..12)).unwrap_or(key);
    let is_account = digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_digit());
    String::from(if is_account { digits } else { DEFAULT_ACCOUNT })
}

impl Params {
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn required(&self, name: &str) -> Result<&str, Refusal> {
        let message = || format!("The request must contain the parameter {name}");
        self.text(name).filter(|text| !text.is_empty()).ok_or_else(|| Refusal::client("MissingParameter", message()))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// `prefix.1`, `prefix.2`, … in the order of their numbers.
    pub fn list(&self, prefix: &str) -> Vec<&str> {
        self.numbered(prefix).into_iter().filter_map(|number| self.text(&format!("{prefix}.{number}"))).collect()
    }

    /// The numbers n of all parameters `prefix.n` and `prefix.n.…`.
    pub fn numbered(&self, prefix: &str) -> Vec<u32> {
        let start = format!("{prefix}.");
        let names = self.0.range(start.clone()..).map(|(name, _)| name).take_while(|name| name.starts_with(&start));
        let mut numbers: Vec<u32> =
            names.filter_map(|name| name[start.len()..].split('.').next()?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// `prefix.n.Key` and `prefix.n.Value`.
    pub fn tags(&self, prefix: &str) -> Vec<(String, String)> {
        let numbers = self.numbered(prefix).into_iter();
        let tag = |number| {
            let key = self.text(&format!("{prefix}.{number}.Key"))?;
            Some((key.into(), self.text(&format!("{prefix}.{number}.Value")).unwrap_or_default().into()))
        };
        numbers.filter_map(tag).collect()
    }

    pub fn filters(&self) -> Vec<Filter> {
        let numbers = self.numbered("Filter").into_iter();
        let filter = |number| {
            let name = self.text(&format!("Filter.{number}.Name"))?;
            let values = self.list(&format!("Filter.{number}.Value")).into_iter();
            Some(Filter::new(name, values.map(String::from).collect()))
        };
        numbers.filter_map(filter).collect()
    }

    /// How many results a page holds. Without `MaxResults` EC2 gives everything.
    pub fn page_size(&self) -> Result<Option<usize>, Refusal> {
        let Some(text) = self.text("MaxResults") else { return Ok(None) };
        let size = text.parse().ok().filter(|size| (5..=1000).contains(size));
        let message =
            || format!("Value ( {text} ) for parameter maxResults is invalid. Expecting a value from 5 to 1000.");
        size.map(Some).ok_or_else(|| Refusal::client("InvalidParameterValue", message()))
    }

    /// Whether a Describe call is filtered or paginated, and so falls into the larger token bucket.
    pub fn is_narrow(&self) -> bool {
        ["Filter.", "MaxResults", "NextToken"]
            .iter()
            .any(|start| self.0.range(String::from(*start)..).next().is_some_and(|(name, _)| name.starts_with(start)))
    }
}
