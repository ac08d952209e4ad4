//! Values: reading them, and computing with them.

use super::builder::{Builder, Fact, Key, Label};
use crate::bpf::insn::{alu, jmp};
use crate::bpf::vcode::{FRAME, Inst, Src, V};
use crate::bpf::{RelocationKind, helper};
use crate::hir::overlays::{Overlay, Reading};
use crate::hir::{
    Access, ArgId, Binary, EndField, Int, Place, Ptr, Shape, Step, TaskField, Ty, Unary, Value, ValueKind,
};

/// The helper's own enumerator tells whether the kernel has it.
const TYPED_TASK: (&str, &str) = ("bpf_func_id", "BPF_FUNC_get_current_task_btf");

impl Builder<'_> {
    /// The whole value. `unknown` is where it cannot be read.
    pub(super) fn value(&mut self, value: &Value, unknown: Label) -> V {
        match &value.kind {
            ValueKind::Const(number) => self.constant(*number as u64),
            ValueKind::Address(address) => self.constant(*address as u64),
            ValueKind::Param(param) => self.parameter(*param),
            ValueKind::File(file, field) => self.file_number(*file, *field),
            ValueKind::Enumerator { of, name, value: local } => {
                let signed = matches!(value.ty, Ty::Int(int) if int.signed);
                let dst = self.fresh();
                let reloc = RelocationKind::EnumValue { name: of.clone(), value: name.clone(), local: *local };
                self.push(Inst::Mov { dst, src: Src::Imm(*local as i32), wide: signed, reloc: Some(reloc) });
                dst
            }
            ValueKind::Arg(arg) => self.argument(*arg, true),
            ValueKind::Task(field) => self.task(*field),
            ValueKind::Current => self.current(),
            ValueKind::Ancestor => self.asked.expect("an ancestor is at hand where one is asked").ancestor,
            ValueKind::Now => self.once(Key::Now, |build| build.call(helper::KTIME_GET_BOOT_NS, &[])),
            ValueKind::Literal(_) => unreachable!("only events carry a literal, and they copy it"),
            ValueKind::FirstOf(values) => self.first_of(value, values, unknown),
            ValueKind::Load { base, access } => {
                let base = self.pointer(base, unknown);
                self.field(base, access, value.ty, true)
            }
            ValueKind::Unary(op, inner) => self.unary(*op, inner, value.ty, unknown, true),
            ValueKind::Binary(op, left, right) => self.binary(*op, left, right, value.ty, unknown, true),
            ValueKind::Convert(inner) => self.convert(inner, value.ty, unknown),
            ValueKind::Cond(cond) => self.cond_value(cond, unknown),
            ValueKind::Text(_) => self.text(value, unknown).length,
            ValueKind::End(end, EndField::Family) => self.end_family(value, end, unknown),
            ValueKind::End(end, _) => self.end_port(value, end, unknown),
        }
    }

    /// A value of at most 32 bits of which only those bits count.
    pub(super) fn low(&mut self, value: &Value, unknown: Label) -> V {
        match &value.kind {
            ValueKind::Arg(arg) => self.argument(*arg, false),
            ValueKind::Load { base, access } => {
                let base = self.pointer(base, unknown);
                self.field(base, access, value.ty, false)
            }
            ValueKind::Task(TaskField::Pid) => self.pid_tgid(),
            ValueKind::Task(TaskField::Uid) => self.uid_gid(),
            ValueKind::Unary(op, inner) => self.unary(*op, inner, value.ty, unknown, false),
            ValueKind::Binary(op, left, right) => self.binary(*op, left, right, value.ty, unknown, false),
            ValueKind::Convert(inner) if matches!((inner.ty, value.ty), (Ty::Int(from), Ty::Int(to)) if from.bytes >= 4 && to.bytes == 4) =>
            {
                // The low half of a wider value is there already.
                if matches!(inner.ty, Ty::Int(from) if from.bytes == 4) {
                    self.low(inner, unknown)
                } else {
                    self.value(inner, unknown)
                }
            }
            _ => self.value(value, unknown),
        }
    }

    /// A register that may be changed.
    pub(super) fn copy(&mut self, of: V, wide: bool) -> V {
        let dst = self.fresh();
        self.push(Inst::Mov { dst, src: Src::Reg(of), wide, reloc: None });
        dst
    }

    pub(super) fn constant(&mut self, value: u64) -> V {
        let dst = self.fresh();
        let signed = value.cast_signed();
        if let Ok(imm) = i32::try_from(signed) {
            self.push(Inst::Mov { dst, src: Src::Imm(imm), wide: true, reloc: None });
        } else if let Ok(low) = u32::try_from(value) {
            // A 32-bit move clears the upper half.
            self.push(Inst::Mov { dst, src: Src::Imm(low.cast_signed()), wide: false, reloc: None });
        } else {
            self.push(Inst::Wide { dst, value });
        }
        dst
    }

    /// A pointer that is safe to read through; `unknown` where it is null.
    pub(super) fn pointer(&mut self, value: &Value, unknown: Label) -> V {
        let reg = self.value(value, unknown);
        let Ty::Ptr(Ptr { nullable, .. }) = value.ty else {
            return reg;
        };
        if nullable && !self.not_null(reg) {
            self.null_test(value, reg, unknown);
            self.know(Fact::NotNull(reg));
        }
        reg
    }

    /// Goes to `null` where the pointer is null, and on where it is not.
    pub(super) fn null_test(&mut self, value: &Value, reg: V, null: Label) {
        self.branch_away(jmp::JEQ, true, reg, Src::Imm(0), null);
        if believed(value) {
            // From 6.3 on the verifier takes what it trusts for never null and deletes the test above; from 6.18 on
            // some of it is marked nullable, and only the test above satisfies it. What the verifier never
            // decides is an order between a pointer and a number (`is_branch_taken` knows only `==` and `!=` there),
            // so this one reaches the processor. The smallest page is never mapped; `task_kill` passes 1 as a pointer.
            self.branch_away(jmp::JLT, true, reg, Src::Imm(PAGE), null);
        }
    }

    fn argument(&mut self, arg: ArgId, full: bool) -> V {
        let ty = self.hook.args[arg.index()].ty;
        let (bytes, signed) = match ty {
            Ty::Int(int) => (int.bytes, int.signed),
            Ty::Bool => (1, false),
            Ty::Ptr(_) | Ty::Str { .. } | Ty::Text { .. } | Ty::Ip => (8, false),
        };
        let key = Key::Arg { arg, full: false };
        let raw = match self.read(&key) {
            Some(reg) => reg,
            None => {
                let place = &self.hook.args[arg.index()].place;
                let dst = self.fresh();
                self.argument_load(arg, place, dst, bytes);
                self.know(Fact::Read(key, dst));
                dst
            }
        };
        if full && signed { self.extended(raw, bytes) } else { raw }
    }

    fn argument_load(&mut self, arg: ArgId, place: &Place, dst: V, bytes: u32) {
        match place {
            Place::Slot(slot) => {
                let name = self.hook.args[arg.index()].name.clone();
                let base = self.context;
                // The low bytes come first. The upper ones of a narrow argument are whatever the caller left.
                self.push(Inst::Load {
                    dst,
                    base,
                    offset: (8 * slot) as i16,
                    bytes,
                    reloc: None,
                    argument: Some(name),
                });
            }
            Place::Switch { exists, then, otherwise } => {
                let (with, without, join) = (self.fresh_label(), self.fresh_label(), self.fresh_label());
                let there = self.fresh();
                let access = Access {
                    is_struct: false,
                    root: "security_list_options".to_owned(),
                    steps: vec![Step::Field { name: exists.clone(), shape: Shape::Pointer }],
                };
                let reloc = RelocationKind::FieldExists(access);
                self.push(Inst::Mov { dst: there, src: Src::Imm(1), wide: true, reloc: Some(reloc) });
                self.branch(jmp::JEQ, true, there, Src::Imm(0), without, with);
                self.place(with);
                self.argument_load(arg, then, dst, bytes);
                self.jump(join);
                self.place(without);
                self.argument_load(arg, otherwise, dst, bytes);
                self.jump(join);
                self.place(join);
            }
        }
    }

    /// A signed value of fewer than 8 bytes, extended. The instruction set of 5.10 has no move that does it.
    fn extended(&mut self, of: V, bytes: u32) -> V {
        if bytes >= 8 {
            return of;
        }
        let key = Key::Extended { of, bytes };
        if let Some(reg) = self.read(&key) {
            return reg;
        }
        let dst = self.copy(of, true);
        self.extend(dst, bytes);
        self.know(Fact::Read(key, dst));
        dst
    }

    fn extend(&mut self, dst: V, bytes: u32) {
        let shift = Src::Imm((64 - 8 * bytes) as i32);
        self.push(Inst::Alu { op: alu::LSH, wide: true, dst, src: shift, reloc: None });
        self.push(Inst::Alu { op: alu::ARSH, wide: true, dst, src: shift, reloc: None });
    }

    /// A field behind a pointer that is not null.
    fn field(&mut self, base: V, access: &Access, ty: Ty, full: bool) -> V {
        if let Some(Step::Field { shape: Shape::Bits { bytes, signed, .. }, .. }) = access.steps.last() {
            return self.bitfield(base, access, *bytes, *signed);
        }
        let (bytes, signed) = match ty {
            Ty::Int(int) => (int.bytes, int.signed),
            Ty::Bool => (1, false),
            Ty::Ptr(_) | Ty::Str { .. } | Ty::Text { .. } | Ty::Ip => (8, false),
        };
        let raw = self.load(base, access, bytes);
        if full && signed { self.extended(raw, bytes) } else { raw }
    }

    /// Bytes at a field.
    pub(super) fn load(&mut self, base: V, access: &Access, bytes: u32) -> V {
        let key = Key::Load { base, access: access.clone(), bytes };
        if let Some(reg) = self.read(&key) {
            return reg;
        }
        let overlay = self.reading(access).overlay;
        let number = self.numbers.contains(&base) || overlay == Some(Overlay::Refused);
        let dst = if self.asked.is_none() && number {
            self.copied(base, access, bytes)
        } else if self.untyped.contains(&base) {
            self.task_load(base, access, bytes)
        } else {
            self.loaded(base, access, bytes)
        };
        if number || overlay.is_some() {
            self.numbers.insert(dst);
        }
        self.know(Fact::Read(key, dst));
        dst
    }

    /// How a field must be read, or the array that an element is of.
    fn reading(&self, access: &Access) -> Reading {
        let readings = &self.policy.readings;
        if readings.is_empty() {
            return Reading::default();
        }
        let whole = |(last, steps): (&Step, &[Step])| match last {
            Step::Index(_) => readings.get(&Access { steps: steps.to_vec(), ..access.clone() }),
            Step::Field { .. } => None,
        };
        readings.get(access).or_else(|| access.steps.split_last().and_then(whole)).copied().unwrap_or_default()
    }

    fn loaded(&mut self, base: V, access: &Access, bytes: u32) -> V {
        let dst = self.fresh();
        let reloc = Some(RelocationKind::FieldOffset(access.clone()));
        self.push(Inst::Load { dst, base, offset: 0, bytes, reloc, argument: None });
        dst
    }

    /// Copies a field to where it can be loaded from; zero where it cannot be read.
    fn copied(&mut self, base: V, access: &Access, bytes: u32) -> V {
        let dst = self.fresh();
        self.copy_number(base, access, bytes, dst);
        dst
    }

    fn copy_number(&mut self, base: V, access: &Access, bytes: u32, dst: V) {
        let (scratch, uneven) = (self.scratch(), self.reading(access).uneven);
        if uneven {
            self.push(Inst::Store { base: FRAME, offset: scratch, src: Src::Imm(0), bytes: 8 });
        }
        self.probe(base, access.clone(), scratch, bytes as i32, uneven);
        let bytes = if uneven { 8 } else { bytes };
        self.push(Inst::Load { dst, base: FRAME, offset: scratch, bytes, reloc: None, argument: None });
    }

    /// Loads the storage and shifts the bits to their place; where they are differs by kernel.
    fn bitfield(&mut self, base: V, access: &Access, bytes: u32, signed: bool) -> V {
        let key = Key::Bits { base, access: access.clone() };
        if let Some(reg) = self.read(&key) {
            return reg;
        }
        let storage = self.load(base, access, bytes);
        let dst = self.copy(storage, true);
        let left = Some(RelocationKind::FieldShiftLeft(access.clone()));
        self.push(Inst::Alu { op: alu::LSH, wide: true, dst, src: Src::Imm(0), reloc: left });
        let right = Some(RelocationKind::FieldShiftRight(access.clone()));
        let op = if signed { alu::ARSH } else { alu::RSH };
        self.push(Inst::Alu { op, wide: true, dst, src: Src::Imm(0), reloc: right });
        self.know(Fact::Read(key, dst));
        dst
    }

    /// Calls a helper and keeps its result.
    pub(super) fn call(&mut self, helper: u32, args: &[Src]) -> V {
        for (at, arg) in args.iter().enumerate() {
            self.push(Inst::Mov { dst: V(at as u32 + 1), src: *arg, wide: true, reloc: None });
        }
        self.push(Inst::Call { helper, args: args.len() as u8 });
        self.copy(V(0), true)
    }

    /// Calls a helper for what it does.
    pub(super) fn call_only(&mut self, helper: u32, args: &[Src]) {
        for (at, arg) in args.iter().enumerate() {
            self.push(Inst::Mov { dst: V(at as u32 + 1), src: *arg, wide: true, reloc: None });
        }
        self.push(Inst::Call { helper, args: args.len() as u8 });
    }

    pub(super) fn once(&mut self, key: Key, make: impl FnOnce(&mut Self) -> V) -> V {
        if let Some(reg) = self.read(&key) {
            return reg;
        }
        let reg = make(self);
        self.know(Fact::Read(key, reg));
        reg
    }

    pub(super) fn pid_tgid(&mut self) -> V {
        self.once(Key::PidTgid, |build| build.call(helper::GET_CURRENT_PID_TGID, &[]))
    }

    pub(super) fn uid_gid(&mut self) -> V {
        self.once(Key::UidGid, |build| build.call(helper::GET_CURRENT_UID_GID, &[]))
    }

    fn lower_half(&mut self, of: V) -> V {
        self.once(Key::Lower(of), |build| build.copy(of, false))
    }

    fn upper_half(&mut self, of: V) -> V {
        self.once(Key::Upper(of), |build| {
            let dst = build.copy(of, true);
            build.push(Inst::Alu { op: alu::RSH, wide: true, dst, src: Src::Imm(32), reloc: None });
            dst
        })
    }

    pub(super) fn task(&mut self, field: TaskField) -> V {
        match field {
            TaskField::Pid => {
                let both = self.pid_tgid();
                self.lower_half(both)
            }
            TaskField::Tgid => {
                let both = self.pid_tgid();
                self.upper_half(both)
            }
            TaskField::Uid => {
                let both = self.uid_gid();
                self.lower_half(both)
            }
            TaskField::Gid => {
                let both = self.uid_gid();
                self.upper_half(both)
            }
            TaskField::Euid => {
                let pointer = |name: &str| Step::Field { name: name.to_owned(), shape: Shape::Pointer };
                let cred = Access { is_struct: true, root: "task_struct".into(), steps: vec![pointer("cred")] };
                let val = Step::Field { name: "val".into(), shape: Shape::Int { bytes: 4, signed: false } };
                let steps = vec![Step::Field { name: "euid".into(), shape: Shape::Struct }, val];
                let task = self.current();
                let cred = self.load(task, &cred, 8);
                self.load(cred, &Access { is_struct: true, root: "cred".into(), steps }, 4)
            }
            // Its bytes are in the frame; whoever wants a number of it asks for bytes.
            TaskField::Comm => self.comm_bytes(0, 8),
        }
    }

    /// The current task. 5.10 has no helper that gives LSM programs a typed one; there it is a number, and what is
    /// read from it is copied.
    pub(super) fn current(&mut self) -> V {
        self.once(Key::Current, |build| {
            if build.asked.is_some() {
                let task = build.call(helper::GET_CURRENT_TASK, &[]);
                build.untyped.insert(task);
                return task;
            }
            let task = build.fresh();
            let (typed, untyped, join) = (build.fresh_label(), build.fresh_label(), build.fresh_label());
            build.typed_task(typed, untyped);
            for (label, helper) in [(typed, helper::GET_CURRENT_TASK_BTF), (untyped, helper::GET_CURRENT_TASK)] {
                build.place(label);
                build.push(Inst::Call { helper, args: 0 });
                build.push(Inst::Mov { dst: task, src: Src::Reg(V(0)), wide: true, reloc: None });
                build.jump(join);
            }
            build.place(join);
            build.untyped.insert(task);
            task
        })
    }

    /// One way for kernels whose helper gives a typed task, one for the others; the verifier removes the other.
    fn typed_task(&mut self, typed: Label, untyped: Label) {
        let there = self.fresh();
        let reloc = RelocationKind::EnumValueExists { name: TYPED_TASK.0.into(), value: TYPED_TASK.1.into() };
        self.push(Inst::Mov { dst: there, src: Src::Imm(1), wide: true, reloc: Some(reloc) });
        self.branch(jmp::JEQ, true, there, Src::Imm(0), untyped, typed);
    }

    /// Reads a field behind what came from the current task.
    fn task_load(&mut self, base: V, access: &Access, bytes: u32) -> V {
        if let Some(asked) = self.asked {
            // All that is here are numbers.
            let dst = self.fresh();
            self.copy_number(base, access, bytes, dst);
            self.branch_away(jmp::JNE, true, V(0), Src::Imm(0), asked.otherwise);
            self.untyped.insert(dst);
            return dst;
        }
        let dst = self.fresh();
        let (typed, untyped, join) = (self.fresh_label(), self.fresh_label(), self.fresh_label());
        self.typed_task(typed, untyped);
        self.place(typed);
        let reloc = Some(RelocationKind::FieldOffset(access.clone()));
        self.push(Inst::Load { dst, base, offset: 0, bytes, reloc, argument: None });
        self.jump(join);
        self.place(untyped);
        self.copy_number(base, access, bytes, dst);
        self.jump(join);
        self.place(join);
        self.untyped.insert(dst);
        dst
    }

    /// The first alternative whose fields the kernel has.
    fn first_of(&mut self, value: &Value, values: &[Value], unknown: Label) -> V {
        let key = Key::FirstOf(Box::new(value.clone()));
        if let Some(reg) = self.read(&key) {
            return reg;
        }
        let result = self.fresh();
        let join = self.fresh_label();
        for (at, alternative) in values.iter().enumerate() {
            let next = self.fresh_label();
            let last = at + 1 == values.len();
            let mut accesses = Vec::new();
            alternative.accesses(&mut accesses);
            for access in accesses.into_iter().filter(|_| !last) {
                let there = self.fresh();
                let reloc = Some(RelocationKind::FieldExists(access.clone()));
                self.push(Inst::Mov { dst: there, src: Src::Imm(1), wide: true, reloc });
                self.branch_away(jmp::JEQ, true, there, Src::Imm(0), next);
            }
            let reg = self.value(alternative, unknown);
            if self.numbers.contains(&reg) {
                self.numbers.insert(result);
            }
            self.push(Inst::Mov { dst: result, src: Src::Reg(reg), wide: true, reloc: None });
            self.jump(join);
            if last {
                break;
            }
            if !self.reached(next) {
                break;
            }
            self.place(next);
        }
        self.place(join);
        if value.of_current() {
            self.untyped.insert(result);
        }
        self.know(Fact::Read(key, result));
        result
    }

    /// Copies a field behind an untyped address into the frame; zeros where it cannot be read. An uneven one is as wide as
    /// the kernel has it.
    fn probe(&mut self, base: V, access: Access, to: i16, bytes: i32, uneven: bool) {
        let size = uneven.then(|| RelocationKind::FieldSize(access.clone()));
        let from = self.fresh();
        self.push(Inst::Mov {
            dst: from,
            src: Src::Imm(0),
            wide: true,
            reloc: Some(RelocationKind::FieldOffset(access)),
        });
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst: from, src: Src::Reg(base), reloc: None });
        self.push(Inst::Mov { dst: V(3), src: Src::Reg(from), wide: true, reloc: None });
        self.frame_address(V(1), to);
        self.push(Inst::Mov { dst: V(2), src: Src::Imm(bytes), wide: true, reloc: size });
        self.push(Inst::Call { helper: helper::PROBE_READ_KERNEL, args: 3 });
    }

    pub(super) fn frame_address(&mut self, dst: V, offset: i16) {
        self.push(Inst::Mov { dst, src: Src::Reg(FRAME), wide: true, reloc: None });
        self.push(Inst::Alu { op: alu::ADD, wide: true, dst, src: Src::Imm(i32::from(offset)), reloc: None });
    }

    /// Some bytes of the current task's name.
    pub(super) fn comm_bytes(&mut self, offset: u32, bytes: u32) -> V {
        let buffer = self.comm_buffer();
        if self.read(&Key::Comm).is_none() {
            self.dear = true;
            // The helper of 6.1 leaves what is behind the NUL as it was.
            for word in [0, 8] {
                self.push(Inst::Store { base: FRAME, offset: buffer + word, src: Src::Imm(0), bytes: 8 });
            }
            self.frame_address(V(1), buffer);
            self.push(Inst::Mov { dst: V(2), src: Src::Imm(16), wide: true, reloc: None });
            self.push(Inst::Call { helper: helper::GET_CURRENT_COMM, args: 2 });
            self.know(Fact::Read(Key::Comm, FRAME));
        }
        self.once(Key::CommBytes { offset, bytes }, |build| {
            let dst = build.fresh();
            build.push(Inst::Load {
                dst,
                base: FRAME,
                offset: buffer + offset as i16,
                bytes,
                reloc: None,
                argument: None,
            });
            dst
        })
    }

    /// An operand of an operation on `ty`: an immediate where it fits.
    fn operand(&mut self, value: &Value, wide: bool, full: bool, unknown: Label) -> Src {
        match &value.kind {
            ValueKind::Const(number) => match immediate(*number, wide) {
                Some(imm) => Src::Imm(imm),
                None => Src::Reg(self.constant(*number as u64)),
            },
            _ if full => Src::Reg(self.value(value, unknown)),
            _ => Src::Reg(self.low(value, unknown)),
        }
    }

    fn unary(&mut self, op: Unary, inner: &Value, ty: Ty, unknown: Label, full: bool) -> V {
        let Ty::Int(int) = ty else {
            return self.value(inner, unknown);
        };
        match op {
            Unary::Complement => {
                let of = if full || int.bytes == 8 { self.value(inner, unknown) } else { self.low(inner, unknown) };
                let wide = int.bytes == 8 || int.signed;
                let dst = self.copy(of, wide);
                // Unsigned narrow values have zeros above; the others have copies of their sign.
                let mask = if int.signed { -1 } else { int.max() };
                let src = match immediate(mask, wide) {
                    Some(imm) => Src::Imm(imm),
                    None => Src::Imm(-1),
                };
                self.push(Inst::Alu { op: alu::XOR, wide, dst, src, reloc: None });
                dst
            }
            Unary::Neg => {
                let wide = int.bytes == 8;
                let of = if wide { self.value(inner, unknown) } else { self.low(inner, unknown) };
                let dst = self.copy(of, wide);
                self.push(Inst::Alu { op: alu::NEG, wide, dst, src: Src::Imm(0), reloc: None });
                self.settle(dst, int, full);
                dst
            }
        }
    }

    /// After a 32-bit operation: extends the result where it is signed and asked for.
    fn settle(&mut self, dst: V, int: Int, full: bool) {
        if int.signed && int.bytes < 8 && full {
            self.extend(dst, int.bytes);
        }
    }

    fn binary(&mut self, op: Binary, left: &Value, right: &Value, ty: Ty, unknown: Label, full: bool) -> V {
        let Ty::Int(int) = ty else {
            return self.value(left, unknown);
        };
        if matches!(op, Binary::Div | Binary::Rem) && int.signed {
            return self.divide_signed(op, left, right, unknown);
        }
        let bitwise = matches!(op, Binary::And | Binary::Or | Binary::Xor);
        // Bit operations keep an extension as it is; the others are done at the type's width.
        let wide = int.bytes == 8 || bitwise && int.signed && full;
        let whole = wide || int.bytes < 4;
        let op_code = match op {
            Binary::Add => alu::ADD,
            Binary::Sub => alu::SUB,
            Binary::Mul => alu::MUL,
            Binary::Div => alu::DIV,
            Binary::Rem => alu::MOD,
            Binary::And => alu::AND,
            Binary::Or => alu::OR,
            Binary::Xor => alu::XOR,
            Binary::Shl => alu::LSH,
            Binary::Shr if int.signed => alu::ARSH,
            Binary::Shr => alu::RSH,
        };
        let reg = if whole { self.value(left, unknown) } else { self.low(left, unknown) };
        let shift = matches!(op, Binary::Shl | Binary::Shr);
        let src = match &right.kind {
            // The machine takes the amount modulo the operation's width.
            _ if shift => {
                let narrow = matches!(right.ty, Ty::Int(int) if int.bytes <= 4);
                self.operand(right, wide, !narrow, unknown)
            }
            _ => self.operand(right, wide, whole, unknown),
        };
        let dst = self.copy(reg, wide);
        self.push(Inst::Alu { op: op_code, wide, dst, src, reloc: None });
        if !wide || !bitwise {
            let extended_already = bitwise && whole;
            if !extended_already {
                self.settle(dst, int, full);
            }
        }
        dst
    }

    /// The machine divides without sign until 6.6. With `s` the dividend's sign, all ones or zero, `(x ^ s) - s` is
    /// its magnitude, and the same steps put a sign back on.
    fn divide_signed(&mut self, op: Binary, left: &Value, right: &Value, unknown: Label) -> V {
        let ValueKind::Const(divisor) = right.kind else {
            return self.value(left, unknown);
        };
        let of = self.value(left, unknown);
        let sign = self.copy(of, true);
        self.push(Inst::Alu { op: alu::ARSH, wide: true, dst: sign, src: Src::Imm(63), reloc: None });
        let dst = self.copy(of, true);
        let mut apply = |op, src| self.push(Inst::Alu { op, wide: true, dst, src, reloc: None });
        apply(alu::XOR, Src::Reg(sign));
        apply(alu::SUB, Src::Reg(sign));
        let magnitude = divisor.unsigned_abs();
        let by = match immediate(magnitude as i128, true) {
            Some(imm) => Src::Imm(imm),
            None => Src::Reg(self.constant(magnitude as u64)),
        };
        let code = if op == Binary::Div { alu::DIV } else { alu::MOD };
        self.push(Inst::Alu { op: code, wide: true, dst, src: by, reloc: None });
        if op == Binary::Div && divisor < 0 {
            self.push(Inst::Alu { op: alu::XOR, wide: true, dst: sign, src: Src::Imm(-1), reloc: None });
        }
        self.push(Inst::Alu { op: alu::XOR, wide: true, dst, src: Src::Reg(sign), reloc: None });
        self.push(Inst::Alu { op: alu::SUB, wide: true, dst, src: Src::Reg(sign), reloc: None });
        if let Ty::Int(int) = left.ty {
            // Only the smallest value divided by -1 leaves its type, and wraps to itself.
            if op == Binary::Div && divisor == -1 && int.bytes < 8 {
                self.extend(dst, int.bytes);
            }
        }
        dst
    }

    fn convert(&mut self, inner: &Value, ty: Ty, unknown: Label) -> V {
        let (Ty::Int(to), from) = (ty, inner.ty) else {
            return self.value(inner, unknown);
        };
        let Ty::Int(from) = from else {
            return self.value(inner, unknown);
        };
        if to.holds(from) || to.bytes == 8 {
            return self.value(inner, unknown);
        }
        let of = if from.bytes == 4 { self.low(inner, unknown) } else { self.value(inner, unknown) };
        if to.signed {
            let dst = self.copy(of, true);
            self.extend(dst, to.bytes);
            return dst;
        }
        let dst = self.copy(of, false);
        if to.bytes < 4 {
            let mask = Src::Imm(to.max() as i32);
            self.push(Inst::Alu { op: alu::AND, wide: false, dst, src: mask, reloc: None });
        }
        dst
    }
}

/// Below this no object can lie, whatever the kernel passes as a pointer to say something else.
const PAGE: i32 = 4096;

/// Pointers that the verifier of some kernel takes for never null although they can be: arguments of hooks, and
/// what it lists as trusted behind them (`BTF_TYPE_SAFE_TRUSTED`).
fn believed(value: &Value) -> bool {
    match &value.kind {
        ValueKind::Arg(_) => true,
        ValueKind::Load { access, .. } => {
            let last = match access.steps.last() {
                Some(Step::Field { name, .. }) => name.as_str(),
                _ => "",
            };
            matches!(
                (access.root.as_str(), last),
                ("socket", "sk") | ("dentry", "d_inode") | ("file", "f_inode") | ("linux_binprm", "file")
            )
        }
        _ => false,
    }
}

/// A constant as an immediate of an operation.
pub(super) fn immediate(value: i128, wide: bool) -> Option<i32> {
    if wide {
        // 64-bit operations extend their immediate with its sign. A u64 above i64::MAX is its pattern.
        let pattern = (value as u64).cast_signed();
        i32::try_from(pattern).ok()
    } else {
        i32::try_from(value).ok().or_else(|| u32::try_from(value).ok().map(u32::cast_signed))
    }
}
