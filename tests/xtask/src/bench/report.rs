//! The results of a measurement, as Markdown.

use std::fmt::Write as _;

use super::work::{self, Sides};
use super::{build_times, series};
use crate::kernel::Image;

/// A report under construction.
pub struct Report {
    text: String,
}

/// Text at the head of the report, which describes the measurement.
const HEAD: &str = "\
All programs run one after the other in one guest under QEMU with `-icount shift=0,sleep=off`, where time is a count of guest
instructions. The kernel itself counts what a program takes (`kernel.bpf_stats_enabled`), and what an empty program takes on the
same hook is taken off. The least of eight rounds counts. Loads are from the object's bytes to its
attachment, without reading the kernel's types.
";

impl Report {
    /// A report without results.
    pub fn new(image: &Image, clang: &str) -> Self {
        let mut text = String::new();
        writeln!(text, "# What policies cost\n").ok();
        writeln!(
            text,
            "`cargo xtask bench --write` on {} ({}), beside `{clang}` with `-O2 -mcpu=v3`.\n",
            image.version, image.package
        )
        .ok();
        text.push_str(HEAD);
        Self { text }
    }

    /// Adds the policies; returns true if krsic's and clang's programs agree on all.
    pub fn policies(&mut self, rows: &[work::Row]) -> bool {
        let out = &mut self.text;
        writeln!(out, "\n## Policies\n\nInstructions for each call of the hook, above an empty program:\n").ok();
        writeln!(out, "| policy | act | krs | clang | krs / clang |\n| --- | --- | ---: | ---: | ---: |").ok();
        let (mut passing, mut firing, mut by_policy) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            let costs = row.costs();
            for cost in &costs {
                let Sides { ours, clang } = cost.above;
                let way = if cost.fires { ", fires" } else { "" };
                writeln!(
                    out,
                    "| {} | {}{way} | {ours:.0} | {clang:.0} | {:.2} |",
                    row.name,
                    cost.act,
                    ratio(cost.above)
                )
                .ok();
                if cost.fires { firing.push(ratio(cost.above)) } else { passing.push(ratio(cost.above)) }
            }
            if !costs.is_empty() {
                by_policy.push((row.name, geometric_mean(costs.iter().map(|cost| ratio(cost.above)))));
            }
        }
        writeln!(out, "\nGeometric means of krs / clang: **{:.2}** over the policies (each the mean of its acts), {:.2} over the acts that pass, {:.2} over those that fire; the \
                 worst policy is {}.\n\nplot: ![cost](policies.svg)\n",
                 geometric_mean(by_policy.iter().map(|(_, ratio)| *ratio)),
                 geometric_mean(passing.iter().copied()),
                 geometric_mean(firing.iter().copied()),
                 by_policy.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or_else(String::new, |(name, ratio)| format!("{name} with {ratio:.2}"))).ok();
        writeln!(out, "| policy | | instructions | verified | machine code | load | object |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |").ok();
        for row in rows {
            for (whose, size, measured) in
                [("krs", row.sizes.ours, &row.measured.ours), ("clang", row.sizes.clang, &row.measured.clang)]
            {
                writeln!(
                    out,
                    "| {} | {whose} | {} | {} | {} B | {} ms | {} B |",
                    row.name,
                    size.instructions,
                    number(measured.verified),
                    number(measured.jited),
                    measured.load.map_or_else(|| "-".to_owned(), |load| format!("{:.1}", load as f64 / 1e6)),
                    size.bytes
                )
                .ok();
            }
        }
        writeln!(out, "\nWhat a call takes without a program, and what an empty one adds:\n\n| act | no program | empty program |\n| --- | ---: | ---: |").ok();
        for row in rows {
            for (none, empty) in row.none.acts.iter().zip(&row.empty.acts) {
                writeln!(out, "| {} | {:.0} | {:+.0} |", none.name, none.whole, empty.whole - none.whole).ok();
            }
        }
        let mut agree = true;
        writeln!(out).ok();
        for row in rows {
            if let Some(difference) = row.disagreement() {
                agree = false;
                writeln!(out, "**{} differs**: {difference}\n", row.name).ok();
            }
        }
        if agree {
            writeln!(out, "Both gave the same answers and recorded the same events in every act.").ok();
        }
        agree
    }

    /// Adds the series of rules.
    pub fn series(&mut self, rows: &[series::Row]) {
        let out = &mut self.text;
        writeln!(
            out,
            "\n## Many rules on one hook\n\n`cargo xtask bench --part series --write`. Instructions for a call that fits none of them, above an empty program; \
             the least time of three builds; loads as above, in guest time, which counts an instruction as a nanosecond:\n"
        )
        .ok();
        writeln!(out, "| rules | | build | memory | object | load | verified | krs | chain in C |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |").ok();
        for row in rows {
            let chain = match &row.chain {
                Some(Ok(cost)) => format!("{cost:.0}"),
                Some(Err(why)) => why.clone(),
                None => "-".to_owned(),
            };
            match &row.build {
                Err(why) => {
                    writeln!(out, "| {} | {} | {why} | | | | | | {chain} |", row.kind, row.rules).ok();
                }
                Ok(build) => {
                    let measured = row.measured.as_ref();
                    let cost = match (row.cost, measured.and_then(|measured| measured.error.as_ref())) {
                        (Some(cost), _) => format!("{cost:.0}"),
                        (None, error) => error.map_or_else(|| "-".to_owned(), |error| error.chars().take(80).collect()),
                    };
                    writeln!(
                        out,
                        "| {} | {} | {:.0} ms | {:.0} MB | {} B | {} | {} | {cost} | {chain} |",
                        row.kind,
                        row.rules,
                        build.elapsed.as_secs_f64() * 1e3,
                        build.memory_kib as f64 / 1024.0,
                        build.size.bytes,
                        measured
                            .and_then(|measured| measured.load)
                            .map_or_else(|| "-".to_owned(), |load| format!("{:.0} ms", load as f64 / 1e6)),
                        number(measured.and_then(|measured| measured.verified)),
                    )
                    .ok();
                }
            }
        }
        writeln!(out, "\nplot: ![cost by rules](series.svg)").ok();
    }

    /// Adds the compiler as a process.
    pub fn build_times(&mut self, rows: &[build_times::Row]) {
        let out = &mut self.text;
        writeln!(out, "\n## The compiler as a process\n\nOne rule, from start to end, the commands by turns; machines are noisy, the ratio counts.\n").ok();
        writeln!(out, "| | least | median |\n| --- | ---: | ---: |").ok();
        for row in rows {
            writeln!(out, "| {} | {:.1} ms | {:.1} ms |", row.name, row.least_ms, row.median_ms).ok();
        }
    }

    /// Returns the text of the report.
    pub fn finish(self) -> String {
        self.text
    }
}

/// Returns the old report with the new one's parts in place of those with the same title, or after them.
pub fn with_parts(old: &str, new: &str) -> String {
    let cut = |text: &str| -> Vec<String> { text.split("\n## ").map(str::to_owned).collect() };
    let title = |part: &String| part.lines().next().unwrap_or_default().to_owned();
    let mut parts = cut(old);
    for part in cut(new).into_iter().skip(1) {
        match parts.iter().skip(1).position(|known| title(known) == title(&part)) {
            Some(at) => parts[at + 1] = part,
            None => parts.push(part),
        }
    }
    let all: Vec<&str> = parts.iter().map(|part| part.trim_end()).collect();
    all.join("\n\n## ") + "\n"
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// Ratio of two costs, each at least one instruction: a smaller difference is within the precision of the
/// clock.
pub fn ratio(above: Sides<f64>) -> f64 {
    above.ours.max(1.0) / above.clang.max(1.0)
}

fn geometric_mean(ratios: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for ratio in ratios {
        sum += ratio.ln();
        count += 1;
    }
    (sum / f64::from(count.max(1))).exp()
}
