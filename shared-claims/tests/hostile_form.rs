//! Attacks on the form and the JSON of a token: each is a row with the code it must be refused with.
//! The numbers are those of the requirements' attack table.

mod support;

use serde_json::json;
use support::{
    bench::{Rows, bench, parts, refuse_all, row},
    claims, with,
};

#[test]
fn text_that_is_no_compact_token_is_malformed() {
    let bench = bench();
    let good = bench.es.token();
    let (header, payload, signature) = parts(&good);
    let texts = [
        "",
        ".",
        "..",
        "...",
        "....",
        "a",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",
        "not a token",
        "rt_AAAA",
        "null",
        "{}",
        "\u{1f511}",
    ];
    let mut rows: Rows = texts.iter().map(|text| row(format!("1 {text:?}"), *text, "malformed")).collect();
    rows.extend([
        row("1 no signature", format!("{header}.{payload}"), "malformed"),
        row("1 empty signature", format!("{header}.{payload}."), "malformed"),
        row("1 empty payload", format!("{header}..{signature}"), "malformed"),
        row("1 empty header", format!(".{payload}.{signature}"), "malformed"),
        row("1 four parts", format!("{good}.{signature}"), "malformed"),
        row("14 five parts, as a JWE has", format!("{good}.{payload}.{signature}"), "malformed"),
        row("1 leading dot", format!(".{good}"), "malformed"),
        row("1 trailing dot", format!("{good}."), "malformed"),
        row("1 leading blank", format!(" {good}"), "malformed"),
        row("1 trailing tab", format!("{good}\t"), "malformed"),
        row("1 line break", format!("{good}\n"), "malformed"),
        row("1 quoted", format!("\"{good}\""), "malformed"),
        row("1 percent-encoded dots", good.replace('.', "%2e"), "malformed"),
        row("1 byte order mark", format!("\u{feff}{good}"), "malformed"),
        row("1 zero-width space", format!("{header}.\u{200b}{payload}.{signature}"), "malformed"),
        row("2 padding", format!("{header}=.{payload}.{signature}"), "malformed"),
        row("2 padded signature", format!("{good}=="), "malformed"),
        row("2 standard alphabet", format!("{header}.{payload}.+/{}", &signature[2..]), "malformed"),
        row("2 spare bits", format!("{header}.{payload}.{}", set_spare_bit(signature)), "malformed"),
        row(
            "3 general JSON",
            json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]})
                .to_string(),
            "malformed",
        ),
        row(
            "3 flattened JSON",
            json!({"payload": payload, "protected": header, "signature": signature}).to_string(),
            "malformed",
        ),
        row("12 over 8 KiB", bench.es.token_of(&with(claims(), "pad", json!("x".repeat(6200)))), "malformed"),
        row("12 a megabyte", "A".repeat(1 << 20), "malformed"),
    ]);
    refuse_all(&bench, rows);
}

#[test]
fn json_that_parsers_disagree_about_is_refused() {
    let bench = bench();
    let (header, claims) = (bench.es.header().to_string(), claims().to_string());
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let add = |json: &str, member: &str| format!("{},{member}}}", json.strip_suffix('}').unwrap());
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let mut rows = Rows::new();
    for (part, json) in [("header", &header), ("payload", &claims)] {
        let (name, value) = if part == "header" { ("kid", "\"es\"") } else { ("sub", "\"user-1\"") };
        let texts: Vec<(&str, Vec<u8>)> = vec![
            ("a name twice", add(json, &format!("\"{name}\":{value}")).into()),
            (
                "a name twice, escaped",
                add(json, &format!("\"\\u{:04x}{}\":{value}", name.as_bytes()[0], &name[1..])).into(),
            ),
            ("an unknown name twice", add(json, "\"x\":1,\"x\":1").into()),
            ("a name twice within", add(json, "\"x\":{\"a\":1,\"\\u0061\":1}").into()),
            ("a name twice within a list", add(json, "\"x\":[[{\"a\":1,\"a\":1}]]").into()),
            ("33 deep", add(json, &format!("\"x\":{}", deep(32))).into()),
            ("2000 deep", add(json, &format!("\"x\":{}", deep(2000))).into()),
            ("byte order mark", format!("\u{feff}{json}").into()),
            ("UTF-16", utf16(json)),
            (
                "not UTF-8",
                add(json, "\"x\":\"?\"").bytes().map(|byte| if byte == b'?' { 0xff } else { byte }).collect(),
            ),
            ("a lone surrogate", add(json, "\"x\":\"\\ud800\"").into()),
            ("a raw control character", add(json, "\"x\":\"\u{1}\"").into()),
            ("a comment", format!("/* */{json}").into()),
            ("a trailing comma", json.replace('}', ",}").into()),
            ("two objects", format!("{json}{json}").into()),
            ("text after the end", format!("{json} x").into()),
            ("a list", format!("[{json}]").into()),
            ("a string", "\"text\"".into()),
            ("a number", "1".into()),
            ("null", "null".into()),
            ("a number out of range", add(json, "\"x\":1e400").into()),
            ("a number with a leading zero", add(json, "\"x\":01").into()),
            ("a hexadecimal number", add(json, "\"x\":0x10").into()),
            ("NaN", add(json, "\"x\":NaN").into()),
            ("single quotes", json.replace('"', "'").into()),
        ];
        for (name, text) in texts {
            let token = if part == "header" {
                bench.es.compact(text, &claims)
            } else {
                bench.es.compact(&header, text)
            };
            rows.push(row(format!("15 {name} in the {part}"), token, "malformed"));
        }
        let deepest = add(json, &format!("\"x\":{}", deep(31)));
        let token = if part == "header" {
            bench.es.compact(deepest, &claims)
        } else {
            bench.es.compact(&header, deepest)
        };
        rows.push(row(format!("15 32 deep in the {part}"), token, "accepted"));
    }
    refuse_all(&bench, rows);
}

/// The same bytes in a spelling that is not canonical: 64 bytes leave four bits of the last character unused.
fn set_spare_bit(signature: &str) -> String {
    let (rest, last) = signature.split_at(signature.len() - 1);
    let next = char::from(last.as_bytes()[0] + 1);
    format!("{rest}{next}")
}
