//! A call of a hook: random values, laid out in memory by the kernel's field names, and the same values as
//! facts.
//!
//! ```text
//! address: AF_INET6, 24 bytes    memory: 0a 00 ...    facts: dst.family = 10, dst.ip = ..., dst.port = ...
//! address: AF_INET, 15 bytes     memory: 02 00 ...    facts: dst.family = 2, dst.ip and dst.port unknown
//! ```
//!
//! Facts are the values that the kernel's own code would derive from such memory; the comments name the place
//! in its sources. Values are usually constants of the policy or their neighbours, so that tests take both
//! outcomes.
//!
//! Invariant: each value of the hook's table gets a fact.

use krsi_abi::labels::Object;
use krsic::simulate::scene::{Reach, Scene, Tail, Task, named};

use super::expr::{Ancestor, Facts, Int, Known, World, int};
use super::hooks::Hook;
use crate::differential::shapes::Shape;
use crate::differential::tape::Tape;

/// The constants of a policy.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// Integer constants of the policy.
    pub numbers: Vec<i128>,
    /// Texts and file paths.
    pub texts: Vec<Vec<u8>>,
    /// Addresses, including the first and last address of each network.
    pub ips: Vec<u128>,
}

const AF_UNSPEC: u16 = 0;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const AF_NETLINK: u16 = 16;
const SOCK_STREAM: u64 = 1;
const SOCK_DGRAM: u64 = 2;
const SOCK_RAW: u64 = 3;
const SOCK_SEQPACKET: u64 = 5;

/// A call under construction, with its facts.
pub struct Lay<'l, 'k, 't> {
    /// Memory and arguments of the call.
    pub scene: Scene<'k>,
    /// Facts about the same values.
    pub world: World,
    /// Source of random choices.
    pub tape: &'l mut Tape<'t>,
    /// Constants to choose from.
    pub pool: &'l Pool,
    /// Shapes drawn so far.
    pub shapes: Vec<Shape>,
}

/// The earliest time since boot, in nanoseconds: several hours, so that no limit's window reaches back to
/// boot.
const NOW_NS: u64 = 20_000_000_000_000;

impl Lay<'_, '_, '_> {
    /// Lays out the task and the arguments of a hook.
    ///
    /// # Errors
    /// Returns an error if the kernel's types lack a structure that the model requires.
    pub fn call(&mut self, hook: &Hook) -> Result<(), String> {
        self.task()?;
        match hook.name {
            "task_prctl" => {
                self.int_argument("option", int(4, true));
                ["arg2", "arg3", "arg4", "arg5"].into_iter().for_each(|name| self.int_argument(name, int(8, false)));
            }
            "file_open" | "file_post_open" => {
                let file = self.file("file")?;
                self.argument("file", file);
            }
            "mmap_file" => {
                ["prot", "reqprot", "flags"].into_iter().for_each(|name| self.int_argument(name, int(8, false)));
                // Anonymous memory has no file.
                let file = if self.tape.percent(30) { self.no_file("file") } else { self.file("file")? };
                self.argument("file", file);
            }
            "file_mprotect" => {
                ["prot", "reqprot"].into_iter().for_each(|name| self.int_argument(name, int(8, false)));
                let vma = self.scene.object("vm_area_struct", true)?;
                self.argument("vma", vma);
                self.field("vma.start", vma, "vm_area_struct", &["vm_start"], int(8, false));
                self.field("vma.end", vma, "vm_area_struct", &["vm_end"], int(8, false));
                let file = if self.tape.percent(30) { self.no_file("vma.file") } else { self.file("vma.file")? };
                self.scene.set(vma, &named("vm_area_struct", &["vm_file"]), file);
            }
            "socket_connect" | "socket_bind" => {
                let bind = hook.name == "socket_bind";
                let (end, role) = if bind { ("src", Role::Bind) } else { ("dst", self.connecting()?) };
                let Sockaddr { at, length, facts } = self.sockaddr(role);
                self.facts_of(end, facts);
                self.argument("address", at);
                self.argument("addrlen", length);
                self.fact("addrlen", Known::Number(length.into()));
            }
            "socket_sendmsg" => self.message()?,
            "bprm_check_security" => {
                let bprm = self.scene.object("linux_binprm", true)?;
                self.argument("bprm", bprm);
                let (dentry, mount, _) = self.path("bprm.path")?;
                let file = self.scene.object("file", true)?;
                self.scene.set(file, &named("file", &["f_path", "dentry"]), dentry);
                self.scene.set(file, &named("file", &["f_path", "mnt"]), mount);
                self.scene.set(bprm, &named("linux_binprm", &["file"]), file);
                self.field("bprm.argc", bprm, "linux_binprm", &["argc"], int(4, true));
                let name = self.text();
                let at = self.scene.put_text(&name);
                self.scene.set(bprm, &named("linux_binprm", &["filename"]), at);
                self.fact("bprm.filename", Known::Text(name));
            }
            "path_unlink" | "path_rmdir" => self.directory_entry("dir", "dentry", "path")?,
            "path_rename" => {
                self.directory_entry("old_dir", "old_dentry", "old_path")?;
                self.directory_entry("new_dir", "new_dentry", "new_path")?;
                let old = self.inode("old_dentry.inode")?;
                // The new name either is free or refers to a file, possibly the same one.
                let new = match self.tape.below(4) {
                    0 | 1 => {
                        let object = self.world.objects["old_dentry.inode"];
                        self.world.objects.insert("new_dentry.inode".to_owned(), object);
                        old
                    }
                    2 => self.inode("new_dentry.inode")?,
                    _ => 0,
                };
                for (name, inode) in [("old_dentry", old), ("new_dentry", new)] {
                    let dentry = self.scene.arguments[name];
                    self.scene.set(dentry, &named("dentry", &["d_inode"]), inode);
                }
            }
            "task_kill" => {
                self.int_argument("sig", int(4, true));
                let task = self.other_task("p")?;
                self.argument("p", task);
            }
            "ptrace_access_check" => {
                self.int_argument("mode", int(4, false));
                let task = self.other_task("child")?;
                self.argument("child", task);
            }
            "userns_create" => {
                let cred = self.scene.object("cred", true)?;
                self.argument("cred", cred);
                self.field("cred.uid", cred, "cred", &["uid", "val"], int(4, false));
                self.field("cred.euid", cred, "cred", &["euid", "val"], int(4, false));
            }
            name => unreachable!("no layout for `{name}`"),
        }
        self.scene.upper = self.tape.word();
        Ok(())
    }

    fn fact(&mut self, name: &str, known: Known) {
        self.world.facts.insert(name.to_owned(), Some(known));
    }

    fn unknown(&mut self, names: &[&str]) {
        self.world.facts.extend(names.iter().map(|name| ((*name).to_owned(), None)));
    }

    fn argument(&mut self, name: &str, value: u64) {
        self.scene.arguments.insert(name.to_owned(), value);
    }

    fn int_argument(&mut self, name: &str, ty: Int) {
        let value = self.number(ty);
        self.argument(name, value as u64);
        self.fact(name, Known::Number(value));
    }

    fn field(&mut self, name: &str, at: u64, root: &str, steps: &[&str], ty: Int) {
        let value = self.number(ty);
        assert!(self.scene.set(at, &named(root, steps), value as u64), "no field `{root}.{}`", steps.join("."));
        self.fact(name, Known::Number(value));
    }

    /// Draws an integer of a type: a constant of the policy, a neighbour of one, or any value.
    pub fn number(&mut self, ty: Int) -> i128 {
        let numbers = &self.pool.numbers;
        let near = if numbers.is_empty() { 0 } else { *self.tape.pick(numbers) };
        ty.wrap(match self.tape.below(10) {
            0..5 => near,
            5 => near + 1,
            6 => near - 1,
            7 => 0,
            8 => near | if numbers.is_empty() { 0 } else { *self.tape.pick(numbers) },
            _ => i128::from(self.tape.word()),
        })
    }

    /// Draws a text of the policy, or one that differs slightly; never empty.
    fn text(&mut self) -> Vec<u8> {
        let texts = &self.pool.texts;
        let mut text = if texts.is_empty() { b"x".to_vec() } else { self.tape.pick(texts).clone() };
        match self.tape.below(10) {
            0..5 => {}
            5 => text.push(b'x'),
            6 => drop(text.pop()),
            7 => text.extend_from_slice(b"/x"),
            8 => text.insert(0, b'x'),
            _ => {
                let at = self.tape.below(text.len());
                if let Some(byte) = text.get_mut(at) {
                    *byte = b"/aq\xff"[self.tape.below(4)];
                }
            }
        }
        if text.is_empty() { b"x".to_vec() } else { text }
    }

    /// Draws a name for a `comm`: 15 bytes and a NUL, include/linux/sched.h.
    fn comm(&mut self) -> [u8; 16] {
        let text = self.text();
        let mut comm = [0; 16];
        let length = text.len().min(15);
        comm[..length].copy_from_slice(&text[..length]);
        comm
    }

    fn ip(&mut self) -> u128 {
        let ips = &self.pool.ips;
        let near = if ips.is_empty() { 0xffff_0a00_0001 } else { *self.tape.pick(ips) };
        match self.tape.below(7) {
            0..3 => near,
            6 => [0, mapped(0)][self.tape.below(2)],
            3 => near.wrapping_add(1),
            4 => near.wrapping_sub(1),
            _ => near ^ 1 << self.tape.below(32),
        }
    }

    /// Lays out the current task, its ancestors, and the time.
    fn task(&mut self) -> Result<(), String> {
        let id = int(4, false);
        let [pid, tgid, uid, euid, gid] = std::array::from_fn(|_| self.number(id) as u32);
        let comm = self.comm();
        let address = self.scene.task.address;
        self.scene.be(Task { pid, tgid, uid, euid, gid, comm, cgroup_id: 7, address });
        for (name, value) in
            [("task.pid", pid), ("task.tgid", tgid), ("task.uid", uid), ("task.euid", euid), ("task.gid", gid)]
        {
            self.fact(name, Known::Number(value.into()));
        }
        self.fact("task.comm", until_nul(&comm));
        self.scene.time_ns = NOW_NS + (self.number(int(8, false)) as u64 >> 1);
        self.ancestors("task", address)?;
        // With a separate leader, the task is not the first thread of its process.
        let leader = if self.tape.percent(40) { self.scene.object("task_struct", true)? } else { address };
        self.scene.set(address, &named("task_struct", &["group_leader"]), leader);
        self.world.objects.insert("task".to_owned(), (Object::Task, [leader, 0]));
        Ok(())
    }

    /// Lays out a task that is an argument, sometimes one of the current task's process.
    fn other_task(&mut self, name: &str) -> Result<u64, String> {
        let task = self.scene.object("task_struct", true)?;
        self.field(&format!("{name}.pid"), task, "task_struct", &["pid"], int(4, true));
        let comm = self.comm();
        self.scene.set_bytes(task, &named("task_struct", &["comm"]), &comm);
        self.fact(&format!("{name}.comm"), until_nul(&comm));
        self.ancestors(name, task)?;
        let of_current = self.world.objects["task"].1[0];
        let leader = if self.tape.percent(50) { of_current } else { task };
        self.scene.set(task, &named("task_struct", &["group_leader"]), leader);
        self.world.objects.insert(name.to_owned(), (Object::Task, [leader, 0]));
        Ok(task)
    }

    /// Lays out the ancestors of a task, up to the first process. The parent of that is the idle task (pid
    /// 0), which does not count as an ancestor.
    fn ancestors(&mut self, name: &str, task: u64) -> Result<(), String> {
        let parent = named("task_struct", &["real_parent"]);
        let (mut child, mut all) = (task, Vec::new());
        for _ in 0..self.tape.below(4) {
            let made = self.scene.object("task_struct", true)?;
            self.scene.set(child, &parent, made);
            child = made;
            let mut facts = Facts::new();
            for (field, steps) in [("a.pid", "pid"), ("a.tgid", "tgid"), ("a.exit_code", "exit_code")] {
                let value = match self.number(int(4, true)) {
                    // Only the idle task has pid 0.
                    0 if steps == "pid" => 1,
                    value => value,
                };
                self.scene.set(made, &named("task_struct", &[steps]), value as u64);
                facts.insert(field.to_owned(), Some(Known::Number(value)));
            }
            let comm = self.comm();
            self.scene.set_bytes(made, &named("task_struct", &["comm"]), &comm);
            facts.insert("a.comm".to_owned(), Some(until_nul(&comm)));
            let no_cred = self.tape.percent(15);
            let cred = if no_cred { 0 } else { self.scene.object("cred", true)? };
            self.scene.set(made, &named("task_struct", &["real_cred"]), cred);
            for (field, steps) in [("a.uid", "uid"), ("a.gid", "gid")] {
                let value = self.number(int(4, false));
                self.scene.set(cred, &named("cred", &[steps, "val"]), value as u64);
                facts.insert(field.to_owned(), (!no_cred).then_some(Known::Number(value)));
            }
            self.scene.set(made, &named("task_struct", &["group_leader"]), made);
            all.push(Ancestor { facts, object: Some((Object::Task, [made, 0])) });
        }
        let idle = self.scene.object("task_struct", true)?;
        self.scene.set(child, &parent, idle);
        self.world.ancestors.insert(name.to_owned(), all);
        Ok(())
    }

    /// Lays out an open file.
    fn file(&mut self, name: &str) -> Result<u64, String> {
        let file = self.scene.object("file", true)?;
        self.fact(name, Known::Number(1));
        let (dentry, mount, last) = self.path(&format!("{name}.path"))?;
        self.fact(&format!("{name}.name"), Known::Text(last));
        self.scene.set(file, &named("file", &["f_path", "dentry"]), dentry);
        self.scene.set(file, &named("file", &["f_path", "mnt"]), mount);
        self.field(&format!("{name}.flags"), file, "file", &["f_flags"], int(4, false));
        self.field(&format!("{name}.pos"), file, "file", &["f_pos"], int(8, true));
        // Never null: do_dentry_open() in fs/open.c sets it before any hook.
        let inode = self.inode(&format!("{name}.inode"))?;
        self.scene.set(file, &named("file", &["f_inode"]), inode);
        Ok(file)
    }

    /// Records the facts of a null file: every value reached through it is unknown.
    fn no_file(&mut self, name: &str) -> u64 {
        self.fact(name, Known::Number(0));
        for field in ["path", "name", "flags", "pos", "inode"] {
            self.unknown(&[&format!("{name}.{field}")]);
        }
        for field in ["uid", "gid", "mode", "size", "nlink", "sb.magic"] {
            self.unknown(&[&format!("{name}.inode.{field}")]);
        }
        0
    }

    /// Lays out an inode. Its numbers are drawn from few, so that two inodes are sometimes the same file.
    fn inode(&mut self, name: &str) -> Result<u64, String> {
        let inode = self.scene.object("inode", true)?;
        self.fact(name, Known::Number(1));
        let fields: [(&str, &[&str], Int); 5] = [
            ("uid", &["i_uid", "val"], int(4, false)),
            ("gid", &["i_gid", "val"], int(4, false)),
            ("mode", &["i_mode"], int(2, false)),
            ("size", &["i_size"], int(8, true)),
            ("nlink", &["i_nlink"], int(4, false)),
        ];
        for (field, steps, ty) in fields {
            self.field(&format!("{name}.{field}"), inode, "inode", steps, ty);
        }
        let sb = self.scene.object("super_block", true)?;
        self.scene.set(inode, &named("inode", &["i_sb"]), sb);
        self.field(&format!("{name}.sb.magic"), sb, "super_block", &["s_magic"], int(8, false));
        let (number, generation, device) = (self.tape.below(2) as u64, self.tape.below(2) as u64, 5);
        self.scene.set(inode, &named("inode", &["i_ino"]), number);
        self.scene.set(inode, &named("inode", &["i_generation"]), generation);
        self.scene.set(sb, &named("super_block", &["s_dev"]), device);
        self.world.objects.insert(name.to_owned(), (Object::Inode, [number, device | generation << 32]));
        Ok(inode)
    }

    /// Lays out a file with a path; returns its dentry, its mount, and the last component of its name.
    fn path(&mut self, name: &str) -> Result<(u64, u64, Vec<u8>), String> {
        let mut text = self.text();
        let deleted = b" (deleted)";
        // fs/d_path.c appends this to the path of an unlinked file; the name of an ordinary file can end with
        // it, too.
        let mut tail = if self.tape.percent(8) { Tail::Deleted } else { Tail::Ordinary };
        if text.ends_with(deleted) && self.tape.percent(80) {
            text.truncate(text.len() - deleted.len());
            tail = Tail::Deleted;
        }
        let parts: Vec<&[u8]> =
            text.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && part.len() < 256).collect();
        let cut = match self.tape.below(6) {
            0..3 => 0,
            3 => self.tape.below(parts.len() + 1),
            // The root directory of a mount.
            _ => parts.len(),
        };
        let (above, below) = parts.split_at(cut);
        if below.is_empty() {
            tail = Tail::Ordinary;
            self.shapes.push(Shape::MountRoot);
        } else if tail == Tail::Deleted {
            self.shapes.push(Shape::DeletedPath);
        }
        let detached = self.tape.percent(6);
        let (mount, below) = if detached {
            let reach = [Reach::Anonymous, Reach::Unmounted, Reach::Internal][self.tape.below(3)];
            (self.scene.top_mount(reach)?, &parts[..])
        } else {
            (self.scene.mounted(above)?, below)
        };
        let dentry = self.scene.file(mount, below, tail)?;
        let mut full: Vec<u8> = parts.iter().flat_map(|part| [b"/", *part].concat()).collect();
        if detached {
            full.splice(..0, *b"(unreachable)");
        }
        if full.is_empty() {
            full.push(b'/');
        }
        if tail == Tail::Deleted {
            full.extend_from_slice(deleted);
        }
        self.fact(name, Known::Text(full));
        // The root of a file system is called "/": d_make_root() in fs/dcache.c.
        let last = below.last().map_or(&b"/"[..], |part| part);
        Ok((dentry, mount, last.to_vec()))
    }

    /// Lays out a `struct path` of a directory and a name in it.
    fn directory_entry(&mut self, dir: &str, dentry: &str, path: &str) -> Result<(), String> {
        let (at, mount, last) = self.path(path)?;
        let made = self.scene.object("path", true)?;
        self.scene.set(made, &named("path", &["mnt"]), mount);
        self.argument(dir, made);
        self.argument(dentry, at);
        self.fact(&format!("{dentry}.name"), Known::Text(last));
        Ok(())
    }

    /// Lays out the socket of connect(2), and the address that it is bound to.
    fn connecting(&mut self) -> Result<Role, String> {
        let sock = self.scene.object("socket", true)?;
        self.argument("sock", sock);
        let sk = self.scene.object("unix_sock", true)?;
        self.scene.set(sock, &named("socket", &["sk"]), sk);
        Ok(Role::Connect { bound: self.bound(sk) })
    }

    /// Binds a socket to an address, or to none; returns it, `::` if there is none.
    fn bound(&mut self, sk: u64) -> u128 {
        let field = |name: &str| named("sock", &["__sk_common", name]);
        let ip = if self.tape.percent(50) { 0 } else { self.ip() };
        if ip >> 32 == 0xffff {
            self.scene.set(sk, &field("skc_rcv_saddr"), (ip as u32).to_be().into());
        }
        self.scene.set_bytes(sk, &field("skc_v6_rcv_saddr"), &ip.to_be_bytes());
        ip
    }

    /// Lays out the address of a message and the peer endpoint of its socket.
    fn message(&mut self) -> Result<(), String> {
        self.int_argument("size", int(4, true));
        let (msg, sock) = (self.scene.object("msghdr", true)?, self.scene.object("socket", true)?);
        let sk = self.scene.object("unix_sock", true)?;
        self.argument("msg", msg);
        self.argument("sock", sock);
        self.scene.set(sock, &named("socket", &["sk"]), sk);
        let (ip, port) = (self.ip(), self.number(int(2, false)) as u16);
        let family = [AF_INET, AF_INET, AF_INET6, AF_INET6, AF_UNIX, AF_NETLINK][self.tape.below(6)];
        let kind = [SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET][self.tape.below(4)];
        let sctp = self.tape.percent(30);
        let fast_open = self.tape.percent(30);
        let ip = if family == AF_INET { mapped(ip as u32) } else { ip };
        let field = |name: &str| named("sock", &["__sk_common", name]);
        self.scene.set(sk, &field("skc_family"), family.into());
        // In network byte order, include/net/sock.h.
        self.scene.set(sk, &field("skc_dport"), port.to_be().into());
        self.scene.set(sk, &field("skc_daddr"), (ip as u32).to_be().into());
        self.scene.set_bytes(sk, &field("skc_v6_daddr"), &ip.to_be_bytes());
        self.scene.set(sk, &named("sock", &["sk_type"]), kind);
        self.scene.set(sk, &named("sock", &["sk_protocol"]), if sctp { 132 } else { 17 });
        self.scene.set(msg, &named("msghdr", &["msg_flags"]), if fast_open { 0x2000_0040 } else { 0x40 });
        let bound = self.bound(sk);
        if self.tape.percent(70) {
            let Sockaddr { at, length, facts } = self.sockaddr(Role::Message { family, kind, bound });
            self.scene.set(msg, &named("msghdr", &["msg_name"]), at);
            self.scene.set(msg, &named("msghdr", &["msg_namelen"]), length);
            // TCP and Unix sockets with connections ignore the address.
            let ignored = kind == SOCK_STREAM && !fast_open && !sctp || kind == SOCK_SEQPACKET && family == AF_UNIX;
            if let Some(facts) = facts.filter(|_| length > 0 && !ignored) {
                self.facts_of("dst", Some(facts));
                return Ok(());
            }
        }
        self.fact("dst.family", Known::Number(family.into()));
        match family {
            AF_INET | AF_INET6 => {
                self.fact("dst.ip", Known::Ip(ip));
                self.fact("dst.port", Known::Number(port.into()));
            }
            _ => self.unknown(&["dst.ip", "dst.port"]),
        }
        Ok(())
    }

    fn facts_of(&mut self, end: &str, facts: Option<[(&'static str, Option<Known>); 5]>) {
        let facts = facts.expect("only a message has a destination without an address");
        self.world.facts.extend(facts.into_iter().map(|(name, known)| (format!("{end}.{name}"), known)));
    }

    /// Lays out a `struct sockaddr` as passed by a caller.
    fn sockaddr(&mut self, role: Role) -> Sockaddr {
        let (ip, port) = (self.ip(), self.number(int(2, false)) as u16);
        let natural = if ip >> 32 == 0xffff { AF_INET } else { AF_INET6 };
        let family = match self.tape.below(12) {
            0..7 => natural,
            7 => AF_INET,
            8 => AF_INET6,
            9 => AF_UNSPEC,
            10 => AF_UNIX,
            _ => [AF_UNIX, AF_NETLINK][self.tape.below(2)],
        };
        let mut bytes = [0; 128];
        bytes[..2].copy_from_slice(&family.to_le_bytes());
        bytes[2..4].copy_from_slice(&port.to_be_bytes());
        if family == AF_INET6 {
            bytes[8..24].copy_from_slice(&ip.to_be_bytes());
        } else {
            bytes[4..8].copy_from_slice(&(ip as u32).to_be_bytes());
        }
        let mut length: u64 = match self.tape.below(12) {
            0..6 if family == AF_INET6 => 28,
            0..6 => 16,
            6 => 28,
            7 => 24,
            8 => 23,
            9 => 15,
            10 => 16,
            _ => self.tape.below(4) as u64,
        };
        let (mut path, mut hidden) = (None, None);
        if family == AF_UNIX {
            let mut name = self.text();
            name.truncate(100);
            // A leading NUL marks an abstract name, which extends to the given length; man page unix(7).
            let is_abstract = self.tape.percent(50);
            let zero: &[u8] = if is_abstract { b"\0" } else { b"" };
            let named = [zero, &name].concat();
            bytes[2..].fill(0);
            bytes[2..2 + named.len()].copy_from_slice(&named);
            if self.tape.percent(90) {
                length = 2 + named.len() as u64 + u64::from(!is_abstract && self.tape.percent(50));
            }
            let visible = &bytes[2..usize::max(2, length as usize)];
            if is_abstract && length >= 3 {
                hidden = Some(visible[1..].to_vec());
            } else if length >= 3 {
                path = Some(visible.iter().copied().take_while(|byte| *byte != 0).collect());
            }
        }
        self.shapes.extend(Shape::of_length(length));
        if family == AF_UNSPEC {
            self.shapes.push(Shape::Unspec);
        }
        // net/ipv4/af_inet.c: bind(2) accepts AF_UNSPEC as AF_INET, connect(2) does not. A message with it is sent
        // as IPv4 by net/ipv4/udp.c and raw.c, as IPv6 by net/ipv6/raw.c, and to the peer by net/ipv6/udp.c.
        let meant = match (family, role) {
            (AF_UNSPEC, Role::Bind) => Some(AF_INET),
            (AF_UNSPEC, Role::Message { family: AF_INET, .. }) => Some(AF_INET),
            (AF_UNSPEC, Role::Message { family: AF_INET6, kind: SOCK_RAW, .. }) => Some(AF_INET6),
            (AF_UNSPEC, Role::Message { .. }) => None,
            (family, _) => Some(family),
        };
        let at = self.scene.put_bytes(&bytes);
        let Some(meant) = meant else { return Sockaddr { at, length, facts: None } };
        // An IPv4 address has 16 bytes, an IPv6 address at least SIN6_LEN_RFC2133, 24.
        let four = meant == AF_INET && length >= 16;
        let six = meant == AF_INET6 && length >= 24;
        let ip = if four {
            mapped(u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]))
        } else {
            u128::from_be_bytes(std::array::from_fn(|at| bytes[8 + at]))
        };
        let ip = match role {
            Role::Bind => ip,
            Role::Connect { bound } | Role::Message { bound, .. } => destination(ip, bound),
        };
        let told = match role {
            Role::Message { .. } if family == AF_UNSPEC => Some(meant),
            _ => (length >= 2).then_some(family),
        };
        let known = |known: bool, value: Known| known.then_some(value);
        let facts = [
            ("family", told.map(|family| Known::Number(family.into()))),
            ("ip", known(four || six, Known::Ip(ip))),
            ("port", known(four || six, Known::Number(port.into()))),
            ("path", path.map(Known::Text)),
            ("abstract", hidden.map(Known::Text)),
        ];
        Sockaddr { at, length, facts: Some(facts) }
    }
}

/// The use of a socket address.
#[derive(Clone, Copy)]
enum Role {
    Bind,
    /// The destination of a socket that is bound to an address.
    Connect {
        bound: u128,
    },
    /// The destination of a message of a socket.
    Message {
        family: u16,
        kind: u64,
        bound: u128,
    },
}

/// A `struct sockaddr` in memory.
struct Sockaddr {
    at: u64,
    length: u64,
    /// The properties of the endpoint; none if the kernel ignores the address.
    facts: Option<[(&'static str, Option<Known>); 5]>,
}

/// The address that a destination means: that of no host is one of this host. Sources: net/ipv4/route.c,
/// net/ipv6/tcp_ipv6.c.
fn destination(ip: u128, bound: u128) -> u128 {
    let bound4 = bound >> 32 == 0xffff;
    match ip {
        0 if bound4 => mapped(0x7f00_0001),
        0 => 1,
        0xffff_0000_0000 if bound4 && bound as u32 != 0 => bound,
        0xffff_0000_0000 => mapped(0x7f00_0001),
        ip => ip,
    }
}

/// Converts an IPv4 address to IPv6 form.
fn mapped(address: u32) -> u128 {
    0xffff << 32 | u128::from(address)
}

fn until_nul(bytes: &[u8]) -> Known {
    Known::Text(bytes.iter().copied().take_while(|byte| *byte != 0).collect())
}
