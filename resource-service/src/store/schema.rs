//! The tables as diesel sees them. Written by hand: portable column types only (see `migrations/README.md`).

diesel::table! {
    comments (id) {
        id -> Text,
        author_id -> Text,
        author -> Text,
        text -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    records (id) {
        id -> Text,
        user_id -> Text,
        text -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    probes (id) {
        id -> BigInt,
        tries -> BigInt,
    }
}
