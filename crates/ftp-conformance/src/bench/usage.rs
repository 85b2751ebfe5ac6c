//! What a server and its children cost: processor time and memory, as the kernel counts them.

use std::collections::HashMap;
use std::fs;

/// A process and everything it has started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree(pub(super) u32);

/// What `/proc/PID/stat` says.
struct Stat {
    parent: u32,
    /// Clock ticks of its own and of the children that it has waited for.
    ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, which may hold anything, stands in parentheses.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = (11..15).filter_map(number).sum();
    Some(Stat { parent: u32::try_from(number(1)?).ok()?, ticks })
}

impl Tree {
    fn members(self) -> Vec<(u32, Stat)> {
        let mut all: HashMap<u32, Stat> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
            .filter_map(|pid| Some((pid, stat(pid)?)))
            .collect();
        let belongs = |pid: u32| {
            let mut now = pid;
            while now != self.0 {
                match all.get(&now) {
                    Some(stat) if stat.parent > 0 => now = stat.parent,
                    _ => return false,
                }
            }
            true
        };
        let members: Vec<u32> = all.keys().copied().filter(|pid| belongs(*pid)).collect();
        members.into_iter().filter_map(|pid| Some((pid, all.remove(&pid)?))).collect()
    }

    /// Seconds of processor time so far.
    pub(super) fn seconds(self) -> f64 {
        let ticks: u64 = self.members().iter().map(|(_, stat)| stat.ticks).sum();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    /// Octets of memory that these processes hold, what they share counted by parts (PSS).
    pub(super) fn memory(self) -> u64 {
        self.members().iter().filter_map(|(pid, _)| pss(*pid)).sum()
    }

    /// Resident octets; cheaper to ask for than [`Self::memory`], and shared pages count for each.
    pub(super) fn resident(self) -> u64 {
        let page = rustix::param::page_size() as u64;
        let pages = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
            text.split(' ').nth(1)?.parse::<u64>().ok()
        };
        self.members().iter().filter_map(|(pid, _)| pages(*pid)).map(|pages| pages * page).sum()
    }
}

fn pss(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find(|line| line.starts_with("Pss:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_costs_something() {
        let own = Tree(std::process::id());
        let before = own.seconds();
        let begun = std::time::Instant::now();
        // However little of a processor this thread gets.
        while own.seconds() - before < 0.1 && begun.elapsed().as_secs() < 30 {
            std::hint::black_box(own.0.wrapping_mul(3));
        }
        assert!(own.seconds() - before >= 0.1, "{before}");
        assert!(own.memory() > 1 << 20);
        assert!(own.resident() >= own.memory() / 2);
    }

    #[test]
    fn children_count_and_strangers_do_not() {
        let child = std::process::Command::new("sleep").arg("10").spawn();
        let mut child = child.unwrap();
        let own = Tree(std::process::id());
        assert!(own.members().iter().any(|(pid, _)| *pid == child.id()));
        assert!(!Tree(child.id()).members().iter().any(|(pid, _)| *pid == std::process::id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
