//! What the roles of a deployed stack allow: held against the calls that were made, and against calls that must be
//! refused. IAM's own evaluation is not there, so that the few words of its language that the template uses are read here:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use std::collections::BTreeSet;

use serde_json::Value;

/// The policies of a stack's roles, by their names.
#[derive(Debug)]
pub(super) struct Permissions(pub Value);

/// A call as IAM sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub action: &'a str,
    pub resource: &'a str,
    /// Condition keys and what they are in this request; one that is left out is not there.
    pub context: &'a [(&'a str, &'a str)],
}

/// Allowed, and called by nobody of ours: by Lambda for the function (logs, traces, the event source mapping), by SNS
/// with the caller's permission, and by EC2 when it creates a snapshot with tags.
const NOT_OUR_CALLS: [&str; 10] = [
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "kms:Decrypt",
    "kms:GenerateDataKey*",
    "ec2:CreateTags",
];
/// Whoever has credentials may ask whose they are.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
const NEEDS_NO_PERMISSION: &str = "sts:GetCallerIdentity";

impl Permissions {
    /// What `function` may call, and calls itself.
    pub fn allowed(&self, function: &str) -> BTreeSet<String> {
        let actions = self.statements(function).iter().flat_map(|statement| list(&statement["Action"]));
        actions.filter(|action| !NOT_OUR_CALLS.contains(&action.as_str())).collect()
    }

    /// What of `calls` needs a permission that is its own.
    pub fn called(calls: &BTreeSet<(String, String)>, function: &str) -> BTreeSet<String> {
        let application = format!("snapkeep-{function}");
        let its = calls.iter().filter(|(caller, _)| *caller == application).map(|(_, action)| action.clone());
        its.filter(|action| action != NEEDS_NO_PERMISSION && !NOT_OUR_CALLS.contains(&action.as_str())).collect()
    }

    /// Whether some statement of the role allows the request. None of them denies anything.
    pub fn allows(&self, function: &str, request: &Request<'_>) -> bool {
        let statements = self.statements(function);
        assert!(statements.iter().all(|statement| statement["Effect"] == "Allow"), "a Deny is not read here");
        statements.iter().any(|statement| {
            let names =
                |field: &str, value: &str| list(&statement[field]).iter().any(|pattern| is_like(pattern, value));
            names("Action", request.action)
                && names("Resource", request.resource)
                && holds(&statement["Condition"], request)
        })
    }

    fn statements(&self, function: &str) -> &Vec<Value> {
        self.0[function].as_array().unwrap_or_else(|| panic!("{function} has no policy: {}", self.0))
    }
}

/// A string, or a list of strings.
fn list(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().map(|one| one.as_str().unwrap().into()).collect(),
        other => panic!("neither a string nor a list: {other}"),
    }
}

/// `*` stands for anything.
fn is_like(pattern: &str, value: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == value,
        Some((beginning, rest)) => value.strip_prefix(beginning).is_some_and(|value| {
            (0..=value.len()).filter(|at| value.is_char_boundary(*at)).any(|at| is_like(rest, &value[at..]))
        }),
    }
}

/// All conditions must hold. An operator that is not known here fails the test rather than pass.
fn holds(conditions: &Value, request: &Request<'_>) -> bool {
    let conditions = conditions.as_object().into_iter().flatten();
    let mut tests =
        conditions.flat_map(|(operator, keys)| keys.as_object().unwrap().iter().map(move |key| (operator, key)));
    tests.all(|(operator, (key, expected))| {
        let found = request.context.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| *value);
        match operator.as_str() {
            "StringEquals" => found.is_some_and(|found| list(expected).iter().any(|allowed| allowed == found)),
            "Null" => list(expected) == [found.is_none().to_string()],
            other => panic!("the condition operator {other} is not read here"),
        }
    })
}

#[test]
fn the_little_of_iam_s_language_is_read_as_iam_reads_it() {
    assert!(is_like("arn:aws:ec2:*::snapshot/*", "arn:aws:ec2:eu-central-1::snapshot/snap-1"));
    assert!(!is_like("arn:aws:ec2:*::snapshot/*", "arn:aws:ec2:eu-central-1:1:volume/vol-1"));
    assert!(is_like("*", "") && is_like("a*c", "abbc") && !is_like("a*c", "abb") && !is_like("a", "ab"));
    let request = |context| Request { action: "", resource: "", context };
    let null = serde_json::json!({"Null": {"aws:ResourceTag/a": "false", "aws:ResourceTag/b": "true"}});
    assert!(holds(&null, &request(&[("aws:ResourceTag/a", "")])));
    assert!(!holds(&null, &request(&[])));
    assert!(!holds(&null, &request(&[("aws:ResourceTag/a", ""), ("aws:ResourceTag/b", "")])));
    let equals = serde_json::json!({"StringEquals": {"ec2:CreateAction": "CreateSnapshot"}});
    assert!(holds(&equals, &request(&[("ec2:createaction", "CreateSnapshot")])));
    assert!(!holds(&equals, &request(&[("ec2:CreateAction", "CopySnapshot")])) && !holds(&equals, &request(&[])));
    assert!(holds(&Value::Null, &request(&[])));
}
