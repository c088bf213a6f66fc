//! The forgeries, collected from tables by what they attack.

use super::{
    algorithm, binding, claims, form, header, json, key_id, original::Original, request, signature, tampering,
};
use crate::testing::{
    forgery::{Forgery, Rows},
    token::TestToken,
};

pub(in crate::testing) fn forgeries(token: &TestToken<'_>) -> std::vec::IntoIter<Forgery> {
    let original = Original::of(token);
    let mut rows = Rows::of(original.genuine());
    form::add(&original, &mut rows);
    algorithm::add(&original, &mut rows);
    key_id::add(&original, &token.issuer.odd_keys(), &mut rows);
    signature::add(&original, &mut rows);
    tampering::add(&original, &mut rows);
    header::add(&original, &token.issuer.status_list().1, &mut rows);
    json::add(&original, &mut rows);
    claims::add(&original, &mut rows);
    binding::add(&original, &mut rows);
    request::add(&original, &mut rows);
    rows.into_iter()
}
