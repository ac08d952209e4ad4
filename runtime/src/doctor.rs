//! `krsi doctor`: what a kernel and a machine need to run policies, and what to do where something is missing.
//!
//! Nothing is loaded to find out: every answer is read from files.

use std::fmt::Write;
use std::fs;
use std::io;

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

/// Where answers come from: this machine, or in tests a table.
struct Machine<'m> {
    /// A file's text without white space around it, where it can be read.
    read: &'m dyn Fn(&str) -> Option<String>,
    /// The bytes of a file.
    size: &'m dyn Fn(&str) -> io::Result<u64>,
    /// True where the kernel's types have hooks of BPF LSM; none where they cannot be read.
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

    /// The kernel's configuration, where the machine keeps it as text.
    fn config(&self, option: &str) -> Option<bool> {
        let release = self.read("/proc/sys/kernel/osrelease")?;
        let text = self
            .read(&format!("/boot/config-{release}"))
            .or_else(|| self.read(&format!("/lib/modules/{release}/config")))?;
        Some(text.lines().any(|line| line == format!("{option}=y")))
    }
}

/// Prints all requirements; false where one is not met.
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
    required(&Machine::this())
}

fn required(machine: &Machine<'_>) -> Result<(), Failure> {
    for check in [privileges, active, types, bpffs] {
        let check = check(machine);
        if check.ok == Some(false) {
            let failure = Failure::refused(format!("{}: {}", check.lack, check.found));
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
        what: "kernel 5.10 or newer".into(),
        lack: "the kernel is too old",
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

fn active(machine: &Machine<'_>) -> Check {
    let what = "BPF LSM active".to_owned();
    let Some(list) = machine.read(LSM_PATH) else {
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

fn types(machine: &Machine<'_>) -> Check {
    let found = (machine.size)(BTF_PATH);
    Check {
        what: "kernel types (BTF)".into(),
        lack: "the kernel does not describe its types",
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

fn lockdown(machine: &Machine<'_>) -> Check {
    let state = machine.read("/sys/kernel/security/lockdown");
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

fn bpffs(machine: &Machine<'_>) -> Check {
    let mounts = machine.read("/proc/self/mounts").unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with all that is needed, apart from what is given: files with their text, or without if it is empty.
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
        let (text, fine) = report(&machine);
        (text, fine, required(&machine).map_err(|failure| failure.to_string()))
    }

    #[test]
    fn a_machine_that_has_all() {
        let (text, fine, required) = answers(&[], Some(true), true);
        assert_eq!(
            text,
            "yes  kernel 5.10 or newer: 6.1.0-21-amd64\n\
             yes  BPF LSM compiled in: the kernel has its hooks\n\
             yes  BPF LSM active: /sys/kernel/security/lsm says capability,landlock,bpf\n\
             yes  kernel types (BTF): /sys/kernel/btf/vmlinux, 5120 KiB\n\
             yes  BPF JIT compiler: on\n\
             yes  privileges: enough capabilities\n\
             yes  no lockdown for confidentiality: lockdown is none\n\
             yes  BPF file system: mounted at /sys/fs/bpf\n\
             policies can be loaded here\n"
        );
        assert_eq!((fine, required), (true, Ok(())));
    }

    /// Each line of the answer that differs from a machine that has all, and what a load says.
    #[test]
    fn what_is_missing() {
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
                "boot with: lsm=landlock,yama,bpf; until then",
                Some("BPF LSM is not active"),
            ),
            (lsm, "capability", "NO   BPF LSM active", "boot with: lsm=bpf; until then", Some("BPF LSM is not active")),
            (lsm, "", "?    BPF LSM active: /sys/kernel/security/lsm cannot be read", "mount -t securityfs", None),
            (jit, "0", "NO   BPF JIT compiler: off;", "sysctl net.core.bpf_jit_enable=1", None),
            (jit, "", "?    BPF JIT compiler: net.core.bpf_jit_enable cannot be read", "sysctl", None),
            (
                status,
                "CapEff:\t0000000000000000",
                "NO   privileges: without CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF",
                "as root",
                Some("the command lacks privileges"),
            ),
            // Bits 38 and 39.
            (status, "CapEff:\t000000c000000000", "yes  privileges: enough capabilities", "", None),
            (
                status,
                "CapEff:\t0000008000000000",
                "NO   privileges: without CAP_SYS_ADMIN, CAP_PERFMON",
                "as root",
                Some("privileges"),
            ),
            (
                status,
                "CapEff:\t0000004000000000",
                "NO   privileges: without CAP_SYS_ADMIN, CAP_BPF",
                "as root",
                Some("privileges"),
            ),
            // Bit 21.
            (status, "CapEff:\t0000000000200000", "yes  privileges: enough capabilities", "", None),
            (status, "", "NO   privileges", "as root", Some("privileges")),
            (
                locked,
                "none integrity [confidentiality]",
                "NO   no lockdown for confidentiality: lockdown is confidentiality",
                "boot with lockdown=integrity",
                None,
            ),
            (
                locked,
                "none [integrity] confidentiality",
                "yes  no lockdown for confidentiality: lockdown is integrity",
                "",
                None,
            ),
            (locked, "", "yes  no lockdown for confidentiality: lockdown is none", "", None),
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
            let (text, fine, required) = answers(&[(file, content)], Some(true), true);
            assert!(text.lines().any(|told| told.starts_with(line)), "{line}: {text}");
            assert_eq!(fine, !line.starts_with("NO"), "{line}");
            assert!(text.contains(fix), "{line}: {text}");
            match load {
                Some(words) => assert!(required.as_ref().is_err_and(|why| why.contains(words)), "{line}: {required:?}"),
                None => assert_eq!(required, Ok(()), "{line}"),
            }
            let end = if fine {
                "policies can be loaded here\n"
            } else {
                "policies cannot be loaded here until this is mended\n"
            };
            assert!(text.ends_with(end), "{line}: {text}");
        }
        let (text, fine, required) = answers(&[], Some(true), false);
        assert!(text.contains("NO   kernel types (BTF): /sys/kernel/btf/vmlinux: ") && !fine, "{text}");
        assert!(required.is_err_and(|why| why.contains("CONFIG_DEBUG_INFO_BTF=y")));
    }

    #[test]
    fn hooks_or_the_configuration_tell_what_is_compiled_in() {
        let config = "/boot/config-6.1.0-21-amd64";
        let module_config = "/lib/modules/6.1.0-21-amd64/config";
        let told = |files: &[(&str, &str)], hooks| {
            let (text, ..) = answers(files, hooks, true);
            text.lines().nth(1).expect("it is the second line").to_owned()
        };
        let yes = "yes  BPF LSM compiled in: the kernel has its hooks";
        let no = "NO   BPF LSM compiled in: the kernel has no bpf_lsm functions";
        let unknown = "?    BPF LSM compiled in: neither the kernel's types nor its configuration can be read";
        // Its fix stands on the next line.
        assert_eq!(told(&[], Some(false)), no);
        assert_eq!(told(&[], None), unknown);
        assert_eq!(told(&[(config, "CONFIG_X=y\nCONFIG_BPF_LSM=y")], None), yes);
        assert_eq!(told(&[(module_config, "CONFIG_BPF_LSM=y")], None), yes);
        assert_eq!(told(&[(config, "# CONFIG_BPF_LSM is not set")], None), no);
        assert_eq!(told(&[(config, "CONFIG_BPF_LSM=yes")], None), no);
    }

    #[test]
    fn a_jit_that_cannot_be_switched_off() {
        let files =
            [("/proc/sys/net/core/bpf_jit_enable", ""), ("/boot/config-6.1.0-21-amd64", "CONFIG_BPF_JIT_ALWAYS_ON=y")];
        let (text, fine, _) = answers(&files, Some(true), true);
        assert!(text.contains("yes  BPF JIT compiler: on\n") && fine, "{text}");
    }
}
