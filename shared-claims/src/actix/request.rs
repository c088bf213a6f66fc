//! `Head` for requests of actix-web.

use actix_web::{
    HttpRequest,
    http::{
        header::{AUTHORIZATION, COOKIE, HOST, HeaderName, HeaderValue, ORIGIN},
        uri::Authority,
    },
};

use crate::http::head::{Field, Head};

const X_CSRF_TOKEN: HeaderName = HeaderName::from_static(Field::CsrfToken.name());

impl Head for HttpRequest {
    fn method(&self) -> &str {
        self.method().as_str()
    }

    fn query(&self) -> Option<&str> {
        self.uri().query()
    }

    fn authority(&self) -> Option<&str> {
        self.uri().authority().map(Authority::as_str)
    }

    fn values(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        let name = match field {
            Field::Authorization => AUTHORIZATION,
            Field::Cookie => COOKIE,
            Field::Host => HOST,
            Field::Origin => ORIGIN,
            Field::CsrfToken => X_CSRF_TOKEN,
        };
        self.headers().get_all(name).map(HeaderValue::as_bytes)
    }
}
