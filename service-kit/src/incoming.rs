//! Follows the bytes of requests before actix-http reads them: finds where each request ends, and hides offers of an upgrade.
//!
//! actix-http takes any `Connection: Upgrade` for the end of HTTP/1.1 on a connection: it repeats the option in the answer,
//! although nothing is upgraded, and then closes without `Connection: close`. A handler cannot change that. A server may ignore
//! the offer (RFC 9110 section 7.8), so one byte of the option is overwritten in the head, and actix sees an unknown option. The
//! length of the head, every other field, and so the framing, stay as they were.

/// The length of the longest field name that is recognised.
const LONGEST_NAME: usize = b"transfer-encoding".len();

/// The state of reading the requests of a connection.
#[derive(Debug)]
pub(crate) struct Incoming {
    part: Part,
    head: Head,
}

/// The part of a request that the next byte belongs to.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// Empty lines may come before a request (RFC 9112 section 2.2).
    Between,
    RequestLine,
    Name(Name),
    /// The value of any other field.
    Value,
    ConnectionOption {
        begins: bool,
    },
    Length,
    Body {
        left: u64,
    },
    ChunkSize {
        size: u64,
        in_extension: bool,
    },
    Chunk {
        left: u64,
    },
    Trailer {
        is_empty: bool,
    },
    /// The message is invalid: actix refuses it and closes the connection.
    Lost,
}

/// The beginning of a field name, in lower case. A name that is too long is none of those that are recognised.
#[derive(Debug, Clone, Copy, Default)]
struct Name {
    bytes: [u8; LONGEST_NAME],
    length: usize,
}

/// The head that is being read.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    /// The first five bytes of the request line, and its last eight.
    begins: [u8; 5],
    ends: [u8; 8],
    bytes: usize,
    length: Option<u64>,
    is_chunked: bool,
}

impl Incoming {
    pub(crate) fn new() -> Self {
        Self { part: Part::Between, head: Head::default() }
    }

    /// Follows these bytes, and overwrites the first letter of connection options that begin with a `u`: of those, actix knows
    /// only `upgrade`.
    pub(crate) fn read(&mut self, mut bytes: &mut [u8]) {
        while let Some(skipped) = self.skip(bytes) {
            bytes = &mut bytes[skipped..];
            let Some((byte, rest)) = bytes.split_first_mut() else { return };
            self.part = self.next(byte);
            bytes = rest;
        }
    }

    /// Returns whether the last head was that of a `POST` over HTTP/1.0 without a length, which RFC 1945 section 7.2.2 requires.
    /// actix refuses such a request.
    pub(crate) fn lacks_length(&self) -> bool {
        let Head { begins, ends, length, is_chunked, .. } = self.head;
        &begins == b"POST " && &ends == b"HTTP/1.0" && length.is_none() && !is_chunked
    }

    /// Returns how many of these bytes can be skipped; `None` for all of them.
    fn skip(&mut self, bytes: &[u8]) -> Option<usize> {
        match &mut self.part {
            Part::Value => bytes.iter().position(|byte| *byte == b'\n'),
            Part::Body { left } | Part::Chunk { left } => {
                let skipped = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= skipped as u64;
                if *left == 0 && matches!(self.part, Part::Body { .. }) {
                    self.part = Part::Between;
                }
                Some(skipped)
            }
            Part::Lost => None,
            _ => Some(0),
        }
    }

    fn next(&mut self, byte: &mut u8) -> Part {
        match self.part {
            Part::Between => self.first(*byte),
            Part::RequestLine => self.request_line(*byte),
            Part::Name(name) => self.name(name, *byte),
            Part::Value if *byte != b'\n' => Part::Value,
            Part::ConnectionOption { begins } if *byte != b'\n' => connection_option(begins, byte),
            Part::Length if *byte != b'\n' => self.length(*byte),
            Part::Value | Part::ConnectionOption { .. } | Part::Length => Part::Name(Name::default()),
            Part::ChunkSize { size, in_extension } => chunk_size(size, in_extension, *byte),
            Part::Chunk { .. } => self.behind_chunk(*byte),
            Part::Trailer { is_empty } => trailer(is_empty, *byte),
            Part::Body { .. } | Part::Lost => Part::Lost, // both are skipped as a whole
        }
    }

    /// The first byte of a request, or of an empty line before it.
    fn first(&mut self, byte: u8) -> Part {
        if matches!(byte, b'\r' | b'\n') {
            return Part::Between;
        }
        self.head = Head::default();
        self.request_line(byte)
    }

    fn request_line(&mut self, byte: u8) -> Part {
        match byte {
            b'\n' => return Part::Name(Name::default()),
            b'\r' => {}
            letter => self.head.take(letter),
        }
        Part::RequestLine
    }

    fn name(&mut self, name: Name, byte: u8) -> Part {
        match byte {
            b'\n' if name.length == 0 => self.body(),
            b'\n' => Part::Name(Name::default()),
            b':' => self.value_of(name),
            letter => Part::Name(name.with(letter)),
        }
    }

    fn value_of(&mut self, name: Name) -> Part {
        match name.bytes.get(..name.length) {
            Some(b"connection") => Part::ConnectionOption { begins: true },
            Some(b"content-length") => Part::Length,
            Some(b"transfer-encoding") => {
                self.head.is_chunked = true; // actix accepts no other coding
                Part::Value
            }
            _ => Part::Value,
        }
    }

    fn length(&mut self, byte: u8) -> Part {
        let digit = match byte {
            b' ' | b'\t' | b'\r' => return Part::Length,
            b'0'..=b'9' => u64::from(byte - b'0'),
            _ => return Part::Lost,
        };
        let so_far = self.head.length.unwrap_or_default();
        self.head.length = so_far.checked_mul(10).and_then(|tens| tens.checked_add(digit));
        if self.head.length.is_some() { Part::Length } else { Part::Lost }
    }

    /// Reads the line break after the bytes of a chunk.
    fn behind_chunk(&self, byte: u8) -> Part {
        match byte {
            b'\r' => self.part,
            b'\n' => Part::ChunkSize { size: 0, in_extension: false },
            _ => Part::Lost,
        }
    }

    /// Returns the part that follows the head.
    fn body(&mut self) -> Part {
        match self.head {
            Head { is_chunked: true, length: None, .. } => Part::ChunkSize { size: 0, in_extension: false },
            Head { is_chunked: true, .. } => Part::Lost,
            Head { length: None | Some(0), .. } => Part::Between,
            Head { length: Some(left), .. } => Part::Body { left },
        }
    }
}

impl Head {
    /// Takes a byte of the request line.
    fn take(&mut self, byte: u8) {
        if let Some(place) = self.begins.get_mut(self.bytes) {
            *place = byte;
        }
        self.ends.rotate_left(1);
        self.ends[7] = byte;
        self.bytes += 1;
    }
}

impl Name {
    fn with(mut self, byte: u8) -> Self {
        if byte != b'\r' {
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = byte.to_ascii_lowercase();
            }
            self.length += 1;
        }
        self
    }
}

/// Reads a byte of the value of `Connection`, and overwrites it if an option begins with a `u`.
fn connection_option(begins: bool, byte: &mut u8) -> Part {
    let begins = match byte {
        b',' => true,
        b' ' | b'\t' => begins,
        b'u' | b'U' if begins => {
            *byte = b'_';
            false
        }
        _ => false,
    };
    Part::ConnectionOption { begins }
}

fn trailer(is_empty: bool, byte: u8) -> Part {
    match byte {
        b'\n' if is_empty => Part::Between,
        b'\n' => Part::Trailer { is_empty: true },
        b'\r' => Part::Trailer { is_empty },
        _ => Part::Trailer { is_empty: false },
    }
}

fn chunk_size(size: u64, in_extension: bool, byte: u8) -> Part {
    match byte {
        b'\n' if size == 0 => Part::Trailer { is_empty: true },
        b'\n' => Part::Chunk { left: size },
        b'\r' => Part::ChunkSize { size, in_extension },
        _ if in_extension => Part::ChunkSize { size, in_extension },
        b';' | b' ' | b'\t' => Part::ChunkSize { size, in_extension: true },
        digit => {
            let digit = char::from(digit).to_digit(16).map(u64::from);
            let sum = digit.and_then(|digit| size.checked_mul(16)?.checked_add(digit));
            sum.map_or(Part::Lost, |size| Part::ChunkSize { size, in_extension })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of these bytes, read in pieces of every size.
    fn passed_on(sent: &str) -> String {
        let mut whole = sent.as_bytes().to_vec();
        Incoming::new().read(&mut whole);
        for size in 1..=sent.len() {
            let (mut incoming, mut bytes) = (Incoming::new(), sent.as_bytes().to_vec());
            bytes.chunks_mut(size).for_each(|piece| incoming.read(piece));
            assert_eq!(bytes, whole, "in pieces of {size}");
        }
        String::from_utf8(whole).unwrap()
    }

    #[test]
    fn an_upgrade_is_taken_out_of_the_connection_options_and_nothing_else_is_changed() {
        let rows = [
            ("Connection: Upgrade, HTTP2-Settings", "Connection: _pgrade, HTTP2-Settings"),
            ("connection:upgrade", "connection:_pgrade"),
            ("CONNECTION: keep-alive ,\tUPGRADE", "CONNECTION: keep-alive ,\t_PGRADE"),
            ("Connection: close, upgrade", "Connection: close, _pgrade"),
            ("Connection: close\r\nConnection: upgrade", "Connection: close\r\nConnection: _pgrade"),
            ("Connection: pull-up", "Connection: pull-up"),
            ("Upgrade: up", "Upgrade: up"),
            ("X-Connection: upgrade", "X-Connection: upgrade"),
            ("Connection-Up: upgrade", "Connection-Up: upgrade"),
            ("Proxy-Connection: upgrade", "Proxy-Connection: upgrade"),
        ];
        for (sent, expected) in rows {
            for line_break in ["\r\n", "\n"] {
                let request = |fields: &str| {
                    format!("GET /connection:up HTTP/1.1\r\n{fields}\r\nHost: up\r\n\r\n")
                        .replace("\r\n", line_break)
                };
                assert_eq!(passed_on(&request(sent)), request(expected));
            }
        }
    }

    #[test]
    fn bodies_are_passed_on_as_they_came_and_the_next_head_is_found_behind_each() {
        let offer = "POST / HTTP/1.1\r\nConnection: upgrade\r\n";
        let taken = "POST / HTTP/1.1\r\nConnection: _pgrade\r\n";
        let body = "\r\nConnection: up\r\n\r\n";
        let length = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let chunks = format!(
            "Transfer-Encoding: chunked\r\n\r\n{:x};a=b\r\n{body}\r\n1 \r\nu\r\n0\r\nConnection: up\r\n\r\n",
            body.len()
        );
        let framings = [length.as_str(), chunks.as_str(), "\r\n", "Content-Length: 0\r\n\r\n\r\n", &length];
        let sent: String = framings.map(|framing| format!("{offer}{framing}")).concat();
        let expected: String = framings.map(|framing| format!("{taken}{framing}")).concat();
        assert_eq!(passed_on(&sent), expected);
    }

    #[test]
    fn nothing_is_changed_behind_a_length_that_is_none() {
        let next = "GET / HTTP/1.1\r\nConnection: upgrade\r\n\r\n";
        for framing in [
            "Content-Length: 2, 2\r\n\r\n{}",
            "Content-Length: -2\r\n\r\n{}",
            "Content-Length: 99999999999999999999\r\n\r\n{}",
            "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
            "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n",
        ] {
            let sent = format!("POST / HTTP/1.1\r\n{framing}{next}");
            assert_eq!(passed_on(&sent), sent);
        }
    }

    #[test]
    fn a_post_over_http_1_0_without_a_length_is_known() {
        let lacks = |sent: &str| {
            let mut incoming = Incoming::new();
            incoming.read(&mut sent.as_bytes().to_vec());
            incoming.lacks_length()
        };
        assert!(lacks("POST /logout HTTP/1.0\r\nHost: a\r\n\r\n"));
        assert!(lacks("GET / HTTP/1.0\r\n\r\nPOST / HTTP/1.0\n\n"));
        for other in [
            "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
            "POST / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        ] {
            assert!(!lacks(other), "{other}");
        }
    }
}
