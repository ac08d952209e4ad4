//! Random policies over random inputs, executed by the evaluator of the typed policy and by the shipped
//! object, instruction by instruction. The two must agree on everything observable.
//!
//! ```text
//! case     rows of numbers ──> policy: text ──> krsic: object and typed policy
//!                          └─> stage: a scene for a hook, from the values that its rules read
//! compare  evaluator and interpreter over the scene
//! ```
//!
//! `model` generates policies for a third comparison: whether both answers follow the definition of the
//! language.
//!
//! All randomness comes from rows of numbers, which proptest draws and shrinks. A shorter row of smaller
//! numbers makes a simpler rule, so shrinking rows shrinks policies.
//!
//! `live` generates policies for running kernels, with acts whose outcome the evaluator predicts.

pub mod case;
pub mod compare;
mod labels;
pub mod live;
pub mod model;
pub mod policy;
pub mod shapes;
pub mod stage;
pub mod tape;

use std::panic::AssertUnwindSafe;

use krsic::hir::HookId;
use krsic::kernel::{Kernel, embedded};
use krsic::optimise::Optimise;
use krsic::simulate::image::Image;
use krsic::{Built, Options, Outcome, Source};

use case::{Case, Words};
use policy::Policy;
use shapes::{Shape, Shapes};
use tape::Tape;

/// Statistics of a campaign.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    /// Number of policies that compiled.
    pub policies: usize,
    /// Number of rules in them.
    pub rules: usize,
    /// Number of scenes executed.
    pub scenes: usize,
    /// Number of scenes in which an operation was denied.
    pub denied: usize,
    /// Number of recorded events.
    pub events: usize,
    /// Number of events for denials that were not enforced.
    pub would_deny: usize,
    /// Number of event fields that could not be read.
    pub unknown: usize,
    /// Number of events over a limit.
    pub over: u64,
    /// Number of rules that test a text, an address or an ancestor that cannot be read.
    pub unread: usize,
    /// Number of signals sent.
    pub signals: usize,
    /// Number of instructions that objects executed.
    pub instructions: u64,
    /// Number of occurrences of each shape.
    pub shapes: Shapes,
}

impl std::ops::AddAssign for Tried {
    fn add_assign(&mut self, other: Tried) {
        self.policies += other.policies;
        self.rules += other.rules;
        self.scenes += other.scenes;
        self.denied += other.denied;
        self.events += other.events;
        self.would_deny += other.would_deny;
        self.unknown += other.unknown;
        self.over += other.over;
        self.unread += other.unread;
        self.signals += other.signals;
        self.instructions += other.instructions;
        self.shapes += other.shapes;
    }
}

/// Compiles a text; if the compiler panics, the message quotes the text.
fn compile(text: &str, options: &Options<'_>) -> Outcome<Built> {
    let files = [Source { name: "random.krs".into(), text: text.to_owned() }];
    let built = std::panic::catch_unwind(AssertUnwindSafe(|| krsic::build(&files, options)));
    built.unwrap_or_else(|_| panic!("{text}\nthe compiler panics, {:?}", options.optimise))
}

/// Compiles a policy after removing the rules that the compiler rejects; returns `None` if no rule is left.
#[must_use]
pub fn build(policy: &mut Policy, options: &Options<'_>) -> Option<Built> {
    // Each iteration removes at least one rule.
    while !policy.rules.is_empty() {
        let Outcome { diagnostics, value, .. } = compile(&policy.text(), options);
        if value.is_some() {
            return value;
        }
        let errors: Vec<usize> = diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == krsic::diag::Severity::Error)
            .map(|diagnostic| diagnostic.primary.span.start as usize)
            .collect();
        let mut at = 0;
        let mut keep = |item: &String| {
            let range = at..at + item.len() + 1;
            at = range.end;
            !errors.iter().any(|error| range.contains(error))
        };
        let before = policy.items.len() + policy.rules.len();
        policy.items.retain(&mut keep);
        policy.rules.retain(&mut keep);
        if before == policy.items.len() + policy.rules.len() {
            policy.rules.pop();
        }
    }
    None
}

/// Returns all optimisations except those that a case disables.
fn optimise(case: &Case) -> Optimise {
    case.without.iter().fold(Optimise::default(), |all, one| all.without(*one))
}

/// Generates the policy of a case, including rules that the compiler rejects, its kernel and its
/// optimisations.
fn made_of(case: &Case) -> (Policy, &'static Kernel, Optimise) {
    let mut frame = Tape::new(&case.frame);
    let kernels = embedded();
    let checked = &kernels[(2 + frame.below(kernels.len())) % kernels.len()];
    (policy::policy(frame, case, checked), checked, optimise(case))
}

/// Describes a case with everything needed to reproduce it.
fn describe(case: &Case) -> String {
    let (policy, checked, optimise) = made_of(case);
    format!("{}\nchecked against {}, {optimise:?}", policy.text(), checked.name)
}

/// Returns the compiled policy of a case, or `None` if no rule compiles.
#[must_use]
pub fn policy_of(case: &Case) -> Option<(Policy, Built, &'static Kernel, Optimise)> {
    let (mut policy, checked, optimise) = made_of(case);
    let options = Options { target: Some(checked), optimise, ..Options::default() };
    let built = build(&mut policy, &options)?;
    Some((policy, built, checked, optimise))
}

/// Executes the policy of a case in its scenes.
///
/// # Errors
/// Describes how the two answers differ.
pub fn examine(case: &Case) -> Result<Tried, String> {
    let Some((policy, built, checked, _)) = policy_of(case) else { return Ok(Tried::default()) };
    let mut tried = scenes_of(&built, checked, &case.scenes).map_err(|why| format!("{}\n{why}", describe(case)))?;
    tried.shapes.policy(&policy.text());
    Ok(tried)
}

/// Shuffles the rules of a policy, splits them over two files, and compares the results.
///
/// # Errors
/// Describes the first result that changes.
pub fn reorder(case: &Case) -> Result<Tried, String> {
    let Some((policy, built, checked, optimise)) = policy_of(case) else { return Ok(Tried::default()) };
    // The first scene's row determines the order.
    let Some((order, scenes)) = case.scenes.split_first() else { return Ok(Tried::default()) };
    let mut tape = Tape::new(order);
    let mut rules = policy.rules.clone();
    for at in (1..rules.len()).rev() {
        rules.swap(at, tape.below(at + 1));
    }
    let second = rules.split_off(tape.below(rules.len() + 1));
    let mut parts = [Policy { items: Vec::new(), rules: second }, Policy { items: policy.items.clone(), rules }];
    if tape.percent(50) {
        parts.reverse();
    }
    let texts = parts.map(|part| part.text());
    let describe = |why: &str| format!("as two files:\n{}\n{why}", texts.join("\n---\n"));
    let files = ["a.krs", "b.krs"].into_iter().zip(&texts);
    let files: Vec<Source> = files.map(|(name, text)| Source { name: name.into(), text: text.clone() }).collect();
    let options = Options { target: Some(checked), optimise, ..Options::default() };
    let other = krsic::build(&files, &options).value.ok_or_else(|| describe("it does not compile any more"))?;
    let pool = stage::Pool::of(&built.policy);
    let image = Image::new(&other.object, checked)?;
    let mut tried = Tried { policies: 1, rules: built.policy.rules.len(), ..Tried::default() };
    for words in scenes {
        let mut tape = Tape::new(words);
        let hook = HookId(tape.below(built.policy.hooks.len()) as u32);
        let staged = stage::stage(&built.policy, hook, &pool, checked, &mut tape)?;
        let scene = &staged.scene;
        let one = krsic::hir::eval::outcome(&built.policy, hook, scene);
        let name = &built.policy.hooks[hook.index()].name;
        let there = other.policy.hooks.iter().position(|hook| hook.name == *name);
        let there = HookId(there.ok_or_else(|| describe(&format!("`{name}` is gone")))? as u32);
        let verdict = compare::compare(&other.policy, there, &image, &staged);
        let two = &verdict.outcome;
        let (a, b) = (seen(&built.policy, &one), seen(&other.policy, two));
        if a != b || !verdict.differences.is_empty() {
            return Err(describe(&format!("on {name}: {a:?} and then {b:?}\n{}", verdict.differences.join("\n"))));
        }
        tried.scenes += 1;
        tried.denied += usize::from(two.errno != 0);
        tried.events += two.events.len();
    }
    Ok(tried)
}

/// Extracts the results that the order of rules must not change: whether the operation is denied, the events
/// with their rules, and the signals.
fn seen(policy: &krsic::hir::Policy, outcome: &krsic::hir::eval::Outcome) -> (bool, Vec<String>, Vec<i32>) {
    let event = |event: &krsic::hir::eval::Event| {
        format!("{} {:?} {:?}", policy.rules[event.rule.0 as usize].name, event.would_deny, event.fields)
    };
    let mut events: Vec<String> = outcome.events.iter().map(event).collect();
    let mut signals = outcome.signals.clone();
    events.sort();
    signals.sort_unstable();
    (outcome.errno != 0, events, signals)
}

/// Executes a policy in the given scenes.
///
/// # Errors
/// Describes how the two answers differ.
pub fn scenes_of(built: &Built, checked: &Kernel, scenes: &[Words]) -> Result<Tried, String> {
    let typed = &built.policy;
    let pool = stage::Pool::of(typed);
    let mut tried = Tried { policies: 1, rules: typed.rules.len(), ..Tried::default() };
    let manifest = Image::new(&built.object, checked)?.manifest;
    let kernels: Vec<&Kernel> =
        embedded().iter().filter(|kernel| manifest.kernels.contains(&kernel.name)).chain([checked]).collect();
    let mut images: Vec<Option<Image>> = vec![None; kernels.len()];
    for words in scenes {
        let mut tape = Tape::new(words);
        // The checked kernel comes first, as the simplest choice.
        let at = kernels.len() - 1 - tape.below(kernels.len());
        let kernel = kernels[at];
        let image = match &mut images[at] {
            Some(image) => image,
            none => none.insert(Image::new(&built.object, kernel).map_err(|why| format!("on {}: {why}", kernel.name))?),
        };
        let hook = HookId(tape.below(typed.hooks.len()) as u32);
        // A rule for newer kernels can name a hook that this kernel lacks.
        if !kernel.has_hook(&typed.hooks[hook.index()].name) {
            continue;
        }
        let staged = stage::stage(typed, hook, &pool, kernel, &mut tape)?;
        let verdict = compare::compare(typed, hook, image, &staged);
        if !verdict.differences.is_empty() {
            let stage::Staged { scene, again, .. } = &staged;
            return Err(format!(
                "on {}, hook {}, arguments {:x?}, params {:?}, task {:?}, at {} and {again:?}\n{}",
                kernel.name,
                typed.hooks[hook.index()].name,
                scene.arguments,
                scene.params,
                scene.task,
                scene.time_ns,
                verdict.differences.join("\n")
            ));
        }
        tried.scenes += 1;
        tried.denied += usize::from(verdict.outcome.errno != 0);
        tried.events += verdict.outcome.events.len();
        tried.would_deny += verdict.outcome.events.iter().filter(|event| event.would_deny.is_some()).count();
        tried.unknown += verdict.outcome.events.iter().flat_map(|event| &event.fields).filter(|f| f.is_none()).count();
        tried.over += verdict.over;
        tried.unread += verdict.outcome.unread.len();
        tried.signals += verdict.outcome.signals.len();
        staged.shapes.iter().for_each(|shape| tried.shapes.add(*shape));
        let several = |name: &String| typed.rules.iter().filter(|rule| rule.name == *name).count() > 1;
        if staged.scene.modes.keys().any(several) {
            tried.shapes.add(Shape::ModeOfSeveral);
        }
        tried.instructions += verdict.instructions;
    }
    Ok(tried)
}
