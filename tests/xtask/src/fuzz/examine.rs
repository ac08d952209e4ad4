//! Runs the compiler over a text and checks its results.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use krsic::diag::{Diagnostic, Severity, json, pages, plain, rich};
use krsic::{Options, Source, Sources, Stage};

/// Time limit for a text of a few kilobytes.
pub(super) const TIME_MAX: Duration = Duration::from_secs(2);

/// Multiple of the time limit after which the compiler is assumed to loop forever.
const PATIENCE: u32 = 10;

/// Default stack size of a thread.
const STACK_BYTES: usize = 2 << 20;

/// A violation of the compiler's contract.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// Kind of the failure, part of the file's name.
    pub kind: &'static str,
    /// Place of the failure; failures of the same place count as the same.
    pub place: String,
    /// Description of the failure.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.kind, self.message, self.place)
    }
}

/// Place and message of the latest panic.
static LAST_PANIC: Mutex<Option<(String, String)>> = Mutex::new(None);

fn last_panic() -> MutexGuard<'static, Option<(String, String)>> {
    LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records panics instead of printing them, in the threads that run the compiler: the one started here, and
/// the one that the compiler starts.
pub(super) fn silence_panics() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if ![Some(THREAD), Some("krsic")].contains(&thread::current().name()) {
            usual(info);
            return;
        }
        let place = info.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
        let message = info.payload_as_str().unwrap_or("a panic").to_owned();
        *last_panic() = Some((place, message));
    }));
}

const THREAD: &str = "compiler";

/// The result of one text.
struct Answer {
    failure: Option<Failure>,
    built: bool,
    codes: Vec<&'static str>,
    took: Duration,
}

/// Runs texts in sequence in a separate thread, so that a text that never ends does not end the run.
pub(super) struct Runner {
    time_max: Duration,
    /// File for the current text, which keeps it if it ends the whole process, as a stack overflow does.
    pub note: Option<PathBuf>,
    texts: Sender<String>,
    answers: Receiver<Answer>,
    /// True if the last text compiled to an object.
    pub built: bool,
    /// Codes of the last text's diagnostics, each once.
    pub codes: Vec<&'static str>,
    /// Build time of the last text.
    pub took: Duration,
}

impl Runner {
    /// A runner with this time limit; texts that exceed it fail.
    pub(super) fn new(time_max: Duration) -> Runner {
        let (texts, receive) = mpsc::channel::<String>();
        let (send, answers) = mpsc::channel();
        let spawned = thread::Builder::new().name(THREAD.to_owned()).stack_size(STACK_BYTES).spawn(move || {
            for text in receive {
                if send.send(answer(&text, time_max)).is_err() {
                    break;
                }
            }
        });
        // Without a thread there is no answer, which is noticed below.
        drop(spawned);
        Runner { time_max, note: None, texts, answers, built: false, codes: Vec::new(), took: Duration::ZERO }
    }

    /// Examines a text, and returns its failure if there is one.
    pub(super) fn examine(&mut self, text: &str) -> Option<Failure> {
        let gone = |why: &str| Some(Failure { kind: "endless", place: "endless".to_owned(), message: why.to_owned() });
        if let Some(path) = &self.note {
            let _ = std::fs::write(path, text);
        }
        if self.texts.send(text.to_owned()).is_err() {
            return gone("the compiler's thread has ended");
        }
        match self.answers.recv_timeout(self.time_max * PATIENCE) {
            Ok(answer) => {
                (self.built, self.codes, self.took) = (answer.built, answer.codes, answer.took);
                answer.failure
            }
            Err(RecvTimeoutError::Timeout) => {
                // The thread is abandoned.
                *self = Runner { took: self.time_max * PATIENCE, note: self.note.take(), ..Runner::new(self.time_max) };
                gone("it does not come to an end")
            }
            Err(RecvTimeoutError::Disconnected) => gone("the compiler's thread has ended"),
        }
    }
}

fn answer(text: &str, time_max: Duration) -> Answer {
    let mut answer = Answer { failure: None, built: false, codes: Vec::new(), took: Duration::ZERO };
    *last_panic() = None;
    let done = panic::catch_unwind(AssertUnwindSafe(|| look(text, time_max, &mut answer)));
    answer.failure = match done {
        Ok(failure) => failure,
        Err(_) => {
            let (place, message) = last_panic().take().unwrap_or_default();
            Some(Failure { kind: "panic", place, message })
        }
    };
    answer
}

fn look(text: &str, time_max: Duration, answer: &mut Answer) -> Option<Failure> {
    let files = [Source { name: "fuzz.krs".to_owned(), text: text.to_owned() }];
    let kernels = krsic::kernel::embedded();
    // The kernel and the other choices depend on the text, so that a text always fails in the same manner.
    let number = text.len();
    let options = Options { target: kernels.get(number % kernels.len().max(1)), ..Options::default() };
    let started = Instant::now();
    let outcome = krsic::build(&files, &options);
    answer.took = started.elapsed();
    answer.built = outcome.value.is_some();
    for diagnostic in &outcome.diagnostics {
        if !answer.codes.contains(&diagnostic.code.0) {
            answer.codes.push(diagnostic.code.0);
        }
    }
    if answer.took > time_max {
        let message = format!("it takes {} ms", answer.took.as_millis());
        return Some(Failure { kind: "slow", place: "slow".to_owned(), message });
    }
    let wrong = |kind: &'static str, place: &str, message: String| {
        Some(Failure { kind, place: format!("{kind}-{place}"), message })
    };
    let errors = outcome.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    if (errors == 0) != outcome.value.is_some() {
        return wrong("verdict", "", format!("{errors} errors, and an object: {}", outcome.value.is_some()));
    }
    for diagnostic in &outcome.diagnostics {
        if let Some(message) = misplaced(diagnostic, &outcome.sources) {
            return wrong("place", diagnostic.code.0, format!("{message}: {}", diagnostic.message));
        }
        if let Some(message) = misworded(diagnostic) {
            return wrong("words", diagnostic.code.0, format!("{message}: {}", diagnostic.message));
        }
    }
    printed(&outcome.diagnostics, &outcome.sources);
    let checked = krsic::check(&files, &options);
    if checked.diagnostics != outcome.diagnostics {
        return wrong("unlike", "check", "`check` and `build` say different things".to_owned());
    }
    let stage = match number / 8 % 5 {
        // The printed form of a deep tree is mostly indentation: printing one takes as long as everything
        // else together.
        0 if number < 600 => Stage::Ast,
        1 => Stage::Decision,
        2 => Stage::Bpf,
        3 => Stage::Object,
        _ => Stage::Hir,
    };
    let printed = krsic::emit(&files, &options, stage);
    if stage != Stage::Ast && printed.value.is_some() != outcome.value.is_some() {
        return wrong("unlike", "emit", format!("{stage:?} has another verdict than `build`"));
    }
    if number.is_multiple_of(7)
        && let (Some(one), Some(other)) = (&outcome.value, krsic::build(&files, &options).value)
        && one.object != other.object
    {
        return wrong("unlike", "again", "built again, the object is another".to_owned());
    }
    None
}

/// Describes a misplaced label: one outside its file, an empty one in front of text, or a primary one that is
/// not in the policy's file.
fn misplaced(diagnostic: &Diagnostic, sources: &Sources) -> Option<String> {
    for (index, label) in std::iter::once(&diagnostic.primary).chain(&diagnostic.secondary).enumerate() {
        let span = label.span;
        if usize::from(span.file.0) >= sources.iter().count() {
            return Some("a file that is not there".to_owned());
        }
        let text = sources.file(span.file);
        let (start, end) = (span.start as usize, span.end as usize);
        let Some(rest) = text.get(start..) else {
            return Some(format!("byte {start} is no place in the file"));
        };
        if end < start || text.get(start..end).is_none() {
            return Some(format!("{start}..{end} is no part of the file"));
        }
        if start == end && !rest.trim().is_empty() {
            return Some(format!("nothing is marked at {start}"));
        }
        if index == 0 && span.file.0 != 0 {
            return Some(format!("it is the fault of {}", sources.name(span.file)));
        }
    }
    None
}

fn misworded(diagnostic: &Diagnostic) -> Option<String> {
    let message = &diagnostic.message;
    if message.is_empty() || message.ends_with('.') || message.contains('\n') {
        return Some("a message is a line without a period".to_owned());
    }
    if pages::page(diagnostic.code.0).is_none() {
        return Some(format!("{} has no page", diagnostic.code));
    }
    None
}

/// Prints diagnostics, since printing may panic; the output is not checked.
fn printed(diagnostics: &[Diagnostic], sources: &Sources) {
    // Long lists take long to print, and test nothing more.
    let some = diagnostics.get(..16).unwrap_or(diagnostics);
    let _ = plain::print(some, sources);
    let _ = plain::short(some, sources);
    let _ = json::print(some, sources);
    // This form is the slowest by far.
    let _ = rich::print(some.get(..4).unwrap_or(some), sources, some.len().is_multiple_of(2));
}
