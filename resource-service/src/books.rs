//! The books: text files in a folder, listed once at start. A request can only select from that list, so that no path is made
//! from input.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Written into the folder if it is missing.
const SAMPLES: [(&str, &str); 3] = [
    ("a-short-history-of-keys.txt", include_str!("../books/a-short-history-of-keys.txt")),
    ("the-baker-and-the-seal.txt", include_str!("../books/the-baker-and-the-seal.txt")),
    ("the-lighthouse.txt", include_str!("../books/the-lighthouse.txt")),
];
/// More files than this are left out.
const MAX_BOOKS: usize = 1000;
/// How much of a file is read for its title.
const TITLE_BYTES: u64 = 800;
/// The longest title.
const TITLE_CHARS: usize = 200;

/// A text that can be downloaded.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    /// The file's name without `.txt`: lower-case letters, digits and `-`.
    pub(crate) id: String,
    /// The first line of the text.
    pub(crate) title: String,
    /// The length of the text.
    pub(crate) bytes: u64,
    /// The path of the file.
    pub(crate) path: PathBuf,
}

/// The books that were found at start, sorted by their ids.
#[derive(Debug)]
pub(crate) struct Books(Vec<Book>);

impl Books {
    /// Lists the books in `folder`. A missing folder is created with a few samples.
    ///
    /// # Errors
    /// The folder cannot be read or created.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        if !folder.try_exists()? {
            make_with_samples(folder)?;
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            files.extend(id_of(&path).map(|id| (id, path)));
        }
        files.sort();
        if files.len() > MAX_BOOKS {
            log::warn!("{} holds more than {MAX_BOOKS} books: the others are left out", folder.display());
            files.truncate(MAX_BOOKS);
        }
        let mut books = Vec::with_capacity(files.len());
        for (id, path) in files {
            books.extend(Book::read(id, path)?);
        }
        Ok(Self(books))
    }

    /// Returns all books, in the order of their ids.
    pub(crate) fn all(&self) -> &[Book] {
        &self.0
    }

    /// Returns the book with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&Book> {
        let index = self.0.binary_search_by(|book| book.id.as_str().cmp(id)).ok()?;
        self.0.get(index)
    }
}

/// Creates the folder by a rename, with all samples in it: a service that starts at the same time never sees a part of them.
fn make_with_samples(folder: &Path) -> io::Result<()> {
    let draft = folder.with_extension(std::process::id().to_string());
    fs::create_dir_all(&draft)?;
    for (name, text) in SAMPLES {
        fs::write(draft.join(name), text)?;
    }
    match fs::rename(&draft, folder) {
        Err(_) if folder.try_exists()? => fs::remove_dir_all(&draft), // another process was faster
        renamed => renamed,
    }
}

impl Book {
    /// Reads the title and the length; `None` for a folder with the name of a book.
    fn read(id: String, path: PathBuf) -> io::Result<Option<Self>> {
        let file = File::open(&path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let mut start = Vec::new();
        file.take(TITLE_BYTES).read_to_end(&mut start)?;
        let start = String::from_utf8_lossy(&start);
        let title = start.lines().next().unwrap_or_default().trim().chars().take(TITLE_CHARS).collect();
        Ok(Some(Self { id, title, bytes: metadata.len(), path }))
    }
}

/// Returns the id of a book by the name of its file; `None` if a file of this name is no book.
fn id_of(path: &Path) -> Option<String> {
    let id = path.file_name()?.to_str()?.strip_suffix(".txt")?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (!id.is_empty() && id.bytes().all(plain)).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_files_with_plain_names_are_books() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b-2.txt", "a.txt", "Upper.txt", "no-suffix", ".txt", "dot.dot.txt", "notes.md"] {
            fs::write(folder.path().join(name), "A title\r\nand the rest").unwrap();
        }
        fs::create_dir(folder.path().join("folder.txt")).unwrap();
        let books = Books::open(folder.path()).unwrap();
        let found: Vec<_> = books.all().iter().map(|book| (book.id.as_str(), book.title.as_str())).collect();
        assert_eq!(found, [("a", "A title"), ("b-2", "A title")]);
        assert_eq!(books.find("b-2").unwrap().bytes, 21);
        assert!(books.find("c").is_none());
    }

    #[test]
    fn a_missing_folder_is_filled_and_an_empty_one_stays_empty() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("books");
        assert_eq!(Books::open(&folder).unwrap().all().len(), SAMPLES.len());
        for (name, _) in SAMPLES {
            fs::remove_file(folder.join(name)).unwrap();
        }
        assert!(Books::open(&folder).unwrap().all().is_empty());
    }
}
