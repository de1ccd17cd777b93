//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LockSnapshot.html> and its neighbours.
//!
//! AWS documents the rules, and the codes of none of the refusals.

use chrono::{DateTime, TimeDelta, Utc};

use super::snapshots::{checked, not_found, owned};
use super::{Answer, Ids, filters_among, invalid_value, page};
use crate::answer::{Refusal, Xml};
use crate::query::Call;
use crate::world::World;
use crate::world::snapshot::{Lock, Snapshot, SnapshotState};

pub(super) fn lock(world: &World, call: &Call) -> Answer {
    let params = &call.params;
    let id = params.required("SnapshotId")?;
    let wanted = read(call)?;
    let settings = world.settings();
    let locked = world.region(&call.region, |region| {
        let snapshot = owned(region, call, id)?;
        if !matches!(snapshot.state, SnapshotState::Pending | SnapshotState::Completed) {
            let message = format!("The snapshot '{id}' is in state '{}'", snapshot.state.name());
            return Err(Refusal::client("IncorrectState", message));
        }
        if snapshot.rare().outpost.is_some() {
            let message = format!("The snapshot '{id}' is on an Outpost, and cannot be locked");
            return Err(Refusal::client("UnsupportedOperation", message));
        }
        // A compliance lock past its cooling-off period can be made longer, and nothing else.
        let is_firm = |lock: &&Lock| lock.state(call.now) == "compliance";
        if let Some(lock) = snapshot.rare().lock.as_ref().filter(is_firm) {
            let is_longer = wanted.is_compliance && wanted.cool_off_hours.is_none() && wanted.expires >= lock.expires;
            if !is_longer {
                let message = format!("The lock of snapshot '{id}' can only be extended");
                return Err(Refusal::client(&settings.locked_snapshot_code, message));
            }
        }
        region.snapshots.change(id, |snapshot| snapshot.rare_mut().lock = Some(wanted.clone()));
        region.snapshots.get(id).cloned().ok_or_else(|| not_found(id))
    })?;
    let mut xml = Xml::default();
    write(&mut xml, &locked, call.now);
    Ok(xml)
}

fn read(call: &Call) -> Result<Lock, Refusal> {
    let params = &call.params;
    let is_compliance = match params.required("LockMode")? {
        "compliance" => true,
        "governance" => false,
        other => return Err(invalid_value(format!("Value ({other}) for parameter lockMode is invalid."))),
    };
    let cool_off_hours = params.number("CoolOffPeriod", 1..=72)?;
    if cool_off_hours.is_some() && !is_compliance {
        let message = "The parameter CoolOffPeriod cannot be used with governance mode";
        return Err(Refusal::client("InvalidParameterCombination", message));
    }
    let (days, until) = (params.number("LockDuration", 1..=36_500)?, params.text("ExpirationDate"));
    let expires = match (days, until) {
        (Some(days), None) => call.now + TimeDelta::days(days),
        (None, Some(until)) => {
            let parsed = DateTime::parse_from_rfc3339(until).ok().map(|until| until.with_timezone(&Utc));
            let future = parsed.filter(|until| *until > call.now);
            future.ok_or_else(|| invalid_value(format!("Value ({until}) for parameter expirationDate is invalid.")))?
        }
        _ => {
            let message = "Either LockDuration or ExpirationDate must be specified, but not both";
            return Err(Refusal::client("InvalidParameterCombination", message));
        }
    };
    let days = days.unwrap_or_else(|| (expires - call.now).num_days());
    Ok(Lock { is_compliance, created: call.now, cool_off_hours, expires, days })
}

pub(super) fn unlock(world: &World, call: &Call) -> Answer {
    let id = call.params.required("SnapshotId")?;
    let settings = world.settings();
    world.region(&call.region, |region| {
        let snapshot = owned(region, call, id)?;
        match snapshot.rare().lock.as_ref().map(|lock| lock.state(call.now)) {
            None | Some("expired") => {
                Err(Refusal::client("IncorrectState", format!("The snapshot '{id}' is not locked")))
            }
            Some("compliance") => {
                let message = format!("The snapshot '{id}' is locked in compliance mode");
                Err(Refusal::client(&settings.locked_snapshot_code, message))
            }
            Some(_) => {
                region.snapshots.change(id, |snapshot| snapshot.rare_mut().lock = None);
                Ok(())
            }
        }
    })?;
    let mut xml = Xml::default();
    xml.text("snapshotId", id);
    Ok(xml)
}

/// The account's snapshots that have a lock, also one that has expired.
pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let ids = Ids::read(&call.params, "SnapshotId", checked, not_found)?;
    let filters = filters_among(call, &[("lock-state", ".lock-state")])?;
    let found = world.region(&call.region, |region| {
        page(
            world,
            call,
            &region.snapshots,
            &[&[("owner-id", &call.account)], &[(".is-locked", "true")]],
            &ids,
            &filters,
        )
    })?;
    let mut xml = Xml::default();
    xml.set("snapshotSet", &found.rows, |xml, snapshot| {
        xml.text("ownerId", &snapshot.owner);
        write(xml, snapshot, call.now);
    });
    xml.next_token(found.next_token.as_deref());
    Ok(xml)
}

fn write(xml: &mut Xml, snapshot: &Snapshot, now: DateTime<Utc>) {
    xml.text("snapshotId", &snapshot.id);
    let Some(lock) = &snapshot.rare().lock else { return };
    xml.text("lockState", lock.state(now)).plain("lockDuration", lock.days);
    if let (Some(hours), Some(until)) = (lock.cool_off_hours, lock.cools_off_until()) {
        xml.plain("coolOffPeriod", hours).time("coolOffPeriodExpiresOn", until);
    }
    xml.time("lockCreatedOn", lock.created).time("lockDurationStartTime", lock.created);
    xml.time("lockExpiresOn", lock.expires);
}
