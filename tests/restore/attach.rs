//! Attaching what was restored: never in the place of what is there.

use simulator::world::instance::InstanceState;

use super::*;

impl Scene {
    /// The devices of the instance, each with its volume.
    fn devices(&self) -> Vec<(String, String)> {
        self.server.world.region(REGION, |region| {
            let instance = region.instances.get(&self.instance).unwrap();
            instance.volumes.iter().map(|each| (each.device.to_string(), each.volume.to_string())).collect()
        })
    }

    fn stop_instance(&self) {
        self.server.world.region(REGION, |region| {
            region.instances.change(&self.instance, |instance| instance.state = InstanceState::Stopped);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_volume_takes_its_old_device_and_one_that_is_there_a_free_one() {
    let scene = Scene::new().await;
    let said = scene.type_in(&format!("restore {} --attach --yes", scene.volumes[1])).await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("its source's name is taken"), "{}", said.out);
    let devices: Vec<String> = scene.devices().into_iter().map(|(device, _)| device).collect();
    assert_eq!(devices, ["/dev/xvda", "/dev/sdf", "/dev/sdg"], "nothing was detached");

    let scene = Scene::new().await;
    scene.lose(&scene.volumes[1]);
    let said = scene.type_in(&format!("restore {} --attach --yes", scene.volumes[1])).await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    let made = scene.restored()[0].id.to_string();
    assert_eq!(scene.devices()[1], ("/dev/sdf".into(), made));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_instances_volumes_come_beside_those_that_are_there_and_it_is_said_how_it_boots_from_them() {
    let scene = Scene::new().await;
    let said = scene.type_in(&format!("restore {} --attach --yes", scene.instance)).await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    let devices: BTreeSet<String> = scene.devices().into_iter().map(|(device, _)| device).collect();
    assert_eq!(devices, ["/dev/xvda", "/dev/sdf", "/dev/sdg", "/dev/sdh"].map(String::from).into());
    for words in [
        "only be exchanged while the instance is stopped",
        &format!("aws ec2 stop-instances --region {REGION} --instance-ids {}", scene.instance),
        &format!("aws ec2 detach-volume --region {REGION} --volume-id {}", scene.volumes[0]),
        "--device /dev/xvda",
    ] {
        assert!(said.out.contains(words), "{words} is missing from {}", said.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_volume_that_was_lost_goes_back_only_to_a_stopped_instance() {
    let scene = Scene::new().await;
    scene.lose(&scene.volumes[0]);
    let running = scene.told(&format!("restore {} --attach --dry-run", scene.volumes[0])).await;
    assert_eq!(running["volumes"][0]["device"], "/dev/sdg");
    scene.stop_instance();
    let said = scene.type_in(&format!("restore {} --attach --yes", scene.volumes[0])).await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    assert!(scene.devices().iter().any(|(device, _)| device == "/dev/xvda"), "{:?}", scene.devices());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_instance_is_named_and_its_zone_is_taken() {
    let scene = Scene::new().await;
    let (other, _) = scene.server.world.add_instance(ACCOUNT, REGION, tags(&[]), 1);
    scene
        .server
        .world
        .region(REGION, |region| region.instances.change(&other, |each| each.zone = "eu-central-1b".into()));
    let refused =
        scene.type_in(&format!("restore {} --attach={other} --zone eu-central-1a --yes", scene.volumes[1])).await;
    assert!(refused.exit == 2 && refused.err.contains("the instance is in eu-central-1b"), "{}", refused.err);
    let said = scene.type_in(&format!("restore {} --attach={other} --yes", scene.volumes[1])).await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    let made = &scene.restored()[0];
    assert_eq!((&*made.zone, &*made.attachments[0].instance), ("eu-central-1b", other.as_str()));
    let refused = scene.type_in(&format!("restore {} --attach=i-0123456789abcdef0 --yes", scene.volumes[1])).await;
    assert!(refused.exit == 2 && refused.err.contains("is not there"), "{}", refused.err);
}
