//! Runs objects in a guest that counts instructions, and parses the output of `krs-guest bench`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::kernel::Image;
use crate::tools::Tools;
use crate::vm::{self, GuestSpec};

/// Longest silence of the guest, between two objects.
const SILENCE: Duration = Duration::from_secs(900);

/// One run of `krs-guest bench`.
#[derive(Clone, Debug)]
pub struct Run {
    /// The object to load, or `-` for none.
    pub object: Option<PathBuf>,
    /// Names of the acts to perform.
    pub acts: Vec<String>,
}

/// The result of a run.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Instructions from the opening of the object to its attachment.
    pub load: Option<u64>,
    /// Instructions that the verifier processed.
    pub verified: Option<u64>,
    /// Bytes of machine code.
    pub jited: Option<u64>,
    /// Results of the acts, in the given order.
    pub acts: Vec<ActResult>,
    /// First record of each act, without the parts that depend on time or process.
    pub events: Vec<String>,
    /// Reason for an incomplete run.
    pub error: Option<String>,
}

/// The result of an act.
#[derive(Clone, Debug)]
pub struct ActResult {
    /// Name of the act, as given.
    pub name: String,
    /// Result of the first repetition: `ok` or an errno.
    pub answer: String,
    /// Instructions of a run of the program, including the cost of the kernel's own counting.
    pub program: f64,
    /// Instructions of a whole repetition.
    pub whole: f64,
}

/// Runs all in one guest, in the given order.
pub fn run(tools: &Tools, image: &Image, runs: &[Run]) -> Result<Vec<Measured>> {
    let mut script = "sysctl -q -w kernel.bpf_stats_enabled=1\n".to_owned();
    let mut files = vec![(tools.guest.clone(), "bin/krs-guest".to_owned())];
    for (at, run) in runs.iter().enumerate() {
        let object = match &run.object {
            Some(object) => {
                files.push((object.clone(), format!("bench/{at}.o")));
                format!("/bench/{at}.o")
            }
            None => "-".to_owned(),
        };
        let acts: Vec<String> = run.acts.iter().map(|act| vm::quote(act)).collect();
        writeln!(script, "echo run {at}; krs-guest bench {object} {} 2>&1", acts.join(" "))?;
    }
    let mut spec = GuestSpec::new(script);
    spec.files = files;
    spec.counted = true;
    spec.silence = SILENCE;
    let result = vm::run(image, &spec, &mut |_| ())?;
    let mut measured =
        vec![Measured { error: Some("the guest did not come to it".to_owned()), ..Measured::default() }; runs.len()];
    parse(&result.output, &mut measured).with_context(|| result.output.clone())?;
    if let Some(failure) = result.failure() {
        eprintln!("{failure}");
    }
    Ok(measured)
}

fn parse(output: &str, measured: &mut [Measured]) -> Result<()> {
    let mut current = None;
    for line in output.lines() {
        let mut words = line.split_whitespace();
        let mut word = || words.next().context("a line is too short");
        match line.split(' ').next().unwrap_or_default() {
            "run" => {
                word()?;
                let at: usize = word()?.parse()?;
                let slot = measured.get_mut(at).context("a run that nobody asked for")?;
                *slot = Measured::default();
                current = Some(slot);
            }
            kind => {
                let Some(current) = &mut current else { continue };
                match kind {
                    "load" | "verified" | "jited" => {
                        word()?;
                        let number = word()?.parse().ok();
                        match kind {
                            "load" => current.load = number,
                            "verified" => current.verified = number,
                            _ => current.jited = number,
                        }
                    }
                    "act" => {
                        word()?;
                        let (name, answer) = (word()?.to_owned(), word()?.to_owned());
                        let program = word()?.parse()?;
                        word()?;
                        current.acts.push(ActResult { name, answer, program, whole: word()?.parse()? });
                    }
                    "event" => current.events.push(line.to_owned()),
                    "slots" | "" => {}
                    // The error includes the messages of a program that died.
                    _ => current.error = Some(line.chars().take(600).collect()),
                }
            }
        }
    }
    Ok(())
}
