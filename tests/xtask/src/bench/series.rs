//! From 10 to 100,000 rules on one hook: the cost of compiling them, and the cost of a call of the hook.
//!
//! The act matches none of the rules, which is the usual case and the most expensive for a chain of
//! comparisons. If it loads, a naive chain of the same rules in C is measured for comparison.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::guest::{self, Measured, Run};
use super::{Size, compile, compiler, folder, strip};
use crate::kernel::Image;
use crate::tools::Tools;

const COUNTS: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
/// Time limit of one build, by krsic or by clang.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest chain in C: clang takes minutes for longer ones.
const CHAIN_MAX: usize = 10_000;
/// Number of builds, of which the fastest counts; long ones are built once.
const BUILDS: usize = 3;
const BUILT_AGAIN_MAX: usize = 10_000;

/// A kind of rule.
struct Kind {
    name: &'static str,
    hook: &'static str,
    act: &'static str,
    /// Text of the rule with a number.
    rule: fn(usize) -> String,
    chain: Chain,
}

/// Code in front of a chain in C, and the condition with a number.
type Chain = (&'static str, fn(usize) -> String);

const KINDS: &[Kind] = &[
    Kind {
        name: "pairs",
        hook: "file_open",
        act: "open-read",
        rule: |n| {
            format!("on file_open when file.inode.uid == {} and file.inode.gid == {} deny", 1000 + n, 5000 + n % 97)
        },
        chain: ("u32 uid = file->f_inode->i_uid.val, gid = file->f_inode->i_gid.val;", |n| {
            format!("uid == {} && gid == {}", 1000 + n, 5000 + n % 97)
        }),
    },
    Kind {
        name: "paths",
        hook: "file_open",
        act: "open-read=a/b/file",
        rule: |n| format!("on file_open when file.path == \"/srv/data/{}/file-{n}\" deny", n % 89),
        chain: (PATH_IN_C, |n| {
            let path = format!("/srv/data/{}/file-{n}", n % 89);
            format!("length == {} && {}", path.len() + 1, begins(&path))
        }),
    },
    Kind {
        name: "prefixes",
        hook: "file_open",
        act: "open-read=a/b/file",
        rule: |n| format!("on file_open when file.path under \"/srv/tenants/{}/t{n}\" deny", n % 89),
        chain: (PATH_IN_C, |n| {
            let path = format!("/srv/tenants/{}/t{n}", n % 89);
            let end = path.len();
            format!("length > {end} && {} && (text[{end}] == '/' || !text[{end}])", begins(&path))
        }),
    },
    Kind {
        name: "networks",
        hook: "socket_connect",
        act: "connect=127.0.0.1:53",
        rule: |n| {
            let (a, b) = (n >> 8 & 255, n & 255);
            format!(
                "on socket_connect when dst.ip in \"{}.{a}.{b}.0/24\" and dst.port == {} deny",
                10 + (n >> 16),
                1 + n % 1000
            )
        },
        chain: (ADDRESS_IN_C, |n| {
            format!("address >> 8 == {:#x} && port == {}", (10 + (n >> 16)) << 16 | (n & 0xffff), 1 + n % 1000)
        }),
    },
    Kind {
        name: "globs",
        hook: "file_open",
        act: "open-read=a/b/file",
        rule: |n| format!("on file_open when file.path like \"/srv/*/t{n}/*.key\" deny"),
        chain: (GLOB_IN_C, |n| {
            let component = format!("/t{n}/");
            let (number, mask) = word(component.as_bytes());
            format!("bytes == {} && (component & {mask:#x}ull) == {number:#x}ull", component.len())
        }),
    },
];

const PATH_IN_C: &str = "\
u32 zero = 0; char *text = bpf_map_lookup_elem(&paths, &zero); if (!text) return 0; u64 *words = (void *)text; \
long length = bpf_d_path(&file->f_path, text, 4096); if (length <= 0 || length > 4096) return 0;";

/// The common prefix and suffix of all patterns are tested once, before the text is split into its
/// components.
const GLOB_IN_C: &str = "\
u32 zero = 0; char *text = bpf_map_lookup_elem(&paths, &zero); if (!text) return 0; \
long length = bpf_d_path(&file->f_path, text, 4096); if (length < 12 || length > 4096) return 0; \
if ((*(u64 *)text & 0xffffffffffull) != 0x2f7672732full) return 0; \
if (*(u32 *)(text + ((length - 5) & 4095)) != 0x79656b2e) return 0; \
struct slashes slashes = { text }; bpf_loop(length - 1, slash, &slashes, 0); if (slashes.count != 4) return 0; \
u64 component = *(u64 *)(text + (slashes.at[2] & 4095)); u32 bytes = slashes.at[3] - slashes.at[2] + 1;";

/// Bytes as a number, and the mask of as many bytes.
fn word(bytes: &[u8]) -> (u64, u64) {
    let number = bytes.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    (number, u64::MAX >> (64 - 8 * bytes.len()))
}

/// A test in C that a text has this prefix: eight bytes at a time, because clang has no `memcmp` for BPF.
fn begins(text: &str) -> String {
    let compared = |(at, bytes): (usize, &[u8])| {
        let (number, mask) = word(bytes);
        format!("(words[{at}] & {mask:#x}ull) == {number:#x}ull")
    };
    text.as_bytes().chunks(8).enumerate().map(compared).collect::<Vec<_>>().join(" && ")
}

const ADDRESS_IN_C: &str = "\
struct sockaddr_in *given = (void *)ctx[1]; if (given->family != AF_INET || (s32)ctx[2] < IN_BYTES) return 0; \
u32 address = ntohl(given->address); u16 port = ntohs(given->port);";

const C_HEAD: &str = "\
#include \"bench.h\"
#include \"address.h\"
struct id { u32 val; };
struct inode { struct id i_uid, i_gid; } CORE;
struct path { void *mnt; } CORE;
struct file { struct path f_path; struct inode *f_inode; } CORE;
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4096 + 8);
} paths SEC(\".maps\");
struct slashes { char *text; u32 count, at[4]; };
static __attribute__((unused)) long slash(u32 at, struct slashes *slashes)
{
	if (slashes->text[at & 4095] != '/') return 0;
	// A fifth ends it, so that the verifier has few counts to follow.
	if (slashes->count > 3) { slashes->count = 5; return 1; }
	slashes->at[slashes->count & 3] = at;
	slashes->count++;
	return 0;
}
";

/// The result for a number of rules of one kind.
pub struct Row {
    /// Name of the kind.
    pub kind: &'static str,
    /// Number of rules built.
    pub rules: usize,
    /// Cost of the build, or its error.
    pub build: Result<Build, String>,
    /// Measurement of krsic's object.
    pub measured: Option<Measured>,
    /// Instructions of a call of the hook, above an empty program.
    pub cost: Option<f64>,
    /// The same cost for the chain in C.
    pub chain: Option<Result<f64, String>>,
}

/// A build that succeeded.
pub struct Build {
    /// Time of the whole process.
    pub elapsed: Duration,
    /// Peak memory use of the process.
    pub memory_kib: u64,
    /// Size of the object.
    pub size: Size,
    object: PathBuf,
}

/// Builds and runs the series.
pub fn measure(tools: &Tools, image: &Image, scratch: &Path, rules_max: usize, only: &[String]) -> Result<Vec<Row>> {
    let (mut rows, mut runs) = (Vec::new(), Vec::new());
    let wanted = |kind: &&Kind| only.is_empty() || only.iter().any(|name| name == kind.name);
    ensure!(KINDS.iter().any(|kind| wanted(&kind)), "no such series");
    for kind in KINDS.iter().filter(wanted) {
        let acts = vec![kind.act.to_owned()];
        let empty = scratch.join(format!("series-empty-{}.o", kind.hook));
        compile(&folder().join("empty.c"), &[format!("-DHOOK={}", kind.hook)], &empty)?;
        runs.push(Run { object: Some(empty), acts: acts.clone() });
        let mut hopeless = false;
        for count in COUNTS.into_iter().filter(|count| *count <= rules_max) {
            let built = if hopeless { Err("as above".to_owned()) } else { build(tools, scratch, kind, count)? };
            hopeless |= built.is_err();
            if let Ok(built) = &built {
                runs.push(Run { object: Some(built.object.clone()), acts: acts.clone() });
            }
            let chain = if count <= CHAIN_MAX {
                let object = scratch.join(format!("chain-{}-{count}.o", kind.name));
                let made = chain(kind, count, scratch, &object)?;
                if made.is_ok() {
                    runs.push(Run { object: Some(object), acts: acts.clone() });
                }
                Some(made.map(|()| f64::NAN))
            } else {
                None
            };
            eprintln!("{} {count}: {}", kind.name, if built.is_ok() { "built" } else { "not built" });
            rows.push(Row { kind: kind.name, rules: count, build: built, measured: None, cost: None, chain });
        }
    }
    let mut measured = guest::run(tools, image, &runs)?.into_iter();
    let mut kind = "";
    let mut empty = 0.0;
    let program = |measured: &Measured| measured.acts.first().map(|act| act.program);
    for row in &mut rows {
        if row.kind != kind {
            kind = row.kind;
            empty = measured.next().and_then(|measured| program(&measured)).unwrap_or(f64::NAN);
        }
        if row.build.is_ok()
            && let Some(ours) = measured.next()
        {
            row.cost = program(&ours).map(|program| program - empty);
            row.measured = Some(ours);
        }
        if let Some(chain @ Ok(_)) = &mut row.chain
            && let Some(theirs) = measured.next()
        {
            *chain = match program(&theirs) {
                Some(program) => Ok(program - empty),
                None => Err(format!(
                    "the kernel: {}",
                    theirs.error.as_deref().unwrap_or("nothing").chars().take(200).collect::<String>()
                )),
            };
        }
    }
    Ok(rows)
}

fn build(tools: &Tools, scratch: &Path, kind: &Kind, count: usize) -> Result<Result<Build, String>> {
    let policy = scratch.join(format!("{}-{count}.krs", kind.name));
    let object = policy.with_extension("o");
    let mut text = String::new();
    for n in 0..count {
        writeln!(text, "{}", (kind.rule)(n))?;
    }
    std::fs::write(&policy, text)?;
    let log = policy.with_extension("log");
    let mut least: Option<Process> = None;
    for _ in 0..if count <= BUILT_AGAIN_MAX { BUILDS } else { 1 } {
        let mut command = Command::new(&tools.krsic);
        command.arg("build").arg(&policy).arg("-o").arg(&object).stderr(std::fs::File::create(&log)?);
        let process = match limited(&mut command)? {
            Ok(process) => process,
            Err(why) => return Ok(Err(why)),
        };
        if !process.succeeded {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            return Ok(Err(said.lines().find(|line| line.starts_with("error")).unwrap_or("killed").to_owned()));
        }
        if least.as_ref().is_none_or(|least| process.elapsed < least.elapsed) {
            least = Some(process);
        }
    }
    let Some(Process { elapsed, memory_kib, .. }) = least else { return Ok(Err("not built".to_owned())) };
    Ok(Ok(Build { elapsed, memory_kib, size: Size::of(&object)?, object }))
}

/// A command that has ended.
struct Process {
    succeeded: bool,
    elapsed: Duration,
    /// Peak memory use of the process.
    memory_kib: u64,
}

/// Runs a command with a time limit; returns an error message if it is exceeded.
fn limited(command: &mut Command) -> Result<Result<Process, String>> {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let mut memory_kib = 0;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        memory_kib = memory_kib.max(peak.unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            return Ok(Ok(Process { succeeded: status.success(), elapsed: started.elapsed(), memory_kib }));
        }
        if started.elapsed() > TIMEOUT {
            child.kill()?;
            child.wait()?;
            return Ok(Err(format!("more than {} s", TIMEOUT.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Compiles the chain in C, or returns the reason for its absence.
fn chain(kind: &Kind, count: usize, scratch: &Path, object: &Path) -> Result<Result<(), String>> {
    let (before, condition) = kind.chain;
    let mut text = C_HEAD.to_owned();
    let file = if kind.hook == "file_open" { "struct file *file = (void *)ctx[0];" } else { "" };
    writeln!(text, "SEC(\"lsm/{0}\") int {0}(u64 *ctx) {{ {file} {before}", kind.hook)?;
    for n in 0..count {
        writeln!(text, "\tif ({}) goto denied;", condition(n))?;
    }
    // With a side effect at the label, clang emits jumps; otherwise it computes the verdict, and the verifier
    // no longer knows its value.
    writeln!(text, "\treturn 0;\ndenied:\n\tasm volatile(\"\" ::: \"memory\");\n\treturn -EPERM;\n}}")?;
    let source = scratch.join(format!("chain-{}-{count}.c", kind.name));
    let log = source.with_extension("log");
    std::fs::write(&source, text)?;
    let mut command = compiler(&source, &[], object)?;
    let process = match limited(command.stderr(std::fs::File::create(&log)?))? {
        Ok(process) => process,
        Err(why) => return Ok(Err(format!("clang: {why}"))),
    };
    if !process.succeeded {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        let line = said.lines().find(|line| line.contains("error")).unwrap_or("no object");
        return Ok(Err(format!("clang: {}", line.rsplit("error: ").next().unwrap_or(line))));
    }
    strip(object)?;
    Ok(Ok(()))
}
