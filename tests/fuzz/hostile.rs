//! What a person would try first: at the limits, beside them, and in the words of others.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

const JSON: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1",
    "2",
    "-0.0",
    "0.5",
    "1e400",
    "-1e-400",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775808",
    "123456789012345678901234567890123",
    "[]",
    "{}",
    "[[]]",
    "{\"\":{}}",
    r#""\ud800""#,
    r#""\udfff\ud800""#,
    r#""\ufffe\uffff""#,
    r#""\u0000""#,
    r#""\x""#,
    "NaN",
    "01",
    "\"",
    "[",
    "{",
    "]",
    ",",
    "\u{feff}1",
];

/// JSON that some field takes, or just not.
pub(crate) fn raw() -> impl Strategy<Value = String> {
    let deep = (select(&[100_usize, 127, 128, 5000, 100_000][..]), any::<bool>()).prop_map(|(depth, is_list)| {
        let (open, close) = if is_list { ("[", "]") } else { ("{\"a\":", "}") };
        format!("{}1{}", open.repeat(depth), close.repeat(depth))
    });
    prop_oneof![
        6 => select(JSON).prop_map(String::from),
        8 => hostile().prop_map(|text| Value::from(text).to_string()),
        1 => deep,
    ]
}

const WORDS: &[&str] = &[
    "",
    " ",
    "x",
    "daily",
    "snapshot",
    "prune",
    "audit",
    "self",
    "all",
    "forever",
    "keep-last",
    "by-rule",
    "7",
    "7d",
    "0d",
    "100y",
    "101y",
    "36600d",
    "99999999999d",
    "-7d",
    "1m",
    "daily=7 weekly=all",
    "hourly=",
    "100000",
    "100001",
    "vol-0123456789abcdef0",
    "vol-00000000",
    "i-0123456789abcdef0",
    "snap-0123456789abcdef0",
    "vol-*",
    "eu-central-1",
    "us-gov-west-1",
    "123456789012",
    "arn:aws:iam::123456789012:role/x",
    "2026-11-20T02:00:00Z",
    "2026-11-20",
    "0000-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "+262142-12-31T23:59:59Z",
    "-262143-01-01T00:00:00Z",
    "2016-12-31T23:59:60Z",
    "2026-11-20T02:00:00.999999999Z",
    "2026-02-30",
    "9999-12-31",
    "+10000-01-01",
    "UTC",
    "Europe/Zurich",
    "Pacific/Apia",
    "Mars/Olympus",
    "<aws.scheduler.scheduled-time>",
    "10m",
    "13d",
    "4294967296m",
    "aws:x",
    "AWS:X",
    "aWs:dlm:managed",
    "aws:backup:x",
    "snapkeep:policy",
    "SNAPKEEP:x",
    "snapkeep:job",
    "snapkeep:slot",
    "snapkeep:retain",
    "snapkeep:keyword",
    "snapkeep:time-zone",
    "snapkeep:volume",
    "DeleteOn",
    "KeepForever",
    "Name",
    "Retention",
    "Backup",
    "x\nINJECTED",
    "x\r\nINJECTED\r\n",
    "x\u{2028}INJECTED",
    "x\u{85}INJECTED",
    "x\u{b}INJECTED",
    "\u{202e}x",
    "\u{0}",
    "\u{fffe}\u{ffff}",
    "\u{feff}",
    "'; rm -rf / #",
    "$(reboot)",
    "../../etc/passwd",
    "<b>&amp;",
    "{{x}}",
    "%s%n",
    "\u{1f4be}",
    "a\u{300}\u{300}\u{300}",
];

/// Text that some field takes, or just not, or that would do something where it is shown.
pub(crate) fn hostile() -> impl Strategy<Value = String> + Clone {
    const PARTS: &[&str] = &["x", "\u{e9}", "\u{1f4be}", "\n", "\"", "\u{1}", "aws:", "x\nINJECTED"];
    let long = (select(PARTS), length(), select(&["", "a", "b"][..]));
    prop_oneof![
        10 => select(WORDS).prop_map(String::from),
        2 => long.prop_map(|(text, length, end)| text.repeat(length) + end),
        2 => (select(WORDS), select(WORDS)).prop_map(|(one, other)| format!("{one}{other}")),
        2 => vec(any::<char>(), 0..40).prop_map(|all| all.into_iter().collect::<String>()),
        1 => vec(any::<char>(), 0..300).prop_map(|all| all.into_iter().collect::<String>()),
    ]
}

/// At and about the limits of tags, names and messages.
fn length() -> impl Strategy<Value = usize> + Clone {
    prop_oneof![8 => select(&[100_usize, 126, 127, 128, 129, 255, 256, 257, 1024][..]), 1 => Just(30_000)]
}
