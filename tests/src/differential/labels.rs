//! Labels of a scene: the objects of a call, and what is already recorded about them.

use krsi_abi::labels::Object;
use krsic::hir::eval::{Entry, ObjectKey, World as _};
use krsic::hir::{ArgId, Value, ValueKind};
use krsic::simulate::scene::named;

use super::stage::Stage;

/// Returns the object kind of an argument, by its name, at hooks that maintain labels.
fn kind(argument: &str) -> Option<Object> {
    match argument {
        "task" => Some(Object::Task),
        "inode" => Some(Object::Inode),
        "sk" | "newsk" | "other" => Some(Object::Socket),
        _ => None,
    }
}

impl Stage<'_, '_, '_> {
    /// Provides the objects that label maintenance reads at the hook, and gives them labels.
    pub(super) fn kept(&mut self) -> Result<(), String> {
        let policy = self.policy;
        if policy.labels.is_empty() {
            return Ok(());
        }
        let current = self.scene.task.address;
        if self.tape.percent(30) {
            let leader = self.scene.object("task_struct", true)?;
            self.scene.set(current, &named("task_struct", &["group_leader"]), leader);
        } else if self.tape.percent(50) {
            let task = self.scene.task.clone();
            self.scene.be(krsic::simulate::scene::Task { tgid: task.pid, ..task });
        }
        let leader = self.leader(current);
        [current, leader].into_iter().for_each(|task| self.remember((Object::Task, [task, 0])));
        let hook = &policy.hooks[self.hook.index()];
        for (at, arg) in hook.args.iter().enumerate().filter(|_| hook.maintains_labels) {
            let value = Value { span: policy.labels[0].span, ty: arg.ty, kind: ValueKind::Arg(ArgId(at as u32)) };
            self.value(&value, false)?;
            let address = self.address(&value);
            let Some(on) = kind(&arg.name).filter(|_| address != 0) else { continue };
            if on == Object::Task && self.leader(address) == 0 {
                let other = [address, leader, current][self.tape.below(3)];
                self.scene.set(address, &named("task_struct", &["group_leader"]), other);
            }
            self.remember_behind(on, address);
        }
        Ok(())
    }

    fn leader(&self, task: u64) -> u64 {
        self.scene.number(task, &named("task_struct", &["group_leader"])).unwrap_or(0)
    }

    /// Gives labels to an object that a rule uses with labels.
    pub(super) fn labelled(&mut self, on: Object, object: &Value) {
        match self.address(object) {
            0 => {}
            address => self.remember_behind(on, address),
        }
    }

    fn remember_behind(&mut self, on: Object, address: u64) {
        if on != Object::Inode {
            return self.remember((on, [address, 0]));
        }
        // Few distinct files, so that two inodes are sometimes the same.
        let sb = named("inode", &["i_sb"]);
        let mut at = self.scene.number(address, &sb).unwrap_or(0);
        if at == 0 {
            let Ok(made) = self.scene.object("super_block", true) else { return };
            at = made;
            self.scene.set(address, &sb, at);
            let magic = [0xef53, 0x4d44, 0x9fa0, 0x0102_1994][self.tape.below(4)];
            let flags = [1 << 30, 0, 1 << 22, 1 << 31 | 1 << 30][self.tape.below(4)];
            let (disk, root) = (self.tape.below(2) as u64, self.tape.below(2) as u64);
            let fields = [("s_magic", magic), ("s_flags", flags), ("s_bdev", disk), ("s_root", root), ("s_dev", 5)];
            for (name, value) in fields {
                let field = named("super_block", &[name]);
                if !self.scene.is_given(at, &field) {
                    self.scene.set(at, &field, value);
                }
            }
        }
        for name in ["i_ino", "i_generation", "i_nlink"] {
            let field = named("inode", &[name]);
            if !self.scene.is_given(address, &field) {
                let value = self.tape.below(2) as u64;
                self.scene.set(address, &field, value);
            }
        }
        let number = |at, root, name| self.scene.number(at, &named(root, &[name])).unwrap_or(0);
        let device = number(at, "super_block", "s_dev") | number(address, "inode", "i_generation") << 32;
        self.remember((Object::Inode, [number(address, "inode", "i_ino"), device]));
    }

    /// Gives an object random labels, or none.
    fn remember(&mut self, known: ObjectKey) {
        let on = known.0;
        if self.scene.labels.entries.contains_key(&known) || !self.tape.percent(60) {
            return;
        }
        let names: Vec<String> = self.policy.labels_on(on).map(|(_, label)| label.name.clone()).collect();
        let labels = names.into_iter().filter(|_| self.tape.percent(40)).collect();
        let tasks: Vec<u64> =
            self.scene.labels.entries.keys().filter(|(of, _)| *of == on).map(|(_, key)| key[0]).collect();
        let former = match on {
            Object::Task if !tasks.is_empty() && self.tape.percent(30) => *self.tape.pick(&tasks),
            _ => 0,
        };
        self.scene.labels.entries.insert(known, Entry { labels, former });
    }

    /// Sometimes fills the label maps. No entry may then be released, since the result would depend on the
    /// order of insertions.
    pub(super) fn room(&mut self) {
        if self.policy.labels.is_empty() || !self.tape.percent(15) {
            return;
        }
        self.scene.labels.full = true;
        let born = match self.policy.hooks[self.hook.index()].name.as_str() {
            "task_alloc" => Some((Object::Task, "task")),
            "sk_clone_security" | "unix_stream_connect" => Some((Object::Socket, "newsk")),
            _ => None,
        };
        if let Some((on, name)) = born {
            let address = self.scene.argument(name);
            self.scene.labels.entries.remove(&(on, [address, 0]));
        }
    }
}
