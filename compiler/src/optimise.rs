//! Optimisation flags: `-Z no-available-values -Z no-skip-forwarding` builds without these two passes.
//!
//! An optimisation changes the cost of the code and never its meaning. The differential tests disable random
//! subsets for each policy, which finds passes that are wrong only in combination.
//!
//! Invariant: the code is correct with any subset disabled, `-Z no-all` included.
//!
//! Absent: the order of the passes, and the passes themselves; each checks its flag here.

use std::fmt;

macro_rules! optimisations {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// An optimisation that can be disabled. A new one takes a row here and a check of the flag in its pass.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Optimisation {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Optimisation {
            /// All optimisations: those of `decision`, then those of `bpf`.
            pub const ALL: &[Optimisation] = &[$(Optimisation::$variant,)*];

            /// Returns the name without `no-`, such as `reuse`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Optimisation::$variant => $name,)*
                }
            }

            /// Returns a description of one line.
            #[must_use]
            pub fn doc(self) -> &'static str {
                match self {
                    $(Optimisation::$variant => concat!($($doc,)*),)*
                }
            }
        }
    };
}

optimisations! {
    /// Drop rules that can never match.
    UnreachableRules = "unreachable-rules",
    /// Look up the rules that compare the same values with different constants in one table.
    Index = "index",
    /// Share such a table among rules with different errnos.
    IndexErrnos = "index-errnos",
    /// Match the patterns of several rules by one automaton.
    MergePatterns = "merge-patterns",
    /// Look up ordered comparisons with constants by binary search over ranges.
    IndexRanges = "index-ranges",
    /// Evaluate cheap tests before expensive ones.
    OrderTests = "order-tests",
    /// Prefilter a lookup by its cheap values before the expensive ones are read.
    Prefilter = "prefilter",
    /// Hash-cons the decision graph.
    HashCons = "hash-cons",
    /// Eliminate tests whose result is known on the path.
    RedundantTests = "redundant-tests",
    /// Reuse loads and null checks that are available on the path.
    AvailableValues = "available-values",
    /// Eliminate partially redundant helper calls and path walks.
    Pre = "pre",
    /// Compare the last component before a path is walked.
    LastName = "last-name",
    /// Load the first components of a path directly instead of copying them.
    PathPrefix = "path-prefix",
    /// Simplify arithmetic and branches by known bits.
    Simplify = "simplify",
    /// Thread jumps over branches whose outcome is known on the path.
    ThreadJumps = "thread-jumps",
    /// Eliminate common subexpressions by global value numbering.
    Gvn = "gvn",
    /// Fold constants into immediate operands.
    FoldImmediates = "fold-immediates",
    /// Widen 32-bit moves whose upper half is not used.
    WidenMoves = "widen-moves",
    /// Propagate copies of values that no longer change.
    PropagateCopies = "propagate-copies",
    /// Swap the bytes of constants instead of values in network byte order.
    FoldByteSwaps = "fold-byte-swaps",
    /// Simplify computations of bits that are not demanded.
    DemandedBits = "demanded-bits",
    /// Eliminate instructions whose results are not used.
    Dce = "dce",
    /// Place cold code, which records events, after hot code.
    SplitCold = "split-cold",
    /// Rename live ranges after hot/cold splitting, and optimise again.
    RenameLiveRanges = "rename-live-ranges",
    /// Split live ranges at the entry of cold code.
    SplitLiveRanges = "split-live-ranges",
    /// Use a callee-saved register only if that is cheaper than saving it.
    CalleeSavedCost = "callee-saved-cost",
    /// Keep a reloaded value in its register until the next call.
    ShareReloads = "share-reloads",
    /// Coalesce stack slots with equal contents.
    CoalesceSlots = "coalesce-slots",
    /// Propagate copies after register allocation.
    PostRaCopies = "post-ra-copies",
    /// Sink spill stores past branches that do not need them.
    SinkSpills = "sink-spills",
    /// Eliminate reloads of values that a register still holds.
    EliminateReloads = "eliminate-reloads",
    /// Place blocks after their predecessors.
    PlaceBlocks = "place-blocks",
    /// Duplicate short exits instead of jumping to them.
    DuplicateExits = "duplicate-exits",
    /// Redirect jumps to blocks that only jump.
    SkipForwarding = "skip-forwarding",
    /// Compile a hook to one program unless it would be too large.
    OneProgram = "one-program",
}

impl fmt::Display for Optimisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Set of enabled optimisations; all by default.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Optimise {
    /// One bit for each disabled optimisation.
    off: u64,
}

impl Optimise {
    /// Returns the set without any optimisation.
    #[must_use]
    pub fn nothing() -> Optimise {
        Optimisation::ALL.iter().fold(Optimise::default(), |all, one| all.without(*one))
    }

    /// Returns the set without one optimisation.
    #[must_use]
    pub fn without(self, one: Optimisation) -> Optimise {
        Optimise { off: self.off | 1 << one as u32 }
    }

    /// Returns whether an optimisation is enabled.
    #[must_use]
    pub fn does(self, one: Optimisation) -> bool {
        self.off & 1 << one as u32 == 0
    }

    /// Applies the argument of a `-Z` option: `no-available-values`, or `no-all`.
    ///
    /// # Errors
    /// Returns the valid arguments if the flag is unknown.
    pub fn set(self, flag: &str) -> Result<Optimise, Vec<String>> {
        if flag == "no-all" {
            return Ok(Optimise::nothing());
        }
        let named = flag.strip_prefix("no-").and_then(|name| Optimisation::ALL.iter().find(|one| one.name() == name));
        match named {
            Some(one) => Ok(self.without(*one)),
            None => Err(Optimisation::ALL.iter().map(|one| format!("no-{one}")).chain(["no-all".to_owned()]).collect()),
        }
    }
}

impl fmt::Debug for Optimise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let off = Optimisation::ALL.iter().filter(|one| !self.does(**one));
        f.write_str("Optimise(")?;
        for (at, one) in off.enumerate() {
            write!(f, "{}no-{one}", if at > 0 { " " } else { "" })?;
        }
        f.write_str(")")
    }
}

/// Returns the output of `krsic build -Z help`.
#[must_use]
pub fn help() -> String {
    let mut text = String::from("Each flag disables one optimisation:\n");
    for one in Optimisation::ALL {
        text.push_str(&format!("  -Z {:20} {}\n", format!("no-{one}"), one.doc().trim()));
    }
    text.push_str(&format!("  -Z {:20} Disable all of them\n", "no-all"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_disabled_by_its_name() {
        for one in Optimisation::ALL {
            let without = Optimise::default().set(&format!("no-{one}")).expect("it is known");
            assert!(!without.does(*one));
            assert_eq!(Optimisation::ALL.iter().filter(|other| !without.does(**other)).count(), 1, "{one}");
            assert!(help().contains(&format!("no-{one}")));
        }
        assert!(Optimisation::ALL.len() <= 64, "a bit for each");
        assert!(Optimise::default().set("reuse").is_err_and(|names| names.contains(&"no-available-values".to_owned())));
        assert_eq!(Optimise::default().set("no-all"), Ok(Optimise::nothing()));
    }
}
