//! EC2's filters: values are OR, filters are AND, `*` and `?` are wildcards unless a `\` stands before them.
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>

/// One filter of a Describe call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Such as `tag:Backup` or `status`.
    pub name: String,
    values: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Literal(char),
    Any,
    Many,
}

impl Filter {
    /// A filter that lets through what has one of `values` for `name`.
    pub fn new(name: &str, values: Vec<String>) -> Self {
        Self { name: name.into(), values: values.iter().map(|value| Pattern::read(value)).collect() }
    }

    /// The same, of values that are meant as they stand.
    pub fn literal(name: &str, values: Vec<String>) -> Self {
        let pattern = |value: &String| Pattern(value.chars().map(Piece::Literal).collect());
        Self { name: name.into(), values: values.iter().map(pattern).collect() }
    }

    /// Whether one of `found` matches one of the filter's values.
    pub fn matches<'a>(&self, found: impl IntoIterator<Item = &'a str>) -> bool {
        found.into_iter().any(|text| self.values.iter().any(|pattern| pattern.matches(text)))
    }

    /// The values, where none of them has a wildcard: what an index can look up.
    pub fn literals(&self) -> Option<Vec<String>> {
        self.values.iter().map(Pattern::literal).collect()
    }
}

impl Pattern {
    fn read(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            pieces.push(match c {
                '*' => Piece::Many,
                '?' => Piece::Any,
                '\\' => Piece::Literal(rest.next().unwrap_or('\\')),
                c => Piece::Literal(c),
            });
        }
        Self(pieces)
    }

    fn literal(&self) -> Option<String> {
        let literals = self.0.iter().map(|piece| match piece {
            Piece::Literal(c) => Some(*c),
            Piece::Any | Piece::Many => None,
        });
        literals.collect()
    }

    /// Greedy with one step back: linear in the text for each `*`, whatever the pattern.
    fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut piece) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(piece) {
                Some(Piece::Many) => {
                    retry = Some((piece, at));
                    piece += 1;
                }
                Some(Piece::Any) => (at, piece) = (at + 1, piece + 1),
                Some(Piece::Literal(c)) if *c == text[at] => (at, piece) = (at + 1, piece + 1),
                _ => match retry {
                    Some((star, from)) => {
                        retry = Some((star, from + 1));
                        (at, piece) = (from + 1, star + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0[piece..].iter().all(|piece| *piece == Piece::Many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        let filter = Filter::new("tag:x", vec![pattern.into()]);
        assert_eq!(filter.matches([text]), expected, "{pattern} on {text}");
    }

    #[test]
    fn wildcards_match_and_escaped_ones_stand_for_themselves() {
        check("true", "true", true);
        check("true", "True", false);
        check("tr*", "true", true);
        check("*", "", true);
        check("t?ue", "true", true);
        check("t?ue", "tue", false);
        check("*a*b*c", "xxaxxbxxc", true);
        check("*a*b*c", "xxaxxbxx", false);
        check(r"\*", "*", true);
        check(r"\*", "true", false);
        check(r"a\?b", "a?b", true);
        check(r"a\?b", "axb", false);
        check(r"a\\b", r"a\b", true);
        check("", "", true);
        check("", "x", false);
    }

    #[test]
    fn a_hostile_pattern_is_quick() {
        check(&"*a".repeat(120), &"a".repeat(20_000), true);
        check(&format!("{}b", "*a".repeat(100)), &"a".repeat(20_000), false);
    }
}
