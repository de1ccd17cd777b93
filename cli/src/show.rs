//! Results onto standard output.

use std::io::{ErrorKind, Write, stdout};

/// Writes text and a line's end. A reader that has gone, such as `head`, has seen enough: that is no error.
pub(crate) fn show(text: &str) {
    match writeln!(stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("snapkeep: could not show the result: {error}")
        }
        _ => {}
    }
}
