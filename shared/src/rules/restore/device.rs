//! The device name that a restored volume is attached as. Nothing is ever detached for it.

use std::collections::BTreeSet;

/// Where a volume goes on an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// Where its source was.
    Original(String),
    /// Where there is room, and why not where its source was.
    Another(String, &'static str),
    /// No recommended name is free.
    NoneFree,
}

impl Device {
    /// Its name, where there is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Original(name) | Self::Another(name, _) => Some(name),
            Self::NoneFree => None,
        }
    }
}

/// What is said of a boot volume whose place is taken.
pub const ROOT_TAKEN: &str =
    "its source boots the instance: a boot volume can only be exchanged while the instance is stopped";
const TAKEN: &str = "its source's name is taken";
const UNKNOWN: &str = "its source's name is not known";
const RUNNING: &str = "a boot volume can only be attached while the instance is stopped";

/// The letters that AWS recommends for EBS volumes on Linux:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html>
const LETTERS: std::ops::RangeInclusive<char> = 'f'..='p';

/// The original device if it is free, else the first free one that AWS recommends. `root` is the instance's boot device
/// and `taken` are the names in use, those that were given out just now among them.
pub fn device(original: Option<&str>, root: Option<&str>, is_stopped: bool, taken: &BTreeSet<String>) -> Device {
    let used: BTreeSet<&str> = taken.iter().map(|name| place(name)).collect();
    let why = match original {
        None => UNKNOWN,
        Some(original) => match (used.contains(place(original)), root.map(place) == Some(place(original))) {
            (false, true) if !is_stopped => RUNNING,
            (false, _) => return Device::Original(original.into()),
            (true, true) => ROOT_TAKEN,
            (true, false) => TAKEN,
        },
    };
    let mut names = LETTERS.map(|letter| format!("/dev/sd{letter}"));
    names.find(|name| !used.contains(place(name))).map_or(Device::NoneFree, |name| Device::Another(name, why))
}

/// What two names of the same place have in common: `/dev/sdf` and `xvdf` are one to the instance.
fn place(name: &str) -> &str {
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    name.strip_prefix("xvd").or(name.strip_prefix("sd")).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(original: &str, is_stopped: bool, taken: &str, expected: &str) {
        let original = Some(original).filter(|name| !name.is_empty());
        let taken = taken.split_whitespace().map(String::from).collect();
        let found = device(original, Some("/dev/xvda"), is_stopped, &taken);
        assert_eq!(found.name().unwrap_or("none"), expected, "{original:?}, {taken:?}: {found:?}");
    }

    #[test]
    fn the_original_name_if_it_is_free_else_the_first_free_one() {
        check("/dev/sdf", false, "/dev/xvda", "/dev/sdf");
        check("/dev/sdf", false, "/dev/xvda /dev/sdf", "/dev/sdg");
        check("/dev/sdf", false, "/dev/xvda /dev/xvdf /dev/sdg", "/dev/sdh");
        check("", false, "/dev/xvda", "/dev/sdf");
        let all: String = ('f'..='p').map(|letter| format!("/dev/sd{letter} ")).collect();
        check("/dev/sdf", false, &all, "none");
    }

    #[test]
    fn a_boot_volume_takes_its_place_only_if_that_is_free_and_the_instance_is_stopped() {
        check("/dev/xvda", true, "/dev/sdf", "/dev/xvda");
        check("/dev/xvda", false, "/dev/sdf", "/dev/sdg");
        check("/dev/xvda", true, "/dev/xvda", "/dev/sdf");
        assert_eq!(
            device(Some("/dev/xvda"), Some("/dev/xvda"), true, &["/dev/xvda".into()].into()),
            Device::Another("/dev/sdf".into(), ROOT_TAKEN)
        );
    }
}
