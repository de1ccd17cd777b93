//! A plan to restore and what came of it, for people and for programs.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::vocabulary::inventory::Tags;
use shared::vocabulary::restore::{Shape, VolumeDetails};
use shared::vocabulary::tag;

use super::make::Made;
use super::plan::{Attach, Plan, Row};
use crate::plan::{Output, volumes};
use crate::table::{plain, table};

impl Plan {
    pub fn show(&self, output: Output, there: &[VolumeDetails]) -> String {
        match output {
            Output::Json => self.json().to_string(),
            Output::Table => self.text(there),
        }
    }

    pub fn question(&self) -> String {
        let attached = self.rows.iter().filter(|row| row.device.is_some()).count();
        let attach = if attached > 0 { format!(", and attach {attached}") } else { String::new() };
        format!("Make {}{attach}?", volumes(self.rows.len()))
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "snapshot": row.snapshot.id, "started": row.snapshot.started, "source": row.source,
                "source_is_there": row.is_source_there, "encrypted": row.snapshot.is_encrypted, "new": row.new,
                "tags": row.new.tags.iter().cloned().collect::<Tags>(), "device": row.device,
            })
        });
        let instance = self.instance.as_ref().filter(|_| self.attach != Attach::No);
        json!({
            "restore": self.id, "target": self.target.id(), "account": self.place.account, "region": self.place.region,
            "policy": self.slot.as_ref().map(|(policy, _)| policy), "slot": self.slot.as_ref().map(|(_, slot)| slot),
            "attach_to": instance.map(|instance| &instance.instance.id), "volumes": rows.collect::<Vec<_>>(),
            "notes": self.notes, "command": self.command(), "undo": self.undo(),
        })
    }

    fn text(&self, there: &[VolumeDetails]) -> String {
        let of = match &self.slot {
            Some((policy, slot)) => format!(", from slot {} of {}", plain(slot), plain(policy)),
            None => String::new(),
        };
        let (target, region) = (self.target.id(), &self.place.region);
        let mut parts = vec![format!("Restore of {target} in {region}, account {}{of}", self.place.account)];
        parts.push(match self.attach {
            Attach::No => table(HEADS, &["GiB"], self.rows.iter().map(row).collect()),
            Attach::ToItsOwn | Attach::To(_) => {
                let rows = self.rows.iter().map(|each| {
                    let [source, was, name, snapshot, started, made, gib, zone] = row(each);
                    let device = each.device.clone().unwrap_or("not attached".into());
                    [source, was, name, snapshot, started, made, gib, zone, device]
                });
                let [source, was, name, snapshot, started, made, gib, zone] = HEADS;
                let heads = [source, was, name, snapshot, started, made, gib, zone, "Becomes"];
                table(heads, &["GiB"], rows.collect())
            }
        });
        parts.extend(self.attached_to());
        parts.extend(self.notes.iter().map(|note| format!("note: {}", plain(note))));
        parts.push("note: the tags are the source's too, so that policies take the new volumes as well".into());
        parts.extend(
            (!there.is_empty())
                .then(|| format!("{} there already, from before, and not made again", volumes(there.len()))),
        );
        parts.join("\n")
    }

    fn attached_to(&self) -> Option<String> {
        let there = self.instance.as_ref().filter(|_| self.attach != Attach::No)?;
        let name = there.instance.tags.get(tag::NAME).map(|name| format!(" \"{}\"", plain(name)));
        Some(format!("Attach to {}{}, which is {}", there.instance.id, name.unwrap_or_default(), there.state))
    }

    /// What to type to attach what was made, one line each.
    fn how_to_attach(&self, made: &Made) -> Vec<String> {
        let instance = self.instance.as_ref().map_or("INSTANCE", |instance| instance.instance.id.as_str());
        let loose = self.rows.iter().filter_map(|row| {
            let volume = made.volumes.get(&row.snapshot.id).filter(|volume| volume.volume.state == "available")?;
            let device = row.device.as_deref().unwrap_or("/dev/sdf");
            Some(format!(
                "  aws ec2 attach-volume --region {} --volume-id {} --instance-id {instance} --device {device}",
                self.place.region, volume.volume.id
            ))
        });
        loose.collect()
    }

    /// How a boot volume that was made takes the place of the one that is there.
    fn how_to_boot(&self, made: &Made) -> Vec<String> {
        let Some(there) = &self.instance else { return Vec::new() };
        let Some(root) = there.instance.root_device.as_deref() else { return Vec::new() };
        let boots = self.rows.iter().find(|row| row.snapshot.tags.get(tag::DEVICE).map(String::as_str) == Some(root));
        let Some(new) = boots.and_then(|row| made.volumes.get(&row.snapshot.id)) else { return Vec::new() };
        let now = there.instance.volumes.iter().find(|volume| volume.device == root);
        let (Some(now), false) = (now, new.volume.attachments.iter().any(|each| each.device == root)) else {
            return Vec::new();
        };
        let (id, region) = (&there.instance.id, &self.place.region);
        let mut lines = vec![
            format!(
                "{} is a boot volume. {id} boots from it after these, and not before: EC2 exchanges a boot volume",
                new.volume.id
            ),
            "only of a stopped instance, and an instance store loses what is on it when it stops.".into(),
            format!("  aws ec2 stop-instances --region {region} --instance-ids {id}"),
            format!("  aws ec2 wait instance-stopped --region {region} --instance-ids {id}"),
            format!("  aws ec2 detach-volume --region {region} --volume-id {}", now.id),
        ];
        if !new.volume.attachments.is_empty() {
            lines.push(format!("  aws ec2 detach-volume --region {region} --volume-id {}", new.volume.id));
        }
        lines.push(format!(
            "  aws ec2 wait volume-available --region {region} --volume-ids {} {}",
            now.id, new.volume.id
        ));
        lines.push(format!(
            "  aws ec2 attach-volume --region {region} --volume-id {} --instance-id {id} --device {root}",
            new.volume.id
        ));
        lines.push(format!("  aws ec2 start-instances --region {region} --instance-ids {id}"));
        lines
    }
}

const HEADS: [&str; 8] = ["Source", "Was", "Name", "Snapshot", "Began (UTC)", "New volume", "GiB", "Zone"];

fn row(row: &Row) -> [String; 8] {
    let gone = if row.is_source_there { "" } else { " (gone)" };
    let source = row.source.as_ref().map_or("unknown".into(), |source| format!("{source}{gone}"));
    let name = row.new.tags.iter().find(|(key, _)| key == tag::NAME).map(|(_, name)| plain(name));
    [
        source,
        row.snapshot.tags.get(tag::DEVICE).map(|device| plain(device)).unwrap_or_default(),
        name.unwrap_or_default(),
        row.snapshot.id.clone(),
        began(row.snapshot.started),
        shape(&row.new.shape, row.snapshot.is_encrypted),
        row.new.shape.gib.to_string(),
        row.new.zone.clone(),
    ]
}

/// To the second, so that it can be copied into `--at`.
fn began(time: Option<DateTime<Utc>>) -> String {
    time.map_or("unknown".into(), |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn shape(shape: &Shape, is_encrypted: bool) -> String {
    let Shape { kind, iops, throughput, is_multi_attach, .. } = shape;
    let parts = [
        iops.map(|iops| format!("{iops} IOPS")),
        throughput.map(|throughput| format!("{throughput} MiB/s")),
        is_multi_attach.then(|| "Multi-Attach".into()),
        is_encrypted.then(|| "encrypted".into()),
    ];
    [Some(kind.clone())].into_iter().chain(parts).flatten().collect::<Vec<_>>().join(", ")
}

impl Made {
    pub fn show(&self, plan: &Plan, output: Output) -> String {
        match output {
            Output::Json => json!({"plan": plan.json(), "result": self.json(plan)}).to_string(),
            Output::Table => self.text(plan),
        }
    }

    fn json(&self, plan: &Plan) -> Value {
        let made = plan.rows.iter().filter_map(|row| Some((row, self.volumes.get(&row.snapshot.id)?)));
        let made = made.map(|(row, volume)| {
            let attached = volume.volume.attachments.first();
            json!({
                "volume": volume.volume.id, "snapshot": row.snapshot.id, "source": row.source, "state": volume.volume.state,
                "zone": volume.zone, "shape": volume.shape, "key": volume.key,
                "attached": attached.map(|attached| json!({"instance": attached.instance, "device": attached.device})),
            })
        });
        json!({
            "restore": plan.id, "is_whole": self.is_whole(plan), "is_stopped": self.is_stopped, "failed": self.failed,
            "volumes": made.collect::<Vec<_>>(), "resume": plan.command(), "undo": plan.undo(),
        })
    }

    fn text(&self, plan: &Plan) -> String {
        let (made, wanted) = (self.volumes.len(), plan.rows.len());
        let mut parts = Vec::new();
        if self.is_stopped {
            parts.push(format!("Stopped. This exists so far, {made} of {}:", volumes(wanted)));
        } else if self.is_whole(plan) {
            parts.push(format!("Restored {}, as {}:", volumes(made), plan.id));
        } else {
            parts.push(format!("Not all of it is done. {made} of {} exist, as {}:", volumes(wanted), plan.id));
        }
        if made > 0 {
            let heads = ["New volume", "Source", "Snapshot", "State", "Attached", "Key"];
            parts.push(table(heads, &[], plan.rows.iter().filter_map(|row| self.row(row)).collect()));
        }
        parts.extend(self.failures().into_iter().map(|failure| format!("error: {failure}")));
        if !self.is_whole(plan) {
            parts.push(format!("Go on, and nothing is made twice:\n  {}", plan.command()));
        } else {
            parts.push("Their data is fetched from S3 when it is first read: expect slow reads at first.".into());
            let attach = plan.how_to_attach(self);
            if !attach.is_empty() {
                parts.push(format!("Attach:\n{}", attach.join("\n")));
            }
            parts.extend(plan.how_to_boot(self));
        }
        if made > 0 {
            parts.push(format!("Undo, which deletes what is not attached:\n  {}", plan.undo()));
        }
        parts.join("\n")
    }

    fn row(&self, row: &Row) -> Option<[String; 6]> {
        let volume = self.volumes.get(&row.snapshot.id)?;
        let attached =
            volume.volume.attachments.iter().map(|each| format!("{} {}", each.instance, plain(&each.device)));
        let attached: Vec<String> = attached.collect();
        Some([
            volume.volume.id.clone(),
            row.source.clone().unwrap_or_default(),
            row.snapshot.id.clone(),
            volume.volume.state.clone(),
            attached.join(", "),
            volume.key.clone().unwrap_or_default(),
        ])
    }
}
