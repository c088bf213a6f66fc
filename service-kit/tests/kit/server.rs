//! A server with short time-outs, on a free port.

use std::time::Duration;

use actix_web::ResponseError as _;
use actix_web::web::ServiceConfig;
use service_kit::{App, Capacity, Descriptors, Endpoint, HttpSettings, SocketSettings};

pub fn bounds() -> HttpSettings {
    let (millis, second) = (Duration::from_millis, Duration::from_secs(1));
    HttpSettings {
        workers: 1,
        max_connections: 1000,
        max_connections_per_address: 1000,
        max_body_bytes: 1024,
        body_timeout: millis(400),
        head_timeout: second,
        keep_alive: second,
        write_timeout: millis(400),
        close_timeout: second,
        shutdown_timeout: second,
        max_target_bytes: 8192,
        max_header_bytes: 16384,
        max_headers: 64,
        allow_plain_text: false,
        trusted_proxies: Vec::new(),
    }
}

pub fn listen(http: &HttpSettings, routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> App {
    let endpoint = Endpoint {
        name: "test",
        address: std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into(),
        socket: SocketSettings::default(),
        http,
        capacity: Capacity::claim(http, Descriptors { reserve: 0, per_connection: 1 }).unwrap(),
        tls: None,
        hsts: None,
        refusal: |_, problem| problem.error_response(),
    };
    App::listen(endpoint, routes).unwrap()
}
