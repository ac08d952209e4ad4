//! `krsi doctor`: what a kernel and a machine need to run policies, and what to do where something is missing.
//!
//! Nothing is loaded to find out: every answer is read from files.

use std::fmt::Write;
use std::fs;

use crate::failure::Failure;
use crate::kernel::{BTF_PATH, Kernel};

const LSM_PATH: &str = "/sys/kernel/security/lsm";

/// One requirement.
struct Check {
    /// What is needed.
    what: String,
    /// What is said where it is not there.
    lack: &'static str,
    /// Whether it is there; `None` where that cannot be told.
    ok: Option<bool>,
    /// What was found.
    found: String,
    /// What to do where it is not there.
    fix: Vec<String>,
}

/// Prints all requirements; false where one is not met.
pub fn doctor() -> (String, bool) {
    let checks = [kernel_version(), compiled_in(), active(), types(), jit(), privileges(), lockdown(), bpffs()];
    let mut out = String::new();
    for check in &checks {
        let mark = match check.ok {
            Some(true) => "yes",
            Some(false) => "NO ",
            None => "?  ",
        };
        let _ = writeln!(out, "{mark}  {}: {}", check.what, check.found);
        if check.ok != Some(true) {
            for line in &check.fix {
                let _ = writeln!(out, "       {line}");
            }
        }
    }
    let fine = checks.iter().all(|check| check.ok != Some(false));
    let _ = writeln!(
        out,
        "{}",
        if fine { "policies can be loaded here" } else { "policies cannot be loaded here until this is mended" }
    );
    (out, fine)
}

/// The requirements without which a load would fail, or succeed and protect nothing.
pub fn preflight() -> Result<(), Failure> {
    for check in [privileges(), active(), types(), bpffs()] {
        if check.ok == Some(false) {
            let failure = Failure::refused(format!("{}: {}", check.lack, check.found));
            return Err(check.fix.into_iter().fold(failure, Failure::help));
        }
    }
    Ok(())
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn kernel_version() -> Check {
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Check {
        what: "kernel 5.10 or newer".into(),
        lack: "the kernel is too old",
        ok: Some(version >= (5, 10)),
        found: release,
        fix: vec!["boot a newer kernel".into()],
    }
}

/// The kernel's configuration, where the machine keeps it as text.
fn config(option: &str) -> Option<bool> {
    let release = read("/proc/sys/kernel/osrelease")?;
    let text = read(&format!("/boot/config-{release}")).or_else(|| read(&format!("/lib/modules/{release}/config")))?;
    Some(text.lines().any(|line| line == format!("{option}=y")))
}

fn compiled_in() -> Check {
    let hooks = Kernel::running().map(|kernel| kernel.has_hooks());
    let ok = match (hooks, config("CONFIG_BPF_LSM")) {
        (Ok(true), _) | (_, Some(true)) => Some(true),
        (Ok(false), _) | (_, Some(false)) => Some(false),
        _ => None,
    };
    Check {
        what: "BPF LSM compiled in".into(),
        lack: "the kernel has no BPF LSM",
        ok,
        found: match ok {
            Some(true) => "the kernel has its hooks".into(),
            Some(false) => "the kernel has no bpf_lsm functions".into(),
            None => "neither the kernel's types nor its configuration can be read".into(),
        },
        fix: vec!["use a kernel built with CONFIG_BPF_LSM=y; Debian, Ubuntu, Fedora and Arch ship such kernels".into()],
    }
}

fn active() -> Check {
    let what = "BPF LSM active".to_owned();
    let Some(list) = read(LSM_PATH) else {
        return Check {
            what,
            lack: "BPF LSM is not active",
            ok: None,
            found: format!("{LSM_PATH} cannot be read"),
            fix: vec!["mount it, as root: mount -t securityfs securityfs /sys/kernel/security".into()],
        };
    };
    let ok = list.split(',').any(|name| name == "bpf");
    // `capability` is always first and cannot be named.
    let names: Vec<&str> = list.split(',').filter(|name| !matches!(*name, "capability" | "ima" | "evm")).collect();
    let line = if names.is_empty() { "lsm=bpf".to_owned() } else { format!("lsm={},bpf", names.join(",")) };
    Check {
        what,
        lack: "BPF LSM is not active",
        ok: Some(ok),
        found: format!("{LSM_PATH} says {list}"),
        fix: vec![
            format!("boot with: {line}; until then programs would load and never run"),
            "on Debian and Ubuntu: add it to GRUB_CMDLINE_LINUX in /etc/default/grub, run update-grub, reboot".into(),
        ],
    }
}

fn types() -> Check {
    let found = fs::metadata(BTF_PATH);
    Check {
        what: "kernel types (BTF)".into(),
        lack: "the kernel does not describe its types",
        ok: Some(found.is_ok()),
        found: match found {
            Ok(metadata) => format!("{BTF_PATH}, {} KiB", metadata.len() / 1024),
            Err(error) => format!("{BTF_PATH}: {error}"),
        },
        fix: vec!["use a kernel built with CONFIG_DEBUG_INFO_BTF=y".into()],
    }
}

fn jit() -> Check {
    let state = read("/proc/sys/net/core/bpf_jit_enable");
    let always = config("CONFIG_BPF_JIT_ALWAYS_ON") == Some(true);
    let ok = match state.as_deref() {
        Some("0") => Some(false),
        Some(_) => Some(true),
        // Without a network namespace of its own the setting is not shown.
        None if always => Some(true),
        None => None,
    };
    Check {
        what: "BPF JIT compiler".into(),
        lack: "the BPF JIT compiler is off",
        ok,
        found: match ok {
            Some(true) => "on".into(),
            Some(false) => "off; without it no program attaches to a hook".into(),
            None => "net.core.bpf_jit_enable cannot be read".into(),
        },
        fix: vec!["switch it on: sysctl net.core.bpf_jit_enable=1".into()],
    }
}

/// `CAP_SYS_ADMIN`, `CAP_PERFMON` and `CAP_BPF`; source: `include/uapi/linux/capability.h`.
const CAPABILITIES: [(&str, u32); 3] = [("CAP_SYS_ADMIN", 21), ("CAP_PERFMON", 38), ("CAP_BPF", 39)];

fn privileges() -> Check {
    let status = read("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|text| u64::from_str_radix(text.trim(), 16).ok())
        .unwrap_or(0);
    let missing: Vec<&str> =
        CAPABILITIES.iter().filter(|(_, bit)| effective >> bit & 1 == 0).map(|(name, _)| *name).collect();
    let has = |name| !missing.contains(&name);
    // The pins need the administrator of the mount, too; CAP_SYS_ADMIN stands in for the other two.
    let ok = has("CAP_SYS_ADMIN") || has("CAP_PERFMON") && has("CAP_BPF");
    Check {
        what: "privileges".into(),
        lack: "the command lacks privileges",
        ok: Some(ok),
        found: if ok { "enough capabilities".into() } else { format!("without {}", missing.join(", ")) },
        fix: vec!["run the command as root".into()],
    }
}

fn lockdown() -> Check {
    let state = read("/sys/kernel/security/lockdown");
    let mode = state.as_deref().and_then(|text| text.split(['[', ']']).nth(1)).unwrap_or("none").to_owned();
    Check {
        what: "no lockdown for confidentiality".into(),
        lack: "the kernel is locked down",
        ok: Some(mode != "confidentiality"),
        found: format!("lockdown is {mode}"),
        fix: vec![
            "in this mode the kernel forbids programs to copy its memory, which some policies need on 5.10".into(),
            "boot with lockdown=integrity or lockdown=none".into(),
        ],
    }
}

fn bpffs() -> Check {
    let mounts = read("/proc/self/mounts").unwrap_or_default();
    let mounted = mounts.lines().any(|line| {
        let mut parts = line.split(' ').skip(1);
        parts.next() == Some("/sys/fs/bpf") && parts.next() == Some("bpf")
    });
    Check {
        what: "BPF file system".into(),
        lack: "the BPF file system is not mounted",
        ok: Some(mounted),
        found: if mounted { "mounted at /sys/fs/bpf".into() } else { "not mounted at /sys/fs/bpf".into() },
        fix: vec!["mount it, as root: mount -t bpf bpf /sys/fs/bpf".into()],
    }
}
