use serde_json::Value;

use super::samples::{
    alarm, all, at, coverage, dead, drill, dropped, ebs, held, letter, news, planning, resolved, resumed, retention,
    unreadable,
};
use super::*;

/// The one alert that these make.
fn alert(subjects: impl IntoIterator<Item = Subject>) -> Alert {
    let news = subjects.into_iter().enumerate().map(|(n, subject)| news(&format!("m-{n}"), subject)).collect();
    let mut alerts = alerts(news);
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    alerts.remove(0)
}

fn report(report: Report) -> Alert {
    alert([Subject::Report(report)])
}

fn of_letter(letter: DeadLetter) -> Alert {
    report(Report::DeadLetter(letter))
}

#[test]
fn a_person_reads_what_where_why_since_when_and_what_to_type() {
    let message = "The customer master key used by the volume has been revoked.";
    let alert = of_letter(letter("daily", 1, "CustomerKeyHasBeenRevoked", message));
    assert_eq!(alert.subject, "snapkeep daily: 1 volume not backed up");
    insta::assert_snapshot!(alert.text, @r#"
    Policy daily: 1 volume not backed up.

    CustomerKeyHasBeenRevoked: The customer master key used by the volume has been revoked.
      1 volume
      vol-00000000000000001 "db" of i-0123456789abcdef0 in eu-central-1, account 123456789012: slot 2026-11-20T02:00:00Z, 1 attempt, failing since 2026-11-20 02:00:07 UTC
      Look: aws kms describe-key --region eu-central-1 --key-id $(aws ec2 describe-volumes --region eu-central-1 --volume-ids vol-00000000000000001 --query 'Volumes[0].KmsKeyId' --output text)

    The jobs are in the dead-letter queue with these reasons; nothing is tried again by itself. See them:
      snapkeep dlq list --policy daily
    When a cause is mended, send its jobs back:
      snapkeep dlq redrive --policy daily --code CustomerKeyHasBeenRevoked
    Or take what is missing, and only that, from the policy's file:
      snapkeep run --file daily.json --slot 2026-11-20T02:00:00Z
    "#);
}

#[test]
fn what_gave_up_at_its_deadline_says_so() {
    let mut letter = letter("daily", 1, "ConcurrentSnapshotLimitExceeded", "too many are pending");
    letter.attempts = 2;
    letter.failure.class = Some(shared::vocabulary::class::Class::Quota);
    letter.failure.gave_up = Some(at(23 * 60));
    let text = of_letter(letter).text;
    assert!(text.contains("  1 volume: a limit that did not pass in time\n"), "{text}");
    assert!(
        text.contains(
            "2 attempts, failing since 2026-11-20 02:00:07 UTC, gave up at its deadline 2026-11-21 01:00:07 UTC\n"
        ),
        "{text}"
    );
}

#[test]
fn each_policy_gets_one_message_and_each_cause_is_told_once() {
    let mut news: Vec<News> = (0..3).map(|n| dead(letter("daily", n, "SnapshotLimitExceeded", "too many"))).collect();
    news.extend((3..503).map(|n| dead(letter("daily", n, "InternalError", "An internal error"))));
    // One volume in many slots is one volume.
    news.extend((0..600).map(|_| dead(letter("daily", 0, "AnError", "of one volume"))));
    news.push(dead(letter("hourly", 9, "InternalError", "An internal error")));
    let found = alerts(news);
    let subjects: Vec<&str> = found.iter().map(|alert| alert.subject.as_str()).collect();
    assert_eq!(subjects, ["snapkeep daily: 503 volumes not backed up", "snapkeep hourly: 1 volume not backed up"]);
    let text = &found[0].text;
    assert_eq!(text.matches("\nInternalError: ").count(), 1);
    assert!(text.contains("and 480 more"), "{text}");
    let places = ["InternalError", "SnapshotLimitExceeded", "AnError"].map(|code| text.find(code).unwrap());
    assert!(places.is_sorted(), "most volumes first: {text}");
}

#[test]
fn every_report_is_accounted_for() {
    let news: Vec<News> = (0..10_000).map(|n| dead(letter("daily", n, "InternalError", "x"))).collect();
    let mut ids: Vec<String> = news.iter().map(|news| news.message.clone()).collect();
    let mut alerts = alerts(news);
    alerts[0].messages.sort();
    ids.sort();
    assert_eq!((alerts.len(), &alerts[0].messages), (1, &ids));
    assert!(alerts[0].subject.contains("10000 volumes") && alerts[0].text.contains("and 9980 more"));
}

#[test]
fn a_lane_that_waits_says_what_is_wrong_and_that_nothing_needs_to_be_sent_again() {
    let alert = report(Report::LaneHeld(held()));
    assert_eq!(
        (alert.subject.as_str(), alert.severity),
        ("snapkeep daily: eu-central-1 waits: UnauthorizedOperation", Severity::Error)
    );
    insta::assert_snapshot!(alert.text, @r#"
    The lane 123456789012/eu-central-1/snapshot waits since 2026-11-20 02:00:07 UTC.

    UnauthorizedOperation: could not create a snapshot of vol-00000000000000001 in eu-central-1: You are not authorized
      No retry mends it, and it is not about one volume: the rest of the lane's jobs wait, and use up no attempt.
      Mend it, and they go on by themselves, as a rule within half an hour; nothing needs to be sent again.
      If nobody does, from 2026-11-21 01:00:07 UTC on they give up, and go to the dead-letter queue.
      Request id for AWS Support: 4f0d7a3e-0000-4000-8000-000000000000
      Look: aws sts get-caller-identity, and the permissions of the worker's role in eu-central-1
    "#);
}

#[test]
fn a_lane_that_two_batches_ran_into_is_one_lane() {
    let later = LaneHeld { at: at(1), ..held() };
    let other = LaneHeld { region: "us-east-1".into(), ..held() };
    let text = alert([held(), later].map(Report::LaneHeld).map(Subject::Report)).text;
    assert_eq!(text.matches("The lane ").count(), 1, "{text}");
    let alert = alert([held(), other].map(Report::LaneHeld).map(Subject::Report));
    assert_eq!(alert.subject, "snapkeep daily: 2 lanes wait");
    assert!(
        alert.text.contains("123456789012/eu-central-1/snapshot")
            && alert.text.contains("123456789012/us-east-1/snapshot")
    );
}

#[test]
fn a_lane_that_goes_on_is_good_news() {
    let alert = report(Report::LaneResumed(resumed()));
    assert_eq!(
        (alert.subject.as_str(), alert.severity),
        ("snapkeep daily: resolved, eu-central-1 goes on", Severity::Info)
    );
    insta::assert_snapshot!(alert.text, @r#"
    Good news: what held up these lanes is mended.

      123456789012/eu-central-1/snapshot goes on since 2026-11-20 03:35:07 UTC; it had waited since 2026-11-20 02:00:07 UTC
    "#);
}

#[test]
fn volumes_backed_up_after_all_are_good_news() {
    let alert = alert((0..3).map(|number| Subject::Report(Report::Resolved(resolved(number)))));
    assert_eq!(
        (alert.subject.as_str(), alert.severity),
        ("snapkeep daily: resolved, 3 volumes backed up after all", Severity::Info)
    );
    insta::assert_snapshot!(alert.text, @r#"
    Good news: 3 volumes backed up after all. You were told that they had failed.

      vol-00000000000000000 "db" in eu-central-1, account 123456789012: slot 2026-11-20T02:00:00Z, snapshot snap-0123456789abcdef0, at 2026-11-20 03:35:07 UTC; had failed at 2026-11-20 02:00:07 UTC
      vol-00000000000000001 "db" in eu-central-1, account 123456789012: slot 2026-11-20T02:00:00Z, snapshot snap-0123456789abcdef0, at 2026-11-20 03:35:07 UTC; had failed at 2026-11-20 02:00:07 UTC
      vol-00000000000000002 "db" in eu-central-1, account 123456789012: slot 2026-11-20T02:00:00Z, snapshot snap-0123456789abcdef0, at 2026-11-20 03:35:07 UTC; had failed at 2026-11-20 02:00:07 UTC
    "#);
}

#[test]
fn a_volume_that_is_gone_was_not_backed_up() {
    let gone = Resolved { outcome: "the volume is gone".into(), ..resolved(1) };
    assert_eq!(report(Report::Resolved(gone)).subject, "snapkeep daily: resolved, 1 volume settled after all");
}

#[test]
fn dead_letters_that_a_person_has_dropped_are_told_with_reason_and_name() {
    let alert = report(Report::Dropped(dropped()));
    assert_eq!(
        (alert.subject.as_str(), alert.severity),
        ("snapkeep daily: 12 dead letters dropped", Severity::Warning)
    );
    insta::assert_snapshot!(alert.text, @r#"
    eve has dropped 12 dead letters at 2026-11-20 03:35:07 UTC: those volumes are scratch space
    Nobody does what they asked for; the next run plans anew.
      job 00000000000000000000
      job 00000000000000000001
      job 00000000000000000002
      job 00000000000000000003
      job 00000000000000000004
      job 00000000000000000005
      job 00000000000000000006
      job 00000000000000000007
      job 00000000000000000008
      job 00000000000000000009
      and 2 more
    "#);
}

#[test]
fn a_drill_that_went_well_is_one_line_and_resolves_nothing() {
    let alert = report(Report::Drill(Drill { failed: Vec::new(), ..drill() }));
    let expected = ("snapkeep daily: drill: 2 snapshots restored and deleted again", Severity::Info);
    assert_eq!((alert.subject.as_str(), alert.severity), expected);
    assert_eq!(
        alert.text,
        "Drill r-3f2a9c07be51 at 2026-11-20 02:35:07 UTC, seed 2026-11-20: 2 of 2 snapshots became volumes.\n"
    );
}

#[test]
fn a_drill_that_failed_names_snapshot_volume_and_reason_and_what_to_type() {
    let alert = report(Report::Drill(drill()));
    let expected = ("snapkeep daily: drill: 1 of 3 snapshots could not be restored", Severity::Error);
    assert_eq!((alert.subject.as_str(), alert.severity), expected);
    insta::assert_snapshot!(alert.text, @r#"
    Drill r-3f2a9c07be51 at 2026-11-20 02:35:07 UTC, seed 2026-11-20: 2 of 3 snapshots became volumes.

    These did not, so that nothing can be restored from them as it is now:

      snap-00000000000000001 of vol-00000000000000001, eu-central-1, account 123456789012: vol-00000000000000009 ended in error

      Look: aws ec2 describe-snapshots --region eu-central-1 --snapshot-ids snap-00000000000000001
      Try it by hand: snapkeep restore snap-00000000000000001 --regions eu-central-1
      What else there is of it: snapkeep explain vol-00000000000000001 --regions eu-central-1
    "#);
}

#[test]
fn what_was_mended_before_anybody_was_told_is_told_as_mended() {
    let failed = |number| Subject::Report(Report::DeadLetter(letter("daily", number, "InternalError", "x")));
    let settled = Subject::Report(Report::Resolved(resolved(1)));
    assert_eq!(
        alert([failed(1), failed(2), settled.clone()]).subject,
        "snapkeep daily: 1 volume not backed up, 1 volume backed up after all"
    );
    assert_eq!(alert([settled, failed(1)]).severity, Severity::Info, "in whatever order they come");
    let lanes = [Report::LaneResumed(resumed()), Report::LaneHeld(held())].map(Subject::Report);
    assert_eq!(alert(lanes).subject, "snapkeep daily: resolved, eu-central-1 goes on");
    let again = LaneHeld { at: at(96), ..held() };
    let lanes = [Report::LaneResumed(resumed()), Report::LaneHeld(again)].map(Subject::Report);
    assert_eq!(alert(lanes).severity, Severity::Error, "it waits again");
}

#[test]
fn a_failure_after_good_news_is_a_failure() {
    let mut failed = letter("daily", 1, "InternalError", "x");
    failed.failure.last = at(96);
    let subjects = [Report::Resolved(resolved(1)), Report::DeadLetter(failed)].map(Subject::Report);
    assert_eq!(alert(subjects).severity, Severity::Error);
}

#[test]
fn an_alarm_its_end_and_one_without_data_are_told() {
    let alert = alert([
        Subject::Alarm(alarm("dead-letters", AlarmState::Alarm, 0)),
        Subject::Alarm(alarm("no-run", AlarmState::InsufficientData, 0)),
        Subject::Alarm(alarm("age", AlarmState::Ok, 0)),
    ]);
    assert_eq!(alert.subject, "snapkeep: alarm dead-letters, alarm no-run has no data, alarm age is over");
    insta::assert_snapshot!(alert.text, @r#"
    CloudWatch raises these alarms.

      dead-letters in eu-central-1, account 123456789012, since 2026-11-20 02:00:07 UTC: Threshold Crossed: 1 datapoint [3.0] was greater than the threshold (0.0).
      Look: aws cloudwatch describe-alarm-history --region eu-central-1 --alarm-name dead-letters

    CloudWatch has no data for these alarms.

      no-run in eu-central-1, account 123456789012, since 2026-11-20 02:00:07 UTC: Threshold Crossed: 1 datapoint [3.0] was greater than the threshold (0.0).
      Look: aws cloudwatch describe-alarm-history --region eu-central-1 --alarm-name no-run

    Good news: these alarms are over.

      age in eu-central-1, account 123456789012, since 2026-11-20 02:00:07 UTC: Threshold Crossed: 1 datapoint [3.0] was greater than the threshold (0.0).
    "#);
}

#[test]
fn an_alarm_is_what_it_was_last() {
    let change = |state, minutes| Subject::Alarm(alarm("dead-letters", state, minutes));
    let over = alert([change(AlarmState::Ok, 5), change(AlarmState::Alarm, 0)]);
    assert_eq!(
        (over.subject.as_str(), over.severity),
        ("snapkeep: resolved, alarm dead-letters is over", Severity::Info)
    );
    let raised = alert([change(AlarmState::Ok, 5), change(AlarmState::Alarm, 6)]);
    assert_eq!((raised.subject.as_str(), raised.severity), ("snapkeep: alarm dead-letters", Severity::Error));
}

#[test]
fn a_snapshot_that_failed_in_ebs_is_no_backup() {
    let alert = alert([Subject::Ebs(ebs())]);
    assert_eq!(alert.subject, "snapkeep: 1 snapshot failed in EBS");
    insta::assert_snapshot!(alert.text, @r#"
    EBS could not complete snapshots that it had begun. They are no backups.

      snap-01234567 of vol-01234567 in eu-central-1, account 123456789012 (createSnapshot): Snapshot snap-01234567 is in status error
      Look: aws ec2 describe-snapshots --region eu-central-1 --snapshot-ids snap-01234567
    The policy's next run takes another.
    "#);
}

#[test]
fn a_message_that_tells_of_two_things_is_one_message() {
    let found = alerts(vec![news("m-1", Subject::Ebs(ebs())), news("m-1", Subject::Ebs(ebs()))]);
    assert_eq!(
        (found[0].messages.as_slice(), found[0].subject.contains("2 snapshots")),
        (["m-1".to_string()].as_slice(), true)
    );
}

/// Every text of `subject` that came from outside, replaced where the report can still be read.
fn hostile(subject: Subject, text: &str) -> Subject {
    match subject {
        Subject::Report(report) => {
            let mut value = serde_json::to_value(report).unwrap();
            replace(&mut value, &[], text);
            Subject::Report(serde_json::from_value(value).unwrap())
        }
        Subject::Ebs(_) => {
            let text = || String::from(text);
            Subject::Ebs(EbsFailure {
                event: text(),
                cause: text(),
                snapshot: text(),
                source: text(),
                region: text(),
                account: text(),
            })
        }
        Subject::Alarm(alarm) => {
            let text = || String::from(text);
            Subject::Alarm(Alarm { name: text(), reason: text(), region: text(), account: text(), ..alarm })
        }
        Subject::Unreadable(_) => Subject::Unreadable(text.into()),
    }
}

/// Replaces the texts below `path`, but those without which the report would be none.
fn replace(value: &mut Value, path: &[&str], text: &str) {
    const OURS: [&str; 12] = [
        "report",
        "action",
        "class",
        "slot",
        "first",
        "last",
        "at",
        "since",
        "failed",
        "give_up_at",
        "gave_up",
        "version",
    ];
    match value {
        Value::String(found) if path.last().is_none_or(|name| !OURS.contains(name)) => *found = text.into(),
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, path, text)),
        Value::Object(map) => {
            map.iter_mut().for_each(|(name, value)| replace(value, &[path, &[name.as_str()]].concat(), text));
        }
        _ => {}
    }
}

#[test]
fn whatever_comes_from_outside_writes_no_lines_and_turns_no_direction() {
    let text = format!("a\r\nAll is well.\u{2028}All is well.\u{85}\u{202E}\u{0}\u{1b}[2J{}", "x".repeat(5000));
    for subject in all() {
        let kind = format!("{subject:?}").chars().take(40).collect::<String>();
        let alert = alert([hostile(subject, &text)]);
        assert!(alert.text.contains("a  All is well."), "{kind}: nothing was replaced");
        assert!(!alert.text.lines().any(|line| line.starts_with("All")), "{kind}: {}", alert.text);
        assert!(
            !alert.text.chars().any(|c| c != '\n' && (c.is_control() || matches!(c, '\u{2028}' | '\u{202E}'))),
            "{kind}"
        );
        assert!(alert.text.lines().all(|line| line.chars().count() < 2010), "{kind}: {}", alert.text);
        assert!(alert.subject.len() <= 99 && alert.subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{kind}");
    }
}

#[test]
fn what_came_from_outside_gives_no_order_to_a_shell() {
    for subject in all() {
        for hostile_text in ["$(reboot)", "`reboot`", "x; reboot", "x' | reboot '", "--yes", "x\nreboot", "x && reboot"]
        {
            let text = alert([hostile(subject.clone(), hostile_text)]).text;
            for line in text.lines().filter(|line| line.starts_with("  snapkeep ") || line.contains("Look: ")) {
                let is_order = line.contains(['$', '`', ';', '|', '&']) || line.contains(" --yes");
                assert!(!is_order && !line.trim().starts_with("reboot"), "{hostile_text}: {line}");
            }
        }
    }
}

#[test]
fn a_policy_with_a_space_in_its_name_is_quoted() {
    let text = of_letter(letter("daily backup", 1, "InvalidVolume.NotFound", "x")).text;
    assert!(text.contains("snapkeep dlq list --policy 'daily backup'\n"), "{text}");
    assert!(text.contains("snapkeep dlq redrive --policy 'daily backup' --code InvalidVolume.NotFound\n"), "{text}");
}

#[test]
fn one_cause_with_many_messages_is_told_once() {
    let letters = (0..3).map(|n| letter("daily", n, "UnauthorizedOperation", &format!("Encoded: {n}")));
    let text = alert(letters.map(|letter| Subject::Report(Report::DeadLetter(letter)))).text;
    assert_eq!((text.matches("\nUnauthorizedOperation").count(), text.matches("Encoded: ").count()), (1, 3), "{text}");
}

#[test]
fn the_subject_is_short_ascii_whatever_the_policy_is_called() {
    for name in ["täglich".repeat(20), "x".repeat(127), "日次".into()] {
        let subject = of_letter(letter(&name, 1, "InternalError", "")).subject;
        assert!(subject.len() <= 99 && subject.is_ascii(), "{subject}");
    }
}

#[test]
fn three_thousand_causes_leave_room_for_what_to_type() {
    let letters = (0..3000).map(|n| letter("daily", n, &format!("Code{n}"), &"x".repeat(1000)));
    let alert = alert(letters.map(|letter| Subject::Report(Report::DeadLetter(letter))));
    assert!(alert.text.contains("\nAnd 2980 more causes, of 2980 jobs.\n"), "{}", alert.text);
    assert!(alert.text.len() < 40_000 && alert.text.contains("  snapkeep dlq list --policy daily\n"));
}

/// The sizes are those of bytes, and the attributes count.
#[test]
fn a_message_fits_into_sns_with_its_attributes_and_says_what_it_leaves_out() {
    let finding = "日".repeat(500);
    let regions = (0..3000).map(|n| Retention {
        account: format!("{n:012}"),
        region: format!("xx-region-{n}"),
        findings: vec![finding.clone(); 30],
        ..retention()
    });
    let alert = alert(regions.map(|retention| Subject::Report(Report::Retention(retention))));
    let size = alert.text.len() + alert.attributes.iter().map(Attribute::size).sum::<usize>();
    assert!(size <= 262_144 && size > 262_100, "{size}");
    assert!(alert.attributes.iter().map(Attribute::size).sum::<usize>() > 45_000, "three thousand accounts");
    assert!(alert.text.ends_with("the rest did not fit into this mail. All dead letters: snapkeep dlq list\n"));
    assert!(alert.subject.ends_with("findings"), "the subject counts all of it: {}", alert.subject);
}

#[test]
fn attributes_say_policy_severity_accounts_and_regions() {
    use shared::aws::sns::Value::{List, Text};
    let mut other = letter("daily", 2, "InternalError", "x");
    other.region = "us-east-1".into();
    let letters = [letter("daily", 1, "InternalError", "x"), other].map(Report::DeadLetter).map(Subject::Report);
    let expected = [
        ("severity", Text("error".into())),
        ("policy", Text("daily".into())),
        ("account", List(vec!["123456789012".into()])),
        ("region", List(vec!["eu-central-1".into(), "us-east-1".into()])),
    ];
    assert_eq!(alert(letters).attributes, expected.map(|(name, value)| Attribute { name, value }));
}

/// SNS refuses an empty value, and with it the message.
#[test]
fn an_attribute_without_a_value_is_left_out() {
    let names = |alert: &Alert| alert.attributes.iter().map(|attribute| attribute.name).collect::<Vec<_>>();
    assert_eq!(names(&report(Report::Planning(planning()))), ["severity"]);
    assert_eq!(names(&report(Report::Unreadable(unreadable()))), ["severity"]);
    for text in ["", " ", "\u{202E}"] {
        for subject in all() {
            let is_of_prune = matches!(subject, Subject::Report(Report::Retention(_)));
            let expected: &[&str] = if is_of_prune { &["severity", "policy"] } else { &["severity"] };
            let alert = alert([hostile(subject, text)]);
            assert_eq!(names(&alert), expected, "{text:?}: {:?}", alert.attributes);
        }
    }
}

#[test]
fn a_prune_that_the_cap_has_stopped_says_what_to_type() {
    let alert = report(Report::Retention(retention()));
    assert_eq!(alert.subject, "snapkeep prune: stopped by the cap, nothing deleted, 4900 findings");
    insta::assert_snapshot!(alert.text, @r#"
    Pruning in eu-central-1, account 123456789012, slot 2026-11-20T03:00:00Z:

      900 of 1000 snapshots would have been deleted, and the cap allows 200: none was.

      vol-2 daily: snap-1, snap-2 and 3 more

      See all of it, and why: snapkeep prune --dry-run --regions eu-central-1
      If it is meant, raise "cap" in the schedule's policy; or once: look with --cap N, which
      prints the plan's hash, and then the same command with --plan HASH --yes

      A person should look at these:

      vol-1: its backups have stopped
      and 4899 more
      Look: snapkeep explain VOLUME --regions eu-central-1
    "#);
    let found = Retention { capped: None, ..retention() };
    assert_eq!(report(Report::Retention(found)).severity, Severity::Warning);
}

#[test]
fn an_audit_says_what_is_not_covered_and_what_nobody_knows() {
    let alert = report(Report::Coverage(coverage()));
    assert_eq!(
        (alert.subject.as_str(), alert.severity),
        (
            "snapkeep daily: 60 volumes not covered, 1 place unknown, 1 bad snapshot, 40 volumes in no policy, m",
            Severity::Error
        )
    );
    insta::assert_snapshot!(alert.text, @r#"
    Audit of daily, 2026-11-20T06:00:00Z: 468 of 528 volumes can be restored to within 26h.

    Of these places nothing is known. They could not be read to the end, and half a list proves nothing:

      account 123456789012, us-east-1: could not list volumes in us-east-1: RequestLimitExceeded

    Not covered, 60 volumes:

      failed  vol-00000000000000001 (db) of i-0123456789abcdef0 in eu-central-1, account 123456789012: the snapshot of 4h ago ended in error: The key is disabled [2026-11-20 02:00:07 UTC]
      never   vol-00000000000000002 (db) of i-0123456789abcdef0 in eu-central-1, account 123456789012: there is no backup
      stale   vol-00000000000000003 (db) of i-0123456789abcdef0 in eu-central-1, account 123456789012: the newest backup is 28h old [2026-11-20 02:00:07 UTC]
      and 57 more

    Look at one of them: its snapshots, and which policies select it:
      snapkeep explain VOLUME --regions eu-central-1
    58 jobs were enqueued again. What fails once more is a dead letter:
      snapkeep dlq list --policy daily

    What the last run has missed could not all be enqueued again. The next audit tries once more:

      account 123456789012, eu-central-1: 2 jobs were not enqueued: ServiceUnavailable

    Snapshots that ended in error, or do not come to their end:

      eu-central-1: vol-4: snap-4 has been pending since 2026-11-18 02:00 UTC

    Volumes that no policy selects, so that nothing backs them up:

      eu-central-1: vol-5 (scratch)
      and 39 more
      Tag them as a policy asks for; or, where no backup is wanted, with a tag of "exclude_tags".

    See all of it, as it is now:
      snapkeep coverage --file daily.json --rpo 26h
    "#);
}

#[test]
fn an_audit_that_covers_all_it_knows_says_what_a_person_should_look_at() {
    let nothing = || Coverage { uncovered: 0, volumes: vec![], unknown: vec![], unsent: vec![], ..coverage() };
    let quiet = report(Report::Coverage(nothing()));
    assert_eq!(quiet.subject, "snapkeep daily: 1 bad snapshot, 40 volumes in no policy");
    assert_eq!(quiet.severity, Severity::Warning);
    let none = Coverage { selects_nothing: true, covered: 0, findings: vec![], finding_count: 0, ..nothing() };
    let none = Coverage { unselected: vec![], unselected_count: 0, ..none };
    let alert = report(Report::Coverage(none));
    assert_eq!(alert.subject, "snapkeep daily: the policy selects nothing");
    assert!(alert.text.contains("  snapkeep plan --file daily.json\n"), "{}", alert.text);
}

#[test]
fn an_audit_that_saw_no_run_says_so_and_of_two_the_newer_speaks() {
    let older = Coverage { slot: "2026-11-19T06:00:00Z".parse().unwrap(), uncovered: 1, ..coverage() };
    let newer = Coverage { no_run: true, uncovered: 2, ..coverage() };
    let alert = alert([newer, older].map(Report::Coverage).map(Subject::Report));
    assert!(alert.subject.starts_with("snapkeep daily: 2 volumes not covered"), "{}", alert.subject);
    assert!(alert.text.contains("No run of the policy was seen within 26h"), "{}", alert.text);
    assert!(alert.text.contains("  aws scheduler list-schedules "), "{}", alert.text);
}

#[test]
fn a_prune_job_that_failed_is_no_missing_backup() {
    let mut prune = letter("daily", 1, "UnauthorizedOperation", "You are not authorized");
    prune.action = Action::Prune;
    let subjects = [Report::DeadLetter(prune), Report::DeadLetter(letter("daily", 2, "InternalError", "x"))];
    let alert = alert(subjects.map(Subject::Report));
    assert_eq!(alert.subject, "snapkeep daily: 1 volume not backed up, 1 volume not pruned");
    assert!(alert.text.contains("snapkeep prune --dry-run"), "{}", alert.text);
}

#[test]
fn a_refused_policy_and_what_cannot_be_read_are_told() {
    let alert = alert([
        Subject::Report(Report::Planning(planning())),
        Subject::Report(Report::Unreadable(unreadable())),
        Subject::Unreadable("hello".into()),
    ]);
    assert_eq!(alert.subject, "snapkeep: run not planned everywhere, 1 unreadable job, 1 unreadable message");
    insta::assert_snapshot!(alert.text, @r#"
    A policy: a run could not be planned everywhere.

      `retain` is "7 days"; allowed: `7d`

    What was planned goes on. See what the policy selects, and what is wrong with it:
      snapkeep plan --file policy.json

    Messages on the jobs queue could not be read. They are in the dead-letter queue as they came:

      message 5f0d7a3e: `version` is 2; allowed: 1; a newer message needs a newer worker

    A version newer than the worker's: deploy the worker, then send them back.
      snapkeep dlq list --code UnreadableMessage
      snapkeep dlq redrive --code UnreadableMessage
    Anything else was not written by a planner: find out who may send to the queue.

    Messages on the reports queue could not be read. This is what they said:

      hello
    "#);
}

#[test]
fn failures_come_first() {
    let subjects: Vec<Subject> = all().into_iter().rev().collect();
    let alerts = alerts(subjects.into_iter().map(|subject| news("m", subject)).collect());
    for alert in alerts {
        let good = alert.text.find("Good news").unwrap_or(usize::MAX);
        let bad =
            ["waits since", "not backed up", "raises these alarms", "could not be"].map(|words| alert.text.find(words));
        assert!(bad.into_iter().flatten().all(|bad| bad < good), "{}", alert.text);
    }
}
