//! The tables as diesel sees them. Written by hand: portable column types only (see `migrations/README.md`).

diesel::table! {
    users (id) {
        id -> Text,
        username -> Text,
        email -> Nullable<Text>,
        email_verified -> Bool,
        password_hash -> Text,
        roles -> Text,
        disabled -> Bool,
        auth_version -> BigInt,
        created_at -> BigInt,
        username_since -> Nullable<BigInt>,
        username_taken_over_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    resting_names (digest) {
        digest -> Text,
        kind -> Text,
        owner -> Nullable<Text>,
        released_at -> BigInt,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        user_id -> Text,
        audience -> Text,
        generation -> BigInt,
        rotated_at -> BigInt,
        created_at -> BigInt,
        last_used_at -> BigInt,
        expires_at -> BigInt,
        absolute_expires_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        number -> Nullable<BigInt>,
    }
}

diesel::table! {
    keys (kid) {
        kid -> Text,
        purpose -> Text,
        algorithm -> Text,
        sealed -> Text,
        created_at -> BigInt,
        active_from -> BigInt,
    }
}

diesel::table! {
    issuance (id) {
        id -> BigInt,
        epoch -> BigInt,
        keys_revision -> BigInt,
        next_number -> BigInt,
        longest_access_ttl -> BigInt,
        database_id -> Nullable<Text>,
        issuer -> Nullable<Text>,
    }
}

diesel::table! {
    processes (id) {
        id -> Text,
        seen_at -> BigInt,
    }
}

diesel::table! {
    master_keys (id) {
        id -> Text,
        number -> BigInt,
    }
}

diesel::table! {
    status_lists (id) {
        id -> BigInt,
        revision -> BigInt,
        left_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    revocations (number) {
        number -> BigInt,
        until -> BigInt,
    }
}

diesel::table! {
    clients (name) {
        name -> Text,
        secret_digest -> Text,
        scopes -> Text,
        audience -> Text,
        disabled -> Bool,
        number -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    guesses (bucket) {
        bucket -> Text,
        failures -> BigInt,
        counted_at -> BigInt,
        undecided -> BigInt,
        undecided_until -> BigInt,
        next_at -> BigInt,
        welcome_until -> BigInt,
        forget_at -> BigInt,
        known_since -> Nullable<BigInt>,
    }
}

diesel::table! {
    stand_ins (slot) {
        slot -> BigInt,
        user_id -> Text,
        chosen_at -> BigInt,
    }
}

diesel::table! {
    audit_events (chain, position) {
        chain -> Text,
        position -> BigInt,
        occurred_at -> BigInt,
        event -> Text,
        outcome -> Text,
        reason -> Nullable<Text>,
        actor -> Nullable<Text>,
        subject -> Nullable<Text>,
        session -> Nullable<Text>,
        address -> Nullable<Text>,
        request_id -> Nullable<Text>,
        details -> Nullable<Text>,
        mac -> Text,
    }
}

diesel::table! {
    audit_heads (chain) {
        chain -> Text,
        number -> BigInt,
        kid -> Text,
        position -> BigInt,
        mac -> Text,
        first_position -> BigInt,
        first_mac -> Text,
        newest -> BigInt,
        front -> Bool,
        started_at -> BigInt,
        closed_at -> Nullable<BigInt>,
        signature -> Text,
    }
}

diesel::table! {
    probes (id) {
        id -> BigInt,
        tries -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(users, sessions);
diesel::allow_tables_to_appear_in_same_query!(users, stand_ins);
