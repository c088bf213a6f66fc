//! `POST /admin/users/import`: accounts of another system with their password hashes, as JSON lines.

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use service_kit::body::{BodyLimits, read_body, require_media_type};
use service_kit::{FieldError, Problem};
use shared_claims::Verifier;

use crate::domain::accounts::import::formats::format::{self, Format};
use crate::domain::accounts::import::size_warning;
use crate::domain::accounts::import::{BATCH, Import, Outcome, Read, Rehearsal, Report};
use crate::domain::accounts::use_cases::Accounts;
use crate::domain::policy::Policy;
use crate::domain::tokens::access_token::Tokens;
use crate::domain::tokens::admission::Admission;
use crate::domain::tokens::size::TokenTooLarge;
use crate::http::error::{IntoProblem, field_error, not_admitted};
use crate::http::request::caller::Administrator;

/// The size limits of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImportLimits {
    pub(crate) max_body_bytes: usize,
    pub(crate) max_lines: usize,
}

/// `?dry_run=true`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ImportQuery {
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Answer {
    dry_run: bool,
    created: u64,
    present: u64,
    refused: u64,
    kinds: std::collections::BTreeMap<&'static str, u64>,
    items: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    line: u64,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// Why logins of the account are refused, although it was created.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<FieldError>,
}

impl Item {
    fn new(line: u64, outcome: Outcome, warning: Option<TokenTooLarge>) -> Self {
        let (outcome, errors, warning) = match outcome {
            Outcome::Created(_) => ("created", Vec::new(), warning),
            Outcome::Present(_) => ("present", Vec::new(), None),
            Outcome::Refused(mistakes) => ("refused", mistakes.into_iter().map(field_error).collect(), None),
        };
        let warnings = warning.into_iter().flat_map(|too_large| too_large.into_problem().errors).collect();
        Self { line, outcome, errors, warnings }
    }
}

#[expect(clippy::too_many_arguments, reason = "a handler names each collaborator that it uses")]
pub(in crate::http) async fn import(
    Administrator(caller): Administrator,
    accounts: Data<Accounts>,
    admission: Data<Admission>,
    tokens: Data<Tokens>,
    policy: Data<Policy>,
    verifier: Data<Verifier>,
    limits: Data<ImportLimits>,
    req: HttpRequest,
    query: Result<Query<ImportQuery>, actix_web::Error>,
    payload: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let Query(ImportQuery { dry_run }) =
        query.map_err(|_| Problem::malformed_query("The query takes dry_run, true or false."))?;
    require_media_type(&req, "application/x-ndjson")?;
    let bounds = BodyLimits { max_bytes: limits.max_body_bytes, ..BodyLimits::of(&req) };
    let body = read_body(&req, &mut payload.into_inner(), bounds).await?;
    let (mut places, mut lines) = (Vec::new(), Vec::new());
    let read = format::read(Format::Lines, &mut &body[..], &mut |line, account| {
        places.push(line);
        lines.push(account);
        lines.len() <= limits.max_lines
    });
    if read.is_err() {
        let detail = format!("A request takes {} lines.", limits.max_lines);
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_lines", detail).into());
    }
    if requires_recent_login(&lines) {
        let recent = admission.demand_recent_login(&caller).await;
        recent.map_err(|error| not_admitted(&verifier, &policy, error))?;
    }
    let (mut report, mut items) = (Report::default(), Vec::with_capacity(places.len()));
    let mut rehearsal = dry_run.then(Rehearsal::default);
    let mut places = places.into_iter();
    let mut lines = lines.into_iter().peekable();
    while lines.peek().is_some() {
        let batch: Vec<Read> = lines.by_ref().take(BATCH).collect();
        let warnings: Vec<_> = batch.iter().map(|account| size_warning(&tokens, account)).collect();
        let outcomes = accounts.import(batch, rehearsal.as_mut()).await.map_err(IntoProblem::into_problem)?;
        for ((outcome, warning), line) in outcomes.into_iter().zip(warnings).zip(places.by_ref()) {
            report.count(&outcome);
            items.push(Item::new(line, outcome, warning));
        }
    }
    log::info!("imported {} accounts by request, dry run: {dry_run}", report.created);
    let Report { created, present, refused, kinds, .. } = report;
    let answer = Answer { dry_run, created, present, refused, kinds, items };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(answer))
}

/// Whether any account has a role or a verified address. Another account may lose that address, and tokens call it verified. A dry
/// run requires a recent login too, so that it answers as the import would.
fn requires_recent_login(accounts: &[Read]) -> bool {
    let verified = |account: &Import| account.email_verified && account.email.is_some();
    accounts.iter().flatten().any(|account| !account.roles.is_empty() || verified(account))
}
