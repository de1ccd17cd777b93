//! A restore: which snapshots, and the volumes that are made of them. Each choice comes with its reason.

pub mod choose;
pub mod device;
pub mod drill;
pub mod instance;
pub mod volume;
