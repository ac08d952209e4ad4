//! The texts that spans point into.
//!
//! Invariant: a file's place in the list is its `FileId`: first the policy's files that were given, then the standard
//! library's, then what these name: files that they use, and files of sets. A span of a file that is not there, or that ends past its text, reads as empty.

use krs_grammar::ast::{FileId, Span};

/// A file with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As named on the command line.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// All files of a run.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<(Source, Vec<u32>)>,
}

impl Sources {
    /// Files in the order of their ids.
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

    /// Adds a file; tells its id, where there is one left.
    pub fn push(&mut self, file: Source) -> Option<FileId> {
        let id = u16::try_from(self.files.len()).ok()?;
        self.files.extend(Sources::new([file]).files);
        Some(FileId(id))
    }

    /// Every file with its id.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &Source)> {
        self.files.iter().enumerate().map(|(id, (file, _))| (FileId(id as u16), file))
    }

    /// Name of a file.
    #[must_use]
    pub fn name(&self, file: FileId) -> &str {
        self.files.get(usize::from(file.0)).map_or("", |(file, _)| &file.name)
    }

    /// Text of a whole file.
    #[must_use]
    pub fn file(&self, file: FileId) -> &str {
        self.files.get(usize::from(file.0)).map_or("", |(file, _)| &file.text)
    }

    /// Text of a span.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file).get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Line and column where a span begins, both from 1; the column counts characters.
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

    /// The line (from 1) of a file, without its end.
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
