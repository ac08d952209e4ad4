//! `krsi`: loads krs policies into the kernel's BPF LSM, and tells what they do there.
//!
//! There is no daemon and no database: what is loaded is what is pinned under `/sys/fs/bpf/krsi`. Every
//! command may be killed between any two system calls; the next one finds each policy wholly loaded or not
//! at all (see [`pins`]).
//!
//! - [`object`]: a `policy.o`, checked before the kernel sees it
//! - [`params`]: values that a load sets
//! - [`sets`]: sets that change while their policy is loaded; [`elements`] as text and as keys, [`set_map`] their maps;
//!   [`map_value`] maps of one value
//! - [`files`]: files that a policy names, found when it is loaded
//! - [`kernel`]: the running kernel's hooks, and where their arguments are
//! - [`modes`]: whether a policy and its rules do what they say
//! - [`pins`]: the folders below `/sys/fs/bpf/krsi`, [`bpffs`] their system calls, [`aside`] rules that deny these
//! - [`load`], [`list`], [`stats`], [`events`], [`doctor`]: the commands
//! - [`decode`]: records of the ring buffer to text and JSON
//! - [`verifier`]: a refusal of the kernel, told in the policy's words
//!
//! Absent: krs. A policy is known here by its manifest alone.

mod aside;
mod bpffs;
mod cli;
#[cfg(test)]
mod commands;
mod decode;
mod doctor;
mod elements;
mod events;
mod failure;
mod files;
mod kernel;
mod labels;
mod list;
mod load;
mod map_value;
mod modes;
mod object;
mod params;
mod pins;
mod set_map;
mod sets;
mod since;
mod stats;
#[cfg(not(test))]
mod sys;
mod verifier;

fn main() -> std::process::ExitCode {
    cli::run()
}
