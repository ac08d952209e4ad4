//! Support for tests: diagnostics of policies, and the behaviour of bodies before and after passes.

pub mod bodies;
mod pipeline;
pub mod random;
pub mod run;

use crate::diag::Diagnostic;
use crate::{Options, Source, kernel};

/// Returns the codes of the diagnostics of a policy, in source order.
pub(crate) fn codes(text: &str) -> Vec<&'static str> {
    diagnostics(text).iter().map(|diagnostic| diagnostic.code.0).collect()
}

/// Returns the diagnostics of a policy, in source order.
pub(crate) fn diagnostics(text: &str) -> Vec<Diagnostic> {
    let files = [Source { name: "policy.krs".into(), text: text.into() }];
    let target = kernel::embedded().iter().find(|kernel| kernel.name == "6.12");
    crate::check(&files, &Options { target, ..Options::default() }).diagnostics
}
