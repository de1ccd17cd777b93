//! How far volumes are, on standard error: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How many of some volumes are as they are wanted.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    count: usize,
    told: Option<usize>,
}

impl Progress {
    pub fn new(count: usize, what: &'static str) -> Self {
        let bar = (count > 0 && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{spinner} {bar:20} {pos}/{len} {msg} {elapsed:>4}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─");
            let bar = ProgressBar::new(count as u64).with_style(style).with_message(what);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, what, count, told: None }
    }

    /// Shows that so many are.
    pub fn at(&mut self, done: usize) {
        match &self.bar {
            Some(bar) => bar.set_position(done as u64),
            None if self.told != Some(done) && self.count > 0 => {
                eprintln!("snapkeep: {done} of {} {}", self.count, self.what);
            }
            None => {}
        }
        self.told = Some(done);
    }

    pub fn end(self) {
        self.bar.into_iter().for_each(|bar| bar.abandon());
    }
}
