//! CSV: a line for each volume, and one for each place that nobody knows. <https://www.rfc-editor.org/rfc/rfc4180>

use chrono::{DateTime, SecondsFormat, Utc};

use super::Audited;

const HEADS: &str =
    "policy,account,region,volume,name,instance,verdict,since,newest_backup,snapshot,archived,missed,why";

/// All that is shown.
pub(super) fn csv(all: &[Audited], now: DateTime<Utc>) -> String {
    let mut lines = vec![String::from(HEADS)];
    for Audited { coverage, rows } in all {
        let policy = &coverage.policy;
        lines.extend(rows.iter().map(|row| {
            let newest = row.newest.as_ref();
            let time = |time: Option<DateTime<Utc>>| {
                time.map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default()
            };
            line(&[
                policy,
                &row.account,
                &row.region,
                &row.volume,
                row.name.as_deref().unwrap_or_default(),
                row.instance.as_deref().unwrap_or_default(),
                row.verdict.word(),
                &time(row.verdict.since()),
                &time(newest.map(|newest| newest.at)),
                newest.map(|newest| newest.snapshot.as_str()).unwrap_or_default(),
                &newest.is_some_and(|newest| newest.is_archived).to_string(),
                &row.is_missed.to_string(),
                &row.verdict.why(now),
            ])
        }));
        let unknown = |account: &str, region: &str, why: &str| {
            line(&[policy, account, region, "", "", "", "unknown", "", "", "", "", "", why])
        };
        lines.extend(coverage.errors.iter().map(|error| unknown("", "", error)));
        let regions = coverage.regions.iter();
        lines.extend(
            regions.filter_map(|region| Some(unknown(&region.account, &region.region, region.error.as_ref()?))),
        );
    }
    lines.join("\n")
}

fn line(fields: &[&str]) -> String {
    fields.iter().map(|text| field(text)).collect::<Vec<_>>().join(",")
}

/// A field that a spreadsheet does not take for a formula: a tag is hostile input.
/// <https://owasp.org/www-community/attacks/CSV_Injection>
fn field(text: &str) -> String {
    let text = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.into(),
    };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tag_says_stays_in_its_field_and_is_no_formula() {
        let cases = [
            ("db", "db"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("@SUM(1,2)", "\"'@SUM(1,2)\""),
        ];
        for (text, expected) in cases {
            assert_eq!(field(text), expected);
        }
    }
}
