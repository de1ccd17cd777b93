//! Asking a person, who says no unless it is yes.

use std::io::{IsTerminal, Write, stderr, stdin};

use tokio::sync::oneshot;

use crate::Error;
use crate::stop::Stop;

/// Asks on the terminal; the answer is no unless it is yes. Where nobody can answer, `--yes` must have been said.
pub(crate) async fn confirmed(question: &str, stop: &Stop) -> Result<bool, Error> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(Error::Usage("nothing was done: nobody can be asked here. To do what was shown, add --yes".into()));
    }
    eprint!("{question} [y/N] ");
    let _ = stderr().flush();
    let (sender, answer) = oneshot::channel();
    // A thread of its own, that nobody waits for at the end: who stops here types nothing more.
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = sender.send(stdin().read_line(&mut line).map(|_| line));
    });
    tokio::select! {
        answer = answer => Ok(matches!(answer, Ok(Ok(line)) if matches!(line.trim(), "y" | "Y" | "yes"))),
        () = stop.reached() => Ok(false),
    }
}
