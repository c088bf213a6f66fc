//! Parses an event stream (WHATWG HTML section 9.2.6). Memory is bounded, whatever the stream contains.
//!
//! As that section requires, unknown events and fields are ignored. So is invalid JSON.

use serde::Deserialize;

/// The longest accepted line, and the longest data of an event, in bytes.
const MAX_LINE: usize = 8 * 1024;

/// What the issuer reports to its listeners.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::remote) enum Signal {
    /// A comment: the connection is alive.
    Alive,
    /// A status list has changed.
    List(ListChange),
    /// The key set has this revision now.
    Keys { revision: u64 },
}

/// The revision that a status list has now.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(in crate::remote) struct ListChange {
    pub(in crate::remote) uri: String,
    pub(in crate::remote) revision: u64,
}

/// A line that exceeds the limit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of more than {MAX_LINE} bytes")]
pub(in crate::remote) struct TooLong;

/// A parser for a stream in pieces of any size.
#[derive(Default)]
pub(in crate::remote) struct Events {
    line: Vec<u8>,
    /// The last byte was a CR: an LF after it does not end another line.
    after_cr: bool,
    name: String,
    data: String,
}

#[derive(Deserialize)]
struct KeysData {
    revision: u64,
}

impl Events {
    /// Parses the next piece and appends its signals.
    pub(in crate::remote) fn feed(&mut self, piece: &[u8], signals: &mut Vec<Signal>) -> Result<(), TooLong> {
        for &byte in piece {
            let ends = byte == b'\r' || (byte == b'\n' && !self.after_cr);
            if ends {
                signals.extend(self.end_of_line()?);
                self.line.clear();
            } else if byte != b'\n' {
                if self.line.len() == MAX_LINE {
                    return Err(TooLong);
                }
                self.line.push(byte);
            }
            self.after_cr = byte == b'\r';
        }
        Ok(())
    }

    fn end_of_line(&mut self) -> Result<Option<Signal>, TooLong> {
        let line = str::from_utf8(&self.line).unwrap_or("garbage");
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => return Ok(self.end_of_event()),
            "" => return Ok(Some(Signal::Alive)),
            "event" => value.clone_into(&mut self.name),
            "data" if self.data.len() + value.len() >= MAX_LINE => return Err(TooLong),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            _ => {}
        }
        Ok(None)
    }

    fn end_of_event(&mut self) -> Option<Signal> {
        let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
        match name.as_str() {
            "list" => serde_json::from_str(&data).ok().map(Signal::List),
            "keys" => {
                let KeysData { revision } = serde_json::from_str(&data).ok()?;
                Some(Signal::Keys { revision })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\nevent: keys\ndata: {\"revision\": 3}\n\nevent:list\r\ndata: {\"uri\": \"https://a/1\",\r\n\
        data: \"revision\": 7}\r\n\r\n:\revent: list\rdata: {\"uri\": \"https://a/2\", \"revision\": 0, \"more\": 1}\r\r";

    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Signal> {
        let (mut events, mut signals) = (Events::default(), Vec::new());
        for piece in pieces {
            events.feed(piece, &mut signals).unwrap();
        }
        signals
    }

    #[test]
    fn events_and_heartbeats_are_read_however_they_are_cut() {
        let list = |uri: &str, revision| Signal::List(ListChange { uri: uri.to_owned(), revision });
        let expected = [
            Signal::Alive,
            Signal::Keys { revision: 3 },
            list("https://a/1", 7),
            Signal::Alive,
            list("https://a/2", 0),
        ];
        for size in [1, 2, 3, 5, 7, 64, 1000] {
            assert_eq!(read(STREAM.as_bytes().chunks(size)), expected, "{size}");
        }
    }

    #[test]
    fn what_is_no_event_of_ours_is_passed_over() {
        for text in [
            "event: list\ndata: {}\n\n",
            "event: list\ndata: {\"uri\": 1, \"revision\": 1}\n\n",
            "event: list\ndata: {\"uri\": \"a\", \"revision\": -1}\n\n",
            "event: list\ndata: {\"uri\": \"a\", \"revision\": 1e99}\n\n",
            "event: keys\ndata: nonsense\n\n",
            "event: other\ndata: {\"revision\": 1}\n\n",
            "data: {\"revision\": 1}\n\n",
            "event: keys\ndata: {\"revision\": 1}\n", // not ended
            "event: keys\n\ndata: {\"revision\": 1}\n\n",
            "<html>\n<body>\n\n",
            "retry: 1\nid: 2\n\n",
            "\u{feff}:\n\n",
            "\n\n\n\r\r\n\n",
        ] {
            assert_eq!(read([text.as_bytes()]), [], "{text}");
        }
        assert_eq!(read([b"event: keys\xff\ndata: \xfe\n\n".as_slice()]), []);
    }

    #[test]
    fn what_has_no_end_is_refused() {
        let feed = |text: &str| Events::default().feed(text.as_bytes(), &mut Vec::new());
        assert_eq!(feed(&"x".repeat(MAX_LINE)), Ok(()));
        assert_eq!(feed(&"x".repeat(MAX_LINE + 1)), Err(TooLong));
        assert_eq!(feed(&"data: 0123456789\n".repeat(MAX_LINE / 10)), Err(TooLong));
    }
}
