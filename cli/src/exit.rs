//! The exit codes of `snapkeep`. Scripts rely on them.

/// Everything that was asked for is done.
pub const DONE: u8 = 0;
/// Nothing could be done, such as when AWS cannot be reached.
pub const FAILED: u8 = 1;
/// The command line is wrong, or the policy was refused. Nothing was done.
pub const USAGE: u8 = 2;
/// Some volumes or Regions failed; the others are done.
pub const PARTLY: u8 = 3;
/// Everything was looked at as far as could be, and some volume has no backup within its RPO, or nobody knows.
pub const UNCOVERED: u8 = 4;
/// `doctor` has found something that a person must see to.
pub const FOUND: u8 = 4;
