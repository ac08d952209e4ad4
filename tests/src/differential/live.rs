//! Random policies for running kernels, with acts and the outcome of each act according to the evaluator.
//!
//! ```text
//! 7.o         the object
//! 7.krs       its source
//! 7.acts      prctl 4660 1 0 42 7         acts of `krs-guest drive`, one per line
//! 7.results   passed                      or the errno that a rule denies with, one per line
//! 7.events    r0 deny {"f0":42}           recorded events, sorted
//! 7.stats     r0 1 0 0 0                  counters of `krsi stats`: written, lost, over a limit, unknown
//! ```
//!
//! Modes change between acts (`mode off r0`), and objects marked by one act remain marked for later acts.
//!
//! The kernel itself either permits an act or refuses it with an errno that no rule here uses. Policies match
//! only one `comm`, which `krs-guest` sets while it performs acts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv6Addr;

use krsi_abi::labels::Object;
use krsic::hir::eval::{self, Datum, Labels, Windows};
use krsic::hir::{HookId, Int, Mode};
use krsic::kernel::{Kernel, embedded};
use krsic::simulate::scene::{Scene, Tail, Task, named};
use krsic::{Built, Options};

use super::case::{Case, cases, draw};
use super::policy::{LIVE_FOLDER, LIVE_NAME, live};
use super::stage::Pool;
use super::tape::Tape;
use super::{build, optimise};

/// A policy, acts, and their expected outcome.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Source of the policy.
    pub text: String,
    /// The compiled object file.
    pub object: Vec<u8>,
    /// Acts, one per line.
    pub acts: String,
    /// Results, one line for each act.
    pub results: String,
    /// Events, one per line, sorted.
    pub events: String,
    /// Counters, one line for each rule.
    pub stats: String,
}

impl Batch {
    /// Returns the files by their extensions.
    #[must_use]
    pub fn files(&self) -> [(&'static str, &[u8]); 6] {
        [
            ("o", &self.object),
            ("krs", self.text.as_bytes()),
            ("acts", self.acts.as_bytes()),
            ("results", self.results.as_bytes()),
            ("events", self.events.as_bytes()),
            ("stats", self.stats.as_bytes()),
        ]
    }
}

/// The maximum number of acts for one policy.
const ACTS: usize = 120;

/// The maximum number of rules. In an emulated guest a load costs more than its rules; twelve dissimilar rules on one
/// hook can exceed what the verifier of 7.2 accepts.
const RULES: usize = 9;

/// Returns batches with their seeds, starting at a seed.
pub fn batches(seed: u64) -> impl Iterator<Item = (u64, Batch)> {
    let cases = cases(ACTS, RULES);
    (seed..).filter_map(move |seed| Some((seed, batch(&draw(seed, &cases))?)))
}

/// Returns the batch of a case, if its policy compiles; each scene becomes an act.
#[must_use]
pub fn batch(case: &Case) -> Option<Batch> {
    // The batch does not depend on the kernel.
    let kernel = &embedded()[2];
    let optimise = optimise(case);
    let mut policy = live(Tape::new(&case.frame), case, kernel);
    let options = Options { target: Some(kernel), optimise, name: Some("random".to_owned()), ..Options::default() };
    let built = build(&mut policy, &options)?;
    let rules = &built.policy.rules;
    // Hooks without rules exist only to maintain labels, and are called whenever an object is created.
    let called = |hook: &&HookId| rules.iter().any(|rule| rule.hook == **hook);
    let hooks: Vec<HookId> = (0..built.policy.hooks.len() as u32).map(HookId).collect();
    let hooks: Vec<HookId> = hooks.iter().filter(called).copied().collect();
    let pool = Pool::of(&built.policy);
    let (mut acts, mut results, mut events) = (String::new(), String::new(), Vec::new());
    let mut written = vec![0; rules.len()];
    let mut kept = Kept { modes: Modes::of(&built), ..Kept::default() };
    for words in &case.scenes {
        let mut acting = Acting { built: &built, kernel, pool: &pool, kept: &mut kept, tape: Tape::new(words) };
        let hook = *acting.tape.pick(&hooks);
        if acting.tape.percent(4) {
            let _ = writeln!(acts, "{}", acting.mode());
            results.push_str("passed\n");
            continue;
        }
        let (act, scene) = acting.act(hook).ok()?;
        let outcome = eval::outcome(&built.policy, hook, &scene);
        let _ = writeln!(acts, "{act}");
        let _ = match outcome.errno {
            0 => writeln!(results, "passed"),
            errno => writeln!(results, "{errno}"),
        };
        for event in &outcome.events {
            let rule = &rules[event.rule.0 as usize];
            let fields: BTreeMap<&str, String> = rule
                .audit
                .iter()
                .flat_map(|audit| &audit.fields)
                .zip(&event.fields)
                .map(|(field, value)| (field.name.as_str(), json(field.value.ty, value.as_ref())))
                .collect();
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let verdict = match (event.would_deny, outcome.errno) {
                (Some(_), _) => "would_deny",
                (None, 0) => "allow",
                (None, _) => "deny",
            };
            events.push(format!("{} {verdict} {{{}}}\n", rule.name, fields.join(",")));
            written[event.rule.0 as usize] += 1;
        }
        kept.after(outcome);
    }
    events.sort();
    let over = |rule: &str| kept.windows.get(rule).map_or(0, |window| window.over);
    let stats = rules.iter().zip(written).map(|(rule, written)| (&rule.name, written, over(&rule.name)));
    Some(Batch {
        text: policy.text(),
        object: built.object.clone(),
        acts,
        results,
        events: events.concat(),
        stats: stats.map(|(rule, written, over)| format!("{rule} {written} 0 {over} 0\n")).collect(),
    })
}

/// State that acts leave to later acts.
#[derive(Default)]
struct Kept {
    labels: Labels,
    windows: Windows,
    modes: Modes,
    /// Files that were opened; their position in this list determines the inode number.
    opened: Vec<String>,
}

impl Kept {
    fn after(&mut self, outcome: eval::Outcome) {
        self.labels = outcome.labels;
        self.windows = outcome.windows;
        // Each act creates its own socket.
        self.labels.entries.retain(|(on, _), _| *on != Object::Socket);
    }
}

/// Modes after changes by `krsi mode`.
#[derive(Default)]
struct Modes {
    policy: Mode,
    /// Names and modes of the rules, in rule order.
    rules: Vec<(String, Mode)>,
}

impl Modes {
    fn of(built: &Built) -> Modes {
        let rules = built.policy.rules.iter().map(|rule| (rule.name.clone(), rule.first_mode()));
        Modes { policy: Mode::default(), rules: rules.collect() }
    }

    /// Returns the effective mode of each rule: the weaker of its own and the policy's.
    fn now(&self) -> impl Iterator<Item = (String, Mode)> {
        self.rules.iter().map(|(rule, own)| (rule.clone(), (*own).max(self.policy)))
    }
}

fn json(ty: krsic::hir::Ty, value: Option<&Datum>) -> String {
    match (ty, value) {
        (_, None) => "null".to_owned(),
        (krsic::hir::Ty::Bool, Some(Datum::Number(number))) => (*number != 0).to_string(),
        (_, Some(Datum::Number(number))) => number.to_string(),
        (_, Some(other)) => unreachable!("{other:?}, where events have numbers only"),
    }
}

struct Acting<'a> {
    built: &'a Built,
    kernel: &'static Kernel,
    pool: &'a Pool,
    kept: &'a mut Kept,
    tape: Tape<'a>,
}

/// Shortly after boot, so that no limit's hour ends.
const NOW_NS: u64 = 60_000_000_000;

impl Acting<'_> {
    /// Changes the mode of the policy or of a few rules.
    fn mode(&mut self) -> String {
        let mode = *self.tape.pick(&Mode::ALL);
        let mut text = format!("mode {mode}");
        if self.tape.percent(25) {
            self.kept.modes.policy = mode;
            return text;
        }
        for _ in 0..1 + self.tape.below(3) {
            let at = self.tape.below(self.kept.modes.rules.len());
            let (rule, own) = &mut self.kept.modes.rules[at];
            *own = mode;
            let _ = write!(text, " {rule}");
        }
        text
    }

    /// Draws an act that calls a hook, and the scene that its program then sees.
    fn act(&mut self, hook: HookId) -> Result<(String, Scene<'static>), String> {
        let mut scene = Scene::new(self.kernel)?;
        let mut comm = [0; 16];
        comm[..LIVE_NAME.len()].copy_from_slice(LIVE_NAME.as_bytes());
        scene.be(Task { comm, ..scene.task.clone() });
        scene.time_ns = NOW_NS;
        scene.modes = self.kept.modes.now().collect();
        scene.labels = self.kept.labels.clone();
        scene.windows = self.kept.windows.clone();
        // The parent is the shell. It is allocated first, so that its address is the same in every act.
        let parent = scene.object("task_struct", true)?;
        scene.set(scene.task.address, &named("task_struct", &["real_parent"]), parent);
        scene.set(parent, &named("task_struct", &["group_leader"]), parent);
        let argument = |scene: &mut Scene<'static>, name: &str, value: u64| {
            scene.arguments.insert(name.to_owned(), value);
        };
        let act = match self.built.policy.hooks[hook.index()].name.as_str() {
            "task_prctl" => {
                let mut option = self.number(Int::plain(4, true)) as i32;
                // An option that the kernel implements has side effects.
                if (-1..=1000).contains(&option) || option as u32 & 0xc0c0_c0c0 == 0x4040_4040 {
                    option ^= 0x2_0000;
                }
                argument(&mut scene, "option", u64::from(option.cast_unsigned()));
                let mut text = format!("prctl {option}");
                for name in ["arg2", "arg3", "arg4", "arg5"] {
                    let value = self.number(Int::plain(8, false)) as u64;
                    argument(&mut scene, name, value);
                    let _ = write!(text, " {value}");
                }
                text
            }
            "file_mprotect" => {
                let prot = self.tape.below(8) as u64;
                let vma = scene.object("vm_area_struct", true)?;
                argument(&mut scene, "vma", vma);
                argument(&mut scene, "prot", prot);
                argument(&mut scene, "reqprot", prot);
                format!("mprotect {prot}")
            }
            "file_open" => {
                let path = self.path();
                let parts: Vec<&[u8]> = path.split('/').filter(|part| !part.is_empty()).map(str::as_bytes).collect();
                // `/tmp` is a separate mount, which makes no difference.
                let mount = scene.mounted(&parts[..1])?;
                let dentry = scene.file(mount, &parts[1..], Tail::Ordinary)?;
                let file = scene.object("file", true)?;
                let inode = scene.object("inode", true)?;
                scene.set(file, &named("file", &["f_path", "dentry"]), dentry);
                scene.set(file, &named("file", &["f_path", "mnt"]), mount);
                scene.set(file, &named("file", &["f_inode"]), inode);
                scene.set(inode, &named("inode", &["i_mode"]), 0o040_755);
                let sb = scene.object("super_block", true)?;
                scene.set(inode, &named("inode", &["i_sb"]), sb);
                scene.set(inode, &named("inode", &["i_ino"]), self.inode(&path));
                argument(&mut scene, "file", file);
                format!("open {path}")
            }
            name => {
                let mut ip = match self.pool.addresses.len() {
                    0 => 0xffff_7f00_0001,
                    _ => *self.tape.pick(&self.pool.addresses),
                };
                ip = ip.wrapping_add([0, 0, 1, u128::MAX][self.tape.below(4)]);
                let four = ip >> 32 == 0xffff;
                // Broadcasts are refused with an errno that rules use, as is the first address of the
                // loopback network before 5.14. Multicast addresses are out of scope.
                let four_bytes = ip as u32;
                if four && (four_bytes & 0xff == 255 || four_bytes == 0x7f00_0000 || four_bytes >> 24 >= 224) {
                    ip = 0xffff_7f00_0001;
                }
                let port = self.number(Int::plain(2, false)) as u16;
                let mut bytes = [0; 128];
                let (family, length): (u16, u64) = if four { (2, 16) } else { (10, 28) };
                bytes[..2].copy_from_slice(&family.to_le_bytes());
                bytes[2..4].copy_from_slice(&port.to_be_bytes());
                if four {
                    bytes[4..8].copy_from_slice(&(ip as u32).to_be_bytes());
                } else {
                    bytes[8..24].copy_from_slice(&ip.to_be_bytes());
                }
                let at = scene.put_bytes(&bytes);
                argument(&mut scene, "address", at);
                argument(&mut scene, "addrlen", length);
                // The socket is bound to no address.
                let sock = scene.object("socket", true)?;
                let sk = scene.object("unix_sock", true)?;
                scene.set(sock, &named("socket", &["sk"]), sk);
                argument(&mut scene, "sock", sock);
                let shown = Ipv6Addr::from(ip).to_canonical();
                format!("{} {shown} {port}", if name == "socket_bind" { "bind" } else { "connect" })
            }
        };
        Ok((act, scene))
    }

    /// Returns the inode number of a file.
    fn inode(&mut self, path: &str) -> u64 {
        let opened = &mut self.kept.opened;
        let at = opened.iter().position(|known| known == path).unwrap_or_else(|| {
            opened.push(path.to_owned());
            opened.len() - 1
        });
        1 + at as u64
    }

    fn number(&mut self, int: Int) -> i128 {
        let near = match self.pool.numbers.len() {
            0 => 0,
            _ => *self.tape.pick(&self.pool.numbers),
        };
        int.wrap(match self.tape.below(8) {
            0..4 => near,
            4 => near + 1,
            5 => near - 1,
            6 => 0,
            _ => i128::from(self.tape.word()),
        })
    }

    /// Draws a folder below [`LIVE_FOLDER`], with a name that needs no shell quoting.
    fn path(&mut self) -> String {
        let texts: Vec<&str> = self.pool.texts.iter().filter_map(|text| std::str::from_utf8(text).ok()).collect();
        let known = if texts.is_empty() { "/tmp/random/a" } else { *self.tape.pick(&texts) };
        let mut path = known.to_owned();
        match self.tape.below(6) {
            0..3 => {}
            3 => path.push_str("/x"),
            4 => path.push('x'),
            _ => drop(path.pop()),
        }
        let path: Vec<&str> =
            path.split('/').filter(|part| !part.is_empty() && *part != "." && *part != "..").collect();
        let path = format!("/{}", path.join("/"));
        let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        match path.strip_prefix(LIVE_FOLDER) {
            Some(rest) if plain && (rest.is_empty() || rest.starts_with('/')) => path,
            _ => format!("{LIVE_FOLDER}/a"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_say_something() {
        let batches: Vec<Batch> = batches(1).take(24).map(|(_, batch)| batch).collect();
        let some = |what: &dyn Fn(&Batch) -> bool| assert!(batches.iter().any(what));
        some(&|batch| batch.results.contains("passed"));
        some(&|batch| batch.results.lines().any(|line| line == "13"));
        some(&|batch| !batch.events.is_empty());
        some(&|batch| batch.acts.contains("mode off"));
        some(&|batch| batch.text.contains(" mark l") && batch.text.contains(" is l"));
        // Columns: written, lost, over a limit, unknown.
        some(&|batch| batch.stats.lines().any(|line| !line.ends_with(" 0 0")));
        for batch in &batches {
            assert_eq!(batch.acts.lines().count(), batch.results.lines().count());
        }
        for (seed, one) in self::batches(1).take(2) {
            assert!(self::batches(seed).next().is_some_and(|(_, same)| same.object == one.object), "{seed}");
        }
    }
}
