//! The diagnosis for people: the worst first, and no line wider than a terminal.

use textwrap::{Options, WordSeparator, WordSplitter, fill, wrap};

use super::finding::{Diagnosis, Finding, Severity};
use super::words::counted;

const WIDTH: usize = 80;
const INDENT: &str = "         ";

/// All of it. `looked` says what was looked at, `figures` what is no finding.
pub(crate) fn text(looked: &str, diagnosis: &Diagnosis, figures: &[String]) -> String {
    let mut parts = vec![paragraph("", looked)];
    parts.extend(diagnosis.findings.iter().map(finding));
    parts.push(list("", figures));
    parts.push(list("Could not be looked at:", &diagnosis.unseen));
    parts.push(list("Not checked:", &diagnosis.not_made));
    parts.push(paragraph("", &result(diagnosis)));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

fn finding(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error    ",
        Severity::Warning => "warning  ",
        Severity::Notice => "notice   ",
    };
    let lines = [
        paragraph(severity, &finding.what),
        paragraph(&format!("{INDENT}where  "), &finding.at),
        paragraph(&format!("{INDENT}why    "), &finding.why),
        command(&format!("{INDENT}type   "), &finding.advice),
    ];
    lines.join("\n")
}

/// What is wrapped goes on under its first word.
fn paragraph(head: &str, text: &str) -> String {
    fill(text, options(head, &" ".repeat(head.len())))
}

/// A command that is broken can be copied all the same. One with quotes is left as it is: in them a backslash is one.
fn command(head: &str, text: &str) -> String {
    let is_command = text.starts_with("aws ") || text.starts_with("snapkeep ");
    match is_command {
        false => paragraph(head, text),
        true if text.contains('\'') => format!("{head}{text}"),
        true => {
            let indent = " ".repeat(head.len() + 2);
            let lines = wrap(text, options(head, &indent).word_splitter(WordSplitter::NoHyphenation));
            lines.join(" \\\n")
        }
    }
}

fn options<'a>(head: &'a str, indent: &'a str) -> Options<'a> {
    let options = Options::new(WIDTH - 2).initial_indent(head).subsequent_indent(indent).break_words(false);
    options.word_separator(WordSeparator::AsciiSpace).word_splitter(WordSplitter::NoHyphenation)
}

fn list(head: &str, lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| paragraph_of_list(line)).collect();
    match (head.is_empty(), lines.is_empty()) {
        (_, true) => String::new(),
        (true, _) => lines.join("\n"),
        (false, _) => format!("{head}\n{}", lines.join("\n")),
    }
}

fn paragraph_of_list(line: &str) -> String {
    fill(line, options("- ", "  "))
}

fn result(diagnosis: &Diagnosis) -> String {
    let count = |severity| diagnosis.findings.iter().filter(|finding| finding.severity == severity).count();
    match (diagnosis.findings.is_empty(), diagnosis.unseen.is_empty()) {
        (true, true) => "Nothing found.".into(),
        (true, false) => "Nothing found in what could be looked at.".into(),
        _ => {
            let kinds = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Notice, "notice")];
            let kinds = kinds.map(|(severity, word)| (count(severity), word));
            let kinds: Vec<String> =
                kinds.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| counted(count, word)).collect();
            format!("Found: {}.", kinds.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(advice: &str) -> Diagnosis {
        let finding = Finding {
            severity: Severity::Warning,
            check: "typos",
            what: "3 instances with Backup=True, and daily selects Backup=true".into(),
            at: "123456789012 eu-central-1".into(),
            why: "Not backed up by daily: i-0123456789abcdef0, i-0123456789abcdef1, i-0123456789abcdef2.".into(),
            advice: advice.into(),
        };
        Diagnosis { findings: vec![finding], ..Diagnosis::default() }
    }

    #[test]
    fn no_line_is_wider_than_a_terminal_and_a_command_can_be_copied() {
        let advice =
            "aws ec2 create-tags --region eu-central-1 --resources i-0123456789abcdef0 --tags Key=Backup,Value=true";
        let text = text("Looked at 1 policy.", &one(advice), &[]);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        let (_, command) = text.split_once("type   ").unwrap();
        let command = command.split("\n\n").next().unwrap().replace(" \\\n", " ");
        assert_eq!(command.split_whitespace().collect::<Vec<_>>().join(" "), advice);
        assert!(text.ends_with("Found: 1 warning."), "{text}");
    }

    #[test]
    fn a_command_with_quotes_stays_in_one_piece() {
        let advice = format!("aws ec2 create-tags --tags 'Key=Backup,Value={}'", "a b ".repeat(30));
        assert!(text("Looked.", &one(&advice), &[]).contains(&advice));
    }
}
