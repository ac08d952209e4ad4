//! Random policies over random inputs, answered twice: by the evaluator of the typed policy, and by the object that
//! ships, run instruction by instruction. The two must agree on everything that can be seen.
//!
//! ```text
//! tape     a row of numbers ──> policy: text ──> krsic: object and typed policy
//!                           └─> stage: a scene for a hook, from what its rules read
//! compare  evaluator and interpreter over the scene
//! ```
//!
//! All that is random comes from a [`tape::Tape`]. A shorter tape of smaller numbers makes a simpler policy, so
//! that what shrinks tapes shrinks policies.
//!
//! `live` makes policies and acts whose outcome the evaluator knows, for kernels that run.

pub mod compare;
mod labels;
pub mod live;
pub mod policy;
pub mod stage;
pub mod tape;

use krsic::hir::HookId;
use krsic::kernel::{Kernel, embedded};
use krsic::optimise::{Optimisation, Optimise};
use krsic::simulate::image::Image;
use krsic::{Built, Options, Outcome, Source};

use policy::Policy;
use tape::Tape;

/// Numbers that a policy is made of; the rest of a tape is for scenes.
const POLICY_WORDS: usize = 300;
/// Numbers for the scenes of a policy.
const SCENE_WORDS: usize = 400;

/// A tape of a useful length.
pub const WORDS: usize = POLICY_WORDS + SCENE_WORDS;

/// What was tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    /// Policies that compiled.
    pub policies: usize,
    /// Rules in them.
    pub rules: usize,
    /// Scenes.
    pub scenes: usize,
    /// Scenes in which something was denied.
    pub denied: usize,
    /// Events.
    pub events: usize,
    /// Events of denials that were not enforced.
    pub would_deny: usize,
    /// Fields of events that could not be read.
    pub unknown: usize,
    /// Instructions that objects took.
    pub instructions: u64,
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
        self.instructions += other.instructions;
    }
}

/// Compiles a policy, without the rules that the compiler refuses; nothing where none is left.
#[must_use]
pub fn build(policy: &mut Policy, options: &Options<'_>) -> Option<Built> {
    // Each round costs at least a rule.
    while !policy.rules.is_empty() {
        let text = policy.text();
        let Outcome { diagnostics, value, .. } =
            krsic::build(&[Source { name: "random.krs".into(), text: text.clone() }], options);
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

/// Optimisations to do, by chance; most often all.
fn optimise(tape: &mut Tape<'_>) -> Optimise {
    if !tape.percent(40) {
        return Optimise::default();
    }
    Optimisation::ALL.iter().filter(|_| tape.percent(50)).fold(Optimise::default(), |all, one| all.without(*one))
}

/// The policy of a tape, compiled, or nothing.
#[must_use]
pub fn policy_of(words: &[u64]) -> Option<(Policy, Built, &'static Kernel, Optimise)> {
    let mut tape = Tape::new(&words[..words.len().min(POLICY_WORDS)]);
    let kernels = embedded();
    let checked = &kernels[(2 + tape.below(kernels.len())) % kernels.len()];
    let optimise = optimise(&mut tape);
    let mut policy = policy::policy(&mut tape, checked);
    let options = Options { target: Some(checked), optimise, ..Options::default() };
    let built = build(&mut policy, &options)?;
    Some((policy, built, checked, optimise))
}

/// Makes the policy of a tape and tries it in some scenes.
///
/// # Errors
/// How the two answers differ, with all that is needed to see it again.
pub fn examine(words: &[u64], scenes: usize) -> Result<Tried, String> {
    let Some((policy, built, checked, optimise)) = policy_of(words) else { return Ok(Tried::default()) };
    let name = format!("checked against {}, {optimise:?}", checked.name);
    let rest = &words[words.len().min(POLICY_WORDS)..];
    scenes_of(&built, checked, rest, scenes).map_err(|why| format!("{}\n{name}\n{why}", policy.text()))
}

/// Shuffles a policy's rules, splits them over two files, and asks whether anything means something else then.
///
/// # Errors
/// What does.
pub fn reorder(words: &[u64], scenes: usize) -> Result<Tried, String> {
    let Some((policy, built, checked, optimise)) = policy_of(words) else { return Ok(Tried::default()) };
    let mut tape = Tape::new(&words[words.len().min(POLICY_WORDS)..]);
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
    let describe = |why: &str| format!("{}\nas one file, and as two:\n{}\n{why}", policy.text(), texts.join("\n---\n"));
    let files = ["a.krs", "b.krs"].into_iter().zip(&texts);
    let files: Vec<Source> = files.map(|(name, text)| Source { name: name.into(), text: text.clone() }).collect();
    let options = Options { target: Some(checked), optimise, ..Options::default() };
    let other = krsic::build(&files, &options).value.ok_or_else(|| describe("it does not compile any more"))?;
    let pool = stage::Pool::of(&built.policy);
    let image = Image::new(&other.object, checked)?;
    let mut tried = Tried { policies: 1, rules: built.policy.rules.len(), ..Tried::default() };
    for _ in 0..scenes {
        let hook = HookId(tape.below(built.policy.hooks.len()) as u32);
        let scene = stage::stage(&built.policy, hook, &pool, checked, checked, &mut tape)?;
        let one = krsic::hir::eval::outcome(&built.policy, hook, &scene);
        let name = &built.policy.hooks[hook.index()].name;
        let there = other.policy.hooks.iter().position(|hook| hook.name == *name);
        let there = HookId(there.ok_or_else(|| describe(&format!("`{name}` is gone")))? as u32);
        let verdict = compare::compare(&other.policy, there, &image, &scene);
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

/// What the order of rules must not change: whether something is denied, what is recorded by which rule, and signals.
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

/// Tries a policy in some scenes.
///
/// # Errors
/// How the two answers differ.
pub fn scenes_of(built: &Built, checked: &Kernel, words: &[u64], scenes: usize) -> Result<Tried, String> {
    let typed = &built.policy;
    let pool = stage::Pool::of(typed);
    let mut tried = Tried { policies: 1, rules: typed.rules.len(), ..Tried::default() };
    let manifest = Image::new(&built.object, checked)?.manifest;
    let kernels: Vec<&Kernel> =
        embedded().iter().filter(|kernel| manifest.kernels.contains(&kernel.name)).chain([checked]).collect();
    let mut images: Vec<Option<Image>> = vec![None; kernels.len()];
    let mut tape = Tape::new(words);
    for _ in 0..scenes {
        // The checked one comes first, for the simplest case.
        let at = kernels.len() - 1 - tape.below(kernels.len());
        let kernel = kernels[at];
        let image = match &mut images[at] {
            Some(image) => image,
            none => none.insert(Image::new(&built.object, kernel).map_err(|why| format!("on {}: {why}", kernel.name))?),
        };
        let hook = HookId(tape.below(typed.hooks.len()) as u32);
        // A rule for newer kernels can be on a hook that this one lacks.
        if !kernel.has_hook(&typed.hooks[hook.index()].name) {
            continue;
        }
        let scene = stage::stage(typed, hook, &pool, checked, kernel, &mut tape)?;
        let verdict = compare::compare(typed, hook, image, &scene);
        if !verdict.differences.is_empty() {
            let task = &scene.task;
            return Err(format!(
                "on {}, hook {}, arguments {:x?}, params {:?}, task {task:?}\n{}",
                kernel.name,
                typed.hooks[hook.index()].name,
                scene.arguments,
                scene.params,
                verdict.differences.join("\n")
            ));
        }
        tried.scenes += 1;
        tried.denied += usize::from(verdict.outcome.errno != 0);
        tried.events += verdict.outcome.events.len();
        tried.would_deny += verdict.outcome.events.iter().filter(|event| event.would_deny.is_some()).count();
        tried.unknown += verdict.outcome.events.iter().flat_map(|event| &event.fields).filter(|f| f.is_none()).count();
        tried.instructions += verdict.instructions;
    }
    Ok(tried)
}
