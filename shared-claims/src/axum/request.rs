//! `Head` for requests of axum and of other tower services.

use ::axum::http::{
    HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE, HOST, ORIGIN},
    request::Parts,
    uri::Authority,
};

use crate::http::head::{Field, Head};

const X_CSRF_TOKEN: HeaderName = HeaderName::from_static(Field::CsrfToken.name());

impl Head for Parts {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    fn authority(&self) -> Option<&str> {
        self.uri.authority().map(Authority::as_str)
    }

    fn values(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        let name = match field {
            Field::Authorization => AUTHORIZATION,
            Field::Cookie => COOKIE,
            Field::Host => HOST,
            Field::Origin => ORIGIN,
            Field::CsrfToken => X_CSRF_TOKEN,
        };
        self.headers.get_all(name).into_iter().map(HeaderValue::as_bytes)
    }
}
