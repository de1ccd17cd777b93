//! A restore that is interrupted, at each of its steps, leaves nothing that is not named, and nothing is made twice.

use std::process::Stdio;
use std::time::Duration;

use simulator::faults::{Effect, Fault, Latency};
use tokio::process::{Child, Command};

use super::*;
use crate::lambda::binary;
use crate::stack::environment;

/// Where a restore is interrupted, and how the world holds it there.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// No call to create was answered, and the first was heard.
    FirstCreate,
    /// One volume is there, and the second create call is under way.
    SecondCreate,
    /// Both are begun, and none is made.
    Waiting,
    /// Both are made, and the first is being attached.
    Attaching,
}

impl Scene {
    fn hold_at(&self, step: Step) {
        let world = &self.server.world;
        let slow = |action: &str| Fault::new(action, Effect::Latency(Latency::Fixed(4.0)));
        match step {
            Step::FirstCreate => world.faults().set(slow("CreateVolume")),
            Step::SecondCreate => world.faults().set(slow("CreateVolume").for_resource(&self.snapshots[2][1])),
            Step::Waiting => world.set(|settings| settings.changes_after = chrono::TimeDelta::seconds(3)),
            Step::Attaching => world.faults().set(slow("AttachVolume")),
        }
    }

    async fn until(&self, step: Step) {
        let is_there = || {
            let calls = |action: &str| self.server.world.history().action(action).calls;
            match step {
                Step::FirstCreate => calls("CreateVolume") >= 1 || !self.restored().is_empty(),
                Step::SecondCreate | Step::Waiting => self.restored().len() >= 2,
                Step::Attaching => {
                    calls("AttachVolume") >= 1 || self.restored().iter().any(|each| !each.attachments.is_empty())
                }
            }
        };
        for _ in 0..600 {
            if is_there() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it never came to {step:?}");
    }

    async fn start(&self, line: &str) -> Child {
        Command::new(binary("snapkeep").await)
            .args(line.split(' '))
            .env_clear()
            .envs(environment(&self.server.url, &self.server.url))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Begins to restore the instance, sends `signal` at `step`, and gives what was said by then.
    async fn interrupt(&self, step: Step, signal: &str) -> Said {
        self.hold_at(step);
        let process = self.start(&format!("restore {} --attach --yes", self.instance)).await;
        self.until(step).await;
        let killed = Command::new("kill").args([signal, &process.id().unwrap().to_string()]).status().await.unwrap();
        assert!(killed.success());
        let output = process.wait_with_output().await.unwrap();
        // A call that was heard is carried out, whether or not somebody waits for the answer.
        tokio::time::sleep(Duration::from_secs(4)).await;
        self.server.world.faults().clear();
        let said = |bytes| String::from_utf8(bytes).unwrap();
        Said { exit: output.status.code().unwrap_or(-1), out: said(output.stdout), err: said(output.stderr) }
    }

    /// Everything that is there beside the two sources bears the restore's id, and says what it is of.
    fn check_named(&self, id: &str) {
        self.server.world.region(REGION, |region| {
            let new = region.volumes.iter().filter(|volume| !self.volumes.contains(&volume.id.to_string()));
            for volume in new {
                assert!(has_tags(volume, &[("snapkeep:restore", id)]), "{volume:?}");
                assert!(
                    volume.tags.contains_key("snapkeep:restored-from") && volume.tags.contains_key("Name"),
                    "{volume:?}"
                );
            }
        });
    }
}

/// Whoever is interrupted goes on with the printed command, which finishes without a second volume, and undo takes all
/// of it away.
async fn check_interrupted(step: Step, signal: &str) {
    let scene = Scene::new().await;
    let said = scene.interrupt(step, signal).await;
    let id = id_in(&said);
    scene.check_named(&id);
    if signal == "-INT" {
        assert_eq!(said.exit, 3, "{step:?}: {}{}", said.out, said.err);
        assert!(said.out.contains("Stopped. This exists so far"), "{step:?}: {}", said.out);
        let left = scene.restored();
        assert!(left.iter().all(|volume| said.out.contains(&*volume.id)), "{step:?}: {left:?} {}", said.out);
    }
    let resumed = scene.type_in(&format!("{} --yes", command_in(&said))).await;
    assert_eq!(resumed.exit, 0, "{step:?} {signal}: {}{}", resumed.out, resumed.err);
    assert_eq!(scene.restored_from(), set(&scene.snapshots[2]), "{step:?}");
    let made = scene.restored();
    assert_eq!(made.len(), 2, "{step:?} {signal}: nothing is made twice: {made:?}");
    assert!(made.iter().all(|volume| volume.state == VolumeState::InUse), "{step:?}: {made:?}");
    scene.check_named(&id);

    for volume in &made {
        let line = format!("ec2 detach-volume --region {REGION} --volume-id {}", volume.id);
        aws(&scene.server.url, &line).await;
    }
    let undone = scene.type_in(&format!("restore --undo {id} --yes")).await;
    assert_eq!((undone.exit, scene.restored().len()), (0, 0), "{step:?}: {}{}", undone.out, undone.err);
}

/// The AWS CLI, as the commands are printed for it.
async fn aws(url: &str, line: &str) {
    let mut command = std::process::Command::new(crate::python::bin().await.join("aws"));
    command.args(line.split(' ')).env_clear().envs(environment(url, url)).env("PATH", "/usr/bin:/bin");
    tokio::task::spawn_blocking(move || crate::python::run(&mut command)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_by_a_person_at_each_step_it_says_what_there_is_and_goes_on() {
    for step in [Step::FirstCreate, Step::SecondCreate, Step::Waiting, Step::Attaching] {
        check_interrupted(step, "-INT").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_step_it_leaves_nothing_unnamed_and_goes_on() {
    for step in [Step::FirstCreate, Step::SecondCreate, Step::Waiting, Step::Attaching] {
        check_interrupted(step, "-KILL").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_makes_no_second_volume_and_attaches_nothing_twice() {
    for (action, restore) in [("CreateVolume", ""), ("AttachVolume", " --attach")] {
        let scene = Scene::new().await;
        scene.server.world.faults().set(Fault::losing_answers_of(action).times(2));
        let said = scene.type_in(&format!("restore {}{restore} --yes", scene.instance)).await;
        assert_eq!(said.exit, 0, "{action}: {}{}", said.out, said.err);
        assert_eq!((scene.restored().len(), scene.restored_from()), (2, set(&scene.snapshots[2])), "{action}");
        assert!(scene.server.world.history().action(action).calls > 2, "{action}: it was sent again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_goes_on_with_the_snapshots_that_it_began_with() {
    let scene = Scene::new().await;
    let said = scene.interrupt(Step::SecondCreate, "-KILL").await;
    let command = command_in(&said);
    // A newer slot has come in the meantime.
    for (volume, device) in scene.volumes.iter().zip(["/dev/xvda", "/dev/sdf"]) {
        add(&scene.server.world, &scene.instance, volume, device, "2026-11-21T02:00:00Z");
    }
    let other = scene.type_in(&format!("restore {} --attach --yes --resume {}", scene.instance, id_in(&said))).await;
    assert!(other.exit == 2 && other.err.contains("is not what is planned now"), "{}", other.err);
    let resumed = scene.type_in(&format!("{command} --yes")).await;
    assert_eq!((resumed.exit, scene.restored_from()), (0, set(&scene.snapshots[2])), "{}", resumed.err);
}
