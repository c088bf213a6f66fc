//! JSON in the three shapes of exports: a value on each line, an array, and an array inside an object. Each value is handed
//! out as it is read.

use std::fmt;
use std::io::{BufRead, Read as _};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::domain::accounts::import::formats::record::{ReadError, refusal};
use crate::domain::invalid::Invalid;

/// No account needs a longer line.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// A value with the number of its line or its place; the answer says whether to go on.
type ValueSink<'a> = &'a mut dyn FnMut(u64, Result<Value, Vec<Invalid>>) -> bool;

/// Lines that are not empty.
pub(super) fn lines(
    reader: &mut dyn BufRead,
    sink: &mut dyn FnMut(u64, Result<String, Vec<Invalid>>) -> bool,
) -> Result<(), ReadError> {
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if reader.take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        let line = if bytes.len() as u64 == MAX_LINE_BYTES && bytes.last() != Some(&b'\n') {
            skip_line(reader)?;
            Err(refusal("line", "too_long", "This line is longer than any account."))
        } else {
            match std::str::from_utf8(&bytes).map(str::trim_ascii) {
                Ok("") => continue,
                Ok(text) => Ok(text.to_owned()),
                Err(_) => Err(refusal("line", "malformed", "This line is not UTF-8.")),
            }
        };
        if !sink(number, line) {
            return Err(ReadError::Stopped);
        }
    }
    Ok(())
}

fn skip_line(reader: &mut dyn BufRead) -> Result<(), ReadError> {
    loop {
        let part = reader.fill_buf()?;
        let (length, ended) = match part.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (part.len(), part.is_empty()),
        };
        reader.consume(length);
        if ended {
            return Ok(());
        }
    }
}

/// The elements of an array, or the values on lines, whichever the file begins with.
pub(super) fn records(reader: &mut dyn BufRead, sink: ValueSink<'_>) -> Result<(), ReadError> {
    if first_byte(reader)? == Some(b'[') {
        return stream(reader, |deserializer, walk| deserializer.deserialize_seq(walk), sink);
    }
    lines(reader, &mut |number, text| {
        let value = text.and_then(|text| {
            serde_json::from_str(&text).map_err(|_| refusal("line", "malformed", "This line is not JSON."))
        });
        sink(number, value)
    })
}

/// The elements of the array that the member `users` of an object is.
pub(super) fn member_users(reader: &mut dyn BufRead, sink: ValueSink<'_>) -> Result<(), ReadError> {
    let mut found = false;
    let watched = &mut |place, value| {
        found = true;
        sink(place, value)
    };
    stream(reader, |deserializer, walk| deserializer.deserialize_map(walk), watched)?;
    if found { Ok(()) } else { Err(ReadError::Malformed("there are no `users` in this file".to_owned())) }
}

/// What comes first, behind white space.
pub(super) fn first_byte(reader: &mut dyn BufRead) -> Result<Option<u8>, ReadError> {
    loop {
        let part = reader.fill_buf()?;
        match part.iter().position(|byte| !byte.is_ascii_whitespace()) {
            Some(at) => {
                let byte = part.get(at).copied();
                reader.consume(at);
                return Ok(byte);
            }
            None if part.is_empty() => return Ok(None),
            None => {
                let length = part.len();
                reader.consume(length);
            }
        }
    }
}

type JsonReader<'r> = serde_json::Deserializer<serde_json::de::IoRead<&'r mut dyn BufRead>>;

fn stream(
    reader: &mut dyn BufRead,
    begin: impl for<'d, 'r, 's> Fn(&'d mut JsonReader<'r>, Walk<'s>) -> serde_json::Result<()>,
    sink: ValueSink<'_>,
) -> Result<(), ReadError> {
    let mut stopped = false;
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let done =
        begin(&mut deserializer, Walk { sink, stopped: &mut stopped }).and_then(|()| deserializer.end());
    match done {
        _ if stopped => Err(ReadError::Stopped),
        // It says where, and names no value: each value is taken as it comes.
        Err(error) => Err(ReadError::Malformed(format!("the file is not the JSON it should be: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Hands out the elements of an array, or those of the member `users` of an object.
struct Walk<'s> {
    sink: ValueSink<'s>,
    stopped: &'s mut bool,
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the accounts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for place in 1.. {
            let Some(value) = items.next_element::<Value>()? else { break };
            if !(self.sink)(place, Ok(value)) {
                *self.stopped = true;
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            if name == "users" {
                members.next_value_seed(Walk { sink: &mut *self.sink, stopped: &mut *self.stopped })?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}
