//! Lowering of syntax trees to the typed policy: rules, their hooks and their actions.
//!
//! ```text
//! on file_open, file_permission when task.uid == 0 deny      two rules, one on each hook
//! ```
//!
//! Expressions are checked in `check/` and `operators/`.
//!
//! Invariant: [`lower`] returns a policy exactly if it reports no error.

use std::collections::BTreeMap;

use krs_grammar::ast::{self, ActionKind, Span};
use krs_grammar::print::expr_text;

use super::attributes::CheckedAttributes;
use super::check::{Checker, Operand, Scope};
use super::operators::not;
use super::resolve::{RuleItem, resolve};
use super::suggest::{did_you_mean, hooks_of_call, list};
use super::{
    Audit, AuditField, Cond, Deny, Hook, HookId, Kill, Limit, Period, Policy, Rule, Ty, Value, ValueKind, errno,
};
use super::{aliasing, kernels, since};
use crate::limits;

use crate::diag::{Diagnostic, Severity, code};
use crate::kernel::{self, Kernel, Ret};
use crate::source::Sources;

/// Maximum count of a `limit`; more events in a second than any reader can process.
const LIMIT_MAX: u32 = 1_000_000;

/// The input of [`lower`].
pub struct Input<'a> {
    /// Syntax trees of the standard library.
    pub library: &'a [ast::File],
    /// Syntax trees of the policy.
    pub policy: &'a [ast::File],
    /// Name of the policy.
    pub name: &'a str,
    /// The kernel that rules are checked against.
    pub kernel: &'a Kernel,
    /// A newer kernel to check rules with `@since` against if they fail on `kernel`.
    pub newest: Option<&'a Kernel>,
    /// Returns line and column of the start of a span, both counted from 1.
    pub position: &'a dyn Fn(Span) -> (u32, u32),
    /// Text of all files.
    pub sources: &'a Sources,
    /// Files that sets are read from.
    pub set_files: &'a SetFiles,
}

/// Files that sets are read from, by the span of the path, or the reason why one cannot be read.
pub type SetFiles = Vec<(Span, Result<ast::FileId, String>)>;

/// Checks a policy and reports every error in it. Returns a policy exactly if there are none.
pub fn lower(input: &Input<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Policy> {
    let mut found = Vec::new();
    let mut policy = check(input, &mut found);
    if let Some(newest) = input.newest.filter(|_| failed(&found) && since::any(input.policy)) {
        // A rule with `@since` may need a kernel newer than the target, so it is checked against the newest
        // known one. The other rules must pass on the target.
        let (mut with_newest, mut others) = (Vec::new(), Vec::new());
        let newer = check(&Input { kernel: newest, ..*input }, &mut with_newest);
        check(&Input { policy: &since::without(input.policy), ..*input }, &mut others);
        if !failed(&with_newest) && !failed(&others) {
            (policy, found) = (newer, with_newest);
        }
    }
    let complete = !failed(&found);
    diagnostics.append(&mut found);
    complete.then(|| {
        since::resolve_needs(&mut policy);
        policy.access_modes = aliasing::find(&policy, input.kernel);
        policy
    })
}

fn failed(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// Checks a policy against one kernel. The result has no access modes and no needs of `@since` yet: both are
/// computed by comparing kernels, which requires a policy without errors.
fn check(input: &Input<'_>, diagnostics: &mut Vec<Diagnostic>) -> Policy {
    let items = resolve(input.library, input.policy, diagnostics);
    let mut checker = Checker::new(&items, input.kernel);
    checker.set_files = Some((input.sources, input.set_files));
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
    checker.check_items();
    checker.label_items();
    let mut rules = Vec::with_capacity(items.rules.len());
    for item in &items.rules {
        checker.rule(item, input, &mut rules);
    }
    let tests = items.tests.iter().filter_map(|(test, span)| checker.test(test, *span, &rules)).collect();
    // The condition of a `where` block has been checked once for each of its rules.
    checker.remove_duplicates(0);
    diagnostics.append(&mut checker.diagnostics);
    let Checker { hooks, names, sets, params, labels, files, .. } = checker;
    let access_modes = BTreeMap::new();
    let (name, typed_by) = (input.name.to_owned(), input.kernel.name.clone());
    Policy { name, typed_by, hooks, rules, names, sets, params, labels, files, tests, access_modes }
}

impl<'a> Checker<'a> {
    fn rule(&mut self, of: &RuleItem<'a>, input: &Input<'_>, rules: &mut Vec<Rule>) {
        let (rule, item) = (of.rule, of.item);
        let CheckedAttributes { attributes, doc, since } = self.attributes(&rule.attributes);
        let mut on: Vec<HookId> = Vec::new();
        for ident in &rule.hooks {
            if let Some(hook) = self.hook(ident) {
                if on.contains(&hook) {
                    self.report(
                        Diagnostic::error(code::DUPLICATE_HOOK, ident.span, format!("duplicate hook `{}`", ident.name))
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
            // The conditions of enclosing `where` blocks are part of the rule's condition.
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
            self.remove_duplicates(known);
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

    /// Removes duplicates among the diagnostics from index `known` on: a rule is checked once for each of its
    /// hooks.
    fn remove_duplicates(&mut self, known: usize) {
        let mut at = known;
        while at < self.diagnostics.len() {
            if self.diagnostics[..at].contains(&self.diagnostics[at]) {
                self.diagnostics.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// Returns the kernel's name of a hook.
    pub(super) fn aliased<'n>(&self, mut name: &'n str) -> &'n str
    where
        'a: 'n,
    {
        // Aliases may refer to other aliases. The bound stops at a cycle.
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
        // A cycle of aliases, reported at its item.
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
                    .help("use another hook that observes the operation"),
            );
            return None;
        }
        self.hooks.push(Hook {
            name: name.to_owned(),
            void: hook.ret == Ret::Void,
            maintains_labels: false,
            args: Vec::new(),
        });
        Some(HookId(self.hooks.len() as u32 - 1))
    }

    pub(super) fn unknown_hook(&mut self, ident: &ast::Ident, name: &str) {
        let kernel = self.kernel;
        if kernel.is_helper_function(name) {
            self.report(
                Diagnostic::error(code::INVALID_HOOK, ident.span, format!("`{name}` is not a hook"))
                    .label("an internal function of the BPF LSM")
                    .note(format!("the kernel has a function `bpf_lsm_{name}`, but it is not an attachment point"))
                    .help("use a hook, such as `file_open` or `bprm_check_security`"),
            );
            return;
        }
        let mut error = Diagnostic::error(code::UNKNOWN_HOOK, ident.span, format!("unknown hook `{name}`"))
            .label(format!("does not exist on {}", kernel.name));
        let elsewhere = kernels::hook_elsewhere(name);
        let bare = name
            .strip_prefix("bpf_lsm_")
            .or_else(|| name.strip_prefix("security_"))
            .or_else(|| name.strip_prefix("lsm_"));
        let aliases = self.items.aliases.keys().copied();
        error = match (elsewhere, bare) {
            (Some(elsewhere), _) => error.note(elsewhere),
            (None, Some(bare)) if kernel.hook(bare).is_some() => error.help(format!("write the name without a prefix: `{bare}`")),
            _ => match self.hooks_of_call(name).or_else(|| did_you_mean(name, kernel.hook_names().chain(aliases))) {
                Some(help) => error.help(help),
                None => error.help("`krsic hooks` lists all hooks, `krsic hooks WORD` those whose names contain a word; examples are `file_open`, `socket_connect` and `bprm_check_security`"),
            },
        };
        self.report(error);
    }

    /// Suggests the hooks of this kernel that a system call reaches.
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
                        self.duplicate_action("deny", action.span, first);
                        continue;
                    }
                    deny = self.deny(errno.as_ref(), action.span, hook);
                }
                ActionKind::Audit(written) => {
                    if let Some(first) = &audit {
                        let first = first.span;
                        self.duplicate_action("audit", action.span, first);
                        continue;
                    }
                    let ast::Audit { message, fields, limit } = &**written;
                    let limit = limit.as_ref().and_then(|limit| self.limit(limit));
                    audit = Some(Audit { limit, ..self.audit(message.as_ref(), fields, action.span) });
                }
                ActionKind::Kill { signal } => {
                    if let Some(first) = &kill {
                        let first = first.span;
                        self.duplicate_action("kill", action.span, first);
                        continue;
                    }
                    kill = self.kill(signal.as_ref(), action.span, hook);
                }
                ActionKind::Mark { .. } | ActionKind::Unmark { .. } => {}
            }
        }
        (deny, audit, kill)
    }

    /// Checks a rate limit, such as `limit 10/s`.
    fn limit(&mut self, limit: &ast::Limit) -> Option<Limit> {
        let Some(per) = Period::ALL.into_iter().find(|period| period.letter() == limit.per.name) else {
            self.report(
                Diagnostic::error(
                    code::INVALID_LIMIT,
                    limit.per.span,
                    format!("unknown time unit `{}`", limit.per.name),
                )
                .label("expected `s`, `m` or `h`")
                .help("write the number of events per second, minute or hour: `limit 10/s`"),
            );
            return None;
        };
        let Some(count) = u32::try_from(limit.count.value).ok().filter(|count| (1..=LIMIT_MAX).contains(count)) else {
            self.report(
                Diagnostic::error(
                    code::INVALID_LIMIT,
                    limit.count.span,
                    format!("invalid limit {}", limit.count.value),
                )
                .label(format!("expected 1 to {LIMIT_MAX}"))
                .help("to record no events, remove `audit`; to record all events, remove `limit`"),
            );
            return None;
        };
        Some(Limit { count, per })
    }

    fn duplicate_action(&mut self, word: &str, span: Span, first: Span) {
        self.report(
            Diagnostic::error(code::DUPLICATE_ACTION, span, format!("duplicate `{word}` action"))
                .label("second occurrence")
                .also(first, "first occurrence")
                .help(if word == "audit" { "put all fields into one pair of braces" } else { "remove one of them" }),
        );
    }

    /// Returns the hook that can deny the operation which this hook reports afterwards.
    fn earlier(&self, hook: &str) -> Option<String> {
        let known = match hook {
            "bprm_committing_creds" | "bprm_committed_creds" => "bprm_check_security".to_owned(),
            "file_release" => "file_open".to_owned(),
            "inet_conn_established" => "socket_connect".to_owned(),
            // `inode_post_setxattr` reports an operation that `inode_setxattr` can deny.
            _ if hook.contains("_post_") => hook.replacen("_post_", "_", 1),
            _ => return None,
        };
        self.kernel.hook(&known).filter(|known| known.ret == Ret::Int).map(|_| known)
    }

    /// Returns an error if a rule on the hook cannot deny.
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
                .label("the hook has no result")
                .note("the kernel calls this hook when the operation is complete or cannot fail")
                .help(match self.earlier(name) {
                    Some(earlier) => format!("use `audit`, or deny on the earlier hook `{earlier}`"),
                    None => "use `audit`, or deny on an earlier hook".to_owned(),
                })
        } else if kernel::BOOL_HOOKS.contains(&name) {
            answers("its result is 0 or 1", "the hook returns a property, not a permission")
        } else if kernel::BUGS_ON_ERROR.contains(&name) {
            answers(
                "the kernel would crash here",
                "the kernel treats an error of this hook as a bug and crashes (`BUG_ON`)",
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
                .label("internal to the kernel")
                .help("programs expect `EPERM` or `EACCES`")
        } else {
            let error = Diagnostic::error(code::UNKNOWN_ERRNO, ident.span, format!("unknown errno `{}`", ident.name))
                .label("not found");
            match did_you_mean(&ident.name, known) {
                Some(help) => error.help(help),
                None => error.help("programs expect `EPERM` or `EACCES`"),
            }
        };
        self.report(error);
        None
    }

    fn audit(&mut self, message: Option<&ast::Str>, fields: &'a [ast::AuditField], span: Span) -> Audit {
        let mut made: Vec<AuditField> = Vec::new();
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
                    Diagnostic::error(code::DUPLICATE_FIELD, at, format!("duplicate field `{name}`"))
                        .label("second occurrence")
                        .also(first, "first occurrence")
                        .help("rename one of them: `other = ...`"),
                );
                continue;
            }
            seen.push((name.clone(), at));
            if let Some(value) = self.audited(&field.value) {
                made.push(AuditField { name, value });
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
                .help("record the others in a second rule on the same hook"),
            );
        }
        let message = message.map(|text| String::from_utf8_lossy(&text.value).into_owned());
        Audit { span, message, fields: made, limit: None }
    }

    /// Makes an event field of a constant text, such as `hook.name`.
    fn literal_field(&mut self, text: Vec<u8>, span: Span) -> Option<Value> {
        if text.contains(&0) {
            self.report(
                Diagnostic::error(code::NUL_IN_TEXT, span, "a string in an event cannot contain a NUL")
                    .help("remove the NUL"),
            );
            return None;
        }
        // The length with its NUL, rounded up to whole words.
        let bytes = (text.len() as u32 + 1).next_multiple_of(8);
        Some(Value { span, ty: Ty::Str { bytes }, kind: ValueKind::Literal(text) })
    }

    /// Checks an expression as the value of an event field.
    fn audited(&mut self, expr: &'a ast::Expr) -> Option<Value> {
        let span = expr.span;
        let operand = self.expr(expr, None);
        let operand = self.as_text_operand(operand);
        let value = match operand {
            Operand::Error => return None,
            // A quoted text is probably a message in the wrong place.
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
                    let error = Diagnostic::error(code::UNRECORDABLE, span, format!("`{what}` is not a single value"))
                        .label("cannot be recorded as a whole");
                    let error = if names.is_empty() || names.len() > 12 {
                        error.help("record its fields of interest")
                    } else {
                        error.help(format!("record one of its fields: {}", list(names, "or")))
                    };
                    self.report(error);
                    return None;
                }
            },
            other => {
                let what = self.describe_operand(&other);
                let error = Diagnostic::error(code::UNRECORDABLE, span, format!("{what} cannot be recorded"));
                self.report(match other {
                    Operand::Task => error.help(
                        "every event contains the task's pid, uid and name; record other fields by name: `task.euid`",
                    ),
                    Operand::Text(_) => error.help("write a message before the braces: `audit \"text\" { ... }`"),
                    Operand::Endpoint(_) => {
                        let end = expr_text(expr);
                        error.help(format!("record its address and port: `{end}.ip`, `{end}.port`"))
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
