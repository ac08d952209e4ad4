//! The result of a run of the matrix, and its printed form:
//!
//! ```text
//!               5.10     6.1    6.12
//! ancestors       ok      ok  FAILED
//! paths           ok       -      ok
//! slowest: ancestors on 6.12, 31 s
//! slowest: ...
//! total: 5.10 118 s, 6.1 120 s, 6.12 131 s
//! 1 case run left out (paths on 6.1): `--thorough` runs it
//!
//! -- ancestors on Linux 6.12
//! expected: ...
//! ```
//!
//! Seconds are the guest's, measured around each case. Boots are absent; `plan` has them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Number of slow cases that are printed.
const SLOWEST: usize = 10;

/// The result of a case on a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The output is the expected one.
    Passed,
    /// The case failed, for this reason.
    Failed(String),
}

/// A verdict, and the duration of the case in the guest; `None` if it did not reach its end.
pub struct Outcome {
    /// Verdict of the case.
    pub verdict: Verdict,
    /// Duration in seconds of the guest's clock.
    pub seconds: Option<u64>,
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, seconds: None }
    }
}

/// The results of all cases on all kernels.
#[derive(Debug, Default)]
pub struct Report {
    /// Verdicts by case, then by kernel.
    verdicts: BTreeMap<String, BTreeMap<&'static str, Verdict>>,
    /// Versions in the given order.
    kernels: Vec<&'static str>,
    /// Seconds, case and kernel of each run that reached its end.
    times: Vec<(u64, String, &'static str)>,
    /// Case and kernel of each run that only `--thorough` makes.
    left_out: Vec<(String, &'static str)>,
}

impl Report {
    /// A report without results.
    pub fn new(kernels: Vec<&'static str>, left_out: Vec<(String, &'static str)>) -> Self {
        Self { kernels, left_out, ..Self::default() }
    }

    /// Adds a result. Of several for one case and kernel (a kernel's log over several boots) the failures are
    /// kept.
    pub fn add(&mut self, case: &str, kernel: &'static str, outcome: Outcome) {
        if let Some(seconds) = outcome.seconds {
            self.times.push((seconds, case.to_owned(), kernel));
        }
        let known = self.verdicts.entry(case.to_owned()).or_default().entry(kernel).or_insert(Verdict::Passed);
        match (known, outcome.verdict) {
            (_, Verdict::Passed) => {}
            (Verdict::Failed(known), Verdict::Failed(why)) => {
                known.push('\n');
                known.push_str(&why);
            }
            (known, failed) => *known = failed,
        }
    }

    /// Number of pairs of case and kernel that passed.
    pub fn passed(&self) -> usize {
        self.count(|verdict| *verdict == Verdict::Passed)
    }

    /// Number of pairs of case and kernel that failed.
    pub fn failed(&self) -> usize {
        self.count(|verdict| *verdict != Verdict::Passed)
    }

    fn count(&self, wanted: impl Fn(&Verdict) -> bool) -> usize {
        self.verdicts.values().flat_map(BTreeMap::values).filter(|verdict| wanted(verdict)).count()
    }

    /// Lines `SECONDS CASE KERNEL` for each run that reached its end, the slowest first.
    pub fn times(&self) -> String {
        self.slowest().into_iter().map(|(seconds, case, kernel)| format!("{seconds} {case} {kernel}\n")).collect()
    }

    fn slowest(&self) -> Vec<&(u64, String, &'static str)> {
        let mut times: Vec<_> = self.times.iter().collect();
        times.sort_by(|a, b| b.cmp(a));
        times
    }

    /// Prints a row for each case, a column for each kernel, the times, and under the table the failures with
    /// their reasons.
    pub fn print(&self) -> String {
        let mut text = self.table();
        for (seconds, case, kernel) in self.slowest().into_iter().take(SLOWEST) {
            line(&mut text, format_args!("slowest: {case} on {kernel}, {seconds} s"));
        }
        let total =
            |kernel: &str| -> u64 { self.times.iter().filter(|time| time.2 == kernel).map(|time| time.0).sum() };
        let totals: Vec<String> = self.kernels.iter().map(|kernel| format!("{kernel} {} s", total(kernel))).collect();
        line(&mut text, format_args!("total: {}", totals.join(", ")));
        if let [one] = &self.left_out[..] {
            line(&mut text, format_args!("1 case run left out ({} on {}): `--thorough` runs it", one.0, one.1));
        } else if !self.left_out.is_empty() {
            let left: Vec<String> = self.left_out.iter().map(|(case, kernel)| format!("{case} on {kernel}")).collect();
            line(
                &mut text,
                format_args!("{} case runs left out ({}): `--thorough` runs them", left.len(), left.join(", ")),
            );
        }
        for (case, verdicts) in &self.verdicts {
            for (kernel, verdict) in verdicts {
                if let Verdict::Failed(why) = verdict {
                    line(&mut text, format_args!("\n-- {case} on Linux {kernel}\n{}", why.trim_end()));
                }
            }
        }
        text
    }

    fn table(&self) -> String {
        let mut text = String::new();
        let width = self.verdicts.keys().map(String::len).max().unwrap_or(0);
        let mut head = format!("{:width$}", "");
        for kernel in &self.kernels {
            write!(head, "  {kernel:>6}").expect("a string takes all");
        }
        line(&mut text, format_args!("{head}"));
        for (case, verdicts) in &self.verdicts {
            let mut row = format!("{case:width$}");
            for kernel in &self.kernels {
                let mark = match verdicts.get(kernel) {
                    Some(Verdict::Passed) => "ok",
                    Some(Verdict::Failed(_)) => "FAILED",
                    None => "-",
                };
                write!(row, "  {mark:>6}").expect("a string takes all");
            }
            line(&mut text, format_args!("{row}"));
        }
        text
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("a string takes all");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(seconds: u64) -> Outcome {
        Outcome { verdict: Verdict::Passed, seconds: Some(seconds) }
    }

    #[test]
    fn a_report_shows_verdicts_times_and_what_was_left_out() {
        let mut report = Report::new(vec!["5.10", "6.1"], vec![("b".to_owned(), "6.1")]);
        report.add("a", "5.10", took(3));
        report.add("a", "6.1", Outcome { verdict: Verdict::Failed("expected:\nx\n".to_owned()), seconds: Some(9) });
        report.add("b", "5.10", took(4));
        let wanted = "     5.10     6.1\n\
                      a      ok  FAILED\n\
                      b      ok       -\n\
                      slowest: a on 6.1, 9 s\n\
                      slowest: b on 5.10, 4 s\n\
                      slowest: a on 5.10, 3 s\n\
                      total: 5.10 7 s, 6.1 9 s\n\
                      1 case run left out (b on 6.1): `--thorough` runs it\n\
                      \n-- a on Linux 6.1\nexpected:\nx\n";
        assert_eq!(report.print(), wanted);
        assert_eq!((report.passed(), report.failed()), (2, 1));
        assert_eq!(report.times(), "9 a 6.1\n4 b 5.10\n3 a 5.10\n");
    }

    #[test]
    fn a_failure_in_one_boot_is_not_lost_when_another_boot_passes() {
        let mut report = Report::new(vec!["6.1"], Vec::new());
        for verdict in [Verdict::Passed, Verdict::Failed("BUG: one".to_owned()), Verdict::Passed] {
            report.add("(kernel log)", "6.1", verdict.into());
        }
        report.add("(kernel log)", "6.1", Verdict::Failed("BUG: two".to_owned()).into());
        assert_eq!((report.passed(), report.failed()), (0, 1));
        assert!(report.print().ends_with("-- (kernel log) on Linux 6.1\nBUG: one\nBUG: two\n"), "{}", report.print());
    }

    #[test]
    fn only_the_ten_slowest_are_shown() {
        let mut report = Report::new(vec!["6.1"], Vec::new());
        for seconds in 1..=12 {
            report.add(&format!("case{seconds}"), "6.1", took(seconds));
        }
        let text = report.print();
        assert_eq!(text.matches("slowest: ").count(), 10);
        assert!(text.contains("slowest: case3 on 6.1, 3 s\n") && !text.contains("slowest: case2 on"));
    }
}
