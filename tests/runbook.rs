//! Whoever is woken finds what they were woken by: every alarm and every mail has its section in `docs/runbook.md`.

use std::collections::BTreeSet;
use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// The anchors of the headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    headings.map(anchor).collect()
}

/// What stands between `start` and `end`, each time.
fn between<'a>(text: &'a str, start: &'a str, end: &'a [char]) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).map(move |rest| rest.split(end).next().unwrap())
}

#[test]
fn every_alarm_links_to_a_section_of_the_runbook_under_its_own_name() {
    let sections = anchors(&read("docs/runbook.md"));
    for (template, alarms) in [("infra/template.yaml", 10), ("infra/policy.yaml", 2)] {
        let text = read(template);
        let bodies: Vec<&str> = text.split("Type: AWS::CloudWatch::Alarm").skip(1).collect();
        assert_eq!(bodies.len(), alarms, "{template}");
        for body in bodies {
            let name = between(body, "AlarmName: !Sub \"", &['"']).next().unwrap();
            let section = between(body, "#", &['\n', ' ']).next().unwrap();
            assert!(name.contains(section), "{name} links to {section}");
            assert!(sections.contains(section), "{name}: docs/runbook.md has no section {section}");
            let description = between(body, "AlarmDescription:", &['#']).next().unwrap();
            assert!(
                description.contains("ype: ") && description.contains("Runbook: ${Runbook"),
                "{name}: what to type?"
            );
            let is_decided =
                body.contains("TreatMissingData: breaching") || body.contains("TreatMissingData: notBreaching");
            assert!(is_decided, "{name}: what does silence mean?");
        }
    }
}

/// Each kind of report with the section that its mail leads to.
const MAILS: [(&str, &str); 10] = [
    ("DeadLetter", "n-volumes-not-backed-up"),
    ("Unreadable", "n-unreadable-jobs"),
    ("Planning", "run-not-planned-everywhere"),
    ("Retention", "stopped-by-the-cap-nothing-deleted"),
    ("Coverage", "n-volumes-not-covered"),
    ("LaneHeld", "a-lane-waits"),
    ("LaneResumed", "n-dead-letters-dropped--resolved---goes-on"),
    ("Resolved", "n-dead-letters-dropped--resolved---goes-on"),
    ("Dropped", "n-dead-letters-dropped--resolved---goes-on"),
    ("Drill", "a-drill-failed"),
];

#[test]
fn every_mail_has_its_section_in_the_runbook() {
    let sections = anchors(&read("docs/runbook.md"));
    let text = read("shared/src/vocabulary/report.rs");
    let kinds = between(&text, "pub enum Report {", &['}']).next().unwrap();
    let kinds = kinds.lines().map(str::trim).filter(|line| line.starts_with(char::is_uppercase));
    let kinds: Vec<&str> = kinds.map(|line| line.split('(').next().unwrap()).collect();
    assert!(kinds.len() >= 8, "{kinds:?}");
    for kind in kinds {
        let row = MAILS.iter().find(|(name, _)| *name == kind);
        let (_, section) = row.unwrap_or_else(|| panic!("{kind} has no section of the runbook in this table"));
        assert!(sections.contains(*section), "{kind}: docs/runbook.md has no section {section}");
    }
    // What comes without a report of ours.
    for section in ["an-unreadable-message", "n-snapshots-failed-in-ebs", "n-findings"] {
        assert!(sections.contains(section), "{section}");
    }
}

#[test]
fn no_link_into_the_runbook_leads_nowhere() {
    let runbook = read("docs/runbook.md");
    let others = ["README.md", "OPERATIONS.md", "infra/README.md"].map(read).join("\n");
    let sections = anchors(&runbook);
    let within = between(&runbook, "](#", &[')']);
    let links: BTreeSet<&str> = within.chain(between(&others, "docs/runbook.md#", &[')', ' ', '`'])).collect();
    assert!(links.len() > 10);
    for link in links {
        assert!(sections.contains(link), "{link}");
    }
}
