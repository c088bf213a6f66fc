//! Values of claims and header members in mutants. `{alg}` and `{kid}` are replaced by the signing key's.

use super::json::Table;

#[rustfmt::skip]
pub(crate) const CLAIMS: &Table = &[
    ("aud", &[
        r#""orders""#, r#"["orders"]"#, r#"["other","orders"]"#, r#"["orders","orders"]"#, r#"["","orders"]"#,
        r#""\u006frders""#, r#"["\u006Frders"]"#, r#"["orders","東京"]"#, r#"["orders",null]"#, r#"["orders",1]"#,
        r#"["orders",["x"]]"#, r#"["orders",{}]"#, r#"[["orders"]]"#, r#"{"orders":1}"#, r#""Orders""#, r#""orders ""#,
        r#""orders\u0000""#, r#""order""#, r#""orders2""#, r#""orders,other""#, r#""orders other""#, "[]", r#""""#, r#"[""]"#,
        r#""ｏrders""#, r#""*""#, r#"["orders\ud800"]"#, r#"["orders","\ud800"]"#, "1", "null", "true", "[null]",
    ]),
    ("iss", &[
        r#""https://issuer.test""#, r#""https:\/\/issuer.test""#, r#""\u0068ttps://issuer.test""#, r#""https://issuer.test/""#,
        r#""HTTPS://issuer.test""#, r#""https://Issuer.test""#, r#""https://issuer.test:443""#, r#""https://issuer.test ""#,
        r#""https://issuer.test\u0000""#, r#"["https://issuer.test"]"#, r#"{"https://issuer.test":1}"#, r#""""#, "null", "1",
        r#""https://issuer.tes""#, r#""https://issuer.test.evil""#, r#""https://issuer.test#""#, r#""http://issuer.test""#,
    ]),
    ("sub", TEXTS), ("jti", TEXTS), ("client_id", TEXTS), ("sid", TEXTS), ("username", TEXTS), ("email", TEXTS),
    ("scope", &[
        r#""""#, r#""a""#, r#""a b c""#, r#"" a  b ""#, r#""a\tb""#, r#""a\u0020b""#, r#""ä 東""#, "null", r#"["a","b"]"#, "1",
    ]),
    ("roles", &[
        "[]", r#"["admin"]"#, r#"["admin","admin"]"#, r#"["\u0061dmin",""]"#, r#"["ä","東"]"#, r#""admin""#, "null", "[1]",
        "[null]", r#"[["admin"]]"#, r#"{"admin":true}"#, r#"["admin",]"#,
    ]),
    ("email_verified", &["true", "false", "null", r#""true""#, "1", "0", "[true]"]),
    ("status", &[
        r#"{"status_list":{"idx":0,"uri":"https://issuer.test/status-lists/1"}}"#, r#"{"status_list":{"idx":-1,"uri":"x"}}"#,
        r#"{"status_list":{"idx":18446744073709551615,"uri":"x"}}"#, r#"{"status_list":{"idx":18446744073709551616,"uri":"x"}}"#,
        r#"{"status_list":{"idx":1.0,"uri":"x"}}"#, r#"{"status_list":{"idx":1e3,"uri":"x"}}"#, r#"{"status_list":{"idx":1}}"#,
        r#"{"status_list":{"idx":"1","uri":"x"}}"#, r#"{"status_list":{"idx":1,"uri":"","more":[]}}"#,
        r#"{"status_list":{"idx":1,"uri":"file:///etc/passwd"},"other":{}}"#, r#"{"status_list":null}"#, r#"{"other":{}}"#,
        r#"{"status_list":{"idx":1,"idx":2,"uri":"x"}}"#, "{}", "null", "0",
    ]),
    ("cnf", &["{}", "null", r#"{"jkt":"x"}"#]),
];

/// For claims that are strings.
#[rustfmt::skip]
const TEXTS: &[&str] = &[
    r#""x""#, r#""ada""#, r#""""#, r#"" ""#, r#""0""#, r#""null""#, r#""a/b\/c""#, r#""\"\\\b\f\n\r\t""#, r#""\u0000""#, r#""a\u0000b""#,
    "\"Zürich\"", "\"東京\"", "\"\u{1f511}\"", r#""\ud83d\udd11""#, r#""\uD83D\uDD11""#, r#""\ud83d""#, r#""\udd11""#,
    r#""\udd11\ud83d""#, r#""\ud83dx""#, r#""\ud83d\u0041""#, "\"e\u{301}\"", "\"\u{e9}\"", "\"\u{feff}x\"", "\"\u{202e}x\"",
    "\"\u{200b}\"", "\"\u{7f}\"", "\"\u{80}\"", "\"\u{2028}\"", "\"\u{fffd}\"", "\"\u{ffff}\"", "\"\u{10ffff}\"", "\"\t\"", "\"\n\"",
    "\"\u{1f}\"", "\"\u{0}\"", r#""\u004a\u004F""#, r#""\u004""#, r#""\U0041""#, r#""\a""#, r#""<script>""#, r#""' OR 1=1 --""#,
    "'x'", "x", "1", "null", "true", r#"["x"]"#, r#"{"x":1}"#,
];

#[rustfmt::skip]
pub(crate) const HEADER: &Table = &[
    ("typ", &[
        r#""at+jwt""#, r#""AT+JWT""#, r#""application/at+jwt""#, r#""Application\/AT+jwt""#, r#""\u0061t+jwt""#, r#""JWT""#, r#""""#,
        r#""at+jwt ""#, r#""at jwt""#, r#""at+JWT;x=1""#, r#""application/application/at+jwt""#, r#""aT+jWt""#, "null", "1", r#"["at+jwt"]"#,
    ]),
    ("alg", &[
        r#""{alg}""#, r#""{alg} ""#, r#"" {alg}""#, r#""{alg}\u0000""#, r#"["{alg}"]"#, r#"{"{alg}":1}"#, r#""none""#, r#""None""#,
        r#""ES256""#, r#""EdDSA""#, r#""Ed25519""#, r#""RS256""#, r#""HS256""#, r#""PS256""#, r#""ES384""#, r#""ES256K""#, r#""RS512""#,
        r#""HS512""#, r#""es256""#, r#""EDDSA""#, r#""eddsa""#, r#""ed25519""#, r#""Ed448""#, r#""rs256""#, r#""hs256""#, r#""\u0045S256""#,
        r#""\u0045dDSA""#, r#""\u0052S256""#, r#""\u0048S256""#, "null", "0", "true", r#""""#,
    ]),
    ("kid", &[
        r#""{kid}""#, r#""{kid}\u0000""#, r#""{kid} ""#, r#""ES-1""#, r#""es-1""#, r#""ed-1""#, r#""rsa-1""#, r#""shared""#, r#""\u0065s-1""#,
        r#""\u0065d-1""#, r#""\u0072sa-1""#, r#""unknown""#, r#""../../dev/null""#, r#""' OR 1=1 --""#, r#""""#, "1", "null", r#"["{kid}"]"#,
        r#"{"kid":"{kid}"}"#,
    ]),
    ("crit", &["[]", r#"["exp"]"#, r#"["b64"]"#, r#"["alg"]"#, "null", r#""exp""#, "{}"]),
    ("b64", &["true", "false", "null", "0"]),
    ("cty", &[r#""JWT""#, r#""""#, "null"]),
    ("zip", &[r#""DEF""#, "null"]),
    ("enc", &[r#""A128GCM""#, "null"]),
    ("jku", &[r#""https://evil.example/keys""#, "null"]),
    ("jwk", &[r#"{"kty":"oct","k":"AAAA"}"#, "{}", "null"]),
    ("x5c", &[r#"["AAAA"]"#, "[]"]),
    ("x5u", &[r#""https://evil.example/cert""#]),
    ("epk", &["{}", "null"]),
    ("p2c", &["2147483648", "1e400", "-1"]),
    ("nonce", &[r#""x""#, "1", "{}"]),
];
