//! Which optimisations a build leaves out: `-Z no-reuse -Z no-threading`.
//!
//! An optimisation changes what code costs and never what it means. The differential tests build each policy with
//! random ones left out, so that two of them that go wrong only together are found.
//!
//! Invariant: with all of them left out the code is still right, and each stage asks here before it does one.

use std::fmt;

macro_rules! optimisations {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// Something that makes code cheaper. A new one is a row here and a question where it is done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Optimisation {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Optimisation {
            /// All, in the order of the stages that do them.
            pub const ALL: &[Optimisation] = &[$(Optimisation::$variant,)*];

            /// Its name: `reuse`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Optimisation::$variant => $name,)*
                }
            }

            /// What it does, in a line.
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
    /// Rules that can never fire are left out.
    Never = "never",
    /// Rules that compare the same values with different constants share one search.
    Index = "index",
    /// Also those that deny with different errnos.
    Errnos = "errnos",
    /// Patterns of rules that do the same are run over a text together.
    Automata = "automata",
    /// Numbers that rules of one shape compare by order are looked for in ranges.
    Ranges = "ranges",
    /// What is cheap and often decides is asked first.
    Order = "order",
    /// The cheap values of a search are looked up by themselves before the dear ones are read.
    Early = "early",
    /// What does the same and leads to the same stands once.
    Shared = "shared",
    /// What a way has asked is not asked again on it.
    Asked = "asked",
    /// What a way has read or tested for null is not read or tested again on it.
    Reuse = "reuse",
    /// What is dear and read on some of the ways to a place is not read again on those that are known to have it.
    Tried = "tried",
    /// A path is walked only where its last name can be one of those asked for.
    Names = "names",
    /// The first components of a path are loaded rather than copied.
    Near = "near",
    /// Arithmetic that changes no bit is dropped, and tests that known bits answer are not asked.
    Bits = "bits",
    /// Tests whose answer is known on the way are passed by.
    Passing = "passing",
    /// What every way to a block has computed is not computed again.
    Again = "again",
    /// Constants stand in the instructions that use them.
    Constants = "constants",
    /// Copies are whole where only their low half counts.
    Copies = "copies",
    /// A copy of what changes no more is that itself.
    Joined = "joined",
    /// Numbers of the network are compared with constants in its order.
    Swaps = "swaps",
    /// Bits that nobody asks for are not computed.
    Demand = "demand",
    /// Instructions whose results nothing reads are dropped.
    Unused = "unused",
    /// Code that records and does not return to the tests stands behind them.
    Sinking = "sinking",
    /// What is known is found again once that code stands apart, and registers that both used are several.
    Webs = "webs",
    /// What that code needs of the tests is copied where it begins.
    Splitting = "splitting",
    /// Registers that a program must save are used only where that pays.
    Frugal = "frugal",
    /// What is taken from the frame serves until the next call.
    Reloads = "reloads",
    /// What the frame holds is not held in another place of it too.
    Slots = "slots",
    /// Registers are not copied for those who can read the other.
    Moves = "moves",
    /// Values are stored in the frame behind the tests that do without.
    Late = "late",
    /// What a register still holds is not taken from the frame again.
    Kept = "kept",
    /// Blocks follow those that lead to them.
    Chains = "chains",
    /// Short exits are copied rather than jumped to.
    Exits = "exits",
    /// Jumps to jumps lead to where those lead.
    Threading = "threading",
    /// What happens on a hook is one program where that is not too large.
    Whole = "whole",
}

impl fmt::Display for Optimisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The optimisations of a build; all of them by default.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Optimise {
    /// A bit for each that is left out.
    off: u64,
}

impl Optimise {
    /// Without any.
    #[must_use]
    pub fn nothing() -> Optimise {
        Optimisation::ALL.iter().fold(Optimise::default(), |all, one| all.without(*one))
    }

    /// Without this one.
    #[must_use]
    pub fn without(self, one: Optimisation) -> Optimise {
        Optimise { off: self.off | 1 << one as u32 }
    }

    /// Whether this one is done.
    #[must_use]
    pub fn does(self, one: Optimisation) -> bool {
        self.off & 1 << one as u32 == 0
    }

    /// Does what a `-Z` asks for: `no-reuse`, or `no-all`.
    ///
    /// # Errors
    /// Where no optimisation has that name; the names that there are.
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

/// What `krsic build -Z help` prints.
#[must_use]
pub fn help() -> String {
    let mut text = String::from("Optimisations that a build can leave out:\n");
    for one in Optimisation::ALL {
        text.push_str(&format!("  -Z {:20} {}\n", format!("no-{one}"), one.doc().trim()));
    }
    text.push_str(&format!("  -Z {:20} none of them is done\n", "no-all"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_left_out_by_its_name() {
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
