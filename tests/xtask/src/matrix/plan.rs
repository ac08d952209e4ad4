//! The boots of a run: the cases that share a guest, and the order in which the guests start.
//!
//! ```text
//! 7.2   landlock,lockdown,yama,bpf  ancestors, labels, ...   70 s     the longest boots start first
//! 5.10  landlock,lockdown,yama,bpf  clear-errors, modes ...  65 s
//! 5.10  landlock,lockdown,yama      inactive-lsm              9 s
//! ```
//!
//! Two workers take boots from the front of the list, so they end at about the same time if the estimates are
//! fair. Estimates are static: a run gives the same plan on each machine. Images and files are absent;
//! kernels and cases are indices into the lists of the caller.

use std::collections::BTreeMap;

/// Boots that the cases of one kernel and one `lsm=` list are divided into. More boots balance better and
/// each costs [`BOOT_SECONDS`].
const PARTS: usize = 2;
/// The time from the start of QEMU to the first case.
const BOOT_SECONDS: u64 = 10;
/// Less than this is not divided: the second boot would cost more than it saves.
const WORTH_DIVIDING_SECONDS: u64 = 4 * BOOT_SECONDS;
/// The estimate for a case that [`SLOW`] does not list.
const USUAL_SECONDS: u64 = 3;
/// Seconds of the slow cases, as the report prints them for a machine that does nothing else.
const SLOW: &[(&str, u64)] = &[
    ("ancestors", 7),
    ("carried-sets", 11),
    ("checked-states", 6),
    ("clear-errors", 38),
    ("denies-its-own-removal", 36),
    ("destinations", 6),
    ("dynamic-sets", 9),
    ("every-hook", 75),
    ("examples-act", 13),
    ("examples-bpf", 22),
    ("examples-guard", 17),
    ("examples-host", 13),
    ("examples-labels", 8),
    ("examples-memory", 8),
    ("full-labels", 51),
    ("hundred-rules", 14),
    ("inodes", 8),
    ("killed-anywhere", 70),
    ("killed-loads", 39),
    ("killed-sets", 6),
    ("killed-unloads", 16),
    ("labels", 25),
    ("limits", 7),
    ("modes", 27),
    ("newer-kernels", 7),
    ("paths", 6),
    ("pin-folder", 11),
    ("random-policies", 33),
    ("ten-thousand", 7),
    ("ten-thousand-patterns", 8),
    ("ten-thousand-texts", 8),
    ("two-thousand", 30),
    ("unread-events", 5),
    ("values-at-hand", 14),
];

/// A case that is to run on a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    /// Index into the list of kernels.
    pub kernel: usize,
    /// Index into the list of cases.
    pub case: usize,
    /// Name of the case.
    pub name: &'a str,
    /// The `lsm=` list that the case requires.
    pub lsm: &'a str,
}

/// A guest and the cases that run in it, in sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Index into the list of kernels.
    pub kernel: usize,
    /// The `lsm=` list of the command line.
    pub lsm: String,
    /// Indices into the list of cases, ascending.
    pub cases: Vec<usize>,
    /// Estimated duration of the boot, in seconds.
    pub seconds: u64,
}

/// The boots of the runs, the longest first.
pub fn boots(runs: &[Run]) -> Vec<Boot> {
    let mut groups: BTreeMap<(usize, &str), Vec<Run>> = BTreeMap::new();
    for run in runs {
        groups.entry((run.kernel, run.lsm)).or_default().push(*run);
    }
    let mut boots: Vec<Boot> = groups.into_values().flat_map(|group| divide(&group)).collect();
    // Stable: equal boots stay in the order of the kernels.
    boots.sort_by_key(|boot| std::cmp::Reverse(boot.seconds));
    boots
}

/// Divides the runs of one kernel and one `lsm=` list into one or [`PARTS`] boots. Each run is added to the
/// boot that is shortest so far, the longest runs first (Graham's LPT rule).
fn divide(group: &[Run]) -> Vec<Boot> {
    let total: u64 = group.iter().map(|run| seconds(run.name)).sum();
    let parts = if total < WORTH_DIVIDING_SECONDS { 1 } else { PARTS };
    let Some(first) = group.first() else { return Vec::new() };
    let empty = Boot { kernel: first.kernel, lsm: first.lsm.to_owned(), cases: Vec::new(), seconds: BOOT_SECONDS };
    let mut boots = vec![empty; parts];
    let mut longest_first: Vec<&Run> = group.iter().collect();
    longest_first.sort_by_key(|run| std::cmp::Reverse(seconds(run.name)));
    for run in longest_first {
        let boot = boots.iter_mut().min_by_key(|boot| boot.seconds).expect("there is at least one part");
        boot.cases.push(run.case);
        boot.seconds += seconds(run.name);
    }
    for boot in &mut boots {
        boot.cases.sort_unstable();
    }
    boots
}

/// The estimate for a case.
fn seconds(name: &str) -> u64 {
    SLOW.iter().find(|(slow, _)| *slow == name).map_or(USUAL_SECONDS, |(_, seconds)| *seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five kernels, each with all slow cases, 40 usual ones, and one that wants another list.
    fn everything() -> Vec<Run<'static>> {
        let mut runs = Vec::new();
        for kernel in 0..5 {
            let slow = SLOW.iter().map(|(name, _)| *name);
            for (case, name) in slow.chain(std::iter::repeat_n("usual", 40)).enumerate() {
                runs.push(Run { kernel, case, name, lsm: "bpf" });
            }
            runs.push(Run { kernel, case: 999, name: "inactive", lsm: "yama" });
        }
        runs
    }

    #[test]
    fn each_run_is_in_one_boot_of_its_kernel_and_list() {
        let runs = everything();
        let mut planned: Vec<(usize, usize, String)> = boots(&runs)
            .iter()
            .flat_map(|boot| boot.cases.iter().map(|case| (boot.kernel, *case, boot.lsm.clone())))
            .collect();
        planned.sort();
        let wanted: Vec<(usize, usize, String)> =
            runs.iter().map(|run| (run.kernel, run.case, run.lsm.to_owned())).collect();
        assert_eq!(planned, wanted);
    }

    #[test]
    fn two_workers_end_within_a_tenth_of_each_other() {
        let mut ends = [0, 0];
        for boot in boots(&everything()) {
            *ends.iter_mut().min().expect("there are two") += boot.seconds;
        }
        let [a, b] = ends;
        assert!(a.abs_diff(b) * 10 <= a.max(b), "{a} s and {b} s");
    }

    #[test]
    fn the_parts_of_a_kernel_are_of_one_length_and_no_more_than_two() {
        let boots = boots(&everything());
        for kernel in 0..5 {
            let of: Vec<u64> = boots
                .iter()
                .filter(|boot| boot.kernel == kernel && boot.lsm == "bpf")
                .map(|boot| boot.seconds)
                .collect();
            let [a, b] = of[..] else { panic!("{of:?}") };
            assert!(a.abs_diff(b) <= USUAL_SECONDS, "{a} s and {b} s");
        }
    }

    #[test]
    fn few_cases_share_one_boot() {
        let run = |case| Run { kernel: 0, case, name: "usual", lsm: "bpf" };
        let boots = boots(&[run(0), run(1), run(2)]);
        assert_eq!(boots.len(), 1);
        assert_eq!((&boots[0].cases[..], boots[0].seconds), (&[0, 1, 2][..], BOOT_SECONDS + 3 * USUAL_SECONDS));
    }
}
