//! What is enabled for fast restores, and stands in the way of deleting.

use aws_sdk_ec2::types::{
    DescribeFastSnapshotRestoreSuccessItem, EnableFastSnapshotRestoreErrorItem, TargetStorageTier,
};
use simulator::fleet::{Fleet, VolumePlan};
use simulator::text::text;
use simulator::world::BinRule;

use super::*;

const ZONE: &str = "eu-central-1a";
const OTHER_ZONE: &str = "eu-central-1b";

/// A served world with one completed snapshot of a volume of a TiB, and its id.
async fn with_snapshot() -> (Server, Client, String) {
    let world = held();
    let volume = VolumePlan { size: 1024, ..VolumePlan::default() };
    Fleet { volume, snapshots_per_volume: 1, ..Fleet::new(ACCOUNT, REGION, 1) }.build(&world);
    let id = world.snapshots()[0].id.to_string();
    let (server, ec2) = serve(world).await;
    (server, ec2, id)
}

async fn enable(ec2: &Client, id: &str, zones: &[&str]) -> Vec<EnableFastSnapshotRestoreErrorItem> {
    let zones = zones.iter().map(|zone| zone.to_string()).collect();
    let request = ec2.enable_fast_snapshot_restores().source_snapshot_ids(id).set_availability_zones(Some(zones));
    request.send().await.unwrap().unsuccessful.unwrap()
}

async fn disable(ec2: &Client, id: &str, zone: &str) -> String {
    let request = ec2.disable_fast_snapshot_restores().source_snapshot_ids(id).availability_zones(zone);
    let answer = request.send().await.unwrap();
    let code = |error: &aws_sdk_ec2::types::DisableFastSnapshotRestoreErrorItem| {
        error.fast_snapshot_restore_state_errors()[0].error().unwrap().code().unwrap().to_string()
    };
    answer.unsuccessful().first().map_or("ok".into(), code)
}

async fn restores(ec2: &Client) -> Vec<DescribeFastSnapshotRestoreSuccessItem> {
    ec2.describe_fast_snapshot_restores().send().await.unwrap().fast_snapshot_restores.unwrap()
}

/// The states of all of them.
async fn states(ec2: &Client) -> String {
    let states = restores(ec2).await.into_iter().map(|restore| restore.state.unwrap().as_str().to_string());
    states.collect::<Vec<_>>().join(" ")
}

async fn delete(ec2: &Client, id: &str) -> String {
    outcome(ec2.delete_snapshot().snapshot_id(id).send().await)
}

#[tokio::test]
async fn a_snapshot_enabled_for_fast_restores_is_deleted_only_when_it_is_disabled_in_every_zone() {
    let (server, ec2, id) = with_snapshot().await;
    assert_eq!(enable(&ec2, &id, &[ZONE, OTHER_ZONE]).await, []);
    let error = ec2.delete_snapshot().snapshot_id(&id).send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidSnapshot.InUse"), "while it is enabling, too");
    let words = format!("The snapshot {id} is currently enabled for fast restores in {ZONE}, {OTHER_ZONE}. Fast");
    assert!(error.message().unwrap().starts_with(&words), "{error:?}");
    server.world.clock.advance(TimeDelta::hours(2));
    assert_eq!(disable(&ec2, &id, ZONE).await, "ok");
    server.world.clock.advance(minutes(1));
    assert_eq!(
        (states(&ec2).await.as_str(), delete(&ec2, &id).await.as_str()),
        ("disabled enabled", "InvalidSnapshot.InUse")
    );
    assert_eq!(disable(&ec2, &id, OTHER_ZONE).await, "ok");
    assert_eq!(
        (states(&ec2).await.as_str(), delete(&ec2, &id).await.as_str()),
        ("disabled disabling", "InvalidSnapshot.InUse")
    );
    server.world.clock.advance(minutes(1));
    assert_eq!(disable(&ec2, &id, ZONE).await, "IncorrectState", "it is disabled already");
    assert_eq!((states(&ec2).await.as_str(), delete(&ec2, &id).await.as_str()), ("disabled disabled", "ok"));
    assert_eq!(states(&ec2).await, "", "they went with it");
}

#[tokio::test]
async fn a_fast_restore_is_enabled_in_steps_and_each_has_its_time() {
    let (server, ec2, id) = with_snapshot().await;
    let start = server.world.clock.now().timestamp();
    let request = ec2.enable_fast_snapshot_restores().source_snapshot_ids(&id).availability_zones(ZONE);
    let begun = request.clone().send().await.unwrap().successful.unwrap().remove(0);
    assert_eq!((begun.snapshot_id.as_ref(), begun.availability_zone.as_deref()), (Some(&id), Some(ZONE)));
    assert_eq!((begun.state.unwrap().as_str(), begun.owner_id.as_deref()), ("enabling", Some(ACCOUNT)));
    assert_eq!(begun.state_transition_reason.as_deref(), Some("Client.UserInitiated"));
    let after = async |seconds: i64| {
        server.world.clock.advance(TimeDelta::seconds(seconds));
        let found = restores(&ec2).await.remove(0);
        let times =
            [found.enabling_time, found.optimizing_time, found.enabled_time, found.disabling_time, found.disabled_time];
        let times = times.into_iter().flatten().map(|time| time.secs() - start).collect::<Vec<_>>();
        (found.state.unwrap().as_str().to_string(), times)
    };
    assert_eq!(after(1).await, ("enabling".into(), vec![0]));
    assert_eq!(after(1).await, ("optimizing".into(), vec![0, 2]));
    assert_eq!(after(3599).await, ("optimizing".into(), vec![0, 2]), "60 minutes for a TiB");
    assert_eq!(after(1).await, ("enabled".into(), vec![0, 2, 3602]));
    let again = request.clone().send().await.unwrap().successful.unwrap().remove(0);
    assert_eq!(again.state.unwrap().as_str(), "enabled", "it stays as it is");
    assert_eq!(disable(&ec2, &id, ZONE).await, "ok");
    assert_eq!(after(1).await, ("disabling".into(), vec![0, 2, 3602, 3602]));
    assert_eq!(after(1).await, ("disabled".into(), vec![0, 2, 3602, 3602, 3604]));
    request.send().await.unwrap();
    assert_eq!(after(0).await, ("enabling".into(), vec![3604]), "once more from the beginning");
}

#[tokio::test]
async fn fast_restores_are_described_page_by_page_to_who_enabled_them() {
    let (server, ec2, id) = with_snapshot().await;
    Fleet { snapshots_per_volume: 1, ..Fleet::new(STRANGER, REGION, 1) }.build(&server.world);
    let stranger = client(&server, STRANGER, REGION).await;
    let theirs = server.world.snapshots().into_iter().find(|snapshot| &*snapshot.owner == STRANGER).unwrap();
    assert_eq!(enable(&ec2, &id, &["eu-central-1a", "eu-central-1b", "eu-central-1c"]).await, []);
    assert_eq!(enable(&stranger, &theirs.id, &[ZONE]).await, []);
    server.world.clock.advance(minutes(5));
    let describe = || ec2.describe_fast_snapshot_restores();
    let count = async |name: &str, value: &str| {
        describe().filters(filter(name, value)).send().await.unwrap().fast_snapshot_restores.unwrap().len()
    };
    assert_eq!((count("snapshot-id", &id).await, count("snapshot-id", &theirs.id).await), (3, 0));
    assert_eq!((count("availability-zone", ZONE).await, count("availability-zone", "*c").await), (1, 1));
    assert_eq!((count("state", "optimizing").await, count("state", "enabled").await), (3, 0));
    assert_eq!((count("owner-id", ACCOUNT).await, count("owner-id", STRANGER).await), (3, 0));
    for unknown in ["tag:Name", "volume-id"] {
        assert_eq!(
            outcome(describe().filters(filter(unknown, "x")).send().await),
            "InvalidParameterValue",
            "{unknown}"
        );
    }
    for (size, expected) in [(-1, "InvalidParameterValue"), (0, "ok"), (200, "ok"), (201, "InvalidParameterValue")] {
        assert_eq!(outcome(describe().max_results(size).send().await), expected, "{size}");
    }
    let mut pages = describe().max_results(2).into_paginator().send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.unwrap().fast_snapshot_restores.unwrap().len());
    }
    assert_eq!(sizes, [2, 1]);
}

#[tokio::test]
async fn an_archive_ends_fast_restores_and_none_is_enabled_for_what_is_archived() {
    let (server, ec2, id) = with_snapshot().await;
    assert_eq!(enable(&ec2, &id, &[ZONE]).await, []);
    let archive = ec2.modify_snapshot_tier().snapshot_id(&id).storage_tier(TargetStorageTier::Archive);
    archive.send().await.unwrap();
    server.world.clock.advance(TimeDelta::hours(23));
    assert_eq!((states(&ec2).await, delete(&ec2, &id).await), ("enabled".into(), "InvalidSnapshot.InUse".into()));
    server.world.clock.advance(TimeDelta::hours(2));
    assert_eq!(states(&ec2).await, "disabled");
    let refused = enable(&ec2, &id, &[ZONE]).await.remove(0);
    let in_zone = &refused.fast_snapshot_restore_state_errors()[0];
    assert_eq!((refused.snapshot_id(), in_zone.availability_zone()), (Some(&*id), Some(ZONE)));
    assert_eq!(in_zone.error().unwrap().code(), Some("UnsupportedOperation"));
    assert_eq!(delete(&ec2, &id).await, "ok");
}

/// What a snapshot is not fit for fails it alone; what is wrong with the call, or an id that is not there, all of it.
#[tokio::test]
async fn what_cannot_be_enabled_is_said_of_each_snapshot_and_zone_and_the_rest_is_done() {
    let (server, ec2, id) = with_snapshot().await;
    let volume = volumes(&server.world, 1).remove(0);
    let pending = snapshot(&ec2, &volume).await;
    let request = || ec2.enable_fast_snapshot_restores().availability_zones(ZONE).availability_zones(OTHER_ZONE);
    let answer = request().source_snapshot_ids(&pending).source_snapshot_ids(&id).send().await.unwrap();
    assert_eq!(answer.successful().len(), 2);
    let refused = &answer.unsuccessful()[0];
    let errors = refused.fast_snapshot_restore_state_errors();
    let errors: Vec<_> =
        errors.iter().map(|error| (error.availability_zone(), error.error().unwrap().code())).collect();
    let incorrect = Some("IncorrectState");
    assert_eq!(refused.snapshot_id(), Some(&*pending));
    assert_eq!(errors, [(Some(ZONE), incorrect), (Some(OTHER_ZONE), incorrect)]);

    let none = "snap-0123456789abcdef0";
    let many = vec![id.clone(); 11];
    let bare = ec2.enable_fast_snapshot_restores();
    for (request, expected) in [
        (request(), "MissingParameter"),
        (bare.clone().source_snapshot_ids(&id), "MissingParameter"),
        (request().source_snapshot_ids(&id).source_snapshot_ids(none), "InvalidSnapshot.NotFound"),
        (request().source_snapshot_ids("snap-x"), "InvalidSnapshotID.Malformed"),
        (request().source_snapshot_ids(&id).availability_zones("us-east-1a"), "InvalidZone.NotFound"),
        (request().source_snapshot_ids(&id).availability_zones(REGION), "InvalidZone.NotFound"),
        (request().set_source_snapshot_ids(Some(many)), "InvalidRequest"),
        (bare.source_snapshot_ids(&id).availability_zone_ids("euc1-az2"), "UnknownParameter"),
        (request().source_snapshot_ids(&id).dry_run(true), "DryRunOperation"),
    ] {
        assert_eq!(outcome(request.send().await), expected);
    }
    let stranger = client(&server, STRANGER, REGION).await;
    let theirs = stranger.disable_fast_snapshot_restores().availability_zones(ZONE).source_snapshot_ids(&id);
    assert_eq!(outcome(theirs.send().await), "InvalidSnapshot.NotFound");
    assert_eq!(disable(&ec2, &id, "eu-central-1c").await, "IncorrectState", "never enabled there");
}

/// The user guide's word against that of an old issue; a setting says which of them holds.
#[tokio::test]
async fn where_deleting_disables_fast_restores_they_end_in_the_recycle_bin_and_a_restored_snapshot_has_none() {
    let (server, ec2, id) = with_snapshot().await;
    server.world.set(|settings| settings.refuses_fast_restored = false);
    server.world.region(REGION, |region| {
        region.bin_rules.push(BinRule { account: text(ACCOUNT), days: 2, tag: None });
    });
    assert_eq!(enable(&ec2, &id, &[ZONE]).await, []);
    assert_eq!((delete(&ec2, &id).await, states(&ec2).await), ("ok".into(), "disabling".into()));
    server.world.clock.advance(minutes(1));
    assert_eq!(states(&ec2).await, "disabled");
    ec2.restore_snapshot_from_recycle_bin().snapshot_id(&id).send().await.unwrap();
    server.world.clock.advance(minutes(1));
    assert_eq!((state(&ec2, &id).await, states(&ec2).await), ("completed".into(), "disabled".into()));
    assert_eq!(enable(&ec2, &id, &[ZONE]).await, []);
    server.world.region(REGION, |region| region.bin_rules.clear());
    assert_eq!((delete(&ec2, &id).await, states(&ec2).await), ("ok".into(), String::new()), "gone for good");
}
