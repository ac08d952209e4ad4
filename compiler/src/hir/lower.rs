//! Syntax tree to typed policy: rules, their hooks and actions.

use krs_grammar::ast::{self, ActionKind, Span};
use krs_grammar::print::expr_text;

use super::attributes::Said;
use super::check::{Checker, Operand, Scope};
use super::kernels;
use super::operators::not;
use super::resolve::{RuleItem, resolve};
use super::suggest::{did_you_mean, hooks_of_call, list};
use super::{Audit, Cond, Deny, Field, Hook, HookId, Kill, Limit, Period, Policy, Rule, Ty, Value, ValueKind, errno};
use crate::limits;

/// The most events that a limit allows: more than any reader keeps up with in a second.
const LIMIT_MAX: u32 = 1_000_000;
use crate::diag::{Diagnostic, code};
use crate::kernel::{self, Kernel, Ret};
use crate::source::Sources;

/// What lowering needs besides the trees.
pub struct Input<'a> {
    /// Files of the standard library.
    pub library: &'a [ast::File],
    /// Files of the policy.
    pub policy: &'a [ast::File],
    /// The policy's name.
    pub name: &'a str,
    /// The kernel whose names count.
    pub kernel: &'a Kernel,
    /// Line and column of a span, both from 1.
    pub position: &'a dyn Fn(Span) -> (u32, u32),
    /// All files.
    pub sources: &'a Sources,
    /// Where the file is that a set names at a place, or why it cannot be read.
    pub lists: &'a Lists,
}

/// Files of sets, by the place that names them.
pub type Lists = Vec<(Span, Result<ast::FileId, String>)>;

/// Checks everything and reports all that is wrong. The policy is complete only if no error is among
/// the diagnostics.
pub fn lower(input: &Input<'_>, diagnostics: &mut Vec<Diagnostic>) -> Policy {
    let items = resolve(input.library, input.policy, diagnostics);
    let mut checker = Checker::new(&items, input.kernel);
    checker.lists = Some((input.sources, input.lists));
    for item in &items.consts {
        checker.const_item(item);
    }
    for names in &items.names {
        checker.names_of(&names.name.name);
    }
    for item in &items.params {
        checker.param(item);
    }
    for item in &items.sets {
        checker.set(item);
    }
    for def in &items.defs {
        checker.def(def);
    }
    checker.own_items();
    checker.label_items();
    let mut rules = Vec::with_capacity(items.rules.len());
    for item in &items.rules {
        checker.rule(item, input, &mut rules);
    }
    let tests = items.tests.iter().filter_map(|(test, span)| checker.test(test, *span, &rules)).collect();
    // The condition of a `where` block is checked for each of its rules.
    checker.once(0);
    diagnostics.append(&mut checker.diagnostics);
    let Checker { hooks, names, sets, params, labels, files, .. } = checker;
    // Looked for when all rules are sound.
    let readings = std::collections::BTreeMap::new();
    let never = std::collections::BTreeSet::new();
    let (name, typed_by) = (input.name.to_owned(), input.kernel.name.clone());
    Policy { name, typed_by, hooks, rules, names, sets, params, labels, files, tests, readings, never }
}

impl<'a> Checker<'a> {
    fn rule(&mut self, of: &RuleItem<'a>, input: &Input<'_>, rules: &mut Vec<Rule>) {
        let (rule, item) = (of.rule, of.item);
        let Said { attributes, doc, since } = self.attributes(&rule.attributes);
        let mut on: Vec<HookId> = Vec::new();
        for ident in &rule.hooks {
            if let Some(hook) = self.hook(ident) {
                if on.contains(&hook) {
                    self.report(
                        Diagnostic::error(code::DUPLICATE_HOOK, ident.span, format!("`{}` is named twice", ident.name))
                            .help("remove one of them"),
                    );
                } else {
                    on.push(hook);
                }
            }
        }
        let (line, column) = (input.position)(item.span);
        let others = on.len() > 1;
        for hook in on {
            self.scope = Scope { hook: Some(hook), others, shares: since.is_none(), ..Scope::default() };
            let known = self.diagnostics.len();
            // What is around a rule is part of its condition.
            let conditions = of.around.iter().copied().chain(rule.when.as_deref());
            let when = conditions
                .map(|expr| self.cond(expr).unwrap_or(Cond::Const(false)))
                .reduce(|left, right| Cond::And(Box::new(left), Box::new(right)));
            let unless = rule.unless.as_ref().map(|expr| self.cond(expr).unwrap_or(Cond::Const(false)));
            let (deny, audit, kill) = self.actions(rule, hook);
            if attributes.permissive {
                self.permissive(rule);
            }
            let marks = self.marks(rule, hook);
            self.once(known);
            let hook_name = &self.hooks[hook.index()].name;
            let name = match &rule.name {
                Some(name) => name.name.clone(),
                None => format!("{hook_name}@{line}:{column}"),
            };
            rules.push(Rule {
                name,
                doc: doc.clone().or_else(|| item.doc.clone()),
                span: item.span,
                hook,
                when,
                unless,
                deny,
                audit,
                kill,
                marks,
                attributes: attributes.clone(),
                since: since.clone(),
            });
        }
        self.scope = Scope::default();
    }

    /// The same mistake on two hooks of one rule is said once.
    fn once(&mut self, known: usize) {
        let mut at = known;
        while at < self.diagnostics.len() {
            if self.diagnostics[..at].contains(&self.diagnostics[at]) {
                self.diagnostics.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// The kernel's name of a hook.
    pub(super) fn aliased<'n>(&self, mut name: &'n str) -> &'n str
    where
        'a: 'n,
    {
        // An alias of an alias is fine, a circle is not.
        for _ in 0..16 {
            match self.items.aliases.get(name) {
                Some(target) => name = &target.name,
                None => break,
            }
        }
        name
    }

    fn hook(&mut self, ident: &ast::Ident) -> Option<HookId> {
        let name = self.aliased(&ident.name);
        // A circle, which is reported where it is made.
        if self.items.aliases.contains_key(name) {
            return None;
        }
        if let Some(index) = self.hooks.iter().position(|hook| hook.name == name) {
            return Some(HookId(index as u32));
        }
        let kernel = self.kernel;
        let Some(hook) = kernel.hook(name) else {
            self.unknown_hook(ident, name);
            return None;
        };
        if let Some(since) = kernel.disabled(name) {
            self.report(
                Diagnostic::error(code::DISABLED_HOOK, ident.span, format!("BPF may not attach to `{name}`"))
                    .label("disabled for BPF")
                    .note(since.to_string())
                    .help("watch the operation at another hook"),
            );
            return None;
        }
        self.hooks.push(Hook { name: name.to_owned(), void: hook.ret == Ret::Void, keeps: false, args: Vec::new() });
        Some(HookId(self.hooks.len() as u32 - 1))
    }

    pub(super) fn unknown_hook(&mut self, ident: &ast::Ident, name: &str) {
        let kernel = self.kernel;
        if kernel.is_helper_function(name) {
            self.report(
                Diagnostic::error(code::INVALID_HOOK, ident.span, format!("`{name}` is no hook"))
                    .label("a function inside the kernel's BPF LSM")
                    .note(format!("the kernel has a function `bpf_lsm_{name}`, but it never calls it for a policy"))
                    .help("name a hook, such as `file_open` or `bprm_check_security`"),
            );
            return;
        }
        let mut error = Diagnostic::error(code::UNKNOWN_HOOK, ident.span, format!("no hook `{name}`"))
            .label(format!("not on {}", kernel.name));
        let elsewhere = kernels::hook_elsewhere(name);
        let bare = name
            .strip_prefix("bpf_lsm_")
            .or_else(|| name.strip_prefix("security_"))
            .or_else(|| name.strip_prefix("lsm_"));
        let aliases = self.items.aliases.keys().copied();
        error = match (elsewhere, bare) {
            (Some(elsewhere), _) => error.note(elsewhere),
            (None, Some(bare)) if kernel.hook(bare).is_some() => error.help(format!("hooks go by their bare name: `{bare}`")),
            _ => match self.hooks_of_call(name).or_else(|| did_you_mean(name, kernel.hook_names().chain(aliases))) {
                Some(help) => error.help(help),
                None => error.help("`krsic hooks` lists all, `krsic hooks WORD` those with a word in their names: `file_open`, `socket_connect`, `bprm_check_security`"),
            },
        };
        self.report(error);
    }

    /// The hooks of this kernel that a system call comes to.
    fn hooks_of_call(&self, call: &str) -> Option<String> {
        let hooks: Vec<&str> =
            hooks_of_call(call).iter().copied().filter(|hook| self.kernel.hook(hook).is_some()).collect();
        (!hooks.is_empty()).then(|| format!("did you mean {}?", list(hooks, "or")))
    }

    fn actions(&mut self, rule: &'a ast::Rule, hook: HookId) -> (Option<Deny>, Option<Audit>, Option<Kill>) {
        let (mut deny, mut audit, mut kill): (Option<Deny>, Option<Audit>, Option<Kill>) = (None, None, None);
        for action in &rule.actions {
            match &action.kind {
                ActionKind::Deny { errno } => {
                    if let Some(first) = &deny {
                        let first = first.span;
                        self.twice("deny", action.span, first);
                        continue;
                    }
                    deny = self.deny(errno.as_ref(), action.span, hook);
                }
                ActionKind::Audit(written) => {
                    if let Some(first) = &audit {
                        let first = first.span;
                        self.twice("audit", action.span, first);
                        continue;
                    }
                    let ast::Audit { message, fields, limit } = &**written;
                    let limit = limit.as_ref().and_then(|limit| self.limit(limit));
                    audit = Some(Audit { limit, ..self.audit(message.as_ref(), fields, action.span) });
                }
                ActionKind::Kill { signal } => {
                    if let Some(first) = &kill {
                        let first = first.span;
                        self.twice("kill", action.span, first);
                        continue;
                    }
                    kill = self.kill(signal.as_ref(), action.span, hook);
                }
                ActionKind::Mark { .. } | ActionKind::Unmark { .. } => {}
            }
        }
        (deny, audit, kill)
    }

    /// `limit 10/s`
    fn limit(&mut self, limit: &ast::Limit) -> Option<Limit> {
        let Some(per) = Period::ALL.into_iter().find(|period| period.letter() == limit.per.name) else {
            self.report(
                Diagnostic::error(code::INVALID_LIMIT, limit.per.span, format!("`{}` is no time", limit.per.name))
                    .label("`s`, `m` or `h` can be")
                    .help("write how many events a second, a minute or an hour: `limit 10/s`"),
            );
            return None;
        };
        let Some(count) = u32::try_from(limit.count.value).ok().filter(|count| (1..=LIMIT_MAX).contains(count)) else {
            self.report(
                Diagnostic::error(
                    code::INVALID_LIMIT,
                    limit.count.span,
                    format!("events cannot be limited to {}", limit.count.value),
                )
                .label(format!("1 to {LIMIT_MAX} can be"))
                .help("to record nothing leave `audit` out, to record all leave `limit` out"),
            );
            return None;
        };
        Some(Limit { count, per })
    }

    fn twice(&mut self, word: &str, span: Span, first: Span) {
        self.report(
            Diagnostic::error(code::DUPLICATE_ACTION, span, format!("a rule has one `{word}`"))
                .label("the second")
                .also(first, "the first")
                .help(if word == "audit" { "put all fields into one pair of braces" } else { "remove one of them" }),
        );
    }

    /// The hook that is asked before the operation that this one tells of.
    fn earlier(&self, hook: &str) -> Option<String> {
        let known = match hook {
            "bprm_committing_creds" | "bprm_committed_creds" => "bprm_check_security".to_owned(),
            "file_release" => "file_open".to_owned(),
            "inet_conn_established" => "socket_connect".to_owned(),
            // `inode_post_setxattr` tells of what `inode_setxattr` was asked about.
            _ if hook.contains("_post_") => hook.replacen("_post_", "_", 1),
            _ => return None,
        };
        self.kernel.hook(&known).filter(|known| known.ret == Ret::Int).map(|_| known)
    }

    /// Why a rule on the hook cannot deny, where it cannot.
    fn cannot_deny(&self, hook: &Hook, span: Span) -> Option<Diagnostic> {
        let name = hook.name.as_str();
        let answers = |label, note| {
            Diagnostic::error(code::UNRETURNABLE_ERRNO, span, format!("`{name}` cannot return an errno"))
                .label(label)
                .note(note)
                .help("use `audit`")
        };
        Some(if hook.void {
            Diagnostic::error(code::DENY_ON_VOID, span, format!("`{name}` cannot deny"))
                .label("nothing to deny here")
                .note("the kernel calls this hook when the operation is already done or cannot fail; it has no result")
                .help(match self.earlier(name) {
                    Some(earlier) => format!("use `audit`, or deny at `{earlier}`, which comes earlier"),
                    None => "use `audit`, or deny at a hook that comes earlier".to_owned(),
                })
        } else if kernel::BOOL_HOOKS.contains(&name) {
            answers(
                "its result is 0 or 1",
                "the hook answers a question of the kernel; it does not permit or forbid an operation",
            )
        } else if kernel::BUGS_ON_ERROR.contains(&name) {
            answers(
                "the kernel would stop here",
                "the kernel takes an error of this hook for a bug of its own, and stops (`BUG_ON`)",
            )
        } else {
            return None;
        })
    }

    pub(super) fn deny(&mut self, errno: Option<&ast::Ident>, span: Span, hook: HookId) -> Option<Deny> {
        if let Some(error) = self.cannot_deny(&self.hooks[hook.index()], span) {
            self.report(error);
            return None;
        }
        let Some(ident) = errno else {
            return Some(Deny { errno: 1, name: "EPERM", span });
        };
        if let Some((name, errno)) = errno::find(&ident.name) {
            return Some(Deny { errno, name, span });
        }
        let known = errno::ERRNOS.iter().map(|(name, _)| *name);
        let error = if errno::INTERNAL.contains(&ident.name.as_str()) {
            Diagnostic::error(code::INTERNAL_ERRNO, ident.span, format!("`{}` must not reach user space", ident.name))
                .label("only the kernel understands it")
                .help("`EPERM` and `EACCES` are what programs expect of a denial")
        } else {
            let error = Diagnostic::error(code::UNKNOWN_ERRNO, ident.span, format!("no errno `{}`", ident.name))
                .label("not known");
            match did_you_mean(&ident.name, known) {
                Some(help) => error.help(help),
                None => error.help("`EPERM` and `EACCES` are what programs expect of a denial"),
            }
        };
        self.report(error);
        None
    }

    fn audit(&mut self, message: Option<&ast::Str>, fields: &'a [ast::AuditField], span: Span) -> Audit {
        let mut made: Vec<Field> = Vec::new();
        let mut seen: Vec<(String, Span)> = Vec::new();
        for field in fields {
            let name = match &field.name {
                Some(name) => name.name.clone(),
                None => krs_grammar::print::expr_text(&field.value),
            };
            let at = field.name.as_ref().map_or(field.value.span, |name| name.span);
            if let Some((_, first)) = seen.iter().find(|(known, _)| *known == name) {
                let first = *first;
                self.report(
                    Diagnostic::error(code::DUPLICATE_FIELD, at, format!("two fields are called `{name}`"))
                        .label("again here")
                        .also(first, "first here")
                        .help("give one of them another name: `other = ...`"),
                );
                continue;
            }
            seen.push((name.clone(), at));
            if let Some(value) = self.audited(&field.value) {
                made.push(Field { name, value });
            }
        }
        if made.len() > krsi_abi::event::FIELDS_MAX {
            self.report(
                Diagnostic::error(
                    code::TOO_MANY_FIELDS,
                    span,
                    format!("an event has at most {} fields", krsi_abi::event::FIELDS_MAX),
                )
                .label(format!("{} fields", made.len()))
                .help("record the rest by a second rule on the same hook"),
            );
        }
        let message = message.map(|text| String::from_utf8_lossy(&text.value).into_owned());
        Audit { span, message, fields: made, limit: None }
    }

    /// A constant text that an event carries: `hook.name`.
    fn literal_field(&mut self, text: Vec<u8>, span: Span) -> Option<Value> {
        if text.contains(&0) {
            self.report(
                Diagnostic::error(code::NUL_IN_TEXT, span, "a string in an event ends at its first NUL")
                    .help("remove the NUL"),
            );
            return None;
        }
        // As long as it is with its NUL, in whole words.
        let bytes = (text.len() as u32 + 1).next_multiple_of(8);
        Some(Value { span, ty: Ty::Str { bytes }, kind: ValueKind::Literal(text) })
    }

    /// A value that an event can carry.
    fn audited(&mut self, expr: &'a ast::Expr) -> Option<Value> {
        let span = expr.span;
        let operand = self.expr(expr, None);
        let operand = self.texts(operand);
        let value = match operand {
            Operand::Error => return None,
            // A text in quotes is more likely a message in the wrong place.
            Operand::Text(text) if !matches!(expr.kind, ast::ExprKind::Str(_)) => self.literal_field(text, span)?,
            Operand::Value(value) => value,
            Operand::Cond(cond) => Value { span, ty: Ty::Bool, kind: ValueKind::Cond(Box::new(not(not(cond)))) },
            Operand::Number(number) => {
                let ty = super::Int { names: number.names, ..super::Int::plain(8, number.value < 0) };
                Value { span, ty: Ty::Int(ty), kind: ValueKind::Const(ty.wrap(number.value)) }
            }
            Operand::Place(place) => match self.value_of_place(place) {
                Ok(value) => value,
                Err(place) => {
                    let btf = &self.kernel.btf;
                    let mut names = Vec::new();
                    super::place::field_names(btf, btf.strip(place.ty), &mut names);
                    let what = super::place::describe(btf, place.ty);
                    let error = Diagnostic::error(code::UNRECORDABLE, span, format!("`{what}` is no single value"))
                        .label("cannot be recorded as a whole");
                    let error = if names.is_empty() || names.len() > 12 {
                        error.help("record the fields that matter")
                    } else {
                        error.help(format!("record one of its fields: {}", list(names, "or")))
                    };
                    self.report(error);
                    return None;
                }
            },
            other => {
                let what = self.say(&other);
                let error = Diagnostic::error(code::UNRECORDABLE, span, format!("{what} cannot be recorded"));
                self.report(match other {
                    Operand::Task => {
                        error.help("every event has the task's pid, uid and name; other fields: `task.euid`")
                    }
                    Operand::Text(_) => {
                        error.help("a text for the reader goes before the braces: `audit \"text\" { ... }`")
                    }
                    Operand::End(_) => {
                        let end = expr_text(expr);
                        error.help(format!("record its address and its port: `{end}.ip`, `{end}.port`"))
                    }
                    _ => error.help("record a field or an argument"),
                });
                return None;
            }
        };
        if let Ty::Str { bytes } = value.ty
            && bytes > limits::STR_BYTES_MAX
        {
            self.report(
                Diagnostic::error(
                    code::UNSUPPORTED_FEATURE,
                    span,
                    format!("strings of {bytes} bytes cannot be recorded yet"),
                )
                .label(format!("at most {} bytes", limits::STR_BYTES_MAX))
                .help("record another field"),
            );
            return None;
        }
        Some(value)
    }
}
