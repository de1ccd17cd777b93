//! `snapkeep report` as an operator types it. What its page looks like, and that it obeys, is shown in `cli/tests/report`.

use std::path::PathBuf;

use serde_json::{Value, json};
use simulator::faults::Fault;
use simulator::server::Server;

use super::command::{policy, world};
use crate::prune::REGION;
use crate::stack::ACCOUNT;
use crate::typed::{Said, snapkeep, snapkeep_with};

/// A file's name that nothing else has.
fn page(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(format!("{name}.html"))
}

async fn report(server: &Server, file: &std::path::Path, line: &str) -> Said {
    let line = format!("report --file - --out {} {line}", file.display());
    snapkeep(&server.url, line.trim(), &policy()).await
}

/// What the page says, as its script reads it.
fn data(file: &std::path::Path) -> Value {
    let page = std::fs::read_to_string(file).unwrap();
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_has_each_volume_with_its_days_and_what_is_retained() {
    let (world, volumes) = world();
    let server = Server::start_local(world).await.unwrap();
    let file = page("whole");
    let said = report(&server, &file, "").await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("1 of 2 volumes covered, 1 not"), "{}", said.out);
    let data = data(&file);
    let rows = data["groups"][0]["volumes"].as_array().unwrap();
    let row = |volume: &String| rows.iter().find(|row| row["id"] == **volume).unwrap();
    let days = |volume: &String| row(volume)["days"].as_str().unwrap().to_string();
    // Three snapshots are there of a rule that keeps seven: one of any other day would be there too.
    assert!(days(&volumes[0]).ends_with("ff") && days(&volumes[0]).len() == 30, "{}", days(&volumes[0]));
    assert_eq!(days(&volumes[1]), "n".repeat(30));
    assert_eq!(days(&volumes[2]), "x".repeat(30));
    assert_eq!(row(&volumes[1])["name"], "=cmd(),‹U+001B›[31mred");
    assert_eq!((&data["unselected"], &data["retained"]["total"]["snapshots"]), (&json!(1), &json!(3)));
    assert_eq!(data["places"], json!([{"account": ACCOUNT, "region": REGION, "error": null}]));
    let why = data["letters"]["why"].as_str().unwrap();
    assert!(why.contains("SNAPKEEP_DLQ_URL") && data["letters"]["failed"] == false, "{why}");
    assert_eq!(
        ["CreateSnapshot", "DeleteSnapshot", "CreateTags"].map(|action| server.world.history().action(action).calls),
        [0; 3]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_stays_unless_it_is_to_be_replaced() {
    let (world, _) = world();
    let server = Server::start_local(world).await.unwrap();
    let file = page("there");
    std::fs::write(&file, "mine").unwrap();
    let said = report(&server, &file, "").await;
    assert_eq!((said.exit, said.err.contains("Replace it with --force")), (2, true), "{}", said.err);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let said = report(&server, &file, "--force --days 5").await;
    assert_eq!((said.exit, data(&file)["days"].as_array().unwrap().len()), (0, 5), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cannot_be_read_is_unknown_and_the_exit_code_says_so() {
    let (world, _) = world();
    world.faults().set(Fault::on("DescribeVolumes", 400, "UnauthorizedOperation", "You are not authorized"));
    let server = Server::start_local(world).await.unwrap();
    let file = page("unknown");
    let said = report(&server, &file, "").await;
    assert_eq!(said.exit, 3, "{}{}", said.out, said.err);
    assert!(said.err.contains("UnauthorizedOperation"), "{}", said.err);
    let data = data(&file);
    assert!(data["places"][0]["error"].as_str().unwrap().contains("UnauthorizedOperation"));
    assert_eq!(data["groups"][0]["volumes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_policy_and_with_a_queue_that_is_not_there_the_rest_is_told() {
    let (world, _) = world();
    let server = Server::start_local(world).await.unwrap();
    let file = page("bare");
    let queue = ("SNAPKEEP_DLQ_URL", "http://127.0.0.1:1/000000000000/dlq.fifo");
    let line = format!("report --out {} --regions {REGION}", file.display());
    let said = snapkeep_with(&server.url, &line, "", &[queue]).await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    let data = data(&file);
    assert_eq!((&data["policies"], &data["retained"]["total"]["snapshots"]), (&json!([]), &json!(3)));
    assert_eq!(data["letters"]["failed"], true);
    assert!(said.err.contains("The dead-letter queue could not be read"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_to_a_report_is_refused_by_its_name() {
    let (world, _) = world();
    let server = Server::start_local(world).await.unwrap();
    for (line, words) in [
        ("--days 0", "0 is not in 1..=92"),
        ("--time-zone Zurich", "`--time-zone` is \"Zurich\"; allowed: a time zone such as Europe/Zurich"),
        ("--regions Frankfurt", "`--regions` is \"Frankfurt\""),
    ] {
        let said = report(&server, &page("refused"), line).await;
        assert_eq!((said.exit, said.err.contains(words)), (2, true), "{line}: {}{}", said.out, said.err);
        assert!(!page("refused").exists());
    }
}
