//! A clock that is held and moved, and what it makes of snapshots.

use chrono::TimeDelta;
use simulator::faults::{Effect, Fault};
use simulator::fleet::{Fleet, VolumePlan};

use super::*;

#[tokio::test]
async fn a_snapshot_completes_after_a_time_that_depends_on_its_size() {
    let world = held();
    world.set(|settings| settings.completes_after_per_gib = TimeDelta::seconds(2));
    let small = volumes(&world, 1).remove(0);
    let volume = VolumePlan { size: 1000, ..VolumePlan::default() };
    let large = Fleet { volume, ..Fleet::new(ACCOUNT, REGION, 1) }.build(&world).remove(0);
    let (server, ec2) = serve(world).await;
    let (small, large) = (snapshot(&ec2, &small).await, snapshot(&ec2, &large).await);
    let states = async || (state(&ec2, &small).await, state(&ec2, &large).await);
    assert_eq!(states().await, ("pending".into(), "pending".into()));
    server.world.clock.advance(TimeDelta::seconds(76));
    assert_eq!(states().await, ("completed".into(), "pending".into()));
    server.world.clock.advance(TimeDelta::seconds(954));
    let half_way = ec2.describe_snapshots().snapshot_ids(&large).send().await.unwrap().snapshots.unwrap().remove(0);
    assert_eq!((half_way.progress.as_deref(), half_way.completion_time), (Some("50%"), None));
    server.world.clock.advance(TimeDelta::seconds(1030));
    let done = ec2.describe_snapshots().snapshot_ids(&large).send().await.unwrap().snapshots.unwrap().remove(0);
    assert_eq!((done.state.unwrap().as_str(), done.progress.as_deref()), ("completed", Some("100%")));
    assert_eq!(done.completion_time.unwrap().secs() - done.start_time.unwrap().secs(), 2060);
    assert_eq!(done.full_snapshot_size_in_bytes, Some(1000 << 30));
}

#[tokio::test]
async fn a_snapshot_may_end_in_error_and_says_why() {
    let world = held();
    let ids = volumes(&world, 2);
    world
        .faults()
        .set(Fault::new("CreateSnapshot", Effect::EndsInError("the Outpost is full".into())).for_resource(&ids[0]));
    let (server, ec2) = serve(world).await;
    for id in &ids {
        assert_eq!(state(&ec2, &snapshot(&ec2, id).await).await, "pending", "nothing shows yet");
    }
    server.world.clock.advance(minutes(2));
    let found = own_snapshots(&ec2).await;
    assert_eq!(
        (found[0].state.as_ref().unwrap().as_str(), found[1].state.as_ref().unwrap().as_str()),
        ("error", "completed")
    );
    assert_eq!(found[0].state_message.as_deref(), Some("the Outpost is full"));
    let failed = ec2.describe_snapshots().owner_ids("self").filters(filter("status", "error")).send().await.unwrap();
    assert_eq!(failed.snapshots.unwrap().len(), 1);
}

/// "Eventual consistency": a Describe call that comes too soon does not know of a snapshot, for one caller longer
/// than for another.
#[tokio::test]
async fn describe_lags_behind_create_and_delete_for_each_caller() {
    let world = held();
    let ids = volumes(&world, 1);
    world.set(|settings| {
        settings.lag = TimeDelta::seconds(5);
        settings.lag_of.insert(format!("arn:aws:iam::{ACCOUNT}:root"), TimeDelta::seconds(30));
    });
    let (server, ec2) = serve(world).await;
    let id = snapshot(&ec2, &ids[0]).await;
    let role = assumed(&server).await;
    let sees = async |ec2: &Client| {
        let listed = own_snapshots(ec2).await.len();
        (listed, outcome(ec2.describe_snapshots().snapshot_ids(&id).send().await))
    };
    let (unknown, known) = ((0, String::from("InvalidSnapshot.NotFound")), (1, String::from("ok")));
    assert_eq!((sees(&ec2).await, sees(&role).await), (unknown.clone(), unknown.clone()));
    server.world.clock.advance(TimeDelta::seconds(10));
    assert_eq!((sees(&ec2).await, sees(&role).await), (unknown.clone(), known.clone()));
    server.world.clock.advance(minutes(2));
    ec2.delete_snapshot().snapshot_id(&id).send().await.unwrap();
    assert_eq!(outcome(ec2.delete_snapshot().snapshot_id(&id).send().await), "InvalidSnapshot.NotFound");
    server.world.clock.advance(TimeDelta::seconds(10));
    assert_eq!((sees(&ec2).await, sees(&role).await), (known, unknown.clone()), "it went, and one still sees it");
    server.world.clock.advance(TimeDelta::seconds(25));
    assert_eq!(sees(&ec2).await, unknown);
}

/// A client with the credentials of a role in the same account.
async fn assumed(server: &Server) -> Client {
    let role =
        shared::vocabulary::policy::Role { arn: format!("arn:aws:iam::{ACCOUNT}:role/reader"), external_id: None };
    let config = config_of(&server.url, ACCOUNT).await;
    let provider = aws_config::sts::AssumeRoleProvider::builder(role.arn).session_name("night").configure(&config);
    let config = config
        .into_builder()
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(provider.build().await));
    Client::new(&config.build())
}
