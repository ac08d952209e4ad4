//! The policies of `tests/bench`, and the acts performed under each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::guest::{self, Measured, Run};
use super::{Size, compile, folder};
use crate::host;
use crate::kernel::Image;
use crate::tools::Tools;

/// A policy and its acts.
struct Work {
    /// Name of its files, without the extension.
    name: &'static str,
    /// Name of its only hook.
    hook: &'static str,
    /// Names of acts for `krs-guest bench`.
    acts: &'static [&'static str],
}

const WORK: &[Work] = &[
    Work {
        name: "no-anonymous-exec",
        hook: "file_mprotect",
        acts: &["mprotect-read", "mprotect-file-exec", "mprotect-exec"],
    },
    Work { name: "write-xor-execute", hook: "mmap_file", acts: &["mmap", "mmap-file-exec", "mmap-wx"] },
    Work { name: "fileless-exec", hook: "bprm_check_security", acts: &["exec", "exec-memfd"] },
    Work {
        name: "sensitive-files",
        hook: "file_open",
        acts: &["open-read", "open-write=a/b/c/file", "open-write=/etc/passwd"],
    },
    Work { name: "raw-disks", hook: "file_open", acts: &["open-write", "open-write=/dev/null", "open-disk"] },
    Work { name: "privileged-ports", hook: "socket_bind", acts: &["bind=8080", "bind=80"] },
    Work {
        name: "egress",
        hook: "socket_connect",
        acts: &["connect=127.0.0.1:53", "connect=[::1]:53", "connect=192.0.2.1:53"],
    },
    Work { name: "ptrace", hook: "ptrace_access_check", acts: &["look-at", "ptrace", "ptrace=ssh-agent"] },
    Work { name: "modules", hook: "kernel_load_data", acts: &["module=modprobe", "module=kmod", "module=evil"] },
    Work { name: "mounts", hook: "sb_mount", acts: &["mount", "remount"] },
    Work { name: "setuid", hook: "task_fix_setuid", acts: &["setuid", "setuid-root"] },
    Work { name: "signals", hook: "task_kill", acts: &["kill=0", "kill=1:other", "kill=15:auditd"] },
];

/// The measurements of a policy.
pub struct Row {
    /// Name of the policy.
    pub name: &'static str,
    /// Sizes of the objects.
    pub sizes: Sides<Size>,
    /// Measurement without any program.
    pub none: Measured,
    /// Measurement with an empty program.
    pub empty: Measured,
    /// Measurements with the policy.
    pub measured: Sides<Measured>,
}

/// A value for krsic and one for clang.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sides<T> {
    /// The value for krsic.
    pub ours: T,
    /// The value for clang.
    pub clang: T,
}

/// Cost of one act above an empty program.
pub struct Cost {
    /// Name of the act.
    pub act: String,
    /// True if a rule matched.
    pub fires: bool,
    /// Instructions for each call of the hook.
    pub above: Sides<f64>,
}

impl Row {
    /// Costs by act; empty if something did not run.
    pub fn costs(&self) -> Vec<Cost> {
        let Sides { ours, clang } = &self.measured;
        if self.empty.error.is_some() || ours.error.is_some() || clang.error.is_some() {
            return Vec::new();
        }
        self.empty
            .acts
            .iter()
            .zip(&ours.acts)
            .zip(&clang.acts)
            .map(|((empty, ours_act), clang_act)| Cost {
                act: empty.name.clone(),
                fires: ours.events.iter().any(|event| event.split(' ').nth(1) == Some(&empty.name)),
                above: Sides { ours: ours_act.program - empty.program, clang: clang_act.program - empty.program },
            })
            .collect()
    }

    /// Describes a difference between the two programs, or the failure of one.
    pub fn disagreement(&self) -> Option<String> {
        let Sides { ours, clang } = &self.measured;
        for (whose, measured) in
            [("no program", &self.none), ("the empty program", &self.empty), ("ours", ours), ("clang's", clang)]
        {
            if let Some(error) = &measured.error {
                return Some(format!("{whose}: {error}"));
            }
        }
        for (a, b) in ours.acts.iter().zip(&clang.acts) {
            if a.answer != b.answer {
                return Some(format!("{}: ours answers {}, clang's {}", a.name, a.answer, b.answer));
            }
        }
        if ours.events != clang.events {
            return Some(format!(
                "events differ:\n  ours   {}\n  clang  {}",
                ours.events.join("\n         "),
                clang.events.join("\n         ")
            ));
        }
        None
    }
}

/// Builds and runs all policies, or those named.
pub fn measure(tools: &Tools, image: &Image, scratch: &Path, only: &[String]) -> Result<Vec<Row>> {
    let work: Vec<&Work> =
        WORK.iter().filter(|work| only.is_empty() || only.iter().any(|name| name == work.name)).collect();
    ensure!(!work.is_empty(), "no such policy in tests/bench");
    let mut empties: BTreeMap<&str, PathBuf> = BTreeMap::new();
    let (mut runs, mut rows) = (Vec::new(), Vec::new());
    for work in &work {
        let empty = scratch.join(format!("empty-{}.o", work.hook));
        if empties.insert(work.hook, empty.clone()).is_none() {
            compile(&folder().join("empty.c"), &[format!("-DHOOK={}", work.hook)], &empty)?;
        }
        let clang = scratch.join(format!("{}.clang.o", work.name));
        compile(&folder().join(format!("{}.c", work.name)), &[], &clang)?;
        let ours = scratch.join(format!("{}.krs.o", work.name));
        let policy = folder().join(format!("{}.krs", work.name));
        host::run(Command::new(&tools.krsic).arg("build").arg(policy).arg("-o").arg(&ours))?;
        rows.push(Row {
            name: work.name,
            sizes: Sides { ours: Size::of(&ours)?, clang: Size::of(&clang)? },
            none: Measured::default(),
            empty: Measured::default(),
            measured: Sides::default(),
        });
        let acts: Vec<String> = work.acts.iter().map(|act| (*act).to_owned()).collect();
        for object in [None, Some(empty), Some(ours), Some(clang)] {
            runs.push(Run { object, acts: acts.clone() });
        }
    }
    let measured = guest::run(tools, image, &runs)?;
    for (row, measured) in rows.iter_mut().zip(measured.chunks_exact(4)) {
        let [none, empty, ours, clang] = measured else { continue };
        (row.none, row.empty) = (none.clone(), empty.clone());
        row.measured = Sides { ours: ours.clone(), clang: clang.clone() };
    }
    Ok(rows)
}
