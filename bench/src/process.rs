//! What a process has used: processor time and memory, as `/proc` has it.
//! <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>

use std::fs;

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Seconds of processor time, of all its threads, in user and in kernel mode.
    pub cpu: f64,
    /// The most memory that was ever resident, in MB.
    pub peak_mb: f64,
}

/// `USER_HZ`: what `/proc` counts processor time in, on `x86_64` and arm64.
const TICKS_A_SECOND: f64 = 100.0;

impl Usage {
    /// What the process has used until now; nothing where it has ended.
    pub fn of(process: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        Self { cpu: cpu(&stat).unwrap_or_default(), peak_mb: peak(&status).unwrap_or_default() / 1024.0 }
    }
}

/// The program's name stands in brackets and may hold anything: the fields are counted from the last bracket.
fn cpu(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_A_SECOND)
}

fn peak(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 12345 1000 200";
        assert_eq!(cpu(stat), Some(3.0));
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(Usage::of(std::process::id()).peak_mb > 1.0);
    }
}
