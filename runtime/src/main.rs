//! `krsi`: loads krs policies into the kernel's BPF LSM and manages them while they are loaded.
//!
//! There is no daemon and no database: the loaded policies are those pinned under `/sys/fs/bpf/krsi`. A command
//! can be killed between any two system calls; the next one finds each policy either completely loaded or not
//! loaded (see [`pins`]).
//!
//! - [`object`]: parses and checks a `policy.o` before the kernel sees it
//! - [`params`]: parameters set at load time
//! - [`sets`]: dynamic sets of a loaded policy; [`elements`] parses and prints their elements, [`set_map`]
//!   accesses their maps, [`map_value`] accesses maps with a single value
//! - [`files`]: files named by a policy, resolved at load time
//! - [`input`]: reads the files that the command line names
//! - [`kernel`]: the running kernel's hooks and the slots of their arguments, from BTF
//! - [`since`]: rules for newer kernels
//! - [`labels`]: labels of a loaded policy, and their transfer to its replacement
//! - [`modes`]: enforcement modes of a policy and its rules
//! - [`pins`]: the folders below `/sys/fs/bpf/krsi`; [`lock`] checks their owner and takes their lock, [`bpffs`] has
//!   their system calls, [`denials`] names the rules that can deny them
//! - [`attached`]: checks that a policy's programs are attached
//! - [`load`], [`list`], [`stats`], [`events`], [`doctor`]: the commands
//! - [`decode`]: formats ring buffer records as text and JSON; [`delivery`] passes them on before they are consumed
//! - [`terminal`]: makes text from the kernel and from objects safe to print
//! - [`verifier`]: explains a verifier rejection in terms of the policy
//!
//! Absent: the language. This crate knows a policy only by its manifest.

mod attached;
mod bpffs;
mod cli;
#[cfg(test)]
mod command_tests;
mod decode;
mod delivery;
mod denials;
mod doctor;
mod elements;
mod events;
mod failure;
mod files;
mod input;
mod kernel;
mod labels;
mod list;
mod load;
mod lock;
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
mod terminal;
mod verifier;

fn main() -> std::process::ExitCode {
    cli::run()
}
