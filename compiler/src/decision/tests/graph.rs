//! Execution of graphs, compared with an evaluation of the rules one by one.
//!
//! Each policy is run with every combination of values and modes. The evaluation follows `docs/language.md`:
//! all rules of a hook are evaluated, the first enforced denial in source order determines the errno, the
//! actions of all rules that match are performed, and a permissive rule records that it would deny. A
//! comparison through null is unknown.

use std::collections::{BTreeSet, HashSet};

use krsi_abi::modes::{EffectiveAction, Mode};

use super::{planned, rules};
use crate::decision::key::Element;
use crate::decision::{Errno, Graph, IndexId, Node, Plan, Row, Verdict};
use crate::hir::print::value;
use crate::hir::{Atom, AtomKind, Compare, Cond, HookId, Policy, RuleId, Value, ValueKind};
use crate::optimise::{Optimisation, Optimise};

/// Values by their printed forms; `None` for a value that cannot be read.
type Facts = [(&'static str, Option<i128>)];

/// Errno of an operation (0 if it is allowed), and the other actions performed.
type Done = (i32, BTreeSet<String>);

fn number(policy: &Policy, facts: &Facts, of: &Value) -> Option<i128> {
    match &of.kind {
        ValueKind::Const(number) => Some(*number),
        _ => {
            let name = value(policy, HookId(0), of);
            facts.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no fact for `{name}`")).1
        }
    }
}

fn answer(policy: &Policy, facts: &Facts, atom: &Atom) -> Option<bool> {
    match &atom.kind {
        AtomKind::Compare { op, left, right } => {
            let (left, right) = (number(policy, facts, left)?, number(policy, facts, right)?);
            Some(match op {
                Compare::Eq => left == right,
                Compare::Ne => left != right,
                Compare::Lt => left < right,
                Compare::Le => left <= right,
                Compare::Gt => left > right,
                Compare::Ge => left >= right,
            })
        }
        AtomKind::AnyBit(of) => {
            let ValueKind::Binary(_, left, right) = &of.kind else { panic!("a bit test") };
            Some(number(policy, facts, left)? & number(policy, facts, right)? != 0)
        }
        AtomKind::OneOf { value, set } => {
            let number_of = |of: &Value| number(policy, facts, of);
            let value = number_of(value)?;
            Some(set.iter().any(|element| number_of(element) == Some(value)))
        }
        other => panic!("no policy here has {other:?}"),
    }
}

/// Evaluates a condition in Kleene's logic.
fn holds(policy: &Policy, facts: &Facts, cond: &Cond) -> Option<bool> {
    match cond {
        Cond::Const(value) => Some(*value),
        Cond::Not(inner) => holds(policy, facts, inner).map(|value| !value),
        Cond::And(left, right) => match (holds(policy, facts, left), holds(policy, facts, right)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Cond::Or(left, right) => match (holds(policy, facts, left), holds(policy, facts, right)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Cond::Atom(atom) => answer(policy, facts, atom),
    }
}

/// Adds the actions of a rule that matches, other than `deny`, under the errno of the operation.
fn effects(policy: &Policy, rule: usize, mode: Mode, errno: i32, done: &mut BTreeSet<String>) {
    let of = &policy.rules[rule];
    match of.deny.as_ref() {
        Some(deny) if mode == Mode::Permissive => {
            done.insert(format!("r{rule} would deny {}", deny.errno));
        }
        _ if of.audit.is_some() => {
            done.insert(format!("r{rule} event {errno}"));
        }
        _ => {}
    }
    if let Some(kill) = &of.kill {
        done.insert(format!("r{rule} signal {}", kill.signal));
    }
}

/// Evaluates the rules one by one.
fn wanted(policy: &Policy, facts: &Facts, modes: &[Mode]) -> Done {
    let matches = |rule: &usize| {
        let of = &policy.rules[*rule];
        let is =
            |cond: &Option<Cond>, none| cond.as_ref().map_or(none, |cond| holds(policy, facts, cond) == Some(true));
        modes[*rule] != Mode::Off && is(&of.when, true) && !is(&of.unless, false)
    };
    let matching: Vec<usize> = (0..policy.rules.len()).filter(matches).collect();
    let denies =
        matching.iter().filter(|rule| modes[**rule] == Mode::Enforce).find_map(|rule| policy.rules[*rule].errno());
    let errno = denies.unwrap_or(0);
    let mut done = BTreeSet::new();
    matching.iter().for_each(|rule| effects(policy, *rule, modes[*rule], errno, &mut done));
    (errno, done)
}

/// Interpreter of a graph.
struct Walk<'w> {
    policy: &'w Policy,
    plan: &'w Plan,
    facts: &'w Facts,
    modes: &'w [Mode],
    /// The row that was found last, by index.
    found: Vec<Option<&'w Row>>,
    chosen: i32,
    /// Atoms tested since the last node that is not a test; known results are kept only up to there.
    tested: Vec<&'w Atom>,
}

impl<'w> Walk<'w> {
    fn action(&self, rule: RuleId) -> EffectiveAction {
        let permissive = |(rule, mode): (&crate::hir::Rule, &Mode)| rule.deny.is_some() && *mode == Mode::Permissive;
        match self.modes[rule.0 as usize] {
            Mode::Off => EffectiveAction::Off,
            Mode::Permissive => EffectiveAction::Permissive,
            Mode::Enforce if self.policy.rules.iter().zip(self.modes).any(permissive) => EffectiveAction::Enforce,
            Mode::Enforce => EffectiveAction::Alone,
        }
    }

    fn row(&self, index: IndexId) -> Option<&'w Row> {
        let index = &self.plan.indexes[index.index()];
        index.rows.iter().find(|row| {
            index.columns.iter().zip(&row.key).all(|(column, element)| {
                let number = number(self.policy, self.facts, &column.value);
                number.is_some_and(|number| match element {
                    Element::Number(known) => number as u128 == *known,
                    Element::Range(first, last) => (*first..=*last).contains(&(number as u128)),
                    Element::Text(_) => false,
                })
            })
        })
    }

    fn verdict(&self, verdict: Verdict) -> i32 {
        match verdict {
            Verdict::Constant(errno) => errno,
            Verdict::Chosen => self.chosen,
        }
    }

    fn run(&mut self, graph: &'w Graph) -> Done {
        let (mut at, mut mode, mut done) = (0, EffectiveAction::Off, BTreeSet::new());
        loop {
            let next = match &graph.nodes[at] {
                Node::Test { atom, sense, then, otherwise, .. } => {
                    self.tested.push(atom);
                    if answer(self.policy, self.facts, atom) == Some(*sense) { then } else { otherwise }
                }
                Node::Find { index, then, otherwise, .. } => {
                    self.tested.clear();
                    self.found[index.index()] = self.row(*index);
                    if self.found[index.index()].is_some() { then } else { otherwise }
                }
                Node::Mode { rule, index, next } => {
                    self.tested.clear();
                    let row = index.map(|index| self.found[index.index()].expect("a row was found"));
                    let rules = row.map_or(std::slice::from_ref(rule), |row| &row.rules);
                    mode = rules.iter().map(|rule| self.action(*rule)).min().expect("a row has rules");
                    next
                }
                Node::TestVerdict { then, otherwise } => {
                    if self.chosen == 0 {
                        otherwise
                    } else {
                        then
                    }
                }
                Node::TestMode { action, then, otherwise, .. } => {
                    if mode <= *action {
                        then
                    } else {
                        otherwise
                    }
                }
                Node::Set { errno, first, next } => {
                    self.tested.clear();
                    if !*first || self.chosen == 0 {
                        self.chosen = match errno {
                            Errno::Constant(errno) => *errno,
                            Errno::Found(index) => {
                                let row = self.found[index.index()].expect("a row was found");
                                self.policy.rules[row.rules[0].0 as usize].errno().expect("the rule denies")
                            }
                        };
                    }
                    next
                }
                Node::Record { rule, verdict, next } => {
                    let rule = rule.0 as usize;
                    effects(self.policy, rule, self.modes[rule], self.verdict(*verdict), &mut done);
                    next
                }
                Node::RecordFound { index, verdict, next, .. } => {
                    for rule in &self.found[index.index()].expect("a row was found").rules {
                        let rule = rule.0 as usize;
                        if self.modes[rule] != Mode::Off {
                            effects(self.policy, rule, self.modes[rule], self.verdict(*verdict), &mut done);
                        }
                    }
                    next
                }
                Node::Exit { verdict } => return (self.verdict(*verdict), done),
                Node::Guard { .. } | Node::Continue { .. } | Node::Call { .. } => panic!("no policy here has one"),
            };
            at = next.index();
        }
    }
}

/// Runs the only graph of a plan. Returns the result and the atoms tested.
fn found<'w>(policy: &'w Policy, plan: &'w Plan, facts: &'w Facts, modes: &'w [Mode]) -> (Done, Vec<&'w Atom>) {
    let found = vec![None; plan.indexes.len()];
    let mut walk = Walk { policy, plan, facts, modes, found, chosen: 0, tested: Vec::new() };
    let done = walk.run(&plan.graphs[0]);
    (done, walk.tested)
}

const PROT: &str = "prot";
const REQPROT: &str = "reqprot";
const FLAGS: &str = "vma->vm_file->f_flags";

/// Returns every combination of a few values; the flags of the file can be unknown.
fn all_facts() -> Vec<[(&'static str, Option<i128>); 3]> {
    let flags = [None, Some(0), Some(1), Some(2), Some(3)];
    let mut all = Vec::new();
    for prot in 0..4 {
        for reqprot in 0..4 {
            all.extend(flags.map(|flags| [(PROT, Some(prot)), (REQPROT, Some(reqprot)), (FLAGS, flags)]));
        }
    }
    all
}

/// Returns every combination of modes.
fn all_modes(count: usize) -> Vec<Vec<Mode>> {
    (0..count).fold(vec![Vec::new()], |all, _| {
        all.iter().flat_map(|modes| Mode::ALL.map(|mode| [&modes[..], &[mode]].concat())).collect()
    })
}

const POLICIES: &[&[&str]] = &[
    &["when prot == 1 deny"],
    &["when prot == 1 audit"],
    &["when prot == 1 deny audit"],
    &["when prot == 1 deny kill"],
    &["deny EACCES", "when prot == 1 audit"],
    // The first enforced denial determines the errno, and all rules record it.
    &["when prot >= 1 deny EACCES", "when reqprot >= 1 deny EPERM"],
    &["when prot >= 1 deny EACCES audit", "when reqprot >= 1 deny EPERM audit", "when prot == 2 audit"],
    &["when prot >= 1 deny EACCES", "when reqprot >= 1 deny EPERM kill", "when prot == 2 deny EBUSY"],
    &["when prot >= 1 audit", "when reqprot >= 1 deny EPERM kill SIGTERM", "when prot == 2 deny EPERM audit"],
    &["when prot == 1 audit", "when reqprot == 1 audit"],
    &["when prot >= 2 deny", "when reqprot >= 1 deny", "when prot == 1 audit kill"],
    // Conditions that are unknown because of null.
    &["when vma.file.flags == 1 deny", "when not (vma.file.flags == 1) deny EACCES audit"],
    &["when prot == 1 unless vma.file.flags == 1 deny"],
    &["when prot == 1 or vma.file.flags == 1 deny", "when prot == 1 and vma.file.flags == 1 deny EACCES audit"],
    &["unless prot == 1 or vma.file.flags == 1 deny", "unless prot == 1 and vma.file.flags == 1 audit"],
    &["when not (prot == 1 or vma.file.flags == 1) deny", "when not (prot == 1 and vma.file.flags == 1) audit"],
    &["when (prot == 1) == (reqprot == 1) deny"],
    // Tests that several rules share.
    &[
        "when vma.file.flags == 1 and prot == 1 deny",
        "when not (vma.file.flags == 1) and reqprot == 1 deny EACCES",
        "when prot == 1 and reqprot == 1 audit",
    ],
    &[
        "when prot == 1 and reqprot == 1 deny",
        "when prot == 1 and reqprot == 2 deny EACCES",
        "when prot == 2 and reqprot == 1 unless vma.file.flags == 3 audit",
    ],
    &[
        "when prot == 1 and (reqprot == 1 or vma.file.flags == 2) unless vma.file.flags == 1 and reqprot == 2 deny audit",
    ],
    &["when vma.file.flags & 1 unless vma.file.flags & 2 deny", "unless vma.file.flags & 1 audit"],
];

#[test]
fn a_graph_is_equivalent_to_its_rules() {
    let facts = all_facts();
    for rules in POLICIES {
        let text: String = rules.iter().map(|rule| format!("on file_mprotect {rule}\n")).collect();
        for optimise in [
            Optimise::default(),
            Optimise::nothing(),
            Optimise::default().without(Optimisation::RedundantTests),
            Optimise::default().without(Optimisation::HashCons).without(Optimisation::OrderTests),
        ] {
            let (policy, plan) = planned(&text, optimise);
            for modes in all_modes(policy.rules.len()) {
                for facts in &facts {
                    let wanted = wanted(&policy, facts, &modes);
                    let (done, _) = found(&policy, &plan, facts, &modes);
                    assert_eq!(done, wanted, "{text}{facts:?} {modes:?} {optimise:?}");
                }
            }
        }
    }
}

#[test]
fn no_path_repeats_a_test() {
    for rules in POLICIES {
        let text: String = rules.iter().map(|rule| format!("on file_mprotect {rule}\n")).collect();
        let (policy, plan) = planned(&text, Optimise::default());
        let modes = vec![Mode::Off; policy.rules.len()];
        for facts in &all_facts() {
            let (_, tested) = found(&policy, &plan, facts, &modes);
            for (at, atom) in tested.iter().enumerate() {
                // A test that may be unknown is evaluated again with the opposite sense.
                let again = tested[..at].iter().filter(|known| *known == atom).count();
                assert!(again <= usize::from(atom.may_be_unknown()), "{text}{facts:?}");
            }
        }
    }
}

#[test]
fn a_lookup_is_equivalent_to_its_rules() {
    let number = |n: usize| [n / 8, n % 8];
    let text = |action: &dyn Fn(usize) -> &'static str, tail: &str| {
        let rule = |n: usize| {
            let [prot, reqprot] = number(n);
            format!("on file_mprotect when prot == {prot} and reqprot in {{ {reqprot}, 3 }} {}", action(n))
        };
        format!("{}{tail}", rules(24, rule))
    };
    let denies = ["deny EPERM", "deny EACCES", "deny EBUSY"];
    let audits = ["deny EPERM audit", "deny EACCES audit", "deny EBUSY audit"];
    let after = "on file_mprotect when prot == 1 deny ENOENT audit\non file_mprotect when prot == 2 audit\n";
    for (action, tail) in [
        (&(|_: usize| "deny") as &dyn Fn(usize) -> &'static str, ""),
        (&|_| "deny audit", ""),
        (&|_| "audit", after),
        (&|_| "deny kill", after),
        (&|_| "deny", after),
        (&|n| denies[n / 8], ""),
        (&|n| denies[n / 8], after),
        (&|n| audits[n / 8], after),
        (&|n| denies[n / 4 % 2], after),
        (&|n| audits[n / 4 % 2], ""),
        (&|n| audits[n / 4 % 3], after),
    ] {
        let text = text(action, tail);
        let (policy, plan) = planned(&text, Optimise::default());
        assert!(!plan.indexes.is_empty(), "{text}");
        let count = policy.rules.len();
        // One rule with another mode than the rest, and some periodic patterns.
        let mut modes: Vec<Vec<Mode>> = Mode::ALL.map(|mode| vec![mode; count]).into();
        for one in [0, 9, 17, count - 1] {
            for mode in [Mode::Permissive, Mode::Off] {
                let mut some = vec![Mode::Enforce; count];
                some[one] = mode;
                modes.push(some);
            }
        }
        modes.extend((1..4).map(|by| (0..count).map(|rule| Mode::ALL[rule / by % 3]).collect()));
        for modes in &modes {
            for facts in all_facts().iter().step_by(5) {
                let (done, _) = found(&policy, &plan, facts, modes);
                assert_eq!(done, wanted(&policy, facts, modes), "{text}{facts:?} {modes:?}");
            }
        }
    }
}

#[test]
fn equal_nodes_are_shared() {
    // The second rule is evaluated after both outcomes of the first.
    let text = "on file_mprotect when prot == 1 audit\non file_mprotect when reqprot == 1 audit { vma.start }\n";
    let count = |optimise| planned(text, optimise).1.graphs[0].nodes.len();
    // Two tests, two modes, two checks of a mode, two records and the exit.
    assert_eq!(count(Optimise::default()), 9);
    let mut copies = 0;
    for rules in POLICIES {
        let text: String = rules.iter().map(|rule| format!("on file_mprotect {rule}\n")).collect();
        let optimise = Optimise::default().without(Optimisation::RedundantTests);
        let repeated = |optimise| {
            let nodes = planned(&text, optimise).1.graphs.swap_remove(0).nodes;
            nodes.len() - nodes.iter().collect::<HashSet<_>>().len()
        };
        assert_eq!(repeated(optimise), 0, "{text}");
        copies += repeated(optimise.without(Optimisation::HashCons));
    }
    assert!(copies > 0);
}

#[test]
fn unreachable_rules_are_dropped() {
    let text = "on file_mprotect when prot == 1 and prot == 2 deny\non file_mprotect when prot == 3 deny\n";
    let tests = |optimise| super::tests(&planned(text, optimise).1);
    // The last rule is tested in the hot chain and, after the first rule has matched, in the second chain.
    assert_eq!(
        (tests(Optimise::default()), tests(Optimise::default().without(Optimisation::UnreachableRules))),
        (1, 4)
    );
}
