//! Faults: what a test sets to go wrong in some calls, for good or for a while.

use crate::answer::Refusal;

/// What goes wrong in the calls that match. What is not set matches everything.
#[derive(Debug, Clone)]
pub struct Fault {
    action: String,
    region: Option<String>,
    volume: Option<String>,
    times: Option<u32>,
    effect: Effect,
}

/// What a fault does to a call.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// The call is refused, and nothing is done.
    Refuse(Refusal),
    /// The call is done, and the connection is cut in the middle of the answer.
    LoseAnswer,
}

/// The faults that are set. The first that matches is the one that strikes.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Fault {
    /// Answers every call of `action` with this HTTP status, code and message, for good.
    pub fn on(action: &str, status: u16, code: &str, message: &str) -> Self {
        Self::with(action, Effect::Refuse(Refusal::new(status, code, message)))
    }

    /// Does every call of `action`, and cuts the connection in the middle of the answer, for good.
    pub fn losing_answers_of(action: &str) -> Self {
        Self::with(action, Effect::LoseAnswer)
    }

    fn with(action: &str, effect: Effect) -> Self {
        Self { action: action.into(), region: None, volume: None, times: None, effect }
    }

    /// Only in this Region.
    pub fn in_region(mut self, region: &str) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Only for this volume.
    pub fn for_volume(mut self, volume: &str) -> Self {
        self.volume = Some(volume.into());
        self
    }

    /// Only the next so many times.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    fn matches(&self, action: &str, region: &str, volume: Option<&str>) -> bool {
        self.action == action
            && self.region.as_deref().is_none_or(|wanted| wanted == region)
            && self.volume.as_deref().is_none_or(|wanted| Some(wanted) == volume)
            && self.times != Some(0)
    }
}

impl Faults {
    /// Sets a fault besides those that are set.
    pub fn set(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Takes all faults away.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What strikes this call, if anything does.
    pub(crate) fn strike(&mut self, action: &str, region: &str, volume: Option<&str>) -> Option<Effect> {
        let fault = self.0.iter_mut().find(|fault| fault.matches(action, region, volume))?;
        if let Some(times) = &mut fault.times {
            *times -= 1;
        }
        Some(fault.effect.clone())
    }
}
