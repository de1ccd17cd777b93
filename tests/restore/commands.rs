//! Each kind of target, and what is said of each.

use serde_json::json;
use simulator::faults::Fault;
use simulator::world::snapshot::{Archive, SnapshotState};
use simulator::world::volume::VolumeType;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_comes_back_as_it_was_from_its_newest_snapshot() {
    let scene = Scene::new().await;
    let shown = scene.type_in(&format!("restore {} --dry-run", scene.volumes[1])).await;
    assert_eq!(shown.exit, 0, "{}", shown.err);
    for words in [&scene.snapshots[2][1], "2026-11-20T02:00:07Z", "io2, 2000 IOPS", "eu-central-1a", "have to be grown"]
    {
        assert!(shown.out.contains(words), "{words} is missing from {}", shown.out);
    }
    assert!(scene.restored().is_empty(), "a dry run makes nothing");

    let said = scene.type_in(&format!("restore {} --yes", scene.volumes[1])).await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    let [made] = &scene.restored()[..] else { panic!("{:?}", scene.restored()) };
    assert_eq!((made.kind, made.size, made.iops, &*made.zone), (VolumeType::Io2, 20, Some(2000), "eu-central-1a"));
    assert_eq!((made.state, made.snapshot.as_deref()), (VolumeState::Available, Some(scene.snapshots[2][1].as_str())));
    assert!(has_tags(made, &[("Name", "data"), ("Backup", "true"), ("snapkeep:restored-volume", &scene.volumes[1])]));
    assert!(!made.tags.keys().any(|key| key.starts_with("aws:") || &**key == "DeleteOn"), "{:?}", made.tags);
    for words in [&*made.id, "first read", "aws ec2 attach-volume", &format!("--undo {}", id_in(&said))] {
        assert!(said.out.contains(words), "{words} is missing from {}", said.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_time_is_the_newest_of_that_time() {
    let scene = Scene::new().await;
    let volume = &scene.volumes[1];
    let plan = scene.told(&format!("restore {volume} --at 2026-11-20T02:00:00Z --dry-run")).await;
    assert_eq!(plan["volumes"][0]["snapshot"], json!(scene.snapshots[1][1]));
    let none = scene.type_in(&format!("restore {volume} --at 2026-11-01T00:00:00Z --dry-run")).await;
    assert!(none.exit == 1 && none.err.contains("at 2026-11-01T00:00:00Z or before"), "{}", none.err);
    let none = scene.type_in(&format!("restore {volume} --policy hourly --dry-run")).await;
    assert!(none.exit == 1 && none.err.contains("of the policy hourly"), "{}", none.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_newer_and_no_good_is_named_and_what_is_archived_comes_with_the_command() {
    let scene = Scene::new().await;
    let [older, newer] = [&scene.snapshots[1][1], &scene.snapshots[2][1]];
    scene.change(newer, |snapshot| snapshot.state = SnapshotState::Pending);
    let plan = scene.type_in(&format!("restore {} --dry-run", scene.volumes[1])).await;
    assert!(plan.out.contains(&format!("{newer} is not completed yet")) && plan.out.contains(older), "{}", plan.out);

    let time = scene.server.world.clock.now();
    scene.change(newer, |snapshot| {
        snapshot.state = SnapshotState::Completed;
        snapshot.rare_mut().archive = Some(Archive::Done { began: time, done: time });
    });
    let refused = scene.type_in(&format!("restore {newer} --yes")).await;
    assert_eq!(refused.exit, 1, "{}", refused.out);
    assert!(
        refused.err.contains("is archived")
            && refused.err.contains(&format!("restore-snapshot-tier --region {REGION} --snapshot-id {newer}")),
        "{}",
        refused.err
    );
    assert!(scene.restored().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_comes_back_whole_from_one_slot() {
    let scene = Scene::new().await;
    // Of the last slot the data volume's snapshot failed: the slot before is the newest whole one.
    scene.change(&scene.snapshots[2][1], |snapshot| snapshot.state = SnapshotState::Error);
    let said = scene.type_in(&format!("restore {} --yes", scene.instance)).await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains(&format!("slot {} of daily is not whole", SLOTS[2])), "{}", said.out);
    assert_eq!(scene.restored_from(), set(&scene.snapshots[1]));

    let plan = scene.told(&format!("restore {} --mixed --dry-run", scene.instance)).await;
    let of: Vec<&str> =
        plan["volumes"].as_array().unwrap().iter().map(|row| row["snapshot"].as_str().unwrap()).collect();
    assert_eq!(
        of.into_iter().map(String::from).collect::<BTreeSet<_>>(),
        [scene.snapshots[2][0].clone(), scene.snapshots[1][1].clone()].into()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_without_a_whole_slot_is_refused_with_what_is_missing() {
    let scene = Scene::new().await;
    for (slot, snapshots) in scene.snapshots.iter().enumerate() {
        scene.change(&snapshots[slot % 2], |snapshot| snapshot.state = SnapshotState::Error);
    }
    let refused = scene.type_in(&format!("restore {} --yes", scene.instance)).await;
    assert_eq!(refused.exit, 1, "{}", refused.out);
    for words in [SLOTS[0], SLOTS[1], SLOTS[2], "ended in error", "--mixed", "--at TIME"] {
        assert!(refused.err.contains(words), "{words} is missing from {}", refused.err);
    }
    assert!(scene.restored().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_comes_back_from_what_its_snapshots_say() {
    let scene = Scene::new().await;
    scene.lose(&scene.volumes[1]);
    // The instance is still there, and so is its zone.
    let said = scene.type_in(&format!("restore {} --yes", scene.volumes[1])).await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("(gone)") && said.out.contains("made as gp3"), "{}", said.out);
    let made = &scene.restored()[0];
    assert_eq!((made.kind, made.size, &*made.zone), (VolumeType::Gp3, 8, "eu-central-1a"));
    assert!(has_tags(made, &[("Team", "storage"), ("snapkeep:restored-device", "/dev/sdf")]), "{:?}", made.tags);

    // The volume that was lost belongs to what the slot has of the instance.
    let plan = scene.told(&format!("restore {} --dry-run", scene.instance)).await;
    assert_eq!(plan["volumes"].as_array().unwrap().len(), 2);

    // And with the instance gone as well, only a person knows the zone.
    scene.lose(&scene.volumes[0]);
    scene
        .server
        .world
        .region(REGION, |region| region.instances.remove(&scene.instance, scene.server.world.clock.now()));
    let refused = scene.type_in(&format!("restore {} --yes", scene.instance)).await;
    assert!(refused.exit == 2 && refused.err.contains("say --zone"), "{}", refused.err);
    let plan = scene.told(&format!("restore {} --zone eu-central-1b --dry-run", scene.instance)).await;
    assert_eq!(plan["volumes"][1]["new"]["zone"], "eu-central-1b");
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_deletes_what_the_restore_made_and_nobody_uses_and_nothing_else() {
    let scene = Scene::new().await;
    let said = scene.type_in(&format!("restore {} --yes", scene.instance)).await;
    let id = id_in(&said);
    let other = id_in(&scene.type_in(&format!("restore {} --yes", scene.volumes[0])).await);
    let mine = |of: &str| {
        scene
            .restored()
            .into_iter()
            .filter(|volume| &*volume.tags["snapkeep:restore"] == of)
            .map(|volume| volume.id.to_string())
            .collect::<Vec<_>>()
    };
    let [used, free] = &mine(&id)[..] else { panic!("{:?}", mine(&id)) };
    scene
        .server
        .world
        .region(REGION, |region| region.attach(used, &scene.instance, "/dev/sdk", scene.server.world.clock.now()));

    let asked = scene.type_in(&format!("restore --undo {id}")).await;
    assert!(asked.exit == 2 && asked.err.contains("nothing was done"), "{}", asked.err);
    assert_eq!(mine(&id).len(), 2);
    let undone = scene.type_in(&format!("restore --undo {id} --yes")).await;
    assert_eq!(undone.exit, 3, "one stays: {}", undone.out);
    assert!(undone.out.contains(&format!("detach-volume --region {REGION} --volume-id {used}")), "{}", undone.out);
    assert!(undone.out.contains("Deleted 1 of 1 volume."), "{}", undone.out);
    assert_eq!(mine(&id), std::slice::from_ref(used), "{free} is gone");
    assert_eq!(mine(&other).len(), 1, "another restore's stays");
    let nothing = scene.type_in("restore --undo r-000000000000 --yes").await;
    assert!(
        nothing.exit == 0 && nothing.out.contains("There is no volume of restore r-000000000000"),
        "{}",
        nothing.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ec2_refuses_is_told_with_its_words_and_the_rest_is_made() {
    let scene = Scene::new().await;
    let fault = Fault::on("CreateVolume", 400, "VolumeLimitExceeded", "too many volumes");
    scene.server.world.faults().set(fault.for_resource(&scene.snapshots[2][0]));
    let said = scene.type_in(&format!("restore {} --yes", scene.instance)).await;
    assert_eq!(said.exit, 3, "{}", said.out);
    assert!(
        said.out.contains("VolumeLimitExceeded: too many volumes") && said.out.contains("--resume"),
        "{}",
        said.out
    );
    assert_eq!(scene.restored_from(), set(&scene.snapshots[2][1..]));
    scene.server.world.faults().clear();
    let resumed = scene.type_in(&command_in(&said).replace("--resume", "--yes --resume")).await;
    assert_eq!((resumed.exit, scene.restored_from()), (0, set(&scene.snapshots[2])), "{}", resumed.err);
    assert_eq!(scene.restored().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_whose_key_cannot_be_used_is_told_and_made_anew_when_it_can() {
    let scene = Scene::new().await;
    let snapshot = scene.snapshots[2][1].clone();
    scene.change(&snapshot, |snapshot| snapshot.rare_mut().key = Some("alias/old".into()));
    scene.server.world.set(|settings| settings.revoked_keys = ["alias/old".into()].into());
    let said = scene.type_in(&format!("restore {snapshot} --yes")).await;
    assert_eq!(said.exit, 3, "{}", said.out);
    assert!(said.out.contains("ended in error") && said.out.contains("KMS"), "{}", said.out);
    scene.server.world.set(|settings| settings.revoked_keys.clear());
    let resumed = scene.type_in(&command_in(&said).replace("--resume", "--yes --resume")).await;
    assert_eq!(resumed.exit, 0, "{}{}", resumed.out, resumed.err);
    let states: BTreeSet<&str> = scene.restored().iter().map(|volume| volume.state.name()).collect();
    assert_eq!(states, ["available", "error"].into());
    let undone = scene.type_in(&format!("restore --undo {} --yes", id_in(&said))).await;
    assert_eq!((undone.exit, scene.restored().len()), (0, 0), "{}", undone.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_by_its_name_and_nothing_is_made() {
    let scene = Scene::new().await;
    let volume = scene.volumes[1].as_str();
    let check = async |line: &str, exit: i32, words: &str| {
        let said = scene.type_in(line).await;
        assert!(said.exit == exit && said.err.contains(words), "{line}: {} {}", said.exit, said.err);
    };
    check("restore", 2, "required").await;
    check("restore db --yes", 2, "`target` is \"db\"; allowed: a volume").await;
    check(&format!("restore {volume} --at noon"), 2, "--at: \"noon\" is not a time").await;
    check(&format!("restore {volume} --resume 7"), 2, "`--resume` is \"7\"").await;
    check(&format!("restore {volume} --undo r-000000000000"), 2, "cannot be used with").await;
    check(&format!("restore {volume} --attach=x"), 2, "--attach=x is no instance").await;
    check(&format!("restore {volume} --sample 3"), 2, "--drill").await;
    check(&format!("restore {} --mixed --yes", scene.snapshots[0][0]), 2, "as it is").await;
    check(&format!("restore {volume} --output json"), 2, "with --output json say").await;
    check(&format!("restore {volume}"), 2, "nobody can be asked here").await;
    check("restore vol-0123456789abcdef0 --yes", 1, "is not in eu-central-1").await;
    let said = scene.type_in(&format!("restore {volume} --zone eu-west-1a --yes")).await;
    assert!(said.exit == 1 && said.out.contains("InvalidZone.NotFound"), "{} {}", said.exit, said.out);
    assert!(scene.restored().is_empty());
    scene.server.world.faults().set(Fault::on("DescribeVolumes", 403, "UnauthorizedOperation", "not allowed"));
    check(&format!("restore {volume} --yes"), 1, "UnauthorizedOperation: not allowed").await;
}
