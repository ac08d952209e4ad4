//! Labels: their items, the objects that can have them, and the hooks that maintain them.
//!
//! ```text
//! label tainted on task inherit     maintained at task_alloc, task_free and exec
//! task is tainted                   (is task->group_leader tainted)
//! mark secret on file.inode         an inode is identified by itself
//! ```
//!
//! A label is on a process, not on a thread: threads share their memory, so information known to one is known
//! to all.

use krs_grammar::ast::{self, ActionKind, Expr, ExprKind, Span};

use super::{Checker, Operand, Scope};
use crate::diag::{Diagnostic, code};
use crate::hir::operators::atom;
use crate::hir::place::{self, Place};
use crate::hir::resolve::NamedItem;
use crate::hir::suggest::did_you_mean;
use crate::hir::{AtomKind, Hook, HookId, Label, LabelId, Mark, Object, Ptr, Ty, Value, ValueKind, kernels};
use crate::kernel::Ret;
use krsi_abi::labels::LABELS_MAX;

/// Returns the hooks that maintain labels on a kind of object, each with the arguments that it needs. Some
/// are required only for labels that are inherited.
fn label_hooks(object: Object, inherit: bool) -> Vec<(&'static str, &'static [&'static str])> {
    let (always, inherited): (&[(_, &[_])], &[(_, &[_])]) = match object {
        Object::Task => (
            &[
                ("task_free", &["task"]),
                ("task_alloc", &["task", "clone_flags"]),
                ("bprm_creds_from_file", &[]),
                ("bprm_committing_creds", &[]),
            ],
            &[],
        ),
        Object::Inode => (&[("inode_free_security", &["inode"])], &[]),
        Object::Socket => (
            &[("sk_free_security", &["sk"])],
            &[("sk_clone_security", &["sk", "newsk"]), ("unix_stream_connect", &["other", "newsk"])],
        ),
    };
    always.iter().chain(inherited.iter().filter(|_| inherit)).copied().collect()
}

/// Returns an example of an expression for an object that can have a label.
pub(super) fn example(on: &str) -> &'static str {
    match Object::named(on) {
        Some(Object::Inode) => "file.inode",
        Some(Object::Socket) => "sock.sk",
        _ => "task",
    }
}

fn what(object: Object) -> &'static str {
    match object {
        Object::Task => "a task",
        Object::Inode => "a file",
        Object::Socket => "a socket",
    }
}

impl<'a> Checker<'a> {
    /// Checks all labels, and adds the hooks that maintain them. These come before all others: they are
    /// attached first, so that no label is set before the hook that removes it is attached.
    pub(in crate::hir) fn label_items(&mut self) {
        let items = self.items;
        let mut labels: Vec<Label> = Vec::new();
        for item in &items.labels {
            let label = self.label_item(item);
            let Some(label) = label else { continue };
            let on = labels.iter().filter(|known| known.on == label.on).count();
            if on == LABELS_MAX {
                let word = label.on.word();
                self.report(
                    Diagnostic::error(
                        code::INVALID_LABEL,
                        item.name.span,
                        format!("a policy has at most {LABELS_MAX} labels on {word}"),
                    )
                    .label("exceeds the limit")
                    .help("split the policy in two files and load both, or combine several labels"),
                );
            }
            labels.push(label);
        }
        labels.sort_by(|one, other| (one.on, &one.name).cmp(&(other.on, &other.name)));
        for object in Object::ALL {
            let mut own = labels.iter().filter(|label| label.on == object);
            let inherit = own.clone().any(|label| label.inherit);
            if let Some(first) = own.next() {
                for (hook, args) in label_hooks(object, inherit) {
                    self.label_hook(first, hook, args);
                }
            }
        }
        self.scope = Scope::default();
        self.labels = labels;
    }

    fn label_item(&mut self, item: &ast::Label) -> Option<Label> {
        let Some(on) = Object::named(&item.on.name) else {
            let error = Diagnostic::error(
                code::INVALID_LABEL,
                item.on.span,
                format!("`{}` is not a kind of object that can have labels", item.on.name),
            )
            .label("not found");
            let words = Object::ALL.iter().map(|object| object.word());
            let usual = match item.on.name.as_str() {
                "process" | "proc" | "thread" | "program" => Some(Object::Task),
                "file" | "path" | "dentry" => Some(Object::Inode),
                _ => None,
            };
            let usual = usual.map(|object| format!("did you mean `{}`?", object.word()));
            self.report(match usual.or_else(|| did_you_mean(&item.on.name, words)) {
                Some(help) => error.help(help),
                None => error.help("write `on task`, `on inode` or `on socket`"),
            });
            return None;
        };
        if let Some(inherit) = item.inherit.filter(|_| on == Object::Inode) {
            self.report(
                Diagnostic::error(code::INVALID_LABEL, inherit, "a label on an inode cannot be inherited")
                    .label("not supported for inodes")
                    .note("a task inherits from its parent and an accepted socket from the listening one; a file has no parent of this kind")
                    .help("remove `inherit`; mark new files with a separate rule, for instance on `inode_create` or `file_open`"),
            );
            return None;
        }
        Some(Label { name: item.name.name.clone(), on, inherit: item.inherit.is_some(), span: item.name.span })
    }

    fn label_hook(&mut self, label: &Label, hook: &str, args: &[&str]) {
        let kernel = self.kernel;
        let Some(known) = kernel.hook(hook).filter(|_| kernel.disabled(hook).is_none()) else {
            self.report(
                Diagnostic::error(
                    code::INVALID_LABEL,
                    label.span,
                    format!("{} has no hook `{hook}`, which labels on {} require", kernel.name, label.on.word()),
                )
                .help("use a kernel version that `krsic` supports"),
            );
            return;
        };
        if !self.hooks.iter().any(|known| known.name == hook) {
            self.hooks.push(Hook {
                name: hook.to_owned(),
                void: known.ret == Ret::Void,
                maintains_labels: true,
                args: Vec::new(),
            });
        }
        let id = self.hooks.iter().position(|known| known.name == hook).unwrap_or_default();
        self.scope = Scope { hook: Some(HookId(id as u32)), ..Scope::default() };
        for arg in args {
            if self.arg(arg, label.span).is_none() {
                self.error(
                    code::INVALID_LABEL,
                    label.span,
                    format!("`{hook}` has no argument `{arg}` on {}", kernel.name),
                );
            }
        }
    }

    /// Checks `object is label`.
    pub(in crate::hir) fn labelled(&mut self, left: &'a Expr, right: &'a Expr, span: Span) -> Operand {
        let operand = self.expr(left, None);
        let label = match &right.kind {
            ExprKind::Name(name) => self.label(name, right.span),
            ExprKind::Error => None,
            kind => {
                let text = krs_grammar::print::expr_text(right);
                let error = Diagnostic::error(code::UNKNOWN_LABEL, right.span, format!("`{text}` is not a label"))
                    .label("expected a label after `is`");
                self.report(match kind {
                    ExprKind::Null => error.help("to test for null, write `== null`"),
                    _ => error.help("to compare values, write `==`"),
                });
                None
            }
        };
        let Some(label) = label else { return Operand::Error };
        match self.object(operand, left, label) {
            Some(object) => Operand::Cond(atom(span, AtomKind::Label { object, label })),
            None => Operand::Error,
        }
    }

    fn label(&mut self, name: &str, span: Span) -> Option<LabelId> {
        if let Some(NamedItem::Label(_)) = self.items.named.get(name) {
            // An error in the item has been reported there.
            let at = self.labels.iter().position(|label| label.name == name)?;
            return Some(LabelId(at as u32));
        }
        let error = match self.items.named.get(name) {
            Some(_) => Diagnostic::error(code::UNKNOWN_LABEL, span, format!("`{name}` is not a label"))
                .label("another kind of item")
                .help("to compare values, write `==`"),
            None => {
                let error =
                    Diagnostic::error(code::UNKNOWN_LABEL, span, format!("unknown label `{name}`")).label("not found");
                match did_you_mean(name, self.labels.iter().map(|label| label.name.as_str())) {
                    Some(help) => error.help(help),
                    None => error.help(format!("define it: `label {name} on task`, `on inode` or `on socket`")),
                }
            }
        };
        self.report(error);
        None
    }

    /// Returns the pointer that identifies an object, if the label is on this kind of object.
    fn object(&mut self, operand: Operand, expr: &Expr, label: LabelId) -> Option<Value> {
        let (span, text) = (expr.span, krs_grammar::print::expr_text(expr));
        let (value, tag) = match self.as_value(operand, span) {
            Operand::Error => return None,
            Operand::Value(value) => match value.ty {
                Ty::Ptr(pointer) => {
                    let tag = place::tag(&self.kernel.btf, pointer.target).to_owned();
                    (Some(value), tag)
                }
                _ => (None, String::new()),
            },
            Operand::Place(place) => (None, place::tag(&self.kernel.btf, place.ty).to_owned()),
            _ => (None, String::new()),
        };
        let found = match (tag.as_str(), &value) {
            ("task_struct", Some(_)) => Some(Object::Task),
            ("inode", Some(_)) => Some(Object::Inode),
            ("sock" | "socket", Some(_)) => Some(Object::Socket),
            _ => None,
        };
        let (Some(found), Some(value)) = (found, value) else {
            let what = if tag.is_empty() { "this".to_owned() } else { format!("a `{tag}`") };
            let error = Diagnostic::error(code::UNLABELABLE_OBJECT, span, format!("{what} cannot have a label"))
                .label("not a task, inode or socket");
            let path = match tag.as_str() {
                "file" | "dentry" => Some("inode"),
                "path" => Some("dentry.inode"),
                "linux_binprm" | "vm_area_struct" => Some("file.inode"),
                _ => None,
            };
            self.report(match path {
                Some(path) => error.help(format!("labels of a file are on its inode: `{text}.{path}`")),
                None => error
                    .help("labels can be on tasks (`task`, `child`), inodes (`file.inode`) and sockets (`sock.sk`)"),
            });
            return None;
        };
        let Label { name, on, span: defined, .. } = &self.labels[label.index()];
        if *on != found {
            let error =
                Diagnostic::error(code::WRONG_LABEL_KIND, span, format!("`{name}` is a label on {}", on.word()))
                    .label(format!("this is {}", what(found)))
                    .also(*defined, "defined here")
                    .help(format!("define another label: `label NAME on {}`", found.word()));
            self.report(error);
            return None;
        }
        let hook = self.scope.hook.map(|hook| self.hooks[hook.index()].name.clone()).unwrap_or_default();
        if found == Object::Inode && hook == "inode_alloc_security" {
            self.report(
                Diagnostic::error(code::UNNUMBERED_INODE, span, "this inode does not belong to a file yet")
                    .label("has no inode number yet")
                    .note("the kernel calls `inode_alloc_security` before it assigns the inode to a file")
                    .help("use a later hook: `inode_init_security`, `file_open`, `d_instantiate`"),
            );
            return None;
        }
        let next = match tag.as_str() {
            // A new process is distinguished from a new thread when the hook runs.
            "task_struct" if hook == "task_alloc" && matches!(value.kind, ValueKind::Arg(_)) => return Some(value),
            "task_struct" => "group_leader",
            "socket" => "sk",
            _ => return Some(value),
        };
        let Ty::Ptr(Ptr { target, .. }) = value.ty else { return None };
        let place = Place::behind(&self.kernel.btf, &value, target)?;
        match self.raw_field(&place, next, span)? {
            Operand::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Checks the `mark` and `unmark` actions of a rule.
    pub(in crate::hir) fn marks(&mut self, rule: &'a ast::Rule, hook: HookId) -> Vec<Mark> {
        let mut marks: Vec<Mark> = Vec::new();
        for action in &rule.actions {
            let (ident, on, set) = match &action.kind {
                ActionKind::Mark { label, on } => (label, on, true),
                ActionKind::Unmark { label, on } => (label, on, false),
                _ => continue,
            };
            let known = self.label(&ident.name, ident.span);
            let operand = on.as_ref().map(|on| self.marked(on));
            let Some(label) = known else { continue };
            let word = if set { "mark" } else { "unmark" };
            let object = match (on, operand) {
                (Some(on), Some(operand)) => self.object(operand, on, label),
                _ => self.acting(ident, word, label, action.span),
            };
            let Some(object) = object else { continue };
            let name = self.hooks[hook.index()].name.clone();
            if let Some(why) = kernels::unrelated_to_current(&name).filter(|_| object.of_current()) {
                self.report(
                    Diagnostic::error(
                        code::MARK_WITHOUT_SUBJECT,
                        action.span,
                        format!("`{word}` would affect an unrelated task on `{name}`"),
                    )
                    .label("affects the current task")
                    .note(why)
                    .help("name the object with `on EXPR`, or use a hook that runs in the context of the task"),
                );
                continue;
            }
            if let Some(first) = marks.iter().find(|mark| mark.label == label && mark.object == object) {
                let error = if first.set == set {
                    Diagnostic::error(
                        code::DUPLICATE_MARK,
                        action.span,
                        format!("duplicate action on `{}`", ident.name),
                    )
                    .help("remove one of them")
                } else {
                    Diagnostic::error(
                        code::DUPLICATE_MARK,
                        action.span,
                        format!("`{}` is both set and removed", ident.name),
                    )
                    .help("remove one of them")
                };
                let first = first.span;
                self.report(error.label("second occurrence").also(first, "first occurrence"));
                continue;
            }
            marks.push(Mark { label, object, set, span: action.span });
        }
        marks
    }

    /// Checks the object of a mark. The name of a hook there was probably meant to begin the next rule.
    fn marked(&mut self, on: &'a Expr) -> Operand {
        if let ExprKind::Name(name) = &on.kind
            && self.visible(name, on.span).is_none()
            && (self.kernel.has_hook(name) || self.items.aliases.contains_key(name.as_str()))
        {
            return self.report(
                Diagnostic::error(code::UNKNOWN_NAME, on.span, format!("unknown name `{name}`"))
                    .label("the object of the mark")
                    .note("line breaks are not significant: `on` after `mark NAME` names the object")
                    .help(format!("to begin the next rule here, give it a name: `name: on {name} ...`")),
            );
        }
        self.expr(on, None)
    }

    /// Returns the current task, the object of a mark without `on`.
    fn acting(&mut self, ident: &ast::Ident, word: &str, label: LabelId, span: Span) -> Option<Value> {
        let on = self.labels[label.index()].on;
        if on != Object::Task {
            let error =
                Diagnostic::error(code::MARK_WITHOUT_OBJECT, span, format!("`{word}` must name the {}", on.word()))
                    .label(format!("`{}` is a label on {}", ident.name, on.word()))
                    .help(format!("name the object: `{word} {} on {}`", ident.name, example(on.word())));
            self.report(error);
            return None;
        }
        let operand = self.visible("task", ident.span)?;
        let expr = Expr { span: ident.span, kind: ExprKind::Name("task".to_owned()) };
        self.object(operand, &expr, label)
    }
}
