//! Reports of one policy into one message that a person can act on: what, where, why, since when, what to type.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use shared::vocabulary::job::Action;
use shared::vocabulary::policy::Prune;
use shared::vocabulary::problem::shortened;
use shared::vocabulary::report::{
    DeadLetter, Dropped, LaneHeld, LaneResumed, Planning, Report, Resolved, Retention, Unreadable,
};
use shared::vocabulary::slot::Slot;

/// Something to tell, and the message that it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The SQS message id.
    pub message: String,
    /// What it is about.
    pub subject: Subject,
}

/// What there is to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A report of ours.
    Report(Report),
    /// EventBridge says that a snapshot failed after EC2 had taken the order.
    Ebs(EbsFailure),
    /// A body that nobody understands.
    Unreadable(String),
}

/// A failed "EBS Snapshot Notification".
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the event")]
pub struct EbsFailure {
    pub event: String,
    pub cause: String,
    pub snapshot: String,
    pub source: String,
    pub region: String,
    pub account: String,
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Printable ASCII, at most 99 characters.
    pub subject: String,
    /// Plain text, within SNS's 256 KiB.
    pub text: String,
    /// The SQS messages that it tells of.
    pub messages: Vec<String>,
}

/// SNS: "less than 100 characters". <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
const LONGEST_SUBJECT: usize = 99;
/// SNS takes 256 KiB; a little is left for the envelope.
const LONGEST_TEXT: usize = 250_000;
/// Volumes named for each cause. The rest is counted.
const MOST_NAMED: usize = 20;
const LONGEST_REASON: usize = 500;

/// One alert for each policy, in the order of their names.
pub fn alerts(news: Vec<News>) -> Vec<Alert> {
    let mut policies = BTreeMap::<String, Digest>::new();
    for News { message, subject } in news {
        policies.entry(policy_of(&subject)).or_default().add(message, subject);
    }
    policies.into_iter().map(|(policy, digest)| digest.alert(&policy)).collect()
}

fn policy_of(subject: &Subject) -> String {
    match subject {
        Subject::Report(Report::DeadLetter(letter)) => letter.policy.clone(),
        Subject::Report(Report::Planning(planning)) => planning.policy.clone().unwrap_or_default(),
        Subject::Report(Report::Retention(_)) => Prune::NAME.into(),
        Subject::Report(Report::LaneHeld(held)) => held.policy.clone(),
        Subject::Report(Report::LaneResumed(resumed)) => resumed.policy.clone(),
        Subject::Report(Report::Resolved(resolved)) => resolved.policy.clone(),
        Subject::Report(Report::Dropped(dropped)) => dropped.policy.clone().unwrap_or_default(),
        Subject::Report(Report::Unreadable(_)) | Subject::Ebs(_) | Subject::Unreadable(_) => String::new(),
    }
}

/// What there is to tell of one policy, by kind.
#[derive(Debug, Default)]
struct Digest {
    messages: Vec<String>,
    dead: BTreeMap<Action, Vec<DeadLetter>>,
    planning: Vec<Planning>,
    retention: Vec<Retention>,
    held: Vec<LaneHeld>,
    resumed: Vec<LaneResumed>,
    resolved: Vec<Resolved>,
    dropped: Vec<Dropped>,
    ebs: Vec<EbsFailure>,
    unreadable_jobs: Vec<Unreadable>,
    unreadable: Vec<String>,
}

impl Digest {
    fn add(&mut self, message: String, subject: Subject) {
        self.messages.push(message);
        match subject {
            Subject::Report(Report::DeadLetter(letter)) => self.dead.entry(letter.action).or_default().push(letter),
            Subject::Report(Report::Retention(retention)) => self.retention.push(retention),
            Subject::Report(Report::Planning(planning)) => self.planning.push(planning),
            Subject::Report(Report::LaneHeld(held)) => self.held.push(held),
            Subject::Report(Report::LaneResumed(resumed)) => self.resumed.push(resumed),
            Subject::Report(Report::Resolved(resolved)) => self.resolved.push(resolved),
            Subject::Report(Report::Dropped(dropped)) => self.dropped.push(dropped),
            Subject::Report(Report::Unreadable(job)) => self.unreadable_jobs.push(job),
            Subject::Ebs(failure) => self.ebs.push(failure),
            Subject::Unreadable(body) => self.unreadable.push(body),
        }
    }

    fn alert(self, policy: &str) -> Alert {
        let dead = self.dead.iter().map(|(action, letters)| dead_letters(policy, *action, letters));
        let sections = [
            planning(policy, &self.planning),
            retention(&self.retention),
            ebs(&self.ebs),
            unreadable_jobs(&self.unreadable_jobs),
            unreadable(&self.unreadable),
        ];
        let text: Vec<String> = dead.chain(sections).filter(|section| !section.is_empty()).collect();
        Alert { subject: self.subject(policy), text: cut(&text.join("\n")), messages: self.messages }
    }

    fn subject(&self, policy: &str) -> String {
        let mut parts = Vec::new();
        for (action, letters) in &self.dead {
            let volumes: BTreeSet<&str> = letters.iter().map(|letter| letter.volume.as_str()).collect();
            parts.push(format!("{} {}", counted(volumes.len(), "volume"), undone(*action)));
        }
        if !self.planning.is_empty() {
            parts.push("run not planned everywhere".into());
        }
        if self.retention.iter().any(|retention| retention.capped.is_some()) {
            parts.push("stopped by the cap, nothing deleted".into());
        }
        let findings: usize =
            self.retention.iter().map(|retention| retention.count.max(retention.findings.len())).sum();
        if findings > 0 {
            parts.push(counted(findings, "finding"));
        }
        if !self.ebs.is_empty() {
            parts.push(format!("{} failed in EBS", counted(self.ebs.len(), "snapshot")));
        }
        let unreadable = self.unreadable.len() + self.unreadable_jobs.len();
        if unreadable > 0 {
            parts.push(counted(unreadable, "unreadable message"));
        }
        let about = if policy.is_empty() { "snapkeep".into() } else { format!("snapkeep {policy}") };
        let subject = format!("{about}: {}", parts.join(", "));
        let ascii = subject.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' });
        ascii.take(LONGEST_SUBJECT).collect()
    }
}

fn undone(action: Action) -> &'static str {
    match action {
        Action::Snapshot => "not backed up",
        Action::Prune => "not pruned",
    }
}

fn dead_letters(policy: &str, action: Action, letters: &[DeadLetter]) -> String {
    let mut causes = BTreeMap::<&str, Vec<&DeadLetter>>::new();
    letters.iter().for_each(|letter| causes.entry(&letter.failure.code).or_default().push(letter));
    let mut causes: Vec<_> = causes.into_iter().collect();
    causes.sort_by_key(|(_, letters)| std::cmp::Reverse(letters.len()));
    let Some(first) = letters.first() else { return String::new() };
    let (volumes, undone) = (counted(volumes(letters), "volume"), undone(action));
    let mut text = format!("Policy {}: {volumes} {undone}.\n", plain(policy, 127));
    for (code, letters) in &causes {
        text.push_str(&cause(code, letters));
    }
    text.push_str("\nThe jobs are in the dead-letter queue with these reasons; nothing is tried again by itself.\n");
    if action == Action::Prune {
        text.push_str("Nothing is lost: the next run that prunes finds the same snapshots. See what it would do:\n");
        let _ = writeln!(text, "  snapkeep prune --dry-run --regions {}", word(&first.region, "REGION"));
        return text;
    }
    let slots: BTreeSet<Slot> = letters.iter().map(|letter| letter.slot).collect();
    text.push_str("When the cause is mended, take what is missing, and only that, from the policy's file:\n");
    for slot in slots.iter().take(5) {
        let _ = writeln!(text, "  snapkeep run --file {}.json --slot {slot}", word(&first.policy, "policy"));
    }
    text
}

/// The volumes that failed with `code`. A message that all have in common is said once; others, such as AWS's encoded
/// authorization messages, stand beside their volumes.
fn cause(code: &str, letters: &[&DeadLetter]) -> String {
    let messages: BTreeSet<&str> = letters.iter().map(|letter| letter.failure.message.as_str()).collect();
    let common = messages.first().filter(|_| messages.len() == 1);
    let head = common.map(|message| format!(": {}", plain(message, LONGEST_REASON))).unwrap_or_default();
    let lines = named(letters, |letter| match common {
        Some(_) => line(letter),
        None => format!("{}: {}", line(letter), plain(&letter.failure.message, 200)),
    });
    let look = letters.first().map(|letter| format!("  Look: {}\n", look(code, letter))).unwrap_or_default();
    format!("\n{}{head}\n{lines}{look}", plain(code, 100))
}

/// A line for each of the first [`MOST_NAMED`], and how many more there are.
fn named<T>(items: &[T], line: impl Fn(&T) -> String) -> String {
    let lines = items.iter().take(MOST_NAMED).map(|item| format!("  {}\n", line(item)));
    let more = items.len().saturating_sub(MOST_NAMED);
    let rest = (more > 0).then(|| format!("  and {more} more\n"));
    lines.chain(rest).collect()
}

fn volumes(letters: &[DeadLetter]) -> usize {
    letters.iter().map(|letter| (&letter.account, &letter.region, &letter.volume)).collect::<BTreeSet<_>>().len()
}

fn line(letter: &DeadLetter) -> String {
    let DeadLetter { volume, region, account, attempts, failure, slot, .. } = letter;
    let name = letter.name.as_deref().filter(|name| name != volume);
    let name = name.map(|name| format!(" \"{}\"", plain(name, 60))).unwrap_or_default();
    let instance = letter.instance.as_deref().map(|id| format!(" of {id}")).unwrap_or_default();
    let since = failure.first.format("%Y-%m-%d %H:%M:%S UTC");
    format!(
        "{volume}{name}{instance} in {region}, account {account}: slot {slot}, {}, failing since {since}",
        counted(*attempts as usize, "attempt")
    )
}

/// The first command of whoever looks into it.
fn look(code: &str, letter: &DeadLetter) -> String {
    let (region, volume) = (word(&letter.region, "REGION"), word(&letter.volume, "VOLUME"));
    let snapshots = format!(
        "aws ec2 describe-snapshots --region {region} --owner-ids self --filters Name=volume-id,Values={volume}"
    );
    let volume = format!("aws ec2 describe-volumes --region {region} --volume-ids {volume}");
    match code {
        "SnapshotLimitExceeded" => {
            format!("aws service-quotas get-service-quota --region {region} --service-code ebs --quota-code L-309BACF6")
        }
        "UnauthorizedOperation" | "AccessDenied" | "AuthFailure" | "OptInRequired" => {
            format!("aws sts get-caller-identity, and the permissions of the worker's role in {region}")
        }
        _ if letter.action == Action::Prune => snapshots,
        _ if code == "CustomerKeyHasBeenRevoked" || code.starts_with("KMS") => format!(
            "aws kms describe-key --region {region} --key-id $({volume} --query 'Volumes[0].KmsKeyId' --output text)"
        ),
        _ => volume,
    }
}

fn planning(policy: &str, failures: &[Planning]) -> String {
    if failures.is_empty() {
        return String::new();
    }
    let name = if policy.is_empty() { "A policy".into() } else { format!("Policy {}", plain(policy, 127)) };
    let mut text = format!("{name}: a run could not be planned everywhere.\n\n");
    let problems: BTreeSet<String> =
        failures.iter().flat_map(|failure| failure.problems.iter().map(|problem| plain(problem, 1000))).collect();
    for problem in &problems {
        let _ = writeln!(text, "  {problem}");
    }
    text.push_str("\nWhat was planned goes on. See what the policy selects, and what is wrong with it:\n");
    let _ = match policy {
        Prune::NAME => writeln!(text, "  snapkeep prune --dry-run"),
        policy => writeln!(text, "  snapkeep plan --file {}.json", word(policy, "policy")),
    };
    text
}

fn retention(reports: &[Retention]) -> String {
    let mut text = String::new();
    for report in reports {
        let Retention { account, region, slot, capped, would_delete, findings, count, .. } = report;
        let (region, account) = (word(region, "REGION"), plain(account, 12));
        let _ = writeln!(text, "Pruning in {region}, account {account}, slot {slot}:\n");
        if let Some(capped) = capped {
            let _ = writeln!(text, "  {}.\n", plain(capped, LONGEST_REASON));
            text.push_str(&named(would_delete, |line| plain(line, LONGEST_REASON)));
            let _ = writeln!(text, "\n  See all of it, and why: snapkeep prune --dry-run --regions {region}");
            text.push_str(
                "  If it is meant, raise \"cap\" in the schedule's policy; or once: look with --cap N, which\n",
            );
            text.push_str("  prints the plan's hash, and then the same command with --plan HASH --yes\n\n");
        }
        if !findings.is_empty() {
            text.push_str("  A person should look at these:\n\n");
            let shown = &findings[..findings.len().min(MOST_NAMED)];
            text.push_str(&named(shown, |finding| plain(finding, LONGEST_REASON)));
            let more = count.max(&findings.len()) - shown.len();
            let _ = (more > 0).then(|| writeln!(text, "  and {more} more"));
            let _ = writeln!(text, "  Look: snapkeep explain VOLUME --regions {region}\n");
        }
    }
    text
}

fn ebs(failures: &[EbsFailure]) -> String {
    if failures.is_empty() {
        return String::new();
    }
    let mut text = String::from("EBS could not complete snapshots that it had begun. They are no backups.\n\n");
    text.push_str(&named(failures, |EbsFailure { event, cause, snapshot, source, region, account }| {
        let text = format!("{snapshot} of {source} in {region}, account {account} ({event}): {cause}");
        plain(&text, LONGEST_REASON)
    }));
    if let Some(EbsFailure { region, snapshot, .. }) = failures.first() {
        let (region, snapshot) = (word(region, "REGION"), word(snapshot, "SNAPSHOT"));
        let _ = writeln!(text, "  Look: aws ec2 describe-snapshots --region {region} --snapshot-ids {snapshot}");
    }
    text
}

fn unreadable_jobs(jobs: &[Unreadable]) -> String {
    if jobs.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "Messages on the jobs queue could not be read. They are in the dead-letter queue as they came.\n\n",
    );
    text.push_str(&named(jobs, |job| format!("message {}: {}", plain(&job.message_id, 100), plain(&job.problem, 700))));
    text.push_str("\nA version newer than the worker's: deploy the worker, then redrive the dead-letter queue.\n");
    text.push_str("Anything else was not written by a planner: find out who may send to the queue.\n");
    text
}

fn unreadable(bodies: &[String]) -> String {
    if bodies.is_empty() {
        return String::new();
    }
    let lines = named(bodies, |body| plain(body, 2000));
    format!("Messages on the reports queue could not be read. This is what they said:\n\n{lines}")
}

/// Text from outside on one line: a tag must not write lines of its own into a mail, nor turn its direction.
fn plain(text: &str, most: usize) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
    };
    shortened(&text.replace(is_hidden, " "), most)
}

/// A word of a command: what came from outside, as far as a shell takes it as it stands.
fn word(text: &str, otherwise: &str) -> String {
    let word: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    if word.is_empty() { otherwise.into() } else { word }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn cut(text: &str) -> String {
    match text.char_indices().find(|(index, c)| index + c.len_utf8() > LONGEST_TEXT) {
        None => text.into(),
        Some((index, _)) => format!("{}\n… and more: the rest did not fit into this mail.\n", &text[..index]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::vocabulary::job::Failure;

    fn letter(policy: &str, number: usize, code: &str, message: &str) -> News {
        let time = "2026-11-20T02:00:07Z".parse().unwrap();
        let letter = DeadLetter {
            version: 1,
            action: Action::Snapshot,
            job: format!("{number:020}"),
            policy: policy.into(),
            slot: "2026-11-20T02:00:00Z".parse().unwrap(),
            account: "123456789012".into(),
            region: "eu-central-1".into(),
            volume: format!("vol-{number:017}"),
            instance: Some("i-0123456789abcdef0".into()),
            name: Some("db".into()),
            attempts: 1,
            failure: Failure {
                class: None,
                code: code.into(),
                message: message.into(),
                request_id: None,
                first: time,
                last: time,
                attempts: Vec::new(),
                gave_up: None,
            },
        };
        News { message: format!("m-{number}"), subject: Subject::Report(Report::DeadLetter(letter)) }
    }

    #[test]
    fn a_person_reads_what_where_why_since_when_and_what_to_type() {
        let message = "The customer master key used by the volume has been revoked.";
        let found = alerts(vec![letter("daily", 1, "CustomerKeyHasBeenRevoked", message)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].subject, "snapkeep daily: 1 volume not backed up");
        insta::assert_snapshot!(found[0].text, @r#"
        Policy daily: 1 volume not backed up.

        CustomerKeyHasBeenRevoked: The customer master key used by the volume has been revoked.
          vol-00000000000000001 "db" of i-0123456789abcdef0 in eu-central-1, account 123456789012: slot 2026-11-20T02:00:00Z, 1 attempt, failing since 2026-11-20 02:00:07 UTC
          Look: aws kms describe-key --region eu-central-1 --key-id $(aws ec2 describe-volumes --region eu-central-1 --volume-ids vol-00000000000000001 --query 'Volumes[0].KmsKeyId' --output text)

        The jobs are in the dead-letter queue with these reasons; nothing is tried again by itself.
        When the cause is mended, take what is missing, and only that, from the policy's file:
          snapkeep run --file daily.json --slot 2026-11-20T02:00:00Z
        "#);
    }

    #[test]
    fn each_policy_gets_one_message_and_each_cause_is_told_once() {
        let mut news: Vec<News> = (0..500).map(|n| letter("daily", n, "InternalError", "An internal error")).collect();
        news.extend((500..503).map(|n| letter("daily", n, "SnapshotLimitExceeded", "too many")));
        news.push(letter("hourly", 9, "InternalError", "An internal error"));
        let found = alerts(news);
        assert_eq!(
            found.iter().map(|alert| alert.subject.as_str()).collect::<Vec<_>>(),
            ["snapkeep daily: 503 volumes not backed up", "snapkeep hourly: 1 volume not backed up",]
        );
        assert_eq!(found[0].messages.len(), 503, "every report is accounted for");
        let text = &found[0].text;
        assert_eq!(text.matches("InternalError").count(), 1);
        assert!(text.contains("and 480 more") && text.find("InternalError") < text.find("SnapshotLimitExceeded"));
    }

    #[test]
    fn a_tag_cannot_write_lines_of_its_own() {
        let mut news = letter("daily\r\nBcc: x", 1, "InternalError", "line\nline");
        if let Subject::Report(Report::DeadLetter(letter)) = &mut news.subject {
            letter.name = Some(format!("a\nAll is well.\u{202E}{}", "x".repeat(500)));
        }
        let alert = alerts(vec![news]).remove(0);
        assert!(!alert.text.contains("\nAll is well") && !alert.text.contains('\u{202E}'), "{}", alert.text);
        assert!(alert.text.lines().all(|line| line.len() < 400), "{}", alert.text);
        assert!(alert.subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", alert.subject);
    }

    #[test]
    fn what_came_from_outside_gives_no_order_to_a_shell() {
        let mut news = letter("daily$(reboot)", 1, "InternalError", "x");
        if let Subject::Report(Report::DeadLetter(letter)) = &mut news.subject {
            letter.region = "eu`reboot`".into();
        }
        let text = alerts(vec![news]).remove(0).text;
        let commands = text.lines().filter(|line| line.contains("Look: ") || line.contains("snapkeep run"));
        assert!(commands.clone().count() == 2 && commands.clone().all(|line| !line.contains(['$', '`'])), "{text}");
    }

    #[test]
    fn one_cause_with_many_messages_is_told_once() {
        let news = (0..3).map(|n| letter("daily", n, "UnauthorizedOperation", &format!("Encoded: {n}"))).collect();
        let text = alerts(news).remove(0).text;
        assert_eq!(
            (text.matches("UnauthorizedOperation").count(), text.matches("Encoded: ").count()),
            (1, 3),
            "{text}"
        );
    }

    #[test]
    fn the_subject_is_short_ascii_whatever_the_policy_is_called() {
        for name in ["täglich".repeat(20), "x".repeat(127), "日次".into()] {
            let subject = alerts(vec![letter(&name, 1, "InternalError", "")]).remove(0).subject;
            assert!(subject.len() <= 99 && subject.is_ascii(), "{subject}");
        }
    }

    #[test]
    fn a_message_fits_into_sns() {
        let news = (0..3000).map(|n| letter("daily", n, &format!("Code{n}"), &"x".repeat(1000))).collect();
        let alert = alerts(news).remove(0);
        assert!(alert.text.len() < 256 * 1024 && alert.text.contains("did not fit"), "{}", alert.text.len());
    }

    #[test]
    fn a_prune_that_the_cap_has_stopped_says_what_to_type() {
        let at = "2026-11-20T03:00:07Z".parse().unwrap();
        let report = Retention {
            version: 1,
            account: "123456789012".into(),
            region: "eu-central-1".into(),
            slot: "2026-11-20T03:00:00Z".parse().unwrap(),
            capped: Some("900 of 1000 snapshots would have been deleted, and the cap allows 200: none was".into()),
            would_delete: vec!["vol-2 daily: snap-1, snap-2 and 3 more".into()],
            findings: vec!["vol-1: its backups have stopped".into()],
            count: 4900,
            at,
        };
        let alert = alerts(vec![News { message: "m-1".into(), subject: Subject::Report(Report::Retention(report)) }]);
        assert_eq!(alert[0].subject, "snapkeep prune: stopped by the cap, nothing deleted, 4900 findings");
        insta::assert_snapshot!(alert[0].text, @r#"
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
    }

    #[test]
    fn a_prune_job_that_failed_is_no_missing_backup() {
        let mut news = letter("daily", 1, "UnauthorizedOperation", "You are not authorized");
        if let Subject::Report(Report::DeadLetter(letter)) = &mut news.subject {
            letter.action = Action::Prune;
        }
        let alerts = alerts(vec![news, letter("daily", 2, "InternalError", "x")]);
        assert_eq!(alerts[0].subject, "snapkeep daily: 1 volume not backed up, 1 volume not pruned");
        assert!(alerts[0].text.contains("snapkeep prune --dry-run"), "{}", alerts[0].text);
    }

    #[test]
    fn a_refused_policy_and_an_unreadable_report_are_told() {
        let at = "2026-11-20T02:00:07Z".parse().unwrap();
        let problems = vec!["`retain` is \"7 days\"; allowed: `7d`".to_string()];
        let planning = Report::Planning(Planning { version: 1, policy: None, slot: None, problems, at });
        let news = vec![
            News { message: "m-1".into(), subject: Subject::Report(planning) },
            News { message: "m-2".into(), subject: Subject::Unreadable("hello".into()) },
        ];
        let alert = alerts(news).remove(0);
        assert_eq!(alert.subject, "snapkeep: run not planned everywhere, 1 unreadable message");
        assert!(alert.text.contains("`retain` is \"7 days\"") && alert.text.contains("  hello"), "{}", alert.text);
    }
}
