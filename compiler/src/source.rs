//! The source texts that spans refer to.
//!
//! Invariant: the index of a file is its `FileId`. The order is: the policy's files as given, the standard
//! library, then the files that these name, for `use` and for sets. A span with an unknown file, or one that
//! ends after its text, reads as empty.

use krs_grammar::ast::{FileId, Span};

/// A source file: its name and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Path, as given on the command line.
    pub name: String,
    /// Contents of the whole file.
    pub text: String,
}

/// The source files of one compilation.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<(Source, Vec<u32>)>,
}

impl Sources {
    /// Creates the list; the files are in the order of their ids.
    pub fn new(files: impl IntoIterator<Item = Source>) -> Sources {
        let files = files
            .into_iter()
            .map(|file| {
                let starts = std::iter::once(0)
                    .chain(memchr::memchr_iter(b'\n', file.text.as_bytes()).map(|at| at as u32 + 1))
                    .collect();
                (file, starts)
            })
            .collect();
        Sources { files }
    }

    /// Adds a file and returns its id, unless all ids are in use.
    pub fn push(&mut self, file: Source) -> Option<FileId> {
        let id = u16::try_from(self.files.len()).ok()?;
        self.files.extend(Sources::new([file]).files);
        Some(FileId(id))
    }

    /// Iterates over all files with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &Source)> {
        self.files.iter().enumerate().map(|(id, (file, _))| (FileId(id as u16), file))
    }

    /// The name of a file.
    #[must_use]
    pub fn name(&self, file: FileId) -> &str {
        self.files.get(usize::from(file.0)).map_or("", |(file, _)| &file.name)
    }

    /// The text of a whole file.
    #[must_use]
    pub fn file(&self, file: FileId) -> &str {
        self.files.get(usize::from(file.0)).map_or("", |(file, _)| &file.text)
    }

    /// The text of a span.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file).get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Line and column of the start of a span, both counted from 1; the column counts characters.
    #[must_use]
    pub fn position(&self, span: Span) -> (u32, u32) {
        let Some((file, starts)) = self.files.get(usize::from(span.file.0)) else {
            return (1, 1);
        };
        let line = starts.partition_point(|start| *start <= span.start).max(1);
        let start = starts[line - 1] as usize;
        let before = file.text.get(start..(span.start as usize).min(file.text.len())).unwrap_or("");
        (line as u32, before.chars().count() as u32 + 1)
    }

    /// The text of a line, counted from 1, without its line ending.
    #[must_use]
    pub fn line(&self, file: FileId, line: u32) -> &str {
        let Some((source, starts)) = self.files.get(usize::from(file.0)) else {
            return "";
        };
        let Some(&start) = starts.get(line.saturating_sub(1) as usize) else {
            return "";
        };
        let end = starts.get(line as usize).map_or(source.text.len(), |end| *end as usize);
        source.text.get(start as usize..end).unwrap_or("").trim_end_matches(['\n', '\r'])
    }
}
