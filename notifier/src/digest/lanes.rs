//! Lanes that wait until a person has mended their configuration, and lanes that go on.

use std::collections::BTreeMap;

use shared::vocabulary::job::Lane;
use shared::vocabulary::report::{LaneHeld, LaneResumed};

use super::look::{Place, look};
use super::section::{Section, Severity};
use super::text::{LONGEST_REASON, MOST_NAMED, counted, line, named, plain, time};

/// Lanes that wait: each once, however many batches ran into it.
pub(super) fn held(reports: &[LaneHeld]) -> Option<Section> {
    let mut lanes = BTreeMap::<(Lane, &str), &LaneHeld>::new();
    for report in reports {
        lanes.entry((lane(report), &report.code)).or_insert(report);
    }
    let first = lanes.values().next()?;
    let headline = match lanes.len() {
        1 => format!("{} waits: {}", plain(&first.region, 30), plain(&first.code, 60)),
        count => format!("{} wait", counted(count, "lane")),
    };
    let mut text: String = lanes.iter().take(MOST_NAMED).map(|((lane, _), report)| waiting(lane, report)).collect();
    let more = lanes.len().saturating_sub(MOST_NAMED);
    text.push_str(&if more > 0 { format!("And {} that wait.\n", counted(more, "more lane")) } else { String::new() });
    Some(Section { severity: Severity::Error, headline, text })
}

fn waiting(lane: &Lane, report: &LaneHeld) -> String {
    let lane = line(&format!("The lane {lane} waits since {}.", time(report.at)));
    let (code, message) = (plain(&report.code, 100), plain(&report.message, LONGEST_REASON));
    let request = report.request_id.as_deref().map(|id| format!("  Request id for AWS Support: {}\n", plain(id, 100)));
    let give_up = match report.give_up_at {
        Some(at) => format!("from {} on they give up", time(at)),
        None => "they give up at their deadlines".into(),
    };
    let place = Place { action: report.action, region: &report.region, volume: None };
    format!(
        "{lane}\n\n{code}: {message}\n\
         \x20 No retry mends it, and it is not about one volume: the rest of the lane's jobs wait, and use up no attempt.\n\
         \x20 Mend it, and they go on by themselves, as a rule within half an hour; nothing needs to be sent again.\n\
         \x20 If nobody does, {give_up}, and go to the dead-letter queue.\n\
         {}  Look: {}\n",
        request.unwrap_or_default(),
        look(&report.code, place)
    )
}

/// Lanes that go on.
pub(super) fn resumed(reports: &[LaneResumed]) -> Option<Section> {
    let first = reports.first()?;
    let headline = match reports.len() {
        1 => format!("{} goes on", plain(&first.region, 30)),
        count => format!("{} go on", counted(count, "lane")),
    };
    let text = named(reports, |LaneResumed { account, region, action, since, at, .. }| {
        let lane = Lane { account: account.clone(), region: region.clone(), action: *action };
        line(&format!("{lane} goes on since {}; it had waited since {}", time(*at), time(*since)))
    });
    let text = format!("Good news: what held up these lanes is mended.\n\n{text}");
    Some(Section { severity: Severity::Info, headline, text })
}

fn lane(report: &LaneHeld) -> Lane {
    Lane { account: report.account.clone(), region: report.region.clone(), action: report.action }
}

/// Whether the lane has gone on since.
pub(super) fn goes_on(report: &LaneHeld, resumed: &[LaneResumed]) -> bool {
    let is_lane = |resumed: &&LaneResumed| {
        (&resumed.account, &resumed.region, resumed.action) == (&report.account, &report.region, report.action)
    };
    resumed.iter().filter(is_lane).any(|resumed| resumed.at >= report.at)
}
