//! The foundation of both services: typed settings with clear errors, log lines with the id of the request, RFC 9457
//! problem documents, strict reading of JSON bodies, and an HTTP server with TLS whose bounds are all settings.
//!
//! Nothing here depends on tokens, users or tables. Code that only one service needs is in that service.

pub mod access;
mod activity;
pub mod body;
pub mod capacity;
mod causes;
mod connection;
pub mod cors;
pub mod envelope;
pub mod fields;
pub mod folder;
mod head;
pub mod healthcheck;
mod http_settings;
mod incoming;
mod listen;
mod listener;
pub mod logging;
pub mod paging;
mod peer;
mod peers;
pub mod private_file;
pub mod problem;
pub mod program;
mod protection;
pub mod readiness;
pub mod routes;
pub mod server;
pub mod settings;
pub mod storage;
pub mod tls;
mod unix_socket;
mod unread;

pub use body::BodyLimits;
pub use capacity::{Capacity, CapacityError, Descriptors};
pub use causes::causes;
pub use cors::Cors;
pub use envelope::REQUEST_ID;
pub use fields::{Fields, FromFields, Nullable, Strict};
pub use http_settings::HttpSettings;
pub use listen::Listen;
pub use logging::LogSettings;
pub use peer::Peer;
pub use problem::{FieldError, Problem};
pub use server::{App, Closing, Endpoint, Handle};
pub use storage::StorageSettings;
pub use tls::{Tls, TlsSettings};
pub use unix_socket::{Owner, SocketSettings};
