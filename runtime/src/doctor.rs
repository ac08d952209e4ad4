//! `krsi doctor`: checks whether the kernel and the machine can run policies, and explains how to fix what is
//! missing.
//!
//! ```text
//! yes  kernel 5.10 or newer: 6.1.0-21-amd64
//! NO   BPF LSM active: /sys/kernel/security/lsm says lockdown,capability,yama
//!        boot with: lsm=lockdown,yama,bpf; until then programs load but never run
//! ```
//!
//! The checks only read files; no program is loaded.

use std::fmt::Write;
use std::fs;
use std::io;

use crate::failure::Failure;
use crate::kernel::{BTF_PATH, Kernel};

const LSM_PATH: &str = "/sys/kernel/security/lsm";
/// The requirement that the kernel calls BPF programs on LSM hooks.
const ACTIVE: &str = "BPF LSM active";

/// A requirement and its state on this machine.
struct Check {
    /// Name of the requirement in the report.
    requirement: String,
    /// Error message of `krsi load` if it is not met.
    error: &'static str,
    /// True if it is met; `None` if that cannot be determined.
    ok: Option<bool>,
    /// Current state of the machine.
    found: String,
    /// Steps to take if it is not met, one per line.
    fix: Vec<String>,
}

/// Source of facts: this machine, or a table in the tests.
struct Machine<'m> {
    /// Returns the trimmed text of a file, if it can be read.
    read: &'m dyn Fn(&str) -> Option<String>,
    /// Returns the size of a file in bytes.
    size: &'m dyn Fn(&str) -> io::Result<u64>,
    /// Returns true if the kernel's types contain BPF LSM hooks; `None` if they cannot be read.
    hooks: &'m dyn Fn() -> Option<bool>,
}

impl Machine<'_> {
    fn this() -> Machine<'static> {
        Machine {
            read: &|path| fs::read_to_string(path).ok().map(|text| text.trim().to_owned()),
            size: &|path| fs::metadata(path).map(|metadata| metadata.len()),
            hooks: &|| Kernel::running().ok().map(|kernel| kernel.has_hooks()),
        }
    }

    fn read(&self, path: &str) -> Option<String> {
        (self.read)(path)
    }

    /// Returns true if a kernel option is `y`; `None` if the machine has no configuration file for the kernel.
    fn config(&self, option: &str) -> Option<bool> {
        let text = self.config_text()?;
        Some(text.lines().any(|line| line == format!("{option}=y")))
    }

    /// Returns the value of a kernel option, with its quotes.
    fn config_value(&self, option: &str) -> Option<String> {
        let text = self.config_text()?;
        text.lines().find_map(|line| Some(line.strip_prefix(option)?.strip_prefix('=')?.to_owned()))
    }

    fn config_text(&self) -> Option<String> {
        let release = self.read("/proc/sys/kernel/osrelease")?;
        self.read(&format!("/boot/config-{release}")).or_else(|| self.read(&format!("/lib/modules/{release}/config")))
    }
}

/// Returns the report of all requirements, and false if one is not met.
pub fn doctor() -> (String, bool) {
    report(&Machine::this())
}

fn report(machine: &Machine<'_>) -> (String, bool) {
    let checks = [kernel_version, compiled_in, active, types, jit, privileges, lockdown, bpffs];
    let checks = checks.map(|check| check(machine));
    let mut out = String::new();
    for check in &checks {
        let mark = match check.ok {
            Some(true) => "yes",
            Some(false) => "NO ",
            None => "?  ",
        };
        let _ = writeln!(out, "{mark}  {}: {}", check.requirement, check.found);
        if check.ok != Some(true) {
            for line in &check.fix {
                let _ = writeln!(out, "       {line}");
            }
        }
    }
    let passed = checks.iter().all(|check| check.ok != Some(false));
    let _ = writeln!(
        out,
        "{}",
        if passed {
            "policies can be loaded here"
        } else {
            "policies cannot be loaded here until the problems above are fixed"
        }
    );
    (out, passed)
}

/// Checks the requirements without which a load would fail, or succeed without enforcing anything.
pub fn preflight() -> Result<(), Failure> {
    required(&Machine::this())
}

fn required(machine: &Machine<'_>) -> Result<(), Failure> {
    for check in [privileges, active, types, bpffs] {
        let check = check(machine);
        // A policy must not seem to be enforced while nobody knows whether the kernel calls its programs.
        if check.ok == Some(false) || check.ok.is_none() && check.requirement == ACTIVE {
            let failure = Failure::refused(format!("{}: {}", check.error, check.found));
            return Err(check.fix.into_iter().fold(failure, Failure::help));
        }
    }
    Ok(())
}

fn kernel_version(machine: &Machine<'_>) -> Check {
    let release = machine.read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Check {
        requirement: "kernel 5.10 or newer".into(),
        error: "the kernel is too old",
        ok: Some(version >= (5, 10)),
        found: release,
        fix: vec!["boot a newer kernel".into()],
    }
}

fn compiled_in(machine: &Machine<'_>) -> Check {
    let hooks = (machine.hooks)();
    let ok = match (hooks, machine.config("CONFIG_BPF_LSM")) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), _) | (_, Some(false)) => Some(false),
        _ => None,
    };
    Check {
        requirement: "BPF LSM compiled in".into(),
        error: "the kernel has no BPF LSM",
        ok,
        found: match ok {
            Some(true) => "the kernel has its hooks".into(),
            Some(false) => "the kernel has no bpf_lsm functions".into(),
            None => "cannot read the kernel's types or its configuration".into(),
        },
        fix: vec!["use a kernel built with CONFIG_BPF_LSM=y; Debian, Ubuntu, Fedora and Arch ship such kernels".into()],
    }
}

/// Returns true if the kernel calls BPF programs on LSM hooks; `None` if that cannot be determined.
#[cfg(not(test))]
pub fn lsm_active() -> Option<bool> {
    active(&Machine::this()).ok
}

#[cfg(test)]
pub fn lsm_active() -> Option<bool> {
    Some(true)
}

/// The `lsm=` list that adds `bpf` to the modules that the kernel starts now. The list of active modules is not enough:
/// it lacks `integrity`, which before 6.8 started IMA and EVM. A name that the kernel does not know is ignored.
fn lsm_line(machine: &Machine<'_>, active: &str) -> String {
    let command_line = machine.read("/proc/cmdline").unwrap_or_default();
    let given = command_line.split_whitespace().filter_map(|word| word.strip_prefix("lsm=")).next_back();
    let built = machine.config_value("CONFIG_LSM").map(|text| text.trim_matches('"').to_owned());
    let base = given.map(str::to_owned).or(built).unwrap_or_else(|| format!("integrity,{active}"));
    let mut names: Vec<&str> = base.split(',').filter(|name| !name.is_empty() && *name != "bpf").collect();
    // `capability`, `ima` and `evm` are active without being listed.
    for name in active.split(',').filter(|name| !matches!(*name, "capability" | "ima" | "evm" | "bpf" | "")) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.retain(|name| *name != "capability");
    names.push("bpf");
    format!("lsm={}", names.join(","))
}

fn active(machine: &Machine<'_>) -> Check {
    let requirement = ACTIVE.to_owned();
    let Some(list) = machine.read(LSM_PATH) else {
        return Check {
            requirement,
            error: "it is unknown whether BPF LSM is active",
            ok: None,
            found: format!("cannot read {LSM_PATH}"),
            fix: vec!["mount securityfs, as root: mount -t securityfs securityfs /sys/kernel/security".into()],
        };
    };
    let ok = list.split(',').any(|name| name == "bpf");
    let line = lsm_line(machine, &list);
    Check {
        requirement,
        error: "BPF LSM is not active",
        ok: Some(ok),
        found: format!("{LSM_PATH} says {list}"),
        fix: vec![
            format!("boot with: {line}; until then programs load but never run"),
            "on Debian and Ubuntu: add it to GRUB_CMDLINE_LINUX in /etc/default/grub, run update-grub, and reboot"
                .into(),
        ],
    }
}

fn types(machine: &Machine<'_>) -> Check {
    let found = (machine.size)(BTF_PATH);
    Check {
        requirement: "kernel types (BTF)".into(),
        error: "the kernel provides no type information (BTF)",
        ok: Some(found.is_ok()),
        found: match found {
            Ok(bytes) => format!("{BTF_PATH}, {} KiB", bytes / 1024),
            Err(error) => format!("{BTF_PATH}: {error}"),
        },
        fix: vec!["use a kernel built with CONFIG_DEBUG_INFO_BTF=y".into()],
    }
}

fn jit(machine: &Machine<'_>) -> Check {
    let state = machine.read("/proc/sys/net/core/bpf_jit_enable");
    let always = machine.config("CONFIG_BPF_JIT_ALWAYS_ON") == Some(true);
    let ok = match state.as_deref() {
        Some("0") => Some(false),
        Some(_) => Some(true),
        // The sysctl exists only in the initial network namespace (`net_core_table`).
        None if always => Some(true),
        None => None,
    };
    Check {
        requirement: "BPF JIT compiler".into(),
        error: "the BPF JIT compiler is off",
        ok,
        found: match ok {
            Some(true) => "on".into(),
            Some(false) => "off; without it no program can be attached to a hook".into(),
            None => "cannot read net.core.bpf_jit_enable".into(),
        },
        fix: vec!["enable it: sysctl net.core.bpf_jit_enable=1".into()],
    }
}

/// Capabilities and their bits; source: `include/uapi/linux/capability.h`.
const CAPABILITIES: [(&str, u32); 3] = [("CAP_SYS_ADMIN", 21), ("CAP_PERFMON", 38), ("CAP_BPF", 39)];

fn privileges(machine: &Machine<'_>) -> Check {
    let status = machine.read("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|text| u64::from_str_radix(text.trim(), 16).ok())
        .unwrap_or(0);
    let missing: Vec<&str> =
        CAPABILITIES.iter().filter(|(_, bit)| effective >> bit & 1 == 0).map(|(name, _)| *name).collect();
    let has = |name| !missing.contains(&name);
    // CAP_SYS_ADMIN implies the other two. The pins also require write access to the BPF file system.
    let ok = has("CAP_SYS_ADMIN") || has("CAP_PERFMON") && has("CAP_BPF");
    Check {
        requirement: "privileges".into(),
        error: "the command lacks privileges",
        ok: Some(ok),
        found: if ok { "sufficient capabilities".into() } else { format!("missing {}", missing.join(", ")) },
        fix: vec!["run the command as root".into()],
    }
}

fn lockdown(machine: &Machine<'_>) -> Check {
    let state = machine.read("/sys/kernel/security/lockdown");
    let mode = state.as_deref().and_then(|text| text.split(['[', ']']).nth(1)).unwrap_or("none").to_owned();
    Check {
        requirement: "no confidentiality lockdown".into(),
        error: "the kernel is locked down",
        ok: Some(mode != "confidentiality"),
        found: format!("lockdown is {mode}"),
        fix: vec![
            "in this mode programs cannot read kernel memory, which some policies need on 5.10".into(),
            "boot with lockdown=integrity or lockdown=none".into(),
        ],
    }
}

fn bpffs(machine: &Machine<'_>) -> Check {
    let mounts = machine.read("/proc/self/mounts").unwrap_or_default();
    let mounted = mounts.lines().any(|line| {
        let mut parts = line.split(' ').skip(1);
        parts.next() == Some("/sys/fs/bpf") && parts.next() == Some("bpf")
    });
    Check {
        requirement: "BPF file system".into(),
        error: "the BPF file system is not mounted",
        ok: Some(mounted),
        found: if mounted { "mounted at /sys/fs/bpf".into() } else { "not mounted at /sys/fs/bpf".into() },
        fix: vec!["mount it, as root: mount -t bpf bpf /sys/fs/bpf".into()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Report, result and load error of a machine that meets all requirements, except for the changed files. An
    /// empty text removes the file.
    fn answers(changed: &[(&str, &str)], hooks: Option<bool>, btf: bool) -> (String, bool, Result<(), String>) {
        let files = [
            ("/proc/sys/kernel/osrelease", "6.1.0-21-amd64"),
            ("/sys/kernel/security/lsm", "capability,landlock,bpf"),
            ("/proc/sys/net/core/bpf_jit_enable", "1"),
            ("/proc/self/status", "Name:\tkrsi\nCapEff:\t000001ffffffffff"),
            ("/sys/kernel/security/lockdown", "[none] integrity confidentiality"),
            ("/proc/self/mounts", "proc /proc proc rw 0 0\nbpf /sys/fs/bpf bpf rw 0 0"),
        ];
        let read = |path: &str| {
            let of = |files: &[(&str, &str)]| {
                files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned())
            };
            of(changed).or_else(|| of(&files)).filter(|text| !text.is_empty())
        };
        let size = |_: &str| if btf { Ok(5 << 20) } else { Err(io::ErrorKind::NotFound.into()) };
        let machine = Machine { read: &read, size: &size, hooks: &|| hooks };
        let (text, passed) = report(&machine);
        (text, passed, required(&machine).map_err(|failure| failure.to_string()))
    }

    #[test]
    fn a_machine_that_meets_all_requirements() {
        let (text, passed, required) = answers(&[], Some(true), true);
        assert_eq!(
            text,
            "yes  kernel 5.10 or newer: 6.1.0-21-amd64\n\
             yes  BPF LSM compiled in: the kernel has its hooks\n\
             yes  BPF LSM active: /sys/kernel/security/lsm says capability,landlock,bpf\n\
             yes  kernel types (BTF): /sys/kernel/btf/vmlinux, 5120 KiB\n\
             yes  BPF JIT compiler: on\n\
             yes  privileges: sufficient capabilities\n\
             yes  no confidentiality lockdown: lockdown is none\n\
             yes  BPF file system: mounted at /sys/fs/bpf\n\
             policies can be loaded here\n"
        );
        assert_eq!((passed, required), (true, Ok(())));
    }

    /// The line of each unmet requirement, its fix, and the error of a load.
    #[test]
    fn unmet_requirements() {
        let release = "/proc/sys/kernel/osrelease";
        let lsm = "/sys/kernel/security/lsm";
        let jit = "/proc/sys/net/core/bpf_jit_enable";
        let status = "/proc/self/status";
        let locked = "/sys/kernel/security/lockdown";
        let mounts = "/proc/self/mounts";
        for (file, content, line, fix, load) in [
            (release, "5.9.16", "NO   kernel 5.10 or newer: 5.9.16", "boot a newer kernel", None),
            (release, "4.19.0", "NO   kernel 5.10 or newer: 4.19.0", "boot a newer kernel", None),
            (release, "5.10.0", "yes  kernel 5.10 or newer: 5.10.0", "", None),
            (
                lsm,
                "capability,landlock,yama",
                "NO   BPF LSM active: /sys/kernel/security/lsm says capability,landlock,yama",
                "boot with: lsm=integrity,landlock,yama,bpf; until then",
                Some("BPF LSM is not active"),
            ),
            (
                lsm,
                "capability",
                "NO   BPF LSM active",
                "boot with: lsm=integrity,bpf; until then",
                Some("BPF LSM is not active"),
            ),
            (
                lsm,
                "",
                "?    BPF LSM active: cannot read /sys/kernel/security/lsm",
                "mount -t securityfs",
                Some("it is unknown whether BPF LSM is active"),
            ),
            (jit, "0", "NO   BPF JIT compiler: off;", "sysctl net.core.bpf_jit_enable=1", None),
            (jit, "", "?    BPF JIT compiler: cannot read net.core.bpf_jit_enable", "sysctl", None),
            (
                status,
                "CapEff:\t0000000000000000",
                "NO   privileges: missing CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF",
                "as root",
                Some("the command lacks privileges"),
            ),
            // Bits 38 and 39.
            (status, "CapEff:\t000000c000000000", "yes  privileges: sufficient capabilities", "", None),
            (
                status,
                "CapEff:\t0000008000000000",
                "NO   privileges: missing CAP_SYS_ADMIN, CAP_PERFMON",
                "as root",
                Some("privileges"),
            ),
            (
                status,
                "CapEff:\t0000004000000000",
                "NO   privileges: missing CAP_SYS_ADMIN, CAP_BPF",
                "as root",
                Some("privileges"),
            ),
            // Bit 21.
            (status, "CapEff:\t0000000000200000", "yes  privileges: sufficient capabilities", "", None),
            (status, "", "NO   privileges", "as root", Some("privileges")),
            (
                locked,
                "none integrity [confidentiality]",
                "NO   no confidentiality lockdown: lockdown is confidentiality",
                "boot with lockdown=integrity",
                None,
            ),
            (
                locked,
                "none [integrity] confidentiality",
                "yes  no confidentiality lockdown: lockdown is integrity",
                "",
                None,
            ),
            (locked, "", "yes  no confidentiality lockdown: lockdown is none", "", None),
            (
                mounts,
                "proc /proc proc rw 0 0",
                "NO   BPF file system: not mounted at /sys/fs/bpf",
                "mount -t bpf bpf /sys/fs/bpf",
                Some("not mounted"),
            ),
            (mounts, "none /sys/fs/bpf tmpfs rw 0 0", "NO   BPF file system", "mount -t bpf", Some("not mounted")),
            (mounts, "none /mnt bpf rw 0 0", "NO   BPF file system", "mount -t bpf", Some("not mounted")),
        ] {
            let (text, passed, required) = answers(&[(file, content)], Some(true), true);
            assert!(text.lines().any(|known| known.starts_with(line)), "{line}: {text}");
            assert_eq!(passed, !line.starts_with("NO"), "{line}");
            assert!(text.contains(fix), "{line}: {text}");
            match load {
                Some(words) => assert!(required.as_ref().is_err_and(|why| why.contains(words)), "{line}: {required:?}"),
                None => assert_eq!(required, Ok(()), "{line}"),
            }
            let end = if passed {
                "policies can be loaded here\n"
            } else {
                "policies cannot be loaded here until the problems above are fixed\n"
            };
            assert!(text.ends_with(end), "{line}: {text}");
        }
        let (text, passed, required) = answers(&[], Some(true), false);
        assert!(text.contains("NO   kernel types (BTF): /sys/kernel/btf/vmlinux: ") && !passed, "{text}");
        assert!(required.is_err_and(|why| why.contains("CONFIG_DEBUG_INFO_BTF=y")));
    }

    #[test]
    fn bpf_lsm_is_found_by_hooks_or_the_configuration() {
        let config = "/boot/config-6.1.0-21-amd64";
        let module_config = "/lib/modules/6.1.0-21-amd64/config";
        let found = |files: &[(&str, &str)], hooks| {
            let (text, ..) = answers(files, hooks, true);
            text.lines().nth(1).expect("it is the second line").to_owned()
        };
        let yes = "yes  BPF LSM compiled in: the kernel has its hooks";
        let no = "NO   BPF LSM compiled in: the kernel has no bpf_lsm functions";
        let unknown = "?    BPF LSM compiled in: cannot read the kernel's types or its configuration";
        // The fix is on the next line.
        assert_eq!(found(&[], Some(false)), no);
        assert_eq!(found(&[], None), unknown);
        assert_eq!(found(&[(config, "CONFIG_X=y\nCONFIG_BPF_LSM=y")], None), yes);
        assert_eq!(found(&[(module_config, "CONFIG_BPF_LSM=y")], None), yes);
        assert_eq!(found(&[(config, "# CONFIG_BPF_LSM is not set")], None), no);
        assert_eq!(found(&[(config, "CONFIG_BPF_LSM=yes")], None), no);
    }

    #[test]
    fn a_jit_that_is_always_on() {
        let files =
            [("/proc/sys/net/core/bpf_jit_enable", ""), ("/boot/config-6.1.0-21-amd64", "CONFIG_BPF_JIT_ALWAYS_ON=y")];
        let (text, passed, _) = answers(&files, Some(true), true);
        assert!(text.contains("yes  BPF JIT compiler: on\n") && passed, "{text}");
    }
}
