//! Progress of long work on standard error: a bar for each Region on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use shared::rules::pace::Pace;
use shared::vocabulary::job::{Job, Lane};
use shared::vocabulary::problem::shortened;
use tokio::time::Instant;

use crate::in_process::Event;
use crate::outcome::Counts;
use crate::table::plain;

/// Where progress is shown.
#[derive(Debug)]
pub(crate) enum Progress {
    Bars { all: MultiProgress, bars: BTreeMap<Lane, ProgressBar> },
    Lines { last: BTreeMap<Lane, Instant> },
}

/// Between two lines about one Region that only goes on.
const QUIET: Duration = Duration::from_secs(10);

impl Progress {
    /// Bars where a person looks, lines where a log is kept.
    pub fn new() -> Self {
        match std::io::stderr().is_terminal() {
            true => Self::Bars { all: MultiProgress::new(), bars: BTreeMap::new() },
            false => Self::Lines { last: BTreeMap::new() },
        }
    }

    /// Shows what happened, in a Region that is as `counts` says and goes at `pace`.
    pub fn show(&mut self, event: &Event<'_>, counts: Counts, pace: Option<&Pace>) {
        let job = event.job();
        let news = match event {
            Event::Again(job) => Some(format!("{} waits: {}", job.volume, reason(job))),
            Event::Dead(job) => Some(format!("{} failed: {}", job.volume, reason(job))),
            Event::Queued(_) | Event::Finished(..) => None,
        };
        let is_end = counts.ended() == counts.jobs;
        match self {
            Self::Bars { all, bars } => {
                let bar = bars.entry(job.lane()).or_insert_with(|| bar(all, &job.region));
                bar.set_length(counts.jobs as u64);
                bar.set_position(counts.ended() as u64);
                let message = if is_end { Some(end(counts, pace)) } else { news.or_else(|| throttled(pace)) };
                message.into_iter().for_each(|message| bar.set_message(message));
            }
            Self::Lines { last } => {
                news.into_iter().for_each(|news| eprintln!("{}: {news}", job.region));
                let last = last.entry(job.lane()).or_insert_with(Instant::now);
                let is_verdict = matches!(event, Event::Finished(..) | Event::Dead(_));
                if (is_end && is_verdict) || last.elapsed() >= QUIET {
                    let note = throttled(pace).map_or(String::new(), |note| format!(", {note}"));
                    eprintln!("{}: {} of {} done{note}", job.region, counts.ended(), counts.jobs);
                    *last = Instant::now();
                }
            }
        }
    }

    /// Leaves the bars as they are.
    pub fn end(self) {
        if let Self::Bars { bars, .. } = self {
            bars.into_values().for_each(|bar| bar.abandon());
        }
    }
}

fn end(counts: Counts, pace: Option<&Pace>) -> String {
    let failed = (counts.failed > 0).then(|| format!("{} failed", counts.failed));
    let parts: Vec<String> = failed.into_iter().chain(throttled_times(pace)).collect();
    parts.join(", ")
}

fn throttled(pace: Option<&Pace>) -> Option<String> {
    Some(format!("{}, now {:.1} calls/s", throttled_times(pace)?, pace?.rate(Instant::now().into_std())))
}

fn throttled_times(pace: Option<&Pace>) -> Option<String> {
    let calls = pace?.throttled_calls();
    (calls > 0).then(|| format!("throttled {calls} times"))
}

fn bar(all: &MultiProgress, region: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:16} {bar:20} {pos:>6}/{len:6} {elapsed:>4} {wide_msg}");
    let bar = all.add(ProgressBar::new(0));
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
    bar.set_prefix(String::from(region));
    bar
}

fn reason(job: &Job) -> String {
    job.failure
        .as_ref()
        .map_or(String::new(), |failure| plain(&format!("{}: {}", failure.code, shortened(&failure.message, 120))))
}
