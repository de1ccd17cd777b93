//! Single values: what a tag, a variable or a person says in one word.

use proptest::prelude::*;
use shared::aws::sqs::sqs_text;
use shared::vocabulary::job::{is_account, is_region, is_volume};
use shared::vocabulary::orphans::Orphans;
use shared::vocabulary::policy::Regions;
use shared::vocabulary::retain::RetainRule;
use shared::vocabulary::slot::Slot;

use crate::hostile::hostile;
use crate::{Least, Reached, check_refusal, fuzz, is_sqs_text};

#[test]
fn a_word_that_is_read_is_written_as_it_is_read() {
    // A part of one, its end twice, or two of them with something in between.
    let parts = (hostile(), any::<prop::sample::Index>(), hostile(), 0_u8..4);
    let words = parts.prop_map(|(text, at, other, how)| {
        let (one, two) = text.split_at(text.floor_char_boundary(at.index(text.len() + 1)));
        match how {
            0 | 1 => text,
            2 => format!("{one}{two}{two}"),
            _ => format!("{one}{other}{two}"),
        }
    });
    fuzz("words", &words, Least { inside: 35, the_end: 4 }, |text| check(&text));
}

fn check(text: &str) -> Result<Reached, TestCaseError> {
    check_sent(text)?;
    let mut taken = usize::from(is_account(text)) + usize::from(is_region(text)) + usize::from(is_volume(text));
    if let Ok(rule) = text.parse::<RetainRule>() {
        prop_assert_eq!(rule.to_string().parse(), Ok(rule), "{}", text);
        taken += 1;
    }
    if let Ok(slot) = text.parse::<Slot>() {
        prop_assert_eq!(slot.to_string().parse(), Ok(slot), "{}", text);
        taken += 1;
    }
    if let Ok(orphans) = text.parse::<Orphans>() {
        prop_assert_eq!(orphans.to_string().parse(), Ok(orphans), "{}", text);
        taken += 1;
    }
    match Regions::parse("regions", text) {
        Ok(_) => taken += 1,
        Err(problem) => check_refusal(&problem)?,
    }
    let is_short = text.len() < 30 && text.is_ascii();
    Ok(if taken > 0 {
        Reached::TheEnd
    } else if is_short {
        Reached::Inside
    } else {
        Reached::Nothing
    })
}

/// What goes to SQS has as many characters, and those that SQS takes are the same.
fn check_sent(text: &str) -> Result<(), TestCaseError> {
    let sent = sqs_text(text);
    prop_assert!(is_sqs_text(&sent), "{sent:?}");
    let are_kept = text.chars().zip(sent.chars()).all(|(one, other)| one == other || !is_sqs_text(&one.to_string()));
    prop_assert!(are_kept && sent.chars().count() == text.chars().count(), "{text:?} {sent:?}");
    prop_assert_eq!(sqs_text(&sent), sent);
    Ok(())
}
