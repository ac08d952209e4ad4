//! Parser for the text form of the table: sections, each with a policy and its rows.
//!
//! ```text
//! ## A sentence that states the meaning.
//! r: on file_open when file.uid == 5 deny EACCES audit { file.uid }
//! | file.f_inode.i_uid.val = 5  -> deny 13, audit r { file.uid = 5 }
//! | file.f_inode.i_uid.val = 6  -> pass
//! ```
//!
//! A section begins with `##` lines; its policy ends before the first line that begins with `|`. A row
//! consists of inputs, `->` and a result, both comma-separated, and can continue over several lines. A row
//! that begins with `then` is a later call that inherits the state of the rows before it.
//! `tests/meaning/README.md` lists all inputs and results.
//!
//! Absent: resolution of the names in a row, which `layout` does for each kernel.

use std::net::IpAddr;

use krsic::hir::Mode;
use krsic::hir::eval::Element;

/// A policy and its rows.
#[derive(Clone, Debug)]
pub struct Section {
    /// Line of the heading, from 1.
    pub line: usize,
    /// The sentence above the policy.
    pub title: String,
    /// Text of the policy.
    pub policy: String,
    /// Rows in file order.
    pub rows: Vec<Row>,
}

/// One call of a hook, or an assertion about the policy text.
#[derive(Clone, Debug)]
pub struct Row {
    /// The row's first line, from 1.
    pub line: usize,
    /// True if the row inherits the state of the preceding rows.
    pub then: bool,
    /// Inputs in source order.
    pub inputs: Vec<Input>,
    /// The expected outcome of the call.
    pub result: Expected,
}

/// A place in kernel memory: `vma.vm_file.f_inode`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(pub Vec<Step>);

/// A component of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An argument or a field.
    Name(String),
    /// An element of an array.
    Index(u32),
    /// A repetition of the preceding field; the count includes its first occurrence: `real_parent*3`.
    Times(u32),
}

/// A value given to a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// A number, `true` or `false`.
    Number(i128),
    /// A null pointer value.
    Null,
    /// A pointer to an address without memory.
    Unreadable,
    /// A pointer to a new object of its type.
    New,
    /// Characters with a trailing NUL.
    Text(Vec<u8>),
    /// The address stored at another place.
    Same(Place),
}

/// A file path with its last component and its mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathSpec {
    /// The full file path.
    pub text: Vec<u8>,
    /// True if the last name was unlinked.
    pub deleted: bool,
    /// True if the file never was in a directory.
    pub nowhere: bool,
    /// True if the file is reached through a mount that was unmounted while in use.
    pub unmounted: bool,
    /// Mount point through which the file is reached; `None` for the namespace root.
    pub mounted: Option<Vec<u8>>,
    /// Directory of the mounted file system that is the root of the mount.
    pub of: Option<Vec<u8>>,
}

/// A socket address of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A family, an IPv4 address and a port.
    Four(u16, [u8; 4], u16),
    /// An IPv6 address and a port.
    Six([u8; 16], u16),
    /// The path of a Unix socket.
    Unix(Vec<u8>),
    /// The abstract name of a Unix socket.
    Abstract(Vec<u8>),
    /// A Unix socket without a name.
    Unnamed,
    /// A family, followed by zeros.
    Family(u16),
}

/// An input of a call.
#[derive(Clone, Debug)]
pub enum Input {
    /// The hook to call; without this input, the first hook of the policy.
    Hook(String),
    /// The kernels to which the row applies.
    Kernels(Vec<String>),
    /// The load-time value of a parameter.
    Param(String, i128),
    /// The elements of a dynamic set.
    Set(String, Vec<Vec<Element>>),
    /// The mode of a rule or of the policy.
    Mode(Option<String>, Mode),
    /// Time in nanoseconds since boot.
    Now(u64),
    /// No room for any event.
    NoRoom,
    /// No room for labels of further objects.
    LabelsFull,
    /// The labels of an object.
    Labels(Place, Vec<String>),
    /// Device and inode number of a file that was found at load time.
    Found(String, u64, u64),
    /// The value of a place.
    Give(Place, Given),
    /// A file path at a `struct path`, or at a dentry and a mount.
    Path(Vec<Place>, PathSpec),
    /// A socket address at a pointer, with its length at another place.
    Sockaddr(Place, Place, Address, Option<i128>),
    /// The local or the peer endpoint of a socket.
    End {
        /// The pointer to the `sock`.
        sock: Place,
        /// True for the peer endpoint.
        peer: bool,
        /// Address of the endpoint.
        address: Address,
    },
    /// The path of a node of the cgroup hierarchy.
    Cgroup(Place, Vec<u8>),
    /// A task with a number of ancestors; all have non-zero pids and are followed by the idle task.
    Ancestors(Place, u32),
}

/// The recorded value of an event field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// A number; a `bool` is 0 or 1.
    Number(i128),
    /// A text without NUL.
    Text(Vec<u8>),
    /// An address in IPv6 form.
    Ip(u128),
    /// A value that could not be read.
    Unknown,
}

/// An event that must be recorded.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Event {
    /// Name of the rule; `None` accepts any.
    pub rule: Option<String>,
    /// The errno that a permissive rule would have denied with.
    pub would_deny: Option<i32>,
    /// The rule acts because a value that it tests could not be read.
    pub undecided: bool,
    /// The errno recorded in the event; `None` means the errno of the row.
    pub met: Option<i32>,
    /// All fields of the event, if the row lists them.
    pub fields: Option<Vec<(String, Recorded)>>,
}

/// The expected outcome of a row.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Codes of errors in the policy text.
    pub errors: Vec<String>,
    /// Codes of warnings about the policy text.
    pub warnings: Vec<String>,
    /// 0 for `pass`, or an errno; `None` for rows about the text.
    pub errno: Option<i32>,
    /// Events in any order.
    pub events: Vec<Event>,
    /// Signals in any order.
    pub signals: Vec<i32>,
    /// Labels of objects after the call.
    pub labels: Vec<(Place, Vec<String>)>,
    /// Number of events over a limit so far.
    pub over: u64,
    /// Number of events without room so far.
    pub lost: u64,
    /// True if a rule could not be decided because a value could not be read.
    pub undecided: bool,
}

/// The part of a section that a line belongs to.
enum Part {
    Heading,
    Policy,
    Rows,
}

/// Parses a file of the table.
///
/// # Errors
/// Returns a description of the malformed row, with its line.
pub fn parse(text: &str) -> Result<Vec<Section>, String> {
    let mut sections: Vec<Section> = Vec::new();
    let mut part = Part::Rows;
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line)).peekable();
    while let Some((line, content)) = lines.next() {
        let heading = content.strip_prefix("## ").map(str::trim);
        if let Some(row) = content.strip_prefix('|') {
            let mut tokens = tokens(row).map_err(|why| format!("{line}: {why}"))?;
            while !tokens.contains(&Token::Arrow) || tokens.last() == Some(&Token::Mark(',')) {
                let next = lines.next_if(|(_, next)| next.starts_with('|'));
                let (at, more) = next.ok_or_else(|| format!("{line}: a row without a result"))?;
                tokens.extend(self::tokens(&more[1..]).map_err(|why| format!("{at}: {why}"))?);
            }
            let row = Reader { tokens, at: 0 }.row(line).map_err(|why| format!("{line}: {why}"))?;
            let section = sections.last_mut().ok_or_else(|| format!("{line}: a row without a policy"))?;
            section.rows.push(row);
            part = Part::Rows;
            continue;
        }
        match (part, heading, sections.last_mut()) {
            (Part::Rows, Some(title), _) => {
                sections.push(Section { line, title: title.to_owned(), policy: String::new(), rows: Vec::new() });
                part = Part::Heading;
            }
            (Part::Rows, None, _) if content.is_empty() || content.starts_with('#') => part = Part::Rows,
            (Part::Heading, Some(title), Some(section)) => {
                section.title = format!("{} {title}", section.title);
                part = Part::Heading;
            }
            // An empty line allows a policy to begin with a doc comment.
            (Part::Heading | Part::Policy, _, Some(section)) => {
                section.policy.push_str(content);
                section.policy.push('\n');
                part = Part::Policy;
            }
            _ => return Err(format!("{line}: `{content}` is neither a heading nor a row")),
        }
    }
    match sections.iter().find(|section| section.rows.is_empty()) {
        Some(section) => Err(format!("{}: a policy without rows", section.line)),
        None => Ok(sections),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(Vec<u8>),
    Mark(char),
    Arrow,
}

fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("->") {
            tokens.push(Token::Arrow);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('"') {
            let (text, after) = string(after)?;
            tokens.push(Token::Text(text));
            rest = after;
        } else if "=(){},".contains(first) {
            tokens.push(Token::Mark(first));
            rest = &rest[1..];
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "\"=(){},".contains(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// Returns the string after its opening quote, and the rest after its closing quote.
fn string(text: &str) -> Result<(Vec<u8>, &str), String> {
    let mut bytes = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((bytes, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => bytes.push(b'\n'),
                Some((at, 'x')) => {
                    let digits = text.get(at + 1..at + 3).ok_or("an escape without two digits")?;
                    bytes.push(u8::from_str_radix(digits, 16).map_err(|why| why.to_string())?);
                    chars.nth(1);
                }
                Some((_, c @ ('"' | '\\'))) => bytes.push(c as u8),
                _ => return Err("an escape that is not known".to_owned()),
            },
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err("a string without a closing quote".to_owned())
}

/// Parses an integer: `5`, `-1`, `0x2a`, `0o52`.
fn number(word: &str) -> Option<i128> {
    let (sign, digits) = word.strip_prefix('-').map_or((1, word), |rest| (-1, rest));
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        _ => (10, digits),
    };
    i128::from_str_radix(digits, radix).ok().map(|number| sign * number)
}

fn address(word: &str) -> Option<u128> {
    Some(match word.parse().ok()? {
        IpAddr::V4(four) => four.to_ipv6_mapped().to_bits(),
        IpAddr::V6(six) => six.to_bits(),
    })
}

fn place(word: &str) -> Result<Place, String> {
    let mut steps = Vec::new();
    for part in word.split('.') {
        let (part, times) = match part.split_once('*') {
            Some((part, times)) => (part, Some(times.parse().map_err(|_| format!("`{times}` is no count"))?)),
            None => (part, None),
        };
        let (name, indices) = part.split_once('[').map_or((part, None), |(name, rest)| (name, Some(rest)));
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("`{word}` is no place"));
        }
        steps.push(Step::Name(name.to_owned()));
        for index in indices.into_iter().flat_map(|indices| indices.split('[')) {
            let digits = index.strip_suffix(']').ok_or("an index without `]`")?;
            steps.push(Step::Index(digits.parse().map_err(|_| format!("`{digits}` is no index"))?));
        }
        steps.extend(times.map(Step::Times));
    }
    Ok(Place(steps))
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn mark(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, mark: char) -> Result<(), String> {
        if self.mark(mark) { Ok(()) } else { Err(format!("expected `{mark}`, found {:?}", self.peek())) }
    }

    fn word(&mut self) -> Result<String, String> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word.clone())
            }
            other => Err(format!("expected a word, found {other:?}")),
        }
    }

    fn is_word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word == wanted);
        self.at += usize::from(found);
        found
    }

    fn number(&mut self) -> Result<i128, String> {
        let word = self.word()?;
        number(&word).ok_or_else(|| format!("`{word}` is no number"))
    }

    fn small<T: TryFrom<i128>>(&mut self) -> Result<T, String> {
        let number = self.number()?;
        T::try_from(number).map_err(|_| format!("{number} is out of range"))
    }

    fn place(&mut self) -> Result<Place, String> {
        place(&self.word()?)
    }

    /// Parses consecutive strings, each with an optional repetition: `"/a/" "x" *40`.
    fn text(&mut self) -> Result<Vec<u8>, String> {
        let mut all = None;
        while let Some(Token::Text(text)) = self.tokens.get(self.at) {
            let text = text.clone();
            self.at += 1;
            let count = match self.peek() {
                Some(Token::Word(word)) if word.starts_with('*') => {
                    let count = word[1..].parse().map_err(|_| format!("`{word}` is no count"))?;
                    self.at += 1;
                    count
                }
                _ => 1,
            };
            all.get_or_insert_with(Vec::new).extend_from_slice(&text.repeat(count));
        }
        all.ok_or_else(|| format!("expected a text, found {:?}", self.peek()))
    }

    fn string(&mut self) -> Result<String, String> {
        String::from_utf8(self.text()?).map_err(|why| why.to_string())
    }

    fn row(mut self, line: usize) -> Result<Row, String> {
        let then = self.is_word("then");
        let mut inputs = Vec::new();
        while self.peek() != Some(&Token::Arrow) {
            if !inputs.is_empty() {
                self.need(',')?;
            }
            inputs.push(self.input()?);
        }
        self.at += 1;
        let mut result = Expected::default();
        loop {
            self.expected(&mut result)?;
            if !self.mark(',') {
                break;
            }
        }
        match self.peek() {
            None => Ok(Row { line, then, inputs, result }),
            Some(other) => Err(format!("{other:?} behind the result")),
        }
    }

    fn input(&mut self) -> Result<Input, String> {
        let word = self.word()?;
        let call = self.peek() == Some(&Token::Mark('('));
        Ok(match word.as_str() {
            "hook" => Input::Hook(self.word()?),
            "kernels" => {
                let mut kernels = vec![self.word()?];
                while let Some(Token::Word(_)) = self.peek() {
                    kernels.push(self.word()?);
                }
                Input::Kernels(kernels)
            }
            "param" => {
                let name = self.word()?;
                self.need('=')?;
                Input::Param(name, self.truth()?)
            }
            "set" => {
                let name = self.word()?;
                self.need('=')?;
                Input::Set(name, self.elements()?)
            }
            "mode" => {
                let rule = if self.mark('=') {
                    None
                } else {
                    let rule = self.word()?;
                    self.need('=')?;
                    Some(rule)
                };
                let mode = self.word()?;
                let known = Mode::ALL.into_iter().find(|known| known.to_string() == mode);
                match (known, rule, number(&mode)) {
                    (Some(known), rule, _) => Input::Mode(rule, known),
                    // Some hooks have an argument of this name.
                    (None, None, Some(number)) => Input::Give(place("mode")?, Given::Number(number)),
                    _ => return Err(format!("`{mode}` is no mode")),
                }
            }
            "now" => {
                self.need('=')?;
                let word = self.word()?;
                let units = [
                    ("ms", 1_000_000),
                    ("s", 1_000_000_000),
                    ("ns", 1),
                    ("m", 60_000_000_000),
                    ("h", 3_600_000_000_000),
                ];
                let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                let unit = units.iter().find(|(unit, _)| *unit == &word[digits.len()..]);
                let (_, factor) = unit.ok_or_else(|| format!("`{word}` is no time"))?;
                let count: u64 = digits.parse().map_err(|_| format!("`{word}` is no time"))?;
                Input::Now(count * factor)
            }
            "no" if self.is_word("room") => Input::NoRoom,
            "labels" if self.is_word("full") => Input::LabelsFull,
            "labels" if call => {
                let place = self.places()?.remove(0);
                self.need('=')?;
                Input::Labels(place, self.names()?)
            }
            "found" => {
                let path = self.string()?;
                self.need('=')?;
                let (device, inode) = (self.small()?, self.small()?);
                Input::Found(path, device, inode)
            }
            "path" if call => {
                let places = self.places()?;
                self.need('=')?;
                Input::Path(places, self.path()?)
            }
            "sockaddr" if call => {
                let mut places = self.places()?;
                let length = if places.len() > 1 { places.remove(1) } else { place("addrlen")? };
                self.need('=')?;
                let address = self.address()?;
                let bytes = if self.is_word("len") { Some(self.number()?) } else { None };
                Input::Sockaddr(places.remove(0), length, address, bytes)
            }
            "local" | "peer" if call => {
                let sock = self.places()?.remove(0);
                self.need('=')?;
                Input::End { sock, peer: word == "peer", address: self.address()? }
            }
            "cgroup" if call => {
                let node = self.places()?.remove(0);
                self.need('=')?;
                Input::Cgroup(node, self.text()?)
            }
            "ancestors" if call => {
                let task = self.places()?.remove(0);
                self.need('=')?;
                Input::Ancestors(task, self.small()?)
            }
            _ => {
                let place = place(&word)?;
                self.need('=')?;
                Input::Give(place, self.given()?)
            }
        })
    }

    fn places(&mut self) -> Result<Vec<Place>, String> {
        self.need('(')?;
        let mut places = vec![self.place()?];
        while self.mark(',') {
            places.push(self.place()?);
        }
        self.need(')')?;
        Ok(places)
    }

    fn truth(&mut self) -> Result<i128, String> {
        if self.is_word("true") {
            return Ok(1);
        }
        if self.is_word("false") { Ok(0) } else { self.number() }
    }

    fn given(&mut self) -> Result<Given, String> {
        Ok(match self.peek() {
            Some(Token::Text(_)) => Given::Text(self.text()?),
            Some(Token::Word(word)) if word == "null" => {
                self.at += 1;
                Given::Null
            }
            Some(Token::Word(word)) if word == "new" => {
                self.at += 1;
                Given::New
            }
            Some(Token::Word(word)) if word == "unreadable" => {
                self.at += 1;
                Given::Unreadable
            }
            Some(Token::Word(word)) if word.starts_with('&') => {
                let place = place(&word[1..])?;
                self.at += 1;
                Given::Same(place)
            }
            _ => Given::Number(self.truth()?),
        })
    }

    /// Parses `{ a, b }`; the list may be empty.
    fn names(&mut self) -> Result<Vec<String>, String> {
        self.need('{')?;
        let mut names = Vec::new();
        while !self.mark('}') {
            names.push(self.word()?);
            self.mark(',');
        }
        Ok(names)
    }

    fn elements(&mut self) -> Result<Vec<Vec<Element>>, String> {
        self.need('{')?;
        let mut elements = Vec::new();
        while !self.mark('}') {
            let mut parts = Vec::new();
            if self.mark('(') {
                while !self.mark(')') {
                    parts.push(self.element()?);
                    self.mark(',');
                }
            } else {
                parts.push(self.element()?);
            }
            elements.push(parts);
            self.mark(',');
        }
        Ok(elements)
    }

    fn element(&mut self) -> Result<Element, String> {
        if let Some(Token::Text(_)) = self.peek() {
            return Ok(Element::Text(self.text()?));
        }
        let word = self.word()?;
        if let Some(number) = number(&word) {
            return Ok(Element::Number(number));
        }
        let wrong = || format!("`{word}` is no element");
        if let Some((first, bits)) = word.split_once('/') {
            let four = if first.contains(':') { 0 } else { 96 };
            let bits: u32 = bits.parse().map_err(|_| wrong())?;
            return Ok(Element::Network(address(first).ok_or_else(wrong)?, four + bits));
        }
        Ok(Element::Ip(address(&word).ok_or_else(wrong)?))
    }

    fn path(&mut self) -> Result<PathSpec, String> {
        let mut spec = PathSpec { text: self.text()?, ..PathSpec::default() };
        loop {
            if self.is_word("deleted") {
                spec.deleted = true;
            } else if self.is_word("nowhere") {
                spec.nowhere = true;
            } else if self.is_word("unmounted") {
                spec.unmounted = true;
            } else if self.is_word("mounted") {
                spec.mounted = Some(self.text()?);
            } else if self.is_word("of") {
                spec.of = Some(self.text()?);
            } else {
                return Ok(spec);
            }
        }
    }

    /// Parses `inet 10.0.0.1 443`, `inet6 ::1 53`, `unspec 10.0.0.1 80`, `unix "/run/x"`, `abstract "x"`,
    /// `unnamed`, `family 16`.
    fn address(&mut self) -> Result<Address, String> {
        let word = self.word()?;
        Ok(match word.as_str() {
            "inet" | "unspec" => {
                let text = self.word()?;
                let four: std::net::Ipv4Addr = text.parse().map_err(|_| format!("`{text}` is no address"))?;
                Address::Four(if word == "inet" { 2 } else { 0 }, four.octets(), self.small()?)
            }
            "inet6" => {
                let text = self.word()?;
                let six: std::net::Ipv6Addr = text.parse().map_err(|_| format!("`{text}` is no address"))?;
                Address::Six(six.octets(), self.small()?)
            }
            "unix" => Address::Unix(self.text()?),
            "abstract" => Address::Abstract(self.text()?),
            "unnamed" => Address::Unnamed,
            "family" => Address::Family(self.small()?),
            other => return Err(format!("`{other}` is no family")),
        })
    }

    fn expected(&mut self, result: &mut Expected) -> Result<(), String> {
        let word = self.word()?;
        match word.as_str() {
            "pass" => result.errno = Some(0),
            "deny" => result.errno = Some(self.small()?),
            "error" => result.errors.push(self.word()?),
            "warn" => result.warnings.push(self.word()?),
            "kill" => result.signals.push(self.small()?),
            "over" => result.over = self.small()?,
            "lost" => result.lost = self.small()?,
            "undecided" => result.undecided = true,
            "labels" => {
                let place = self.places()?.remove(0);
                result.labels.push((place, self.names()?));
            }
            "audit" | "would-deny" => {
                let mut event = Event::default();
                if word == "would-deny" {
                    event.would_deny = Some(self.small()?);
                }
                event.undecided = self.is_word("undecided");
                if let Some(Token::Word(rule)) = self.peek()
                    && rule != "met"
                {
                    event.rule = Some(rule.clone());
                    self.at += 1;
                }
                if self.is_word("met") {
                    event.met = Some(self.small()?);
                }
                if self.mark('{') {
                    let mut fields = Vec::new();
                    while !self.mark('}') {
                        let name = match self.peek() {
                            Some(Token::Text(_)) => self.string()?,
                            _ => self.word()?,
                        };
                        self.need('=')?;
                        fields.push((name, self.recorded()?));
                        self.mark(',');
                    }
                    event.fields = Some(fields);
                }
                result.events.push(event);
            }
            other => return Err(format!("`{other}` is no result")),
        }
        Ok(())
    }

    fn recorded(&mut self) -> Result<Recorded, String> {
        if let Some(Token::Text(_)) = self.peek() {
            return Ok(Recorded::Text(self.text()?));
        }
        let word = self.word()?;
        let found = match word.as_str() {
            "unknown" => Some(Recorded::Unknown),
            "true" => Some(Recorded::Number(1)),
            "false" => Some(Recorded::Number(0)),
            word => number(word).map(Recorded::Number).or_else(|| address(word).map(Recorded::Ip)),
        };
        found.ok_or_else(|| format!("`{word}` is no value of a field"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_rows_name_their_lines() {
        let policy = "## t\non task_prctl deny\n";
        for (row, line, why) in [
            ("| option = 1", 3, "a row without a result"),
            ("| option = 1 ->", 3, "expected a word"),
            ("| option 1 -> pass", 3, "expected `=`"),
            ("| option = 1 -> refuse", 3, "`refuse` is no result"),
            ("| option = one -> pass", 3, "`one` is no number"),
            ("| option = 1 -> pass pass", 3, "behind the result"),
            ("| mode r = loud -> pass", 3, "`loud` is no mode"),
            ("| now = 5 -> pass", 3, "`5` is no time"),
            ("| sockaddr(address) = ipx -> pass", 3, "`ipx` is no family"),
            ("| task.comm = \"a -> pass", 3, "a string without a closing quote"),
            ("| -> pass\nand more", 4, "neither a heading nor a row"),
            ("", 1, "a policy without rows"),
        ] {
            let error = parse(&format!("{policy}{row}\n")).expect_err(row);
            assert!(error.starts_with(&format!("{line}: ")) && error.contains(why), "{row}: {error}");
        }
    }

    #[test]
    fn rows_and_policies_go_on_over_lines() {
        let text = "# Comment.\n\n## One.\n## Two.\n\n## Doc.\non x deny\n| a = 1,\n| b = 2\n|   -> pass\n\n## Three.\non y deny\n| -> pass\n";
        let sections = parse(text).expect("well-formed");
        assert_eq!(sections.len(), 2);
        assert_eq!((sections[0].title.as_str(), sections[0].line), ("One. Two.", 3));
        assert_eq!(sections[0].policy, "\n## Doc.\non x deny\n");
        assert_eq!((sections[0].rows[0].inputs.len(), sections[0].rows[0].line), (2, 8));
        assert_eq!(sections[1].policy, "on y deny\n");
    }
}
