//! Optimisation flags: `-Z no-reuse -Z no-threading` builds without these two passes.
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
    Never = "never",
    /// Look up the rules that compare the same values with different constants in one table.
    Index = "index",
    /// Share such a table among rules with different errnos.
    Errnos = "errnos",
    /// Match the patterns of several rules by one automaton.
    Automata = "automata",
    /// Look up ordered comparisons with constants by binary search over ranges.
    Ranges = "ranges",
    /// Evaluate cheap tests before expensive ones.
    Order = "order",
    /// Prefilter a lookup by its cheap values before the expensive ones are read.
    Early = "early",
    /// Hash-cons the decision graph.
    Shared = "shared",
    /// Eliminate tests whose result is known on the path.
    Asked = "asked",
    /// Reuse loads and null checks that are available on the path.
    Reuse = "reuse",
    /// Eliminate partially redundant helper calls and path walks.
    Tried = "tried",
    /// Compare the last component before a path is walked.
    Names = "names",
    /// Load the first components of a path directly instead of copying them.
    Near = "near",
    /// Simplify arithmetic and branches by known bits.
    Bits = "bits",
    /// Thread jumps over branches whose outcome is known on the path.
    Passing = "passing",
    /// Eliminate common subexpressions by global value numbering.
    Again = "again",
    /// Fold constants into immediate operands.
    Constants = "constants",
    /// Widen 32-bit moves whose upper half is not used.
    Copies = "copies",
    /// Propagate copies of values that no longer change.
    Joined = "joined",
    /// Swap the bytes of constants instead of values in network byte order.
    Swaps = "swaps",
    /// Simplify computations of bits that are not demanded.
    Demand = "demand",
    /// Eliminate instructions whose results are not used.
    Unused = "unused",
    /// Place cold code, which records events, after hot code.
    Sinking = "sinking",
    /// Rename live ranges after hot/cold splitting, and optimise again.
    Webs = "webs",
    /// Split live ranges at the entry of cold code.
    Splitting = "splitting",
    /// Use a callee-saved register only if that is cheaper than saving it.
    Frugal = "frugal",
    /// Keep a reloaded value in its register until the next call.
    Reloads = "reloads",
    /// Coalesce stack slots with equal contents.
    Slots = "slots",
    /// Propagate copies after register allocation.
    Moves = "moves",
    /// Sink spill stores past branches that do not need them.
    Late = "late",
    /// Eliminate reloads of values that a register still holds.
    Kept = "kept",
    /// Place blocks after their predecessors.
    Chains = "chains",
    /// Duplicate short exits instead of jumping to them.
    Exits = "exits",
    /// Redirect jumps to blocks that only jump.
    Threading = "threading",
    /// Compile a hook to one program unless it would be too large.
    Whole = "whole",
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

    /// Applies the argument of a `-Z` option: `no-reuse`, or `no-all`.
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
        assert!(Optimise::default().set("reuse").is_err_and(|names| names.contains(&"no-reuse".to_owned())));
        assert_eq!(Optimise::default().set("no-all"), Ok(Optimise::nothing()));
    }
}
