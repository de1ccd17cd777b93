//! A request in EC2's Query protocol: a form of `Action`, `Filter.1.Name`, `Filter.1.Value.2` and so on, and a
//! signature that says who calls, where and which service. The signature itself is not checked.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html>

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use chrono::{DateTime, TimeDelta, Utc};

use crate::answer::Refusal;
use crate::filter::Filter;
use crate::table::Eye;
use crate::text::{Text, text};
use crate::world::World;

/// A call: who, where, what.
#[derive(Debug)]
pub(crate) struct Call {
    pub action: Text,
    pub account: Text,
    pub region: Text,
    pub service: Text,
    /// The ARN of whoever calls.
    pub caller: Text,
    /// The ARN of the caller's role.
    pub role: Option<Text>,
    pub params: Params,
    pub now: DateTime<Utc>,
    /// By how much Describe lags behind for the caller.
    pub lag: TimeDelta,
    /// The `StateMessage` with which the snapshots that it makes will end in `error`, by a fault.
    pub ends_in_error: Option<Text>,
}

/// The parameters of a call, by their names with dots.
#[derive(Debug, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

/// The account of whoever's access key id names none.
pub(crate) const DEFAULT_ACCOUNT: &str = "123456789012";

/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>
const MOST_FILTERS: usize = 50;
const MOST_VALUES: usize = 200;
const LONGEST_VALUE: usize = 255;

impl Call {
    /// Reads a request: its `query` and `body` are one form.
    pub fn read(world: &World, headers: &HeaderMap, query: &str, body: &[u8]) -> Result<Self, Refusal> {
        let pairs = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(body));
        let params = Params(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect());
        let action = params.required("Action")?;
        let scope = scope(headers).ok_or_else(auth_failure)?;
        let session = world.session(scope.access_key);
        let account = match &session {
            Some(session) => session.account.clone(),
            None => text(account_of_key(scope.access_key)),
        };
        let (caller, role) = match session {
            Some(session) => (session.arn, Some(session.role)),
            None => (text(&format!("arn:aws:iam::{account}:root")), None),
        };
        let names: Vec<&str> =
            [Some(&caller), role.as_ref(), Some(&account)].into_iter().flatten().map(|name| &**name).collect();
        Ok(Self {
            action: text(action),
            lag: world.settings().lag(&names),
            region: text(scope.region),
            service: text(scope.service),
            account,
            caller,
            role,
            params,
            now: world.clock.now(),
            ends_in_error: None,
        })
    }

    /// What the caller sees.
    pub fn eye(&self) -> Eye {
        Eye { now: self.now, lag: self.lag }
    }

    /// The ids that it names.
    pub fn resources(&self) -> Vec<Text> {
        let names = [
            "VolumeId",
            "SnapshotId",
            "InstanceId",
            "ImageId",
            "ResourceId",
            "SourceSnapshotId",
            "InstanceSpecification.InstanceId",
        ];
        let of_name = |name| self.params.text(name).into_iter().chain(self.params.list(name));
        names.into_iter().flat_map(of_name).map(text).collect()
    }
}

pub(crate) fn auth_failure() -> Refusal {
    Refusal::new(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
}

struct Scope<'a> {
    access_key: &'a str,
    region: &'a str,
    service: &'a str,
}

/// `AWS4-HMAC-SHA256 Credential=AKID/20261120/eu-central-1/ec2/aws4_request, SignedHeaders=…`
fn scope(headers: &HeaderMap) -> Option<Scope<'_>> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    let mut parts = credential.split([',', ' ']).next()?.split('/');
    let (access_key, _date) = (parts.next()?, parts.next()?);
    let (region, service) = (parts.next()?, parts.next()?);
    Some(Scope { access_key, region, service }).filter(|scope| !scope.region.is_empty())
}

/// An access key id of twelve digits is an account.
fn account_of_key(key: &str) -> &str {
    let is_account = key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit());
    if is_account { key } else { DEFAULT_ACCOUNT }
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

    /// A whole number in `allowed`.
    pub fn number(&self, name: &str, allowed: std::ops::RangeInclusive<i64>) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| allowed.contains(number));
        let message = || {
            let (least, most) = (allowed.start(), allowed.end());
            format!("Value ( {text} ) for parameter {name} is invalid. Expecting a value from {least} to {most}.")
        };
        number.map(Some).ok_or_else(|| invalid_value(message()))
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

    /// `prefix.n.Key` and `prefix.n.Value`; without a value, `None`.
    pub fn tags(&self, prefix: &str) -> Vec<(&str, Option<&str>)> {
        let numbers = self.numbered(prefix).into_iter();
        let tag = |number| {
            let key = self.text(&format!("{prefix}.{number}.Key"))?;
            Some((key, self.text(&format!("{prefix}.{number}.Value"))))
        };
        numbers.filter_map(tag).collect()
    }

    pub fn filters(&self) -> Result<Vec<Filter>, Refusal> {
        let mut filters = Vec::new();
        for number in self.numbered("Filter") {
            let name = self.required(&format!("Filter.{number}.Name"))?;
            let values = self.list(&format!("Filter.{number}.Value"));
            if values.len() > MOST_VALUES {
                return Err(too_many());
            }
            if let Some(long) = values.iter().find(|value| value.chars().count() > LONGEST_VALUE) {
                return Err(invalid_value(format!("The filter value '{long}' is longer than 255 characters")));
            }
            // What begins with a dot is known to our index, and not to EC2.
            if name.starts_with('.') {
                return Err(crate::table::unknown_filter(name));
            }
            filters.push(Filter::new(name, values.into_iter().map(String::from).collect()));
        }
        if filters.len() > MOST_FILTERS { Err(too_many()) } else { Ok(filters) }
    }

    /// How many results a page holds. Without `MaxResults` EC2 gives everything.
    pub fn page_size(&self) -> Result<Option<usize>, Refusal> {
        let size = self.number("MaxResults", 5..=1000)?;
        Ok(size.and_then(|size| usize::try_from(size).ok()))
    }

    /// Whether a Describe call is filtered or paginated, and so falls into the larger token bucket.
    pub fn is_narrow(&self) -> bool {
        ["Filter.", "MaxResults", "NextToken"]
            .iter()
            .any(|start| self.0.range(String::from(*start)..).next().is_some_and(|(name, _)| name.starts_with(start)))
    }

    /// The names up to their first dot.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| name.split('.').next().unwrap_or_default())
    }

    /// Everything but `without`, as a number: the same for the same parameters.
    pub fn fingerprint(&self, without: &str) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        for pair in self.0.iter().filter(|(name, _)| *name != without) {
            std::hash::Hash::hash(&pair, &mut hasher);
        }
        std::hash::Hasher::finish(&hasher)
    }
}

fn invalid_value(message: String) -> Refusal {
    Refusal::client("InvalidParameterValue", message)
}

fn too_many() -> Refusal {
    Refusal::client("FilterLimitExceeded", "The request uses too many filters or too many filter values.")
}
