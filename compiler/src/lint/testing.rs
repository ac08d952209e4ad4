//! What the tests of lints share.

use crate::{Options, Source, kernel};

/// The codes that a policy gets, in the order of their places.
pub(crate) fn codes(text: &str) -> Vec<&'static str> {
    let files = [Source { name: "policy.krs".into(), text: text.into() }];
    let target = kernel::embedded().iter().find(|kernel| kernel.name == "6.12");
    let outcome = crate::check(&files, &Options { target, ..Options::default() });
    outcome.diagnostics.iter().map(|diagnostic| diagnostic.code.0).collect()
}
