//! The manual's table of fates is the code's: written from it, and compared with it.

use std::fmt::Write;
use std::path::Path;

use shared::rules::fate::{FATES, Reach};
use shared::vocabulary::class::Class;

const MANUAL: &str = include_str!("../../OPERATIONS.md");
const BEGIN: &str = "<!-- the table of fates: written by shared/tests/manual.rs -->\n";
const END: &str = "<!-- the end of the table -->\n";

fn table() -> String {
    let mut text = String::from("| error | of | class | why |\n|---|---|---|---|\n");
    for class in Class::ALL {
        for row in FATES.iter().filter(|row| row.class == class) {
            let several = match (row.class, row.reach) {
                (Class::Configuration, Reach::Unknown) => {
                    "; where several volumes of a lane are refused and none is not"
                }
                _ => "",
            };
            let _ = writeln!(text, "| `{}` | {} | {class} | {}{several} |", row.code, row.source, row.why);
        }
    }
    text
}

#[test]
fn the_manual_has_the_table_of_fates_as_the_code_has_it() {
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fates.md");
    std::fs::write(&written, table()).unwrap();
    let (_, rest) = MANUAL.split_once(BEGIN).unwrap();
    let (in_manual, _) = rest.split_once(END).unwrap();
    assert_eq!(in_manual, table(), "take over what stands in {}", written.display());
}

#[test]
fn the_manual_says_of_each_class_what_happens() {
    for class in Class::ALL {
        assert!(MANUAL.contains(&format!("| **{class}** |")), "{class}");
    }
}
