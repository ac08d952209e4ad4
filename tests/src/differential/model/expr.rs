//! Expressions of the model: integers, texts, addresses and conditions, and their values.
//!
//! ```text
//! task.uid + 1 < file.inode.uid      Compare(Less, Operation("+", u32, task.uid, 1), file.inode.uid)
//! ```
//!
//! The rules are those of `docs/language.md`. Integers narrower than 32 bits are computed in 32 bits; two integers meet
//! in the smallest of u32, i32, u64 and i64 that holds both; comparisons compare mathematical values. A value behind a
//! null pointer is unknown, a test of an unknown value is unknown, and `and`, `or` and `not` follow Kleene's logic.
//!
//! Absent: the text of an expression, which `make` writes while it builds the tree, and everything about the kernel's
//! memory.

use std::collections::{BTreeMap, BTreeSet};

use super::glob;

/// A C integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int {
    /// 1, 2, 4 or 8.
    pub bytes: u32,
    /// Two's complement.
    pub signed: bool,
}

impl Int {
    /// The smallest value.
    pub fn min(self) -> i128 {
        if self.signed { -(1 << (8 * self.bytes - 1)) } else { 0 }
    }

    /// The largest value.
    pub fn max(self) -> i128 {
        (1 << (8 * self.bytes - u32::from(self.signed))) - 1
    }

    /// True if every value of `other` is a value of `self`.
    pub fn holds(self, other: Int) -> bool {
        self.min() <= other.min() && other.max() <= self.max()
    }

    /// The value whose low bits are those of `number`.
    pub fn wrap(self, number: i128) -> i128 {
        let modulus = 1i128 << (8 * self.bytes);
        let low = number.rem_euclid(modulus);
        if low > self.max() { low - modulus } else { low }
    }

    /// The name of the type: `u32`.
    pub fn name(self) -> String {
        format!("{}{}", if self.signed { "i" } else { "u" }, 8 * self.bytes)
    }
}

/// Shorthand for the tables.
pub const fn int(bytes: u32, signed: bool) -> Int {
    Int { bytes, signed }
}

/// The type that an integer is computed in.
pub fn promote(of: Int) -> Int {
    int(of.bytes.max(4), of.signed)
}

/// The type that two integers are computed in; none for a u64 and a signed integer.
pub fn meet(one: Int, other: Int) -> Option<Int> {
    [int(4, false), int(4, true), int(8, false), int(8, true)].into_iter().find(|ty| ty.holds(one) && ty.holds(other))
}

/// A value that a policy reads by its name, of the hook or of the ancestor that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `file.inode.uid`, `a.pid`.
    pub name: String,
    /// True for a value of the ancestor.
    pub of_ancestor: bool,
}

/// An integer expression.
#[derive(Clone, Debug)]
pub enum Number {
    /// A value of the kernel.
    Read(Place),
    /// A constant.
    Literal(i128),
    /// A parameter of the policy.
    Param(String),
    /// `~x`, in the type of `x`.
    Complement(Int, Box<Number>),
    /// `-x`.
    Negative(Int, Box<Number>),
    /// `x + y` and the like, with the type of the result.
    Operation(&'static str, Int, Box<Number>, Box<Number>),
    /// `x as u8`.
    Cast(Int, Box<Number>),
    /// `(condition) as u8`.
    Truth(Box<Cond>),
}

/// How two numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

/// What a text is tested for.
#[derive(Clone, Debug)]
pub enum TextTest {
    /// It is one of these.
    OneOf(Vec<Vec<u8>>),
    /// It is this directory, or lies below it.
    Under(Vec<u8>),
    /// It begins so.
    StartsWith(Vec<u8>),
    /// It ends so.
    EndsWith(Vec<u8>),
    /// It has this in it.
    Contains(Vec<u8>),
    /// A glob fits all of it.
    Like(Vec<u8>),
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Any address of it; those of IPv4 are in `::ffff:0:0/96`.
    pub address: u128,
    /// The number of bits that count, of 128.
    pub bits: u32,
}

impl Network {
    /// True for an address of the network.
    pub fn has(self, address: u128) -> bool {
        (0..self.bits).all(|bit| self.address << bit >> 127 == address << bit >> 127)
    }
}

/// A condition.
#[derive(Clone, Debug)]
pub enum Cond {
    /// Always the same.
    Always(bool),
    /// True where the other is false.
    Not(Box<Cond>),
    /// Both.
    And(Box<Cond>, Box<Cond>),
    /// One or both.
    Or(Box<Cond>, Box<Cond>),
    /// Two mathematical values.
    Compare(Order, Number, Number),
    /// Not zero: a bit test that stands alone.
    AnyBit(Number),
    /// All of these bits.
    AllBits(Number, i128),
    /// One of these numbers.
    OneOf(Number, Vec<i128>),
    /// A row of a set of tuples.
    Row(Vec<Number>, Vec<Vec<i128>>),
    /// A text against constants.
    Text(Place, TextTest),
    /// Two texts of the kernel are the same.
    SameText(Place, Place),
    /// An address in one of these networks.
    Within(Place, Vec<Network>),
    /// A pointer is null.
    Null(Place),
    /// An object has a label.
    Labelled(Place, String),
    /// A question about the ancestors of a task.
    Ancestors {
        /// `all` rather than `any`.
        every: bool,
        /// The task: `task`, `child`.
        of: String,
        /// What is asked of each.
        cond: Box<Cond>,
    },
}

/// A value that is known; pointers are 0 or 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// An integer, a truth value, or a pointer.
    Number(i128),
    /// A text without its NUL.
    Text(Vec<u8>),
    /// An address.
    Ip(u128),
}

/// Values by name; none where a value cannot be known.
pub type Facts = BTreeMap<String, Option<Known>>;

/// An object that can have labels: its kind, and the numbers that tell it from others.
pub type Object = (krsi_abi::labels::Object, [u64; 2]);

/// Labels of objects.
pub type Labels = BTreeMap<Object, BTreeSet<String>>;

/// A task above another.
#[derive(Clone, Debug, Default)]
pub struct Ancestor {
    /// Its values, named `a.pid` and so on.
    pub facts: Facts,
    /// Its process.
    pub object: Option<Object>,
}

/// Everything that the conditions of a hook can read.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Values of the hook and of the current task.
    pub facts: Facts,
    /// Parameters.
    pub params: BTreeMap<String, i128>,
    /// Ancestors by task, the parent first.
    pub ancestors: BTreeMap<String, Vec<Ancestor>>,
    /// What labels are asked of; an object behind a null is absent.
    pub objects: BTreeMap<String, Object>,
    /// Labels before the call.
    pub labels: Labels,
}

/// A place to evaluate expressions at: the world, and the ancestor that is asked.
#[derive(Clone, Copy)]
pub struct Eval<'w> {
    /// All values.
    pub world: &'w World,
    /// Between the braces of a question about ancestors.
    pub ancestor: Option<&'w Ancestor>,
}

impl<'w> Eval<'w> {
    /// The value of a place, if it is known.
    ///
    /// # Panics
    /// If the table of the hook promises a value that its scene does not set: a fault of the model.
    pub fn place(&self, place: &Place) -> Option<Known> {
        let facts = match self.ancestor {
            Some(ancestor) if place.of_ancestor => &ancestor.facts,
            _ => &self.world.facts,
        };
        facts.get(&place.name).unwrap_or_else(|| panic!("no value for `{}`", place.name)).clone()
    }

    /// The value of an integer expression, if it is known.
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
                // The width of a shift's amount does not matter.
                let shift = matches!(*op, "<<" | ">>");
                let right = if shift { right } else { ty.wrap(right) };
                ty.wrap(match *op {
                    "+" => left + right,
                    "-" => left - right,
                    // 64 bits by 64 bits fit into 128, but for the square of the largest.
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

    /// True, false, or unknown.
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

    /// The object behind a place that labels are asked of, or nothing behind a null.
    pub fn object(&self, place: &Place) -> Option<Object> {
        match self.ancestor {
            Some(ancestor) if place.of_ancestor => ancestor.object,
            _ => self.world.objects.get(&place.name).copied(),
        }
    }
}

/// Kleene's conjunction: false if one is false, else unknown if one is unknown. Of none it is true.
fn lowest(all: &[Option<bool>]) -> Option<bool> {
    if all.contains(&Some(false)) {
        return Some(false);
    }
    if all.contains(&None) { None } else { Some(true) }
}

/// Kleene's disjunction: true if one is true, else unknown if one is unknown. Of none it is false.
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
