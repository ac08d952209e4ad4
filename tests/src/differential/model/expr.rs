//! Expressions of the model: integers, texts, addresses and conditions, with their evaluation.
//!
//! ```text
//! task.uid + 1 < file.inode.uid      Compare(Less, Operation("+", u32, task.uid, 1), file.inode.uid)
//! ```
//!
//! The rules are those of `docs/language.md`. Integers narrower than 32 bits are computed in 32 bits; the
//! common type of two integers is the smallest of u32, i32, u64 and i64 that holds both; comparisons compare
//! mathematical values. A value reached through a null pointer is unknown, a test of an unknown value is
//! unknown, and `and`, `or` and `not` follow Kleene's logic.
//!
//! Absent: the text of an expression, which `make` writes while it builds the tree, and everything about the
//! kernel's memory.

use std::collections::{BTreeMap, BTreeSet};

use super::glob;

/// A C integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int {
    /// Width: 1, 2, 4 or 8 bytes.
    pub bytes: u32,
    /// True for two's complement.
    pub signed: bool,
}

impl Int {
    /// Returns the smallest value.
    pub fn min(self) -> i128 {
        if self.signed { -(1 << (8 * self.bytes - 1)) } else { 0 }
    }

    /// Returns the largest value.
    pub fn max(self) -> i128 {
        (1 << (8 * self.bytes - u32::from(self.signed))) - 1
    }

    /// Returns true if every value of `other` is a value of `self`.
    pub fn holds(self, other: Int) -> bool {
        self.min() <= other.min() && other.max() <= self.max()
    }

    /// Returns the value whose low bits are those of `number`.
    pub fn wrap(self, number: i128) -> i128 {
        let modulus = 1i128 << (8 * self.bytes);
        let low = number.rem_euclid(modulus);
        if low > self.max() { low - modulus } else { low }
    }

    /// Returns the name of the type, such as `u32`.
    pub fn name(self) -> String {
        format!("{}{}", if self.signed { "i" } else { "u" }, 8 * self.bytes)
    }
}

/// Constructs a type, as shorthand for the tables.
pub const fn int(bytes: u32, signed: bool) -> Int {
    Int { bytes, signed }
}

/// Returns the type in which an integer is computed.
pub fn promote(of: Int) -> Int {
    int(of.bytes.max(4), of.signed)
}

/// Returns the common type of two integers; `None` for a u64 and a signed integer.
pub fn meet(one: Int, other: Int) -> Option<Int> {
    [int(4, false), int(4, true), int(8, false), int(8, true)].into_iter().find(|ty| ty.holds(one) && ty.holds(other))
}

/// A named value that a policy reads, of the hook or of the quantified ancestor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the value: `file.inode.uid`, `a.pid`.
    pub name: String,
    /// True for a value of the ancestor.
    pub of_ancestor: bool,
}

/// An integer expression with its types.
#[derive(Clone, Debug)]
pub enum Number {
    /// A value read from the kernel.
    Read(Place),
    /// An integer constant value.
    Literal(i128),
    /// A parameter of the policy.
    Param(String),
    /// `~x`, in the type of `x`.
    Complement(Int, Box<Number>),
    /// `-x`, in the given type.
    Negative(Int, Box<Number>),
    /// `x + y` and other binary operations, with the type of the result.
    Operation(&'static str, Int, Box<Number>, Box<Number>),
    /// `x as u8`, a conversion.
    Cast(Int, Box<Number>),
    /// `(condition) as u8`, a conversion of a truth value.
    Truth(Box<Cond>),
}

/// Comparison operators of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The `==` comparison operator.
    Equal,
    /// The `!=` comparison operator.
    Unequal,
    /// The `<` comparison operator.
    Less,
    /// The `<=` comparison operator.
    AtMost,
    /// The `>` comparison operator.
    More,
    /// The `>=` comparison operator.
    AtLeast,
}

/// A test of a text against constants.
#[derive(Clone, Debug)]
pub enum TextTest {
    /// The text equals one of these.
    OneOf(Vec<Vec<u8>>),
    /// The text is this directory or a path below it.
    Under(Vec<u8>),
    /// The text begins with this.
    StartsWith(Vec<u8>),
    /// The text ends with this.
    EndsWith(Vec<u8>),
    /// The text contains this one.
    Contains(Vec<u8>),
    /// A glob matches the whole text.
    Like(Vec<u8>),
}

/// A network: addresses with a common prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Any address of the network; IPv4 addresses are in `::ffff:0:0/96`.
    pub address: u128,
    /// Length of the prefix, of 128 bits.
    pub bits: u32,
}

impl Network {
    /// Returns true for an address of the network.
    pub fn has(self, address: u128) -> bool {
        (0..self.bits).all(|bit| self.address << bit >> 127 == address << bit >> 127)
    }
}

/// A condition with its operands.
#[derive(Clone, Debug)]
pub enum Cond {
    /// A constant truth value.
    Always(bool),
    /// True if the operand is false.
    Not(Box<Cond>),
    /// True if both operands are.
    And(Box<Cond>, Box<Cond>),
    /// True if one operand is, or both.
    Or(Box<Cond>, Box<Cond>),
    /// A comparison of two mathematical values.
    Compare(Order, Number, Number),
    /// True if non-zero: a bit test used as a condition.
    AnyBit(Number),
    /// True if all of these bits are set.
    AllBits(Number, i128),
    /// True if the number is one of these.
    OneOf(Number, Vec<i128>),
    /// True if the numbers are a row of a set of tuples.
    Row(Vec<Number>, Vec<Vec<i128>>),
    /// A test of a text against constants.
    Text(Place, TextTest),
    /// Equality of two texts of the kernel.
    SameText(Place, Place),
    /// True if an address is in one of these networks.
    Within(Place, Vec<Network>),
    /// True if a pointer is null.
    Null(Place),
    /// True if an object has a label.
    Labelled(Place, String),
    /// A quantifier over the ancestors of a task.
    Ancestors {
        /// True for `all`, false for `any`.
        every: bool,
        /// The task: `task`, `child`.
        of: String,
        /// The condition on each ancestor.
        cond: Box<Cond>,
    },
}

/// A known value; pointers are 0 or 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// An integer, a truth value, or a pointer.
    Number(i128),
    /// A text without its NUL.
    Text(Vec<u8>),
    /// An address in IPv6 form.
    Ip(u128),
}

/// Values by name; `None` for an unknown value.
pub type Facts = BTreeMap<String, Option<Known>>;

/// An object that can have labels: its kind and its identifying numbers.
pub type Object = (krsi_abi::labels::Object, [u64; 2]);

/// Labels by the object that has them.
pub type Labels = BTreeMap<Object, BTreeSet<String>>;

/// An ancestor of a task.
#[derive(Clone, Debug, Default)]
pub struct Ancestor {
    /// Values of the ancestor, named `a.pid` and so on.
    pub facts: Facts,
    /// The process of the ancestor.
    pub object: Option<Object>,
}

/// All values that the conditions of a hook can read.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Values of the hook and of the current task.
    pub facts: Facts,
    /// Values of parameters, by name.
    pub params: BTreeMap<String, i128>,
    /// Ancestors by task, the parent first.
    pub ancestors: BTreeMap<String, Vec<Ancestor>>,
    /// Objects with labels, by expression; objects reached through null are absent.
    pub objects: BTreeMap<String, Object>,
    /// Labels before the call.
    pub labels: Labels,
}

/// Environment of an evaluation: the world, and the current ancestor of a quantifier.
#[derive(Clone, Copy)]
pub struct Eval<'w> {
    /// All values of the call.
    pub world: &'w World,
    /// The current ancestor inside the braces of a quantifier.
    pub ancestor: Option<&'w Ancestor>,
}

impl<'w> Eval<'w> {
    /// Returns the value of a place, if it is known.
    ///
    /// # Panics
    /// Panics if the hook's table lists a value that the scene does not set, which is a bug of the model.
    pub fn place(&self, place: &Place) -> Option<Known> {
        let facts = match self.ancestor {
            Some(ancestor) if place.of_ancestor => &ancestor.facts,
            _ => &self.world.facts,
        };
        facts.get(&place.name).unwrap_or_else(|| panic!("no value for `{}`", place.name)).clone()
    }

    /// Returns the value of an integer expression, if it is known.
    pub fn number(&self, number: &Number) -> Option<i128> {
        Some(match number {
            Number::Read(place) => match self.place(place)? {
                Known::Number(number) => number,
                other => unreachable!("{other:?} is no number"),
            },
            Number::Literal(number) => *number,
            Number::Param(name) => self.world.params[name],
            Number::Complement(ty, of) => ty.wrap(-1 - self.number(of)?),
            Number::Negative(ty, of) => ty.wrap(-self.number(of)?),
            Number::Cast(ty, of) => ty.wrap(self.number(of)?),
            Number::Truth(cond) => i128::from(self.cond(cond)?),
            Number::Operation(op, ty, left, right) => {
                let (left, right) = (ty.wrap(self.number(left)?), self.number(right)?);
                // The width of the shift amount is irrelevant.
                let shift = matches!(*op, "<<" | ">>");
                let right = if shift { right } else { ty.wrap(right) };
                ty.wrap(match *op {
                    "+" => left + right,
                    "-" => left - right,
                    // A 64-bit product fits into 128 bits, except for the square of the largest value.
                    "*" => left.wrapping_mul(right),
                    "/" => left / right,
                    "%" => left % right,
                    "&" => left & right,
                    "|" => left | right,
                    "^" => left ^ right,
                    "<<" => (left as u128).wrapping_shl(right as u32) as i128,
                    ">>" => left >> right,
                    op => unreachable!("no operator `{op}`"),
                })
            }
        })
    }

    fn text(&self, place: &Place) -> Option<Vec<u8>> {
        match self.place(place)? {
            Known::Text(text) => Some(text),
            other => unreachable!("{other:?} is no text"),
        }
    }

    /// Returns true, false, or `None` for unknown.
    pub fn cond(&self, cond: &Cond) -> Option<bool> {
        Some(match cond {
            Cond::Always(known) => *known,
            Cond::Not(of) => !self.cond(of)?,
            Cond::And(left, right) => return lowest(&[self.cond(left), self.cond(right)]),
            Cond::Or(left, right) => return highest(&[self.cond(left), self.cond(right)]),
            Cond::Compare(order, left, right) => {
                let (left, right) = (self.number(left)?, self.number(right)?);
                match order {
                    Order::Equal => left == right,
                    Order::Unequal => left != right,
                    Order::Less => left < right,
                    Order::AtMost => left <= right,
                    Order::More => left > right,
                    Order::AtLeast => left >= right,
                }
            }
            Cond::AnyBit(number) => self.number(number)? != 0,
            Cond::AllBits(number, mask) => self.number(number)? & mask == *mask,
            Cond::OneOf(number, set) => set.contains(&self.number(number)?),
            Cond::Row(numbers, rows) => {
                let row = numbers.iter().map(|number| self.number(number)).collect::<Option<Vec<i128>>>()?;
                rows.contains(&row)
            }
            Cond::Text(place, test) => {
                let text = self.text(place)?;
                match test {
                    TextTest::OneOf(all) => all.contains(&text),
                    TextTest::Under(root) => {
                        text == *root || text.strip_prefix(root.as_slice()).is_some_and(|rest| rest.starts_with(b"/"))
                    }
                    TextTest::StartsWith(part) => text.strip_prefix(part.as_slice()).is_some(),
                    TextTest::EndsWith(part) => text.strip_suffix(part.as_slice()).is_some(),
                    TextTest::Contains(part) => {
                        (0..text.len()).any(|at| text[at..].strip_prefix(part.as_slice()).is_some())
                    }
                    TextTest::Like(pattern) => glob::fits(pattern, &text),
                }
            }
            Cond::SameText(one, other) => self.text(one)? == self.text(other)?,
            Cond::Within(place, networks) => match self.place(place)? {
                Known::Ip(address) => networks.iter().any(|network| network.has(address)),
                other => unreachable!("{other:?} is no address"),
            },
            Cond::Null(place) => self.place(place)? == Known::Number(0),
            Cond::Labelled(place, label) => {
                let object = self.object(place)?;
                self.world.labels.get(&object).is_some_and(|labels| labels.contains(label))
            }
            Cond::Ancestors { every, of, cond } => {
                let answers: Vec<Option<bool>> = self.world.ancestors[of]
                    .iter()
                    .map(|ancestor| Eval { ancestor: Some(ancestor), ..*self }.cond(cond))
                    .collect();
                return if *every { lowest(&answers) } else { highest(&answers) };
            }
        })
    }

    /// Returns the labelled object at a place, or `None` if a null pointer precedes it.
    pub fn object(&self, place: &Place) -> Option<Object> {
        match self.ancestor {
            Some(ancestor) if place.of_ancestor => ancestor.object,
            _ => self.world.objects.get(&place.name).copied(),
        }
    }
}

/// Kleene conjunction: false if any operand is false, otherwise unknown if any is unknown. The empty
/// conjunction is true.
fn lowest(all: &[Option<bool>]) -> Option<bool> {
    if all.contains(&Some(false)) {
        return Some(false);
    }
    if all.contains(&None) { None } else { Some(true) }
}

/// Kleene disjunction: true if any operand is true, otherwise unknown if any is unknown. The empty
/// disjunction is false.
fn highest(all: &[Option<bool>]) -> Option<bool> {
    if all.contains(&Some(true)) {
        return Some(true);
    }
    if all.contains(&None) { None } else { Some(false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_wrap_at_their_width() {
        for (ty, number, wrapped) in [
            (int(1, false), 256, 0),
            (int(1, true), 128, -128),
            (int(4, false), -1, 0xffff_ffff),
            (int(4, true), 0x8000_0000, -0x8000_0000),
            (int(8, false), 1 << 64, 0),
            (int(8, true), -1, -1),
        ] {
            assert_eq!(ty.wrap(number), wrapped, "{} {number}", ty.name());
        }
    }

    #[test]
    fn two_integers_meet_where_both_fit() {
        assert_eq!(meet(int(2, false), int(1, true)), Some(int(4, true)));
        assert_eq!(meet(int(4, false), int(4, false)), Some(int(4, false)));
        assert_eq!(meet(int(4, false), int(4, true)), Some(int(8, true)));
        assert_eq!(meet(int(8, false), int(4, true)), None);
    }

    #[test]
    fn unknown_follows_kleene() {
        assert_eq!(lowest(&[None, Some(false)]), Some(false));
        assert_eq!(lowest(&[None, Some(true)]), None);
        assert_eq!(lowest(&[]), Some(true));
        assert_eq!(highest(&[None, Some(true)]), Some(true));
        assert_eq!(highest(&[None, Some(false)]), None);
        assert_eq!(highest(&[]), Some(false));
    }

    #[test]
    fn a_network_counts_its_own_bits_alone() {
        let network = Network { address: 0xffff_0a01_0000, bits: 112 };
        assert!(network.has(0xffff_0a01_ffff));
        assert!(!network.has(0xffff_0a02_0000));
        assert!(Network { address: 1, bits: 0 }.has(u128::MAX));
        assert!(!Network { address: 1, bits: 128 }.has(0));
    }
}
