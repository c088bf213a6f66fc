//! What both services do the same way, because the contract asks the same of both: typed settings with clear errors,
//! log lines that carry the request's id, RFC 9457 problem documents, JSON bodies that are read strictly, and a server
//! with TLS whose bounds are all settings.
//!
//! Nothing here knows a token, a user or a table. What only one service needs lives in that service.

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
pub use fields::{Fields, FromFields, Strict};
pub use http_settings::HttpSettings;
pub use listen::Listen;
pub use logging::LogSettings;
pub use peer::Peer;
pub use problem::{FieldError, Problem};
pub use server::{App, Closing, Endpoint, Handle};
pub use storage::StorageSettings;
pub use tls::{Tls, TlsSettings};
pub use unix_socket::{Owner, SocketSettings};
