//! A model of the language that shares no code with the compiler: random policies as text, with their meaning
//! according to the definition, compared with the results of the evaluator and the object for the same text.
//!
//! ```text
//! make     numbers ──> text of a policy, and a small tree of its meaning
//! lay      a call of a hook: memory by the kernel's field names, and the same values as facts
//! meaning  tree and facts ──> verdict, events, signals, labels
//! here     text ──> krsic: typed policy and object; both must match the model
//! ```
//!
//! The evaluator and the object start from the same typed policy, so comparing the two cannot reveal a bug of
//! the lexer, parser or checker: a precedence, a suffix, the width of an operation, a mirrored comparison.
//! The model reveals it. It covers fewer hooks and values than `policy`, which covers the breadth of the
//! language.
//!
//! Absent: errors and warnings, dynamic sets, inherited labels, sockets as objects, `inode(...)`, `task.exe`,
//! `task.cgroup`, texts over 4095 bytes, and more than 128 ancestors. `policy` draws those, or the cases test
//! them.
//!
//! Invariant: the model never calls the checker or the evaluator to determine the meaning of a policy.

mod expr;
mod glob;
mod hooks;
mod lay;
mod make;
mod meaning;

use std::collections::BTreeMap;

use krsi_abi::modes::Mode;
use krsic::hir::HookId;
use krsic::hir::eval::{self, Datum, Entry};
use krsic::kernel::{Kernel, embedded};
use krsic::optimise::Optimise;
use krsic::simulate::image::Image;
use krsic::simulate::scene::Scene;
use krsic::{Built, Options, Outcome};

use super::case::Case;
use super::compare;
use super::shapes::Shape;
use super::stage::Staged;
use super::tape::Tape;
use super::{Tried, compile, optimise};
use expr::{Known, Labels, World};
use lay::Lay;
use make::Policy;
use meaning::{Call, Kept, Version};

/// Delays before a repeated call, in nanoseconds after the previous one.
const LATER: [u64; 5] = [0, 1, 999_999_999, 1_000_000_000, 3_600_000_000_000];

fn version(kernel: &Kernel) -> Version {
    let (major, minor) = kernel.name.split_once('.').expect("embedded kernels are called by their versions");
    (major.parse().expect("a number"), minor.parse().expect("a number"))
}

/// Generates the policy of a case, the kernel that it is checked against, and its optimisations.
fn made_of(case: &Case) -> (Policy, &'static Kernel, Optimise) {
    let kernels = embedded();
    let sum: usize = case.frame.iter().take(4).map(|word| usize::from(*word)).sum();
    (make::policy(case), &kernels[(2 + sum) % kernels.len()], optimise(case))
}

/// Returns the policy text of a case.
#[must_use]
pub fn text(case: &Case) -> String {
    make::policy(case).text()
}

/// Compiles the policy of a case and executes it in its scenes.
///
/// # Errors
/// Describes a policy that the compiler rejects, or one for which the evaluator or the object differs from
/// the model.
pub fn examine(case: &Case) -> Result<Tried, String> {
    let (policy, checked, optimise) = made_of(case);
    if policy.rules.is_empty() {
        return Ok(Tried::default());
    }
    let text = policy.text();
    let failed = |why: String| format!("{text}\nchecked against {}, {optimise:?}\n{why}", checked.name);
    let options = Options { target: Some(checked), optimise, ..Options::default() };
    let Outcome { diagnostics, value, .. } = compile(&text, &options);
    let Some(built) = value else {
        let errors = diagnostics.iter().filter(|found| found.severity == krsic::diag::Severity::Error);
        let errors: Vec<String> = errors
            .map(|error| {
                let span = error.primary.span.start as usize..error.primary.span.end as usize;
                format!("{} at `{}`", error.message, text.get(span).unwrap_or("?"))
            })
            .collect();
        return Err(failed(format!("the compiler refuses it: {}", errors.join("; "))));
    };
    let mut tried = Tried { policies: 1, rules: policy.rules.len(), ..Tried::default() };
    tried.shapes.policy(&text);
    let manifest = Image::new(&built.object, checked).map_err(failed)?.manifest;
    let kernels: Vec<&Kernel> =
        embedded().iter().filter(|kernel| manifest.kernels.contains(&kernel.name)).chain([checked]).collect();
    let mut images: Vec<Option<Image>> = vec![None; kernels.len()];
    for words in &case.scenes {
        let mut tape = Tape::new(words);
        let at = kernels.len() - 1 - tape.below(kernels.len());
        if images[at].is_none() {
            images[at] = Some(Image::new(&built.object, kernels[at]).map_err(failed)?);
        }
        let image = images[at].as_ref().expect("made above");
        let scene = Called { policy: &policy, built: &built, kernel: kernels[at], image };
        tried += scene.try_one(&mut tape).map_err(|why| failed(format!("on {}: {why}", kernels[at].name)))?;
    }
    Ok(tried)
}

/// A policy on a kernel.
struct Called<'c> {
    policy: &'c Policy,
    built: &'c Built,
    kernel: &'c Kernel,
    image: &'c Image,
}

impl Called<'_> {
    /// Calls a hook once or a few times and compares model, evaluator and object.
    fn try_one(&self, tape: &mut Tape<'_>) -> Result<Tried, String> {
        let rules = &self.policy.rules;
        let rule = tape.pick(rules);
        let name: &&str = tape.pick(rule.hooks.as_slice());
        let hook = hooks::find(name);
        // A rule for newer kernels can name a hook that this kernel lacks.
        if version(self.kernel) < hook.introduced {
            return Ok(Tried::default());
        }
        let typed = &self.built.policy;
        let id = typed.hooks.iter().position(|known| known.name == hook.name);
        let id = HookId(id.ok_or_else(|| format!("`{}` is gone", hook.name))? as u32);
        let mut world = World::default();
        for (name, ty, default) in &self.policy.params {
            let value = if tape.percent(30) { ty.wrap(i128::from(tape.word())) } else { *default };
            world.params.insert(name.clone(), value);
        }
        let mut lay = Lay { scene: Scene::new(self.kernel)?, world, tape, pool: &self.policy.pool, shapes: Vec::new() };
        lay.call(hook)?;
        let Lay { mut scene, mut world, tape, shapes, .. } = lay;
        scene.params = world.params.clone();
        // A mode applies to a rule on all of its hooks.
        if tape.percent(40) {
            for rule in rules {
                if tape.percent(50) {
                    scene.modes.insert(rule.name.clone(), *tape.pick(&Mode::ALL));
                }
            }
        }
        self.remember(&mut world, &mut scene, tape);
        let mut again = Vec::new();
        if tape.percent(25) {
            let mut now = scene.time_ns;
            for _ in 0..1 + tape.below(3) {
                now += *tape.pick(&LATER);
                again.push(now);
            }
        }
        let staged = Staged { scene, again, shapes };
        let tried = self.compare(hook, id, &mut world, &staged);
        tried.map_err(|why| {
            let Staged { scene, again, .. } = &staged;
            format!("{}, modes {:?}, at {} and {again:?}, {:?}\n{why}", hook.name, scene.modes, scene.time_ns, world)
        })
    }

    /// Gives random labels to the objects of the scene.
    fn remember(&self, world: &mut World, scene: &mut Scene<'_>, tape: &mut Tape<'_>) {
        let above = world.ancestors.values().flatten().filter_map(|ancestor| ancestor.object);
        let objects: Vec<expr::Object> = world.objects.values().copied().chain(above).collect();
        for (label, on) in &self.policy.labels {
            let on = [krsi_abi::labels::Object::Task, krsi_abi::labels::Object::Inode][*on];
            for object in &objects {
                if object.0 == on && tape.percent(35) {
                    world.labels.entry(*object).or_default().insert(label.clone());
                }
            }
        }
        for (object, labels) in &world.labels {
            scene.labels.entries.insert(*object, Entry { labels: labels.clone(), former: 0 });
        }
    }

    fn compare(
        &self,
        hook: &'static hooks::Hook,
        id: HookId,
        world: &mut World,
        staged: &Staged<'_>,
    ) -> Result<Tried, String> {
        let typed = &self.built.policy;
        let mut scene = staged.scene.clone();
        let mut kept = Kept::default();
        let mut tried = Tried { scenes: 1, ..Tried::default() };
        let modes: BTreeMap<String, Mode> = scene.modes.clone();
        for (at, now) in std::iter::once(scene.time_ns).chain(staged.again.iter().copied()).enumerate() {
            scene.time_ns = now;
            world.facts.insert("now".to_owned(), Some(Known::Number(now.into())));
            let kernel = version(self.kernel);
            let call = Call {
                hook: hook.name,
                introduced: hook.introduced,
                kernel,
                known: &hooks::KERNELS,
                modes: &modes,
                now,
            };
            let wanted = call.outcome(&self.policy.rules, world, &mut kept);
            let evaluated = eval::outcome(typed, id, &scene);
            let found = seen(typed, &evaluated);
            if found != wanted {
                return Err(format!("call {at}: the evaluator says\n{found:?}\nthe model says\n{wanted:?}"));
            }
            tried.denied += usize::from(wanted.errno != 0);
            tried.events += wanted.events.len();
            tried.would_deny += wanted.events.iter().filter(|event| event.would_deny.is_some()).count();
            tried.unknown += wanted.events.iter().flat_map(|event| &event.fields).filter(|f| f.is_none()).count();
            tried.signals += wanted.signals.len();
            world.labels = wanted.labels;
            scene.labels = evaluated.labels;
            scene.windows = evaluated.windows;
        }
        tried.over += kept.all_over();
        let verdict = compare::compare(typed, id, self.image, staged);
        if !verdict.differences.is_empty() {
            return Err(format!("the object, against the evaluator:\n{}", verdict.differences.join("\n")));
        }
        tried.instructions += verdict.instructions;
        staged.shapes.iter().for_each(|shape| tried.shapes.add(*shape));
        let several = |rule: &meaning::Rule| rule.hooks.len() > 1 && scene.modes.contains_key(&rule.name);
        if self.policy.rules.iter().any(several) {
            tried.shapes.add(Shape::ModeOfSeveral);
        }
        Ok(tried)
    }
}

/// Converts an outcome of the evaluator to the model's types.
fn seen(policy: &krsic::hir::Policy, outcome: &eval::Outcome) -> meaning::Outcome {
    let known = |datum: &Datum| match datum {
        Datum::Number(number) => Known::Number(*number),
        Datum::Ip(address) => Known::Ip(*address),
        Datum::Text(text) => Known::Text(text.clone()),
    };
    let event = |event: &eval::Event| meaning::Event {
        rule: policy.rules[event.rule.0 as usize].name.clone(),
        would_deny: event.would_deny,
        over: event.over,
        fields: event.fields.iter().map(|field| field.as_ref().map(known)).collect(),
    };
    let mut signals = outcome.signals.clone();
    signals.sort_unstable();
    let labels: Labels = outcome
        .labels
        .entries
        .iter()
        .filter(|(_, entry)| !entry.labels.is_empty())
        .map(|(object, entry)| (*object, entry.labels.clone()))
        .collect();
    meaning::Outcome { errno: outcome.errno, events: outcome.events.iter().map(event).collect(), signals, labels }
}

/// Makes a case with one rule, for tests of the generator.
#[cfg(test)]
fn one(words: &[u16]) -> Case {
    Case { rules: vec![words.to_vec()], ..Case::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simplest_case_is_a_simple_rule() {
        let text = text(&one(&[]));
        let rule = text.lines().last().expect("a rule");
        assert_eq!(rule, "r0: on task_prctl when option == 0 audit");
    }
}
