//! Words: what came from outside on one line, and no order to a shell; lists that count what they leave out.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use shared::vocabulary::problem::shortened;

/// Lines for each cause or kind. The rest is counted.
pub(super) const MOST_NAMED: usize = 20;
pub(super) const LONGEST_REASON: usize = 500;
const LONGEST_LINE: usize = 390;

/// Text from outside on one line: a tag must not write lines of its own into a mail, nor turn its direction.
pub(super) fn plain(text: &str, most: usize) -> String {
    shortened(&text.replace(is_hidden, " "), most)
}

/// Control characters, those that turn the direction of writing or take no room, and those that XML refuses.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}')
        || matches!(c, '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{FFFE}' | '\u{FFFF}' | '\u{E0000}'..='\u{E007F}')
}

/// An id or a Region in a command: as much of it as a shell takes as it stands, and no option.
pub(super) fn word(text: &str, otherwise: &str) -> String {
    const LONGEST: usize = 64;
    let letters = text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let word: String = letters.skip_while(|c| *c == '-').take(LONGEST).collect();
    if word.is_empty() { otherwise.into() } else { word }
}

/// A name in a command, where half of it would be another name: all of it, in quotes where a shell needs them, or what
/// stands for it.
pub(super) fn name(text: &str, otherwise: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_safe_in_quotes = |c: char| is_plain(c) || matches!(c, ' ' | ':' | '/' | '@' | '+' | '=' | ',');
    let text = shortened(text, 255);
    match text.is_empty() || text.starts_with('-') || !text.chars().all(is_safe_in_quotes) {
        true => otherwise.into(),
        false if text.chars().all(is_plain) => text,
        false => format!("'{text}'"),
    }
}

/// A line for each of the first [`MOST_NAMED`], and how many more there are.
pub(super) fn named<T>(items: &[T], line: impl Fn(&T) -> String) -> String {
    listed(items, MOST_NAMED, line)
}

/// The same, for the first `most`.
pub(super) fn listed<T>(items: &[T], most: usize, line: impl Fn(&T) -> String) -> String {
    let lines = items.iter().take(most).map(|item| format!("  {}\n", line(item)));
    let more = items.len().saturating_sub(most);
    let rest = (more > 0).then(|| format!("  and {more} more\n"));
    lines.chain(rest).collect()
}

/// A line about one thing: whatever its parts say, it is one, and not long.
pub(super) fn line(text: &str) -> String {
    plain(text, LONGEST_LINE)
}

pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

pub(super) fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A command on a line of its own.
pub(super) fn command(text: &mut String, command: &str) {
    let _ = writeln!(text, "  {command}");
}

/// What of `text` fits into `most` bytes, and where the rest is.
pub(super) fn cut(text: &str, most: usize) -> String {
    const CUT: &str = "\n… and more: the rest did not fit into this mail. All dead letters: snapkeep dlq list\n";
    match text.len() > most {
        false => text.into(),
        true => format!("{}{CUT}", &text[..text.floor_char_boundary(most.saturating_sub(CUT.len()))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_whole_or_left_to_the_person() {
        let cases = [
            ("daily", "daily"),
            ("täglich_1.b", "täglich_1.b"),
            ("daily backup", "'daily backup'"),
            ("it's", "NAME"),
            ("a$(reboot)", "NAME"),
            ("a`b`", "NAME"),
            ("a\nb", "NAME"),
            ("--yes", "NAME"),
            ("", "NAME"),
        ];
        for (text, expected) in cases {
            assert_eq!(name(text, "NAME"), expected);
        }
    }

    #[test]
    fn a_word_is_no_option_and_no_second_command() {
        let cases = [("eu-central-1", "eu-central-1"), ("--profile x;y", "profilexy"), ("$()", "REGION")];
        for (text, expected) in cases {
            assert_eq!(word(text, "REGION"), expected);
        }
    }

    #[test]
    fn bytes_count_and_a_character_is_never_halved() {
        let text = "日".repeat(1000);
        assert_eq!(cut(&text, 3000), text);
        for most in [200, 201, 202, 2999] {
            let short = cut(&text, most);
            assert!(short.len() <= most && short.len() > most - 4 && short.contains("did not fit"), "{}", short.len());
        }
    }
}
