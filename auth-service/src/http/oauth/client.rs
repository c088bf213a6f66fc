//! Client authentication at the OAuth endpoints (RFC 6749 section 2.3.1): `client_secret_basic` or `client_secret_post`.

use actix_web::HttpRequest;
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::Problem;

use crate::domain::authn::proven_client::ProvenClient;
use crate::domain::client_names::name_of;
use crate::domain::clients::Clients;
use crate::http::error::IntoProblem;
use crate::http::oauth::error::{CHALLENGE, OAuthError, refusal};
use crate::http::oauth::parameters::Parameters;

/// An id and a secret, as they were sent.
struct Credentials {
    id: String,
    secret: SecretString,
}

/// Returns the client that authenticates; `None` without credentials.
///
/// # Errors
/// `invalid_client` for wrong credentials, `invalid_request` for credentials in two places.
pub(in crate::http) async fn authenticate(
    clients: &Clients,
    authorization: &Authorization,
    parameters: &mut Parameters,
) -> Result<Option<ProvenClient>, OAuthError> {
    let posted = parameters.secret("client_secret");
    let id = parameters.text("client_id");
    let credentials = match (authorization.basic(), posted) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            let description = "A client proves itself in one way, not in two.";
            return Err(OAuthError::bad_request("invalid_request", description));
        }
        (Some(encoded), None) => {
            let credentials = parse_basic(encoded).ok_or_else(OAuthError::invalid_client)?;
            if id.is_some_and(|id| name_of(&id) != name_of(&credentials.id)) {
                return Err(OAuthError::bad_request("invalid_request", "client_id is another client's."));
            }
            credentials
        }
        (None, Some(secret)) => {
            let missing =
                || OAuthError::bad_request("invalid_request", "The parameter client_id is missing.");
            Credentials { id: id.ok_or_else(missing)?, secret }
        }
    };
    let known = clients.authenticate(&credentials.id, &credentials.secret).await;
    known.map_err(IntoProblem::into_problem)?.map(Some).ok_or_else(OAuthError::invalid_client)
}

/// Returns the client that authenticates, where authentication is required.
///
/// # Errors
/// As [`authenticate`], and `invalid_client` without credentials.
pub(in crate::http) async fn require(
    clients: &Clients,
    authorization: &Authorization,
    parameters: &mut Parameters,
) -> Result<ProvenClient, OAuthError> {
    authenticate(clients, authorization, parameters).await?.ok_or_else(OAuthError::invalid_client)
}

/// Returns the client that authenticates by `client_secret_basic`, for routes without parameters; `None` without credentials.
///
/// # Errors
/// `401` for wrong credentials: the same for an unknown client, a disabled one, and a wrong secret.
pub(in crate::http) async fn authenticate_basic(
    clients: &Clients,
    authorization: &Authorization,
) -> Result<Option<ProvenClient>, Problem> {
    let Some(encoded) = authorization.basic() else { return Ok(None) };
    let refused = || {
        let detail = "The client is not known here, or its secret is another one.";
        Problem::new(StatusCode::UNAUTHORIZED, "invalid_client", detail)
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE))
    };
    let credentials = parse_basic(encoded).ok_or_else(refused)?;
    let known = clients.authenticate(&credentials.id, &credentials.secret).await;
    known.map_err(IntoProblem::into_problem)?.map(Some).ok_or_else(refused)
}

/// The value of the `Authorization` header, if there is one.
pub(in crate::http) struct Authorization(Option<SecretString>);

impl Authorization {
    /// Returns the credentials after the scheme `Basic`. Other schemes are not client authentication: a browser may send its old
    /// access token along with a refresh.
    fn basic(&self) -> Option<&str> {
        let header = self.0.as_ref()?.expose_secret();
        let (scheme, encoded) = header.split_once(' ').unwrap_or((header, ""));
        scheme.eq_ignore_ascii_case("basic").then_some(encoded)
    }
}

impl actix_web::FromRequest for Authorization {
    type Error = actix_web::Error;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        let mut values = req.headers().get_all(AUTHORIZATION);
        let (first, second) = (values.next(), values.next());
        let text = first.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned().into());
        std::future::ready(if second.is_some() {
            // Clients authenticate at other endpoints too, which have problem documents.
            let detail = "There are two Authorization headers.";
            let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid_request", detail);
            Err(InternalError::from_response(detail, refusal(req.path(), problem)).into())
        } else {
            Ok(Self(text))
        })
    }
}

/// Parses credentials (RFC 7617) whose id and secret are encoded as in a form. Ids that are not encoded are accepted too: the
/// `client:` before a name then looks like a user name.
fn parse_basic(encoded: &str) -> Option<Credentials> {
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (mut id, mut secret) = decoded.split_once(':')?;
    if id == "client" {
        (id, secret) = secret.split_once(':')?;
    }
    Some(Credentials { id: form_decoded(id)?, secret: form_decoded(secret)?.into() })
}

fn form_decoded(text: &str) -> Option<String> {
    let [(_, value)]: [(String, String); 1] =
        serde_urlencoded::from_str::<Vec<(String, String)>>(&format!("value={text}"))
            .ok()?
            .try_into()
            .ok()?;
    Some(value)
}
