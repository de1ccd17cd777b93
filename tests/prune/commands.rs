//! `snapkeep prune` and `snapkeep explain` as an operator types them.

use serde_json::{Value, json};
use simulator::faults::Fault;
use simulator::fleet::tags;
use simulator::server::Server;
use simulator::world::World;

use super::{REGION, add, add_daily, set, tag, there};
use crate::stack::ACCOUNT;
use crate::typed::{Said, snapkeep, snapkeep_with};

async fn serve(count: i64, rule: &str) -> (Server, String, Vec<String>) {
    let world = World::default();
    let volume = world.add_instance(ACCOUNT, REGION, tags(&[("Backup", "true"), ("Name", "db")]), 1).1.remove(0);
    let daily = add_daily(&world, &volume, count, rule);
    (Server::start_local(world).await.unwrap(), volume, daily)
}

fn said(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_every_snapshot_with_its_reasons_and_deletes_nothing() {
    let (server, volume, daily) = serve(5, "3").await;
    let table = snapkeep(&server.url, "prune --dry-run", "").await;
    assert_eq!(table.exit, 0, "{}", table.err);
    for words in
        ["keep", "newest; newest 1 of 3", "newest 3 of 3", "expire", "not among the newest 3", "2 snapshots to delete"]
    {
        assert!(table.out.contains(words), "{words} is missing from {}", table.out);
    }
    let plan = said(&snapkeep(&server.url, "prune --dry-run --output json", "").await);
    assert!(table.out.contains(plan["plan"].as_str().unwrap()), "the same plan, the same hash");
    assert_eq!((&plan["dry_run"], &plan["volumes"][0]["volume"]), (&json!(true), &json!(volume)));
    let rows = plan["volumes"][0]["snapshots"].as_array().unwrap();
    let verdicts: Vec<&str> = rows.iter().map(|row| row["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["keep", "keep", "keep", "expire", "expire"], "the newest first");
    assert!(rows.iter().all(|row| !row["why"].as_array().unwrap().is_empty()));
    assert_eq!(there(&server.world), set(&daily));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_before_somebody_says_so() {
    let (server, _, daily) = serve(5, "3").await;
    let said = snapkeep(&server.url, "prune", "").await;
    assert_eq!(said.exit, 2, "{}", said.out);
    assert!(said.err.contains("nothing was deleted") && said.err.contains("--yes"), "{}", said.err);
    assert_eq!(there(&server.world), set(&daily));
    let said = snapkeep(&server.url, "prune --yes", "").await;
    assert_eq!(said.exit, 0, "{}", said.err);
    assert!(said.out.contains("Deleted 2 of 2 snapshots."), "{}", said.out);
    assert_eq!(there(&server.world), set(&daily[2..]));
    let said = snapkeep(&server.url, "prune --yes", "").await;
    assert!(said.exit == 0 && said.out.contains("Nothing is to be deleted."), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_shown_is_done_as_it_was_shown_and_what_changed_since_is_named() {
    let (server, volume, daily) = serve(7, "3").await;
    let shown = snapkeep(&server.url, "prune --dry-run --output json", "").await;
    // Since then: one has been kept by a person, one was deleted, and a new one lets one more expire.
    tag(&server.world, &daily[0], "KeepForever", Some(""));
    server.world.region(REGION, |region| region.snapshots.remove(&daily[1], server.world.clock.now()));
    let ours = [("snapkeep:policy", "daily"), ("snapkeep:volume", volume.as_str()), ("snapkeep:retain", "3")];
    let new = add(&server.world, &volume, 0, &ours);

    let done = said(&snapkeep(&server.url, "prune --plan - --yes --output json", &shown.out).await);
    let deleted: Vec<String> = serde_json::from_value(done["result"]["deleted"].clone()).unwrap();
    assert_eq!(set(&deleted), set(&daily[2..4]));
    let left = &done["result"]["left"];
    assert_eq!(left[&daily[0]], "kept since: tag KeepForever");
    assert_eq!(left[&daily[4]], "expires since: not among the newest 3");
    assert_eq!(left.as_object().unwrap().len(), 2);
    assert_eq!(done["result"]["gone"], json!([daily[1]]));
    let mut expected = set(&[&daily[..1], &daily[4..]].concat());
    expected.insert(new);
    assert_eq!(there(&server.world), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_plan_than_the_one_that_was_shown_deletes_nothing() {
    let (server, _, daily) = serve(5, "3").await;
    let shown = said(&snapkeep(&server.url, "prune --dry-run --output json", "").await);
    let hash = shown["plan"].as_str().unwrap();
    tag(&server.world, &daily[0], "KeepForever", Some(""));
    let refused = snapkeep(&server.url, &format!("prune --plan {hash} --yes"), "").await;
    assert!(refused.exit == 2 && refused.err.contains("another one now"), "{}", refused.err);
    let forged = shown.to_string().replace(&daily[0], &daily[4]);
    let refused = snapkeep(&server.url, "prune --plan - --yes", &forged).await;
    assert!(refused.exit == 2 && refused.err.contains("as it was written"), "{}", refused.err);
    assert_eq!(there(&server.world), set(&daily));
    tag(&server.world, &daily[0], "KeepForever", None);
    let done = snapkeep(&server.url, &format!("prune --plan {hash} --yes"), "").await;
    assert_eq!((done.exit, there(&server.world)), (0, set(&daily[2..])), "{}", done.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_while_deleting_is_named_and_the_others_go() {
    let (server, _, daily) = serve(6, "3").await;
    let refused = Fault::on("DeleteSnapshot", 400, "InvalidSnapshot.InUse", "in use by ami-1");
    server.world.faults().set(refused.for_resource(&daily[1]));
    let said = snapkeep(&server.url, "prune --yes", "").await;
    assert_eq!(said.exit, 3, "{}", said.err);
    assert!(said.out.contains("Deleted 2 of 3 snapshots."), "{}", said.out);
    assert!(said.out.contains("EC2 does not delete it: InvalidSnapshot.InUse: in use by ami-1"), "{}", said.out);
    assert_eq!(there(&server.world), set(&[&daily[1..2], &daily[3..]].concat()));
}

/// Also where EC2 has an error about one snapshot that is no word on what holds it.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_about_one_snapshot_stops_no_other() {
    for (code, exit) in [("UnauthorizedOperation", 3), ("IncorrectState", 3), ("SomethingNew", 3)] {
        let (server, _, daily) = serve(6, "3").await;
        let refused = Fault::on("DeleteSnapshot", 400, code, "not this one");
        server.world.faults().set(refused.for_resource(&daily[0]));
        let settings = [("SNAPKEEP_MAX_ATTEMPTS", "1")];
        let said = snapkeep_with(&server.url, "prune --yes", "", &settings).await;
        assert_eq!(said.exit, exit, "{code}: {}{}", said.out, said.err);
        assert!(
            said.out.contains("Deleted 2 of 3 snapshots.") && said.out.contains("not this one"),
            "{code}: {}",
            said.out
        );
        assert_eq!(there(&server.world), set(&[&daily[..1], &daily[3..]].concat()), "{code}");
    }
}

/// Taking off the policy's tag is how a person keeps one for good.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_ours_is_not_said_to_be_deleted() {
    let (server, _, daily) = serve(6, "3").await;
    let shown = snapkeep(&server.url, "prune --dry-run --output json", "").await;
    tag(&server.world, &daily[0], "snapkeep:policy", None);
    let done = said(&snapkeep(&server.url, "prune --plan - --yes --output json", &shown.out).await);
    assert_eq!((&done["result"]["gone"], &done["result"]["left"]), (&json!([daily[0]]), &json!({})));
    assert_eq!(there(&server.world), set(&[&daily[..1], &daily[3..]].concat()));
    // The same plan once more has nothing left to do, and that is no failure.
    let again = snapkeep(&server.url, "prune --plan - --yes", &shown.out).await;
    assert!(again.exit == 0 && again.out.contains("3 snapshots gone already"), "{}", again.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_seen_is_not_said_to_be_gone() {
    let (server, _, daily) = serve(6, "3").await;
    let shown = snapkeep(&server.url, "prune --dry-run --output json --regions eu-central-1,eu-west-1", "").await;
    server.world.faults().set(Fault::on("DescribeVolumes", 401, "AuthFailure", "not now").in_region(REGION));
    let line = "prune --plan - --yes --output json --regions eu-central-1,eu-west-1";
    let done = snapkeep(&server.url, line, &shown.out).await;
    let result = &said(&done)["result"];
    assert_eq!((done.exit, &result["gone"]), (3, &json!([])), "{}", done.err);
    assert_eq!(result["left"][&daily[0]], "not seen: not all Regions could be read");
    assert_eq!(there(&server.world), set(&daily));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cap_stops_the_command_as_it_stops_the_schedule() {
    let (server, _, daily) = serve(20, "3").await;
    let said = snapkeep(&server.url, "prune --cap 5 --yes", "").await;
    assert_eq!(said.exit, 3, "{}", said.err);
    assert!(said.out.contains("17 of 20 snapshots would go, and the cap allows 5"), "{}", said.out);
    assert_eq!(there(&server.world), set(&daily));
    let said = snapkeep(&server.url, "prune --cap 17 --yes", "").await;
    assert_eq!((said.exit, there(&server.world)), (0, set(&daily[17..])), "{}", said.err);
}

async fn check_refused(line: &str, input: &str, words: &str) {
    let (server, _, daily) = serve(5, "3").await;
    let said = snapkeep(&server.url, line, input).await;
    assert!(said.exit == 2 && said.err.contains(words), "{line}: {} {}", said.exit, said.err);
    assert_eq!(there(&server.world), set(&daily), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_by_its_name_and_nothing_is_deleted() {
    check_refused("prune --orphans never --yes", "", "`orphans` is \"never\"; allowed: \"keep-last\"").await;
    check_refused("prune --cap many --yes", "", "invalid value 'many'").await;
    check_refused("prune --file - --yes", r#"{"action": "snapshot"}"#, "`select` is missing").await;
    check_refused("prune --file - --yes", r#"{"action": "prune", "retain": "7d"}"#, "the rules stand on the snapshots")
        .await;
    check_refused("prune --plan - --yes", "{}", "snapkeep prune --dry-run --output json").await;
    check_refused("prune --plan no-such-plan --yes", "", "no-such-plan").await;
    check_refused("prune --dry-run --yes", "", "cannot be used with").await;
    check_refused("prune --output json", "", "with --output json say").await;
    check_refused("explain snap-1", "", "`volume` is \"snap-1\"; allowed: a volume id").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_which_policy_selects_a_volume_and_what_goes_when() {
    let (server, volume, daily) = serve(4, "3").await;
    let policy = |value: &str| {
        json!({"action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": [value]}}, "retain": "3"})
            .to_string()
    };
    let line = format!("explain {volume} --file -");
    let told = snapkeep(&server.url, &line, &policy("true")).await;
    assert_eq!(told.exit, 0, "{}", told.err);
    for words in
        [" has the tag Backup=true; retain 3", "\"db\"", "newest 3 of 3", "next-prune", "not among the newest 3"]
    {
        assert!(told.out.contains(words), "{words} is missing from {}", told.out);
    }
    let told = snapkeep(&server.url, &line, &policy("yes")).await;
    assert!(told.out.contains("has the tag Backup=true, and yes is wanted"), "{}", told.out);

    let told = said(&snapkeep(&server.url, &format!("{line} --output json"), &policy("true")).await);
    let goes: Vec<bool> = told["snapshots"].as_array().unwrap().iter().map(|row| row["goes"].is_string()).collect();
    assert_eq!((told["snapshots"][3]["snapshot"].as_str(), goes), (Some(daily[0].as_str()), vec![true; 4]));

    server.world.region(REGION, |region| region.volumes.remove(&volume, server.world.clock.now()));
    let told = snapkeep(&server.url, &line, &policy("true")).await;
    assert!(told.out.contains("gone; its snapshots are orphans"), "{}", told.out);
    let told = snapkeep(&server.url, "explain vol-0123456789abcdef0 --regions eu-west-1", "").await;
    assert!(told.exit == 1 && told.err.contains("in none of the Regions"), "{}", told.err);
}
