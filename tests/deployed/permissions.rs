//! What the policies of a deployed stack allow: held against the calls that were made, and against calls that must be
//! refused. IAM's own evaluation is not there, so that the few words of its language that the templates use are read here:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use std::collections::BTreeSet;

use serde_json::Value;

/// Policies by the names of what they belong to: each a list of statements.
#[derive(Debug)]
pub(super) struct Permissions(pub Value);

/// A call as IAM sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub action: &'a str,
    pub resource: &'a str,
    /// Condition keys and what they are in this request; one that is left out is not there.
    pub context: &'a [(&'a str, &'a str)],
    /// Who asks: a service, or an ARN. Only policies of resources, and of who may assume a role, ask for it.
    pub principal: &'a str,
}

/// What a policy says. What no statement speaks of is refused, unless another policy allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    NotAllowed,
    /// Whatever any other policy says.
    Denied,
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
    /// What `of` may call, and calls itself.
    pub fn allowed(&self, of: &str) -> BTreeSet<String> {
        let actions = self.statements(of).iter().flat_map(|statement| list(&statement["Action"]));
        actions.filter(|action| !NOT_OUR_CALLS.contains(&action.as_str())).collect()
    }

    /// What of `calls` needs a permission that is its own.
    pub fn called(calls: &BTreeSet<(String, String)>, function: &str) -> BTreeSet<String> {
        let application = format!("snapkeep-{function}");
        let its = calls.iter().filter(|(caller, _)| *caller == application).map(|(_, action)| action.clone());
        its.filter(|action| action != NEEDS_NO_PERMISSION && !NOT_OUR_CALLS.contains(&action.as_str())).collect()
    }

    /// What the policies of `of` say of the request. A statement that denies is stronger than any that allows.
    pub fn verdict(&self, of: &str, request: &Request<'_>) -> Verdict {
        let applies = self.statements(of).iter().filter(|statement| applies(statement, request));
        let effects: BTreeSet<&str> = applies.map(|statement| statement["Effect"].as_str().unwrap()).collect();
        match (effects.contains("Deny"), effects.contains("Allow")) {
            (true, _) => Verdict::Denied,
            (false, true) => Verdict::Allowed,
            (false, false) => Verdict::NotAllowed,
        }
    }

    /// The statements of what is called so, or whose name CloudFormation made of it.
    fn statements(&self, of: &str) -> &Vec<Value> {
        let all = self.0.as_object().unwrap();
        let made = || all.iter().find(|(name, _)| name.starts_with(&format!("snapkeep-{of}-"))).map(|(_, found)| found);
        all.get(of).or_else(made).and_then(Value::as_array).unwrap_or_else(|| panic!("{of} has no policy: {}", self.0))
    }
}

fn applies(statement: &Value, request: &Request<'_>) -> bool {
    let names = |field: &str, value: &str| list(&statement[field]).iter().any(|pattern| is_like(pattern, value));
    // A policy of who may assume a role names no resource.
    let is_resource = statement["Resource"].is_null() || names("Resource", request.resource);
    names("Action", request.action)
        && is_resource
        && is_principal(&statement["Principal"], request.principal)
        && holds(&statement["Condition"], request)
}

fn is_principal(principal: &Value, who: &str) -> bool {
    match principal {
        Value::Null => true,
        Value::String(all) => all == "*",
        named => named.as_object().unwrap().values().flat_map(list).any(|name| name == who),
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
        let is_any_of = |is: fn(&str, &str) -> bool| {
            found.is_some_and(|found| list(expected).iter().any(|allowed| is(allowed, found)))
        };
        match operator.as_str() {
            "StringEquals" | "Bool" => is_any_of(|allowed, found| allowed == found),
            // Of ARNs both mean the same: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN>
            "ArnEquals" | "ArnLike" => is_any_of(is_like),
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
    let request = |context| Request { action: "a:b", resource: "", context, principal: "events.amazonaws.com" };
    let null = serde_json::json!({"Null": {"aws:ResourceTag/a": "false", "aws:ResourceTag/b": "true"}});
    assert!(holds(&null, &request(&[("aws:ResourceTag/a", "")])));
    assert!(!holds(&null, &request(&[])));
    assert!(!holds(&null, &request(&[("aws:ResourceTag/a", ""), ("aws:ResourceTag/b", "")])));
    let equals = serde_json::json!({"StringEquals": {"ec2:CreateAction": "CreateSnapshot"}});
    assert!(holds(&equals, &request(&[("ec2:createaction", "CreateSnapshot")])));
    assert!(!holds(&equals, &request(&[("ec2:CreateAction", "CopySnapshot")])) && !holds(&equals, &request(&[])));
    assert!(holds(&Value::Null, &request(&[])));
    let like = serde_json::json!({"ArnLike": {"aws:SourceArn": "arn:x:alarm:snapkeep-*"}});
    assert!(holds(&like, &request(&[("aws:SourceArn", "arn:x:alarm:snapkeep-a")])));
    assert!(!holds(&like, &request(&[("aws:SourceArn", "arn:x:alarm:other")])));
    let one = serde_json::json!({"x": [
        {"Effect": "Allow", "Action": "a:*", "Principal": {"Service": "events.amazonaws.com"}, "Resource": "*"},
        {"Effect": "Deny", "Action": "a:b", "Principal": "*", "Resource": "*",
         "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    ]});
    let one = Permissions(one);
    assert_eq!(one.verdict("x", &request(&[])), Verdict::Allowed);
    assert_eq!(one.verdict("x", &request(&[("aws:SecureTransport", "false")])), Verdict::Denied);
    assert_eq!(one.verdict("x", &Request { principal: "sns.amazonaws.com", ..request(&[]) }), Verdict::NotAllowed);
}
