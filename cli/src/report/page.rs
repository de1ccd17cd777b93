//! The report as one HTML file that loads nothing.
//!
//! The page is a template, a style and a script that are always the same, and the data as JSON. Nothing that anybody else
//! wrote becomes HTML here: it stands in the JSON, from which the script makes text. The page's own security policy lets
//! nothing run but this very script, whatever a tag says.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use super::data::{Data, Group};

const TEMPLATE: &str = include_str!("page/template.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = concat!(
    "\"use strict\";\n(() => {\n",
    include_str!("page/dom.js"),
    include_str!("page/verdicts.js"),
    include_str!("page/summary.js"),
    include_str!("page/tree.js"),
    include_str!("page/grid.js"),
    include_str!("page/filters.js"),
    include_str!("page/charts.js"),
    include_str!("page/main.js"),
    "})();\n"
);

/// The whole file.
pub fn html(data: &Data) -> String {
    let at = data.at.format("%Y-%m-%d %H:%M UTC").to_string();
    let fields = [
        ("{{style-hash}}", hash(STYLE)),
        ("{{script-hash}}", hash(SCRIPT)),
        ("{{version}}", data.version.into()),
        ("{{style}}", STYLE.into()),
        ("{{at}}", at),
        ("{{in-short}}", in_short(&data.groups)),
        ("{{data}}", json(data)),
        ("{{script}}", SCRIPT.into()),
    ];
    let (mut page, mut rest) = (String::new(), TEMPLATE);
    // From the front to the back, so that what is filled in is never searched: data may say `{{script}}`.
    for (name, value) in fields {
        let (before, after) = rest.split_once(name).unwrap_or((rest, ""));
        page += before;
        page += &value;
        rest = after;
    }
    page + rest
}

/// Of a source in a security policy: <https://www.w3.org/TR/CSP3/#grammardef-hash-source>
fn hash(source: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(source)))
}

/// JSON in which nothing can be taken for HTML: outside of strings these characters do not stand in JSON, and inside
/// they may be written so. <https://html.spec.whatwg.org/multipage/scripting.html#restrictions-for-contents-of-script-elements>
fn json(data: &Data) -> String {
    let json = serde_json::to_string(data).unwrap_or_else(|_| "null".into());
    json.chars().fold(String::with_capacity(json.len()), |mut safe, c| {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => safe += &format!("\\u{:04x}", c as u32),
            c => safe.push(c),
        }
        safe
    })
}

/// In a line, for a browser that runs no script and for a terminal.
pub fn in_short(groups: &[Group]) -> String {
    let today = || groups.iter().flat_map(|group| &group.volumes).filter_map(|volume| volume.days.chars().last());
    let covered = today().filter(|day| matches!(day, 'f' | 'p')).count();
    let uncovered = today().filter(|day| matches!(day, 's' | 'n' | 'e')).count();
    format!("{covered} of {} volumes covered, {uncovered} not", covered + uncovered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_has_each_field_once_and_in_order() {
        let names = TEMPLATE.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0));
        let expected = ["style-hash", "script-hash", "version", "style", "at", "in-short", "data", "script"];
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_script_and_the_style_cannot_end_their_elements() {
        assert!(!SCRIPT.contains("</") && !SCRIPT.contains("<!--"));
        assert!(!STYLE.contains("</"));
    }

    #[test]
    fn no_text_is_ever_read_as_html() {
        for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser", "srcdoc"] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
    }
}
