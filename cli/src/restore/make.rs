//! Making the volumes of a plan: created with all their tags, waited for, attached. Whatever interrupts it, what exists
//! bears the restore's id.

use std::collections::BTreeMap;

use shared::vocabulary::restore::VolumeDetails;
use shared::vocabulary::tag;

use super::plan::{Attach, Plan, Row};
use super::progress::Progress;
use super::wait::{Cut, is_decided, wait};
use crate::stop::Stop;
use crate::{exit, table::plain};

/// What came of a plan.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The volume of each snapshot, as it was seen last.
    pub volumes: BTreeMap<String, VolumeDetails>,
    /// Snapshot, or volume → what went wrong with it.
    pub failed: BTreeMap<String, String>,
    /// Whether a person stopped it.
    pub is_stopped: bool,
}

/// Makes the volumes of a plan.
pub(super) struct Making<'a> {
    plan: &'a Plan,
    stop: &'a Stop,
    made: Made,
}

impl<'a> Making<'a> {
    pub fn new(plan: &'a Plan, stop: &'a Stop) -> Self {
        Self { plan, stop, made: Made::default() }
    }

    /// `there` is what an interrupted run of the same restore has made.
    pub async fn run(mut self, there: Vec<VolumeDetails>) -> Made {
        for row in &self.plan.rows {
            // A create call is not cut off by a person's stop: its volume would come into being unseen.
            if self.stop.is_set() {
                self.made.is_stopped = true;
                return self.made;
            }
            self.create(row, &there).await;
        }
        self.see_them_made().await;
        if self.plan.attach != Attach::No && !self.made.is_stopped {
            self.attach().await;
        }
        self.made
    }

    /// One that is there is not made again, and one that ended in `error` does not stand in the way of another.
    async fn create(&mut self, row: &Row, there: &[VolumeDetails]) {
        let snapshot = &row.snapshot.id;
        let of_it = there.iter().filter(|volume| volume.volume.tags.get(tag::RESTORED_FROM) == Some(snapshot));
        let (lost, good): (Vec<_>, Vec<_>) =
            of_it.partition(|volume| matches!(volume.volume.state.as_str(), "error" | "deleting" | "deleted"));
        if let Some(volume) = good.first() {
            self.made.volumes.insert(snapshot.clone(), (*volume).clone());
            return;
        }
        let token = self.plan.id.client_token(snapshot, lost.len());
        match self.plan.ec2.create_volume(&row.new, &token).await {
            Ok(volume) => drop(self.made.volumes.insert(snapshot.clone(), volume)),
            Err(error) => drop(self.made.failed.insert(snapshot.clone(), error.to_string())),
        }
    }

    async fn see_them_made(&mut self) {
        let ids = self.made.ids();
        let mut progress = Progress::new(ids.len(), "volumes made");
        let (seen, cut) = wait(&self.plan.ec2, &ids, Some(self.stop), None, &mut progress, is_decided).await;
        progress.end();
        for (snapshot, volume) in &mut self.made.volumes {
            let id = volume.volume.id.clone();
            match seen.get(&id) {
                Some(Some(now)) => *volume = now.clone(),
                Some(None) => volume.volume.state = "gone".into(),
                None => {}
            }
            if let Some(why) = unusable(volume) {
                self.made.failed.insert(snapshot.clone(), why);
            }
        }
        self.note_cut(cut);
    }

    async fn attach(&mut self) {
        let Some(instance) = self.plan.instance.as_ref().map(|instance| instance.instance.id.clone()) else { return };
        let mut attached = Vec::new();
        for row in &self.plan.rows {
            let (Some(device), Some(volume)) = (&row.device, self.made.volumes.get(&row.snapshot.id)) else { continue };
            let id = volume.volume.id.clone();
            if is_on(volume, &instance) {
                attached.push(id);
                continue;
            }
            if volume.volume.state != "available" || self.stop.is_set() {
                continue;
            }
            match self.plan.ec2.attach_volume(&id, &instance, device).await {
                Ok(()) => attached.push(id),
                // Perhaps by this very call, whose answer was lost.
                Err(error) if error.code == "VolumeInUse" => attached.push(id),
                Err(error) => drop(self.made.failed.insert(id, error.to_string())),
            }
        }
        let mut progress = Progress::new(attached.len(), "volumes attached");
        let (seen, cut) = wait(&self.plan.ec2, &attached, Some(self.stop), None, &mut progress, |volume| {
            volume.is_attached || volume.volume.state != "in-use"
        })
        .await;
        progress.end();
        for volume in self.made.volumes.values_mut() {
            let id = volume.volume.id.clone();
            if let Some(Some(now)) = seen.get(&id) {
                *volume = now.clone();
                if !is_on(volume, &instance) {
                    self.made.failed.insert(id, format!("is not attached to {instance}, but {}", volume.volume.state));
                }
            }
        }
        self.note_cut(cut);
    }

    fn note_cut(&mut self, cut: Option<Cut>) {
        match cut {
            None | Some(Cut::TooLong) => {}
            Some(Cut::Stopped) => self.made.is_stopped = true,
            Some(Cut::Failed(error)) => {
                self.made.failed.insert("looking at the volumes".into(), error.to_string());
            }
        }
        self.made.is_stopped |= self.stop.is_set();
    }
}

/// Why a volume that EC2 has decided on is of no use.
pub(super) fn unusable(volume: &VolumeDetails) -> Option<String> {
    const KEY: &str = "EC2 asks KMS only afterwards: mostly the key is disabled, deleted, or not allowed to be used";
    let (id, state) = (&volume.volume.id, volume.volume.state.as_str());
    match state {
        "error" => Some(format!("{id} ended in error. {KEY}")),
        "gone" => Some(format!("{id} was begun, and EC2 shows it no more. {KEY}")),
        "deleting" | "deleted" => Some(format!("{id} is being deleted by somebody")),
        _ => None,
    }
}

fn is_on(volume: &VolumeDetails, instance: &str) -> bool {
    volume.volume.attachments.iter().any(|each| each.instance == instance)
}

impl Made {
    fn ids(&self) -> Vec<String> {
        self.volumes.values().map(|volume| volume.volume.id.clone()).collect()
    }

    /// The failures, each on one line.
    pub fn failures(&self) -> Vec<String> {
        self.failed.iter().map(|(what, why)| plain(&format!("{what}: {why}"))).collect()
    }

    /// Whether every volume is there and where it was wanted.
    pub fn is_whole(&self, plan: &Plan) -> bool {
        let is_there = |row: &Row| {
            let state = self.volumes.get(&row.snapshot.id).map(|volume| volume.volume.state.as_str());
            match row.device {
                Some(_) => state == Some("in-use"),
                None => matches!(state, Some("available" | "in-use")),
            }
        };
        self.failed.is_empty() && !self.is_stopped && plan.rows.iter().all(is_there)
    }

    pub fn exit_code(&self, plan: &Plan) -> u8 {
        match (self.is_whole(plan), self.volumes.is_empty() && !self.is_stopped) {
            (true, _) => exit::DONE,
            (false, true) => exit::FAILED,
            (false, false) => exit::PARTLY,
        }
    }
}
