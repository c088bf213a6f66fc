//! JSON as text, to write what no serialiser would: repeated names, unusual numbers, escaped letters.

use std::fmt::Write;

use serde_json::Value;

use crate::support::dice::Dice;

/// The members of an object: names and values, as they are written.
#[derive(Clone)]
pub(crate) struct Object(pub(crate) Vec<(String, String)>);

impl Object {
    pub(crate) fn of(value: &Value) -> Self {
        let members = value.as_object().unwrap().iter();
        Self(
            members
                .map(|(name, value)| (Value::from(name.as_str()).to_string(), value.to_string()))
                .collect(),
        )
    }

    /// Without white space.
    pub(crate) fn text(&self) -> String {
        let members: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        format!("{{{}}}", members.join(","))
    }

    pub(crate) fn set(&mut self, name: &str, text: impl Into<String>) {
        let name = format!("\"{name}\"");
        match self.0.iter_mut().find(|(own, _)| *own == name) {
            Some((_, value)) => *value = text.into(),
            None => self.0.push((name, text.into())),
        }
    }
}

/// Other names and values for a member, as they are written.
pub(crate) type Table = [(&'static str, &'static [&'static str])];

/// Changes one thing and returns a description.
pub(crate) fn change(dice: &mut Dice, object: &mut Object, table: &Table) -> String {
    let at = dice.below(object.0.len().max(1));
    match dice.below(14) {
        0 if !object.0.is_empty() => format!("without {}", object.0.remove(at).0),
        1 if !object.0.is_empty() => {
            let (name, value) = object.0[at].clone();
            let value = if dice.once_in(2) { value } else { dice.pick(VALUES).to_owned() };
            let name = if dice.once_in(2) { escaped(dice, &name, 3) } else { name };
            let done = format!("{name} again");
            object.0.insert(dice.below(object.0.len() + 1), (name, value));
            done
        }
        2 if !object.0.is_empty() => {
            let name = &mut object.0[at].0;
            let other = match dice.below(5) {
                0 => name.to_uppercase(),
                1 => name.replacen('"', "\" ", 1),
                2 => name.replacen('a', "\u{430}", 1), // Cyrillic
                3 => escaped(dice, name, 2),
                _ => name.trim_matches('"').to_owned(),
            };
            let done = format!("{name} as {other}");
            *name = other;
            done
        }
        3 if !object.0.is_empty() => {
            let value = dice.pick(VALUES);
            value.clone_into(&mut object.0[at].1);
            format!("{}: {value}", object.0[at].0)
        }
        4 => {
            let (name, value) = (dice.pick(NAMES), dice.pick(VALUES));
            object.0.push((name.to_owned(), value.to_owned()));
            format!("with {name}: {value}")
        }
        5 if !object.0.is_empty() => {
            let to = dice.below(object.0.len());
            object.0.swap(at, to);
            "in another order".to_owned()
        }
        _ => {
            let (name, texts) = table[dice.below(table.len())];
            let text = dice.pick(texts);
            object.set(name, text);
            format!("{name}: {text}")
        }
    }
}

/// Adds white space where JSON allows it, once in `rarity` positions, on average.
pub(crate) fn spaced(dice: &mut Dice, text: &str, once_in: usize) -> String {
    let mut spaced = String::new();
    let (mut in_string, mut after_backslash) = (false, false);
    for c in text.chars() {
        let is_mark = !in_string && "{}[],:".contains(c);
        if is_mark && dice.once_in(once_in) {
            spaced.push_str(dice.pick(BLANKS));
        }
        spaced.push(c);
        if is_mark && dice.once_in(once_in) {
            spaced.push_str(dice.pick(BLANKS));
        }
        in_string ^= c == '"' && !after_backslash;
        after_backslash = in_string && c == '\\' && !after_backslash;
    }
    spaced
}

/// Adds escapes to strings, at random. Existing escapes stay.
pub(crate) fn escaped(dice: &mut Dice, text: &str, once_in: usize) -> String {
    let mut escaped = String::new();
    let (mut in_string, mut chars) = (false, text.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                in_string = !in_string;
                escaped.push(c);
            }
            '\\' => {
                escaped.push(c);
                escaped.extend(chars.next());
            }
            '/' if in_string && dice.once_in(once_in) => escaped.push_str("\\/"),
            _ if in_string && dice.once_in(once_in) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = if dice.once_in(2) {
                        write!(escaped, "\\u{unit:04x}")
                    } else {
                        write!(escaped, "\\u{unit:04X}")
                    };
                }
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Writes a number in one of many ways, some of which are invalid.
pub(crate) fn number(dice: &mut Dice, is: u64) -> String {
    let (thousands, rest) = (is / 1000, is % 1000);
    match dice.below(26) {
        0..=4 => is.to_string(),
        5..=11 => format!("{is}.{}", dice.pick(FRACTIONS)),
        12 => format!("{is}{}", dice.pick(&["e0", "E0", "e+0", "E-0", "e00", ".0e0", ".0E+00"])),
        13 => format!("{thousands}.{rest:03}e3"),
        14 => format!("{is}000e-3"),
        15 => format!("{is}{}e-22", "0".repeat(22)),
        16 => format!("0.{is}e{}", is.to_string().len()),
        17 => format!("{is}.{}{}", "9".repeat(dice.below(60)), dice.below(10)),
        18 => format!("{thousands}.{rest:03}{}e3", dice.pick(FRACTIONS)),
        19 => format!("\"{is}\""),
        20 => format!("{}{is}", dice.pick(&["-", "+", "0", "0x", ".", "00", "--"])),
        21 => format!(
            "{is}{}",
            dice.pick(&[".", "e", "e+", "_0", ".e1", ".5.5", "L", "n", "f", " 0", "\u{660}"])
        ),
        22 => format!("[{is}]"),
        23 => format!("{is}e{}", dice.pick(&["1", "2", "9", "300", "400", "99999", "-1", "-300", "-9999"])),
        24 => (u128::from(is) + (1 << 64)).to_string(),
        _ => dice.pick(VALUES).to_owned(),
    }
}

const BLANKS: &[&str] = &[" ", "\n", "\t", "\r\n", "    ", " \t\n\r "];

const FRACTIONS: &[&str] = &[
    "0",
    "5",
    "25",
    "000001",
    "9",
    "99",
    "999",
    "999999",
    "9999999",
    "99999999",
    "999999999",
    "9999998",
    "9999997",
    "99999988",
    "999999881",
    "99999987",
    "4999999999999",
    "00000000000000000000000001",
    "9999999999999999999999999999",
];

const NAMES: &[&str] = &[
    r#""nonce""#,
    r#""tenant""#,
    r#""""#,
    r#"" ""#,
    r#""a.b""#,
    r#""\u0000""#,
    r#""東京""#,
    r#""\ud83d\udd11""#,
    r#""EXP""#,
    r#""exp ""#,
    r#""__proto__""#,
    r#""cnf""#,
    r#""act""#,
    r#""\ud800""#,
    r#""$schema""#,
    "x",
    "1",
    r#""\x""#,
];

/// Values of all types, and invalid ones.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1",
    "1.5",
    "-0.0",
    "1e9",
    "1E+9",
    "1e-400",
    "1e308",
    "1e309",
    "1e400",
    "-1e400",
    "9007199254740993",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890123456789012345678901234567890",
    "0.1",
    "01",
    "1.",
    ".5",
    "+1",
    "0x10",
    "1_000",
    "NaN",
    "Infinity",
    "-Infinity",
    "nul",
    "True",
    "undefined",
    r#""""#,
    r#""x""#,
    r#""null""#,
    r#"" ""#,
    r#""a\u0000b""#,
    r#""\ud83d\ude00""#,
    r#""\ud83d""#,
    r#""\ude00\ud83d""#,
    r#""\u12""#,
    r#""\x41""#,
    r#""\'""#,
    "'x'",
    r#""a"#,
    "\"\u{0}\"",
    "\"\t\"",
    "\"\n\"",
    "\"\u{7f}\"",
    "\"\u{2028}\"",
    "\"\u{feff}\"",
    "\"e\u{301}\"",
    "\"\u{1f511}\u{10ffff}\"",
    "[]",
    "[null]",
    "[1,2]",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[[[[]]]]",
    r#"["x"]"#,
    "{}",
    r#"{"x":1}"#,
    r#"{"x":1,"x":2}"#,
    r#"{"x":1,"\u0078":2}"#,
    r#"{"x":{"y":[1,{"z":null}]}}"#,
    r#"{"x"}"#,
    r#"{"x":1,}"#,
    "{1:2}",
    "/**/1",
    "1//",
    "",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
];
